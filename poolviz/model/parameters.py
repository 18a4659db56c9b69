"""Declared parameters: a limit of a pool or a setting of the load, said once.

The slider, the command line, the scenario's check and the documentation all read the same
declaration, so that a parameter's bounds, unit and help stand in one place.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import TypeAlias

import msgspec

from poolviz.model.errors import InputError

Value: TypeAlias = bool | int | float | str

_FEW = 12  # as many keys as a sentence may list
_UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_TIME = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-zµ]*)\s*", re.IGNORECASE)


def parse_seconds(text: str) -> float:
    """Seconds from `3`, `0.5`, `50ms`, `2min`; ValueError says what is allowed."""
    match = _TIME.fullmatch(text)
    unit = _UNITS.get(match[2].lower() or "s") if match else None
    if match is None or unit is None:
        raise ValueError("is not a time: give seconds, or a number with us, ms, s, min or h")
    return float(match[1]) * unit


def show_seconds(seconds: float) -> str:
    """A time as people write it: `250 µs`, `20 ms`, `1.5 s`, `1 h`."""
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


class Kind(StrEnum):
    """What a parameter's value is. Times are floats, in seconds, everywhere inside poolviz."""

    COUNT = "count"
    SECONDS = "seconds"
    NUMBER = "number"
    SWITCH = "switch"
    CHOICE = "choice"
    TEXT = "text"
    FILE = "file"


