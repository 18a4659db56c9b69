"""Parameters whose values are numbers: counts, and measures with a unit of their own."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from poolviz.language import in_users_notation, tr, tr_noop
from poolviz.model.parameters.base import INTEGER_LIMIT, Parameter, Translated, Value

_FINE = 1000  # positions of a slider whose values aren't counted one by one
_SPAN = 1e4  # of a logarithmic slider that begins at zero: its end by its least value
_NONE = ("never", "no limit")  # special values that are None in many libraries


class Numeric(Parameter, frozen=True, kw_only=True):
    """A parameter whose values are numbers, with bounds and a slider.

    `minimum` and `maximum` bound what is allowed; `slider` is the span that the window's slider
    offers, which may be narrower. `special` names values with a meaning of their own (-1: "no
    limit"), which are allowed outside the bounds. `at_least` is the key of a parameter whose value
    this one's may not fall below.
    """

    noun: ClassVar[str]  # "a whole number": in sentences about what is allowed

    minimum: float = 0
    maximum: float = math.inf
    slider: tuple[float, float] = (0, 100)
    log_slider: bool = False
    special: Mapping[float, str] = {}
    at_least: str | None = None

    def parse(self, text: str) -> int | float:
        """Return the number that `text` means on a command line. Raises ParameterError.

        The name of a special value, such as `no limit`, means that value, and `none` that which
        switches something off.
        """
        named = self._named(text)
        if named is not None:
            return self._converted(named)
        try:
            number = self._read(text)
        except ValueError:
            raise self._refusal(text) from None
        return self.check(number)

    def parse_typed(self, typed: str, shown: str) -> int | float:  # noqa: ARG002 - for times
        """Return the value typed into a box that showed `shown`. Raises ParameterError."""
        return self.parse(typed.strip())

    def check(self, value: object) -> int | float:
        """Return `value` as a number within the bounds, or a special one, which may be given by
        its name. Raises ParameterError."""
        if isinstance(value, str) and (named := self._named(value)) is not None:
            return self._converted(named)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            inside = self.minimum <= value <= self.maximum and abs(value) < INTEGER_LIMIT
            if (inside or value in self.special) and self._is_fit(value):
                return self._converted(value)
        raise self._refusal(value)

    def show(self, value: Value) -> str:
        """Return `value` with its unit, or its special meaning: `20 ms`, `no limit`."""
        number = float(value) if isinstance(value, str) else value
        return self.special[number] if number in self.special else self._show_number(number)

    def shown(self, value: Value) -> str:
        """Return `value` as `show` does, in the user's words and notation."""
        text = self.show(value)
        return tr(text) if text in self.special.values() else in_users_notation(text)

    def allowed(self, translated: Translated = str) -> str:
        """Return the bounds and the special values: "a time, 0 s or more, or -1 (never)"."""
        notation = str if translated is str else in_users_notation
        low = notation(self._show_bound(self.minimum))
        noun = translated(self._noun())
        if math.isinf(self.maximum):
            said = translated(tr_noop("{noun}, {low} or more")).format(noun=noun, low=low)
        else:
            between = translated(tr_noop("{noun}, from {low} to {high}"))
            high = notation(self._show_bound(self.maximum))
            said = between.format(noun=noun, low=low, high=high)
        or_else = translated(tr_noop("{allowed}, or {value} ({name})"))
        for value, name in self.special.items():
            said = or_else.format(allowed=said, value=notation(f"{value}"), name=translated(name))
        return said

    def _noun(self) -> str:
        return self.noun

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value."""
        return self.minimum, self.maximum

    @property
    def slider_positions(self) -> int:
        """The number of steps that the slider has from one end to the other."""
        return _FINE

    @property
    def slider_least(self) -> float:
        """The least value above zero on a logarithmic slider that begins at zero."""
        return self.slider[1] / _SPAN

    def rounded(self, value: float) -> float:
        """Return the round value next to `value`, on which a slider stops: two digits."""
        return float(f"{value:.2g}")

    def stepped(self, value: float, steps: int) -> float:
        """Return the value `steps` round values on from `value`, or back if `steps` is negative.

        Going down from the minimum reaches special values below it ("no limit"), and back.
        """
        below = sorted(special for special in self.special if special < self.minimum)
        for _ in range(abs(steps)):
            if steps > 0:
                value = self.minimum if value in below else self._above(value)
            elif value <= self.minimum:
                return below[-1] if below else self.minimum
            else:
                value = max(self._below(value), self.minimum)
        return min(value, self.maximum)

    def _named(self, text: str) -> float | None:
        """Return the special value that `text` names; None if it names none."""
        word = text.strip().casefold()
        for value, name in self.special.items():
            if word == name.casefold() or (word == "none" and name in _NONE):
                return value
        return None

    @abstractmethod
    def _read(self, text: str) -> float:
        """Return the number that `text` means. Raises ValueError."""

    @abstractmethod
    def _converted(self, value: float) -> int | float:
        """Return a number that was checked in this parameter's own type."""

    def _is_fit(self, value: float) -> bool:  # noqa: ARG002 - for counts
        """Return whether a number within the bounds is of the right sort."""
        return True

    @abstractmethod
    def _show_number(self, value: float) -> str:
        """Return a number that has no special meaning as it is shown to people."""

    def _show_bound(self, value: float) -> str:
        """Return one of the bounds as it is shown to people."""
        return self._show_number(value)

    @abstractmethod
    def _above(self, value: float) -> float:
        """Return the next round value above `value`."""

    @abstractmethod
    def _below(self, value: float) -> float:
        """Return the next round value below `value`, which is above the minimum."""

    def _type_schema(self) -> dict[str, Any]:
        numbers = self._number_schema()
        if not self.special:
            return numbers
        special: list[dict[str, Any]] = [
            {"const": value, "description": name} for value, name in self.special.items()
        ]
        return {"anyOf": [numbers, *special, {"enum": list(self.special.values())}]}

    @abstractmethod
    def _number_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values within the bounds."""


class Count(Numeric, frozen=True, kw_only=True):
    """A whole number of things."""

    kind = "count"
    noun = tr_noop("a whole number")

    default: int

    def check(self, value: object) -> int:
        """Return `value` as a whole number. Raises ParameterError."""
        return int(super().check(value))

    @property
    def slider_positions(self) -> int:
        """One for each value, unless the slider is logarithmic."""
        low, high = self.slider
        return _FINE if self.log_slider else round(high - low)

    @property
    def slider_least(self) -> float:
        """1."""
        return 1.0

    def rounded(self, value: float) -> float:
        """Return the nearest whole number."""
        return round(value)

    def _read(self, text: str) -> int:
        return int(text)

    def _is_fit(self, value: float) -> bool:
        return float(value).is_integer()

    def _converted(self, value: float) -> int:
        return int(value)

    def _show_number(self, value: float) -> str:
        return str(int(value))

    def _above(self, value: float) -> float:
        return value + 1

    def _below(self, value: float) -> float:
        return value - 1

    def _number_schema(self) -> dict[str, Any]:
        return {"type": "integer"} | bounds_schema(self.minimum, self.maximum)


class Measure(Numeric, frozen=True, kw_only=True):
    """A number that isn't counted: a time, a rate, a factor. Steps are about a tenth of it."""

    first: ClassVar[float]  # where a step up from zero leads
    least: ClassVar[float]  # a step down to less than this leads to the minimum

    default: float

    def _converted(self, value: float) -> float:
        return float(value)

    def _above(self, value: float) -> float:
        return next_round(value, 1) if value > 0 else value + self.first

    def _below(self, value: float) -> float:
        below = next_round(value, -1) if value > 0 else value
        return below if below >= self.least else self.minimum


class Number(Measure, frozen=True, kw_only=True):
    """A number with a fraction. `unit` is written after it: "/s", "×"."""

    kind = "number"
    noun = tr_noop("a number")
    first, least = 0.1, 0.01

    unit: str = ""

    def parse_typed(self, typed: str, shown: str) -> float:
        """Return the value typed into a box: a comma is a point, and the unit may be left out."""
        typed = typed.strip().replace(",", ".")
        return super().parse_typed(typed.removesuffix(self.unit), shown)

    def _read(self, text: str) -> float:
        return float(text)

    def _show_number(self, value: float) -> str:
        return f"{value:.6g}{self.unit}"

    def _show_bound(self, value: float) -> str:
        return f"{value:g}"

    def _number_schema(self) -> dict[str, Any]:
        return {"type": "number"} | bounds_schema(self.minimum, self.maximum)


def bounds_schema(minimum: float, maximum: float) -> dict[str, float]:
    """Return the bounds of a number as JSON Schema has them; an infinite maximum is left out."""
    bounds = {"minimum": minimum} | ({} if math.isinf(maximum) else {"maximum": maximum})
    return {
        key: int(bound) if float(bound).is_integer() else bound for key, bound in bounds.items()
    }


def next_round(value: float, direction: int) -> float:
    """Return the next value above (1) or below (-1) a positive one with two significant digits.

    The second digit moves by 1 below 2 and by 5 from there on: 1.9, 2, 2.5, …, 9.5, 10, 11. A
    value between two of them goes to its neighbour: 8.3 to 8.5, not to 8.8.
    """
    power = math.floor(math.log10(value) + 1e-9)
    unit = 10.0**power
    lead = value / unit
    if direction < 0 and lead <= 1 + 1e-9:
        unit, lead = unit / 10, 10
    stride = unit / 10 if lead < 2 or (direction < 0 and lead <= 2 + 1e-9) else unit / 2
    index = value / stride
    target = math.floor(index + 1e-6) + 1 if direction > 0 else math.ceil(index - 1e-6) - 1
    return round(target * stride, 9)
