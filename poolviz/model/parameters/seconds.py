"""Times: how they are written, and parameters that hold one. In seconds everywhere in poolviz."""

from __future__ import annotations

import math
import re
from typing import Any

from poolviz.language import in_users_notation, tr, tr_noop
from poolviz.model.parameters.numbers import Measure, bounds_schema

_UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_TIME = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-zµ]*)\s*", re.IGNORECASE)
_LONGEST = 100  # characters of a time; a pattern's time grows with the square of their number
_BARE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
_PATTERN = rf"^\s*\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*({'|'.join(_UNITS)})?\s*$"


def parse_seconds(text: str) -> float:
    """Return seconds from `3`, `0.5`, `50ms`, `2min`. Raises ValueError, which says what is
    allowed and goes on after the text: "is not a time: …"."""
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)  # in a file of a million times, which would take long otherwise
    match = _TIME.fullmatch(text) if len(text) <= _LONGEST else None
    unit = _UNITS.get(match[2].lower() or "s") if match else None
    if match is None or unit is None:
        raise ValueError(tr("is not a time: give seconds, or a number with us, ms, s, min or h"))
    # 9ms is 0.009, and not the 0.009000000000000001 of a product of two rounded numbers.
    return float(f"{float(match[1]) * unit:.15g}")


def show_seconds(seconds: float) -> str:
    """Return a time as people write it: `250 µs`, `20 ms`, `1.5 s`, `1 h`."""
    if seconds == 0:
        return "0 s"
    size = abs(seconds)
    if size < 0.001:
        return f"{seconds * 1e6:.4g} µs"
    if size < 1:
        return f"{seconds * 1e3:.4g} ms"
    if size >= 3600 and size % 3600 == 0:
        return f"{seconds / 3600:.4g} h"
    return f"{seconds:.6g} s"


def shown_time(seconds: float) -> str:
    """Return a time as `show_seconds` does, with its number as the user's language writes it."""
    return in_users_notation(show_seconds(seconds))


def seconds_schema(
    minimum: float = 0, maximum: float = math.inf, *, exclusive: bool = False
) -> dict[str, Any]:
    """Return the JSON Schema of a time: a number of seconds within the bounds, or text with a unit.

    With `exclusive` the minimum itself isn't allowed.
    """
    bounds = {"exclusiveMinimum": minimum} if exclusive else bounds_schema(minimum, maximum)
    return {"anyOf": [{"type": "number"} | bounds, {"type": "string", "pattern": _PATTERN}]}


class Seconds(Measure, frozen=True, kw_only=True):
    """A time, in seconds. Taken as a number, or as text with a unit. A `whole` one has no fraction
    of a second."""

    kind = "seconds"
    noun = tr_noop("a time")
    first, least = 0.001, 1e-4

    whole: bool = False

    def parse_typed(self, typed: str, shown: str) -> float:
        """Return the time typed into a box that showed `shown`, whose unit a bare number takes."""
        typed = typed.strip().replace(",", ".")
        if _BARE.fullmatch(typed) and float(typed) not in self.special:
            unit = shown.rsplit(maxsplit=1)[-1] if shown[:1].isdigit() else "s"
            typed = f"{typed}{unit}"
        return super().parse_typed(typed, shown)

    def check(self, value: object) -> float:
        """Return `value`, a number or text with a unit, in seconds. Raises ParameterError."""
        return self.parse(value) if isinstance(value, str) else super().check(value)

    def _noun(self) -> str:
        return tr_noop("a time in whole seconds") if self.whole else self.noun

    def rounded(self, value: float) -> float:
        """Return the round value next to `value`: two digits, or a whole second."""
        return float(round(value)) if self.whole else super().rounded(value)

    def _is_fit(self, value: float) -> bool:
        return not self.whole or float(value).is_integer()

    def _above(self, value: float) -> float:
        above = super()._above(value)
        return max(float(round(above)), value + 1) if self.whole else above

    def _below(self, value: float) -> float:
        below = super()._below(value)
        return max(min(float(round(below)), value - 1), self.minimum) if self.whole else below

    def _read(self, text: str) -> float:
        return parse_seconds(text)

    def _show_number(self, value: float) -> str:
        return show_seconds(value)

    def _number_schema(self) -> dict[str, Any]:
        schema = seconds_schema(self.minimum, self.maximum)
        if self.whole:
            schema["anyOf"][0]["type"] = "integer"
        return schema

    def _unit_help(self) -> str:
        return tr_noop("In seconds, or text with a unit such as '50ms'.")