class Effect(StrEnum):
    """When a change of a parameter takes hold while the pool is in use."""

    NOW = "now"
    NEW_REQUESTS = "new requests"
    REBUILD = "by rebuilding"


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter: its name, its bounds, and what a change of it does.

    `minimum` and `maximum` are what is allowed; `slider` is the span a slider offers, which
    may be narrower. `special` names values with a meaning of their own (-1: "no limit"), which
    are allowed besides the bounds. `at_least` is the key of a parameter this one may not fall
    below. `only_when` is (key, values): without one of them elsewhere this one does nothing.
    `unit` is written after a NUMBER ("/s", "×"). `group` is a word under which rarer parameters
    stand together, out of the way; without one it is shown at once.
    """

    key: str
    kind: Kind
    default: Value
    help: str
    effect: Effect = Effect.NOW
    effect_help: str = ""
    minimum: float = 0
    maximum: float = math.inf
    slider: tuple[float, float] = (0, 100)
    log_slider: bool = False
    choices: tuple[str, ...] = ()
    special: dict[int | float, str] = {}
    at_least: str | None = None
    only_when: tuple[str, tuple[str, ...]] | None = None
    unit: str = ""
    group: str = ""

    def parse(self, text: str) -> Value:
        """The value that `text` means on a command line; InputError in one sentence."""
        try:
            if self.kind is Kind.COUNT:
                return self.check(int(text))
            if self.kind is Kind.SECONDS:
                return self.check(parse_seconds(text))
            if self.kind is Kind.NUMBER:
                return self.check(float(text))
        except ValueError:
            raise self._wrong(text) from None
        if self.kind is Kind.SWITCH:
            words = {"true": True, "on": True, "yes": True, "1": True}
            words |= {"false": False, "off": False, "no": False, "0": False}
            return self.check(words.get(text.lower(), text))
        return self.check(text)

    def check(self, value: object) -> Value:
        """`value` in this parameter's own type; InputError in one sentence where it isn't."""
        if self.kind is Kind.SWITCH:
            if isinstance(value, bool):
                return value
        elif self.kind is Kind.CHOICE:
            if isinstance(value, str) and value in self.choices:
                return value
        elif self.kind in (Kind.TEXT, Kind.FILE):
            if isinstance(value, str) and "\0" not in value:
                return value
        elif self.kind is Kind.SECONDS and isinstance(value, str):
            return self.parse(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            counted = self.kind is Kind.COUNT
            inside = self.minimum <= value <= self.maximum and abs(value) < 2**63
            if (inside or value in self.special) and (not counted or float(value).is_integer()):
                return int(value) if counted else float(value)
        raise self._wrong(value)

    def show(self, value: Value) -> str:
        """`value` as people read it: `5`, `20 ms`, `on`, `no limit`."""
        if self.kind is Kind.SWITCH:
            return "on" if value else "off"
        if not isinstance(value, str) and value in self.special:
            return self.special[value]
        if self.kind is Kind.SECONDS:
            return show_seconds(float(value))
        if self.kind is Kind.NUMBER:
            return f"{value:.6g}{self.unit}"
        return str(value)

    def allowed(self) -> str:
        """What this parameter takes, in words."""
        if self.kind is Kind.SWITCH:
            return "on or off"
        if self.kind is Kind.CHOICE:
            return " or ".join(self.choices)
        if self.kind is Kind.TEXT:
            return "a text"
        if self.kind is Kind.FILE:
            return "the path of a file"
        what, show = _NUMBERS[self.kind]
        if math.isinf(self.maximum):
            bounds = f"{show(self.minimum)} or more"
        else:
            bounds = f"from {show(self.minimum)} to {show(self.maximum)}"
        others = "".join(f", or {value} ({word})" for value, word in self.special.items())
        return f"{what}, {bounds}{others}"

    def _wrong(self, value: object) -> InputError:
        shown = f"'{value}'" if isinstance(value, str) else str(value)
        return InputError(f"{self.key} is {shown}: it takes {self.allowed()}.")


_NUMBERS: dict[Kind, tuple[str, Callable[[float], str]]] = {
    Kind.COUNT: ("a whole number", "{:.0f}".format),
    Kind.SECONDS: ("a time", show_seconds),
    Kind.NUMBER: ("a number", "{:g}".format),
}


class Parameters(Mapping[str, Parameter]):
    """Declarations that belong together: the limits of a pool, or the settings of the load."""

    def __init__(self, what: str, *declared: Parameter) -> None:
        self.what = what  # "limit of sqlalchemy.QueuePool": for the sentences
        self._declared = {parameter.key: parameter for parameter in declared}

    def __getitem__(self, key: str) -> Parameter:
        return self._declared[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._declared)

    def __len__(self) -> int:
        return len(self._declared)

    def defaults(self) -> dict[str, Value]:
        """Every parameter's default, in the order they were declared."""
        return {key: parameter.default for key, parameter in self.items()}

    def find(self, key: str) -> Parameter:
        """The parameter `key`; InputError names the ones there are."""
        if key in self._declared:
            return self._declared[key]
        raise InputError(f"{key} is no {self.what}: {suggest(key, self)}.")

    def complete(self, given: Mapping[str, object]) -> dict[str, Value]:
        """`given` checked, with defaults for the rest; InputError holds every mistake found.

        A default gives way to a neighbour that was given: `maxconn=1` alone lowers the
        default `minconn`, whereas a given `minconn` above it is a mistake.
        """
        mistakes, values = [], self.defaults()
        for key, value in given.items():
            try:
                values[key] = self.find(key).check(value)
            except InputError as error:
                mistakes.append(error)
        if not mistakes:
            self._let_defaults_give_way(given, values)
            try:
                self.check_together(values)
            except InputError as error:
                mistakes.append(error)
        if mistakes:
            raise InputError.merged(mistakes)
        return values

    def changed(
        self, values: Mapping[str, Value], changes: Mapping[str, object]
    ) -> dict[str, Value]:
        """`values` with some of them changed together; InputError if that isn't allowed."""
        new = {**values, **{key: self.find(key).check(value) for key, value in changes.items()}}
        self.check_together(new)
        return new

    def check_together(self, values: Mapping[str, Value]) -> None:
        """InputError where one value may not stand beside another."""
        for key, parameter in self.items():
            floor = parameter.at_least
            if floor is not None and float(values[key]) < float(values[floor]):
                raise InputError(
                    f"{floor} is {values[floor]} and {key} is {values[key]}: "
                    f"{floor} may be at most {key}."
                )

    def _let_defaults_give_way(self, given: Mapping[str, object], values: dict[str, Value]) -> None:
        for key, parameter in self.items():
            floor = parameter.at_least
            if floor is None or float(values[key]) >= float(values[floor]):
                continue
            if floor not in given:
                values[floor] = values[key]
            elif key not in given:
                values[key] = values[floor]


def suggest(word: str, known: Mapping[str, object] | list[str]) -> str:
    """Half a sentence for an unknown word: the nearest known ones, or all of them."""
    near = difflib.get_close_matches(word, list(known), n=3)
    if not near:
        return f"known are {', '.join(known)}"
    return f"perhaps {' or '.join(near)} is meant"


def unknown_key(key: str, *declared: Parameters) -> InputError:
    """The sentence for a key that is none of what is `declared`: limits, settings, faults."""
    what = " and no ".join(parameters.what for parameters in declared)
    return InputError(f"{key} is no {what}: {meant(key, *declared)}.")


def meant(key: str, *declared: Parameters) -> str:
    """Half a sentence for an unknown key: the nearest known ones, or where they are listed."""
    known = [known for parameters in declared for known in parameters]
    near = suggest(key, known)
    few = len(known) <= _FEW or not near.startswith("known")
    return near if few else "`poolviz schema --text` and `poolviz pools` list what there is"
