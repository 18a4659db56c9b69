"""How the load varies over time: a factor on the number of clients, or on the rate of arrivals.

To add a shape, write one subclass of `Shape` here and name it in `SHAPES`. Its name becomes a
choice of the setting `shape`, and its parameters become settings, in the window, on the command
line, and in scenarios and their schema. `tests/load/test_shapes.py` checks the bounds of every
shape; add the factors of yours there.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from poolviz.model.parameters import Choice, Count, Number, Parameter, Seconds, Value

_LARGEST = 20.0  # the greatest factor that a setting takes


def _seconds(shape: str, key: str, default: float, help: str, minimum: float = 0.0) -> Parameter:
    return Seconds(
        key=key,
        default=default,
        minimum=minimum,
        maximum=86400,
        slider=(minimum, 120),
        log_slider=True,
        only_when=("shape", (shape,)),
        help=help,
    )


def _factor(
    shape: str, key: str, default: float, help: str, maximum: float = _LARGEST
) -> Parameter:
    return Number(
        key=key,
        default=default,
        maximum=maximum,
        slider=(0, maximum),
        unit="×",
        only_when=("shape", (shape,)),
        help=help,
    )


class Shape(ABC):
    """A factor that depends on the time. Immutable, so that threads share it.

    `help` says what the shape does, as part of a sentence after its `name`. `changes` is false if
    the factor is always 1.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    changes: ClassVar[bool] = True

    @abstractmethod
    def __init__(self, settings: Mapping[str, Value]) -> None: ...

    @abstractmethod
    def factor(self, t: float) -> float:
        """Return the factor `t` seconds (0 or more) after the shape began."""

    @property
    @abstractmethod
    def highest(self) -> float:
        """The greatest factor that the shape ever has."""


class ConstantShape(Shape):
    """The base value at all times."""

    name = "constant"
    help = "always the base value"
    changes = False

    def __init__(self, settings: Mapping[str, Value]) -> None:
        pass

    def factor(self, t: float) -> float:  # noqa: ARG002
        """Return 1."""
        return 1.0

    @property
    def highest(self) -> float:
        """1, as at all times."""
        return 1.0


class Ramp(Shape):
    """A straight line to the base value from a fraction or a multiple of it."""

    name = "ramp"
    help = "in a straight line from ramp_from to the base value within ramp_time, then constant"
    parameters = (
        _factor(
            "ramp", "ramp_from", 0.0, "Where the ramp begins, as a multiple of the base value."
        ),
        _seconds("ramp", "ramp_time", 30.0, "How long the ramp takes to reach the base value."),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        self._from, self._time = float(settings["ramp_from"]), float(settings["ramp_time"])

    def factor(self, t: float) -> float:
        """Return the value of the line, and 1 after its end."""
        if t >= self._time:
            return 1.0
        return self._from + (1.0 - self._from) * t / self._time

    @property
    def highest(self) -> float:
        """The higher end of the line."""
        return max(self._from, 1.0)


class Steps(Shape):
    """Equal steps up to the base value."""

    name = "steps"
    help = "up to the base value in step_count equal steps of step_time each"
    parameters = (
        Count(
            key="step_count",
            default=4,
            minimum=1,
            maximum=100,
            slider=(1, 20),
            only_when=("shape", ("steps",)),
            help="The number of steps up to the base value. The first one is above zero.",
        ),
        _seconds("steps", "step_time", 10.0, "How long each step lasts.", 0.1),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        self._count, self._time = int(settings["step_count"]), float(settings["step_time"])

    def factor(self, t: float) -> float:
        """Return the height of the step at that time."""
        return min(1 + math.floor(t / self._time), self._count) / self._count

    @property
    def highest(self) -> float:
        """The height of the last step: 1."""
        return 1.0


class Sine(Shape):
    """A sine wave around the base value, without end."""

    name = "sine"
    help = "a sine wave around the base value, sine_depth up and down in each sine_period"
    parameters = (
        _seconds("sine", "sine_period", 30.0, "How long one period of the wave lasts.", 0.1),
        _factor(
            "sine",
            "sine_depth",
            0.5,
            "The amplitude of the wave, as a fraction of the base value.",
            1.0,
        ),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        self._depth = float(settings["sine_depth"])
        self._speed = 2.0 * math.pi / float(settings["sine_period"])

    def factor(self, t: float) -> float:
        """Return the value of the wave, which begins at the base value and rises first."""
        return 1.0 + self._depth * math.sin(self._speed * t)

    @property
    def highest(self) -> float:
        """The crest of the wave."""
        return 1.0 + self._depth


class Spike(Shape):
    """Another value once, for some time."""

    name = "spike"
    help = "spike_factor times the base value once, at spike_at and for spike_time"
    parameters = (
        _seconds(
            "spike", "spike_at", 10.0, "When the spike begins, from the beginning of the shape."
        ),
        _seconds("spike", "spike_time", 5.0, "How long the spike lasts."),
        _factor(
            "spike",
            "spike_factor",
            5.0,
            "The height of the spike, as a multiple of the base value.",
        ),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        self._from = float(settings["spike_at"])
        self._until = self._from + float(settings["spike_time"])
        self._factor = float(settings["spike_factor"])

    def factor(self, t: float) -> float:
        """Return the spike's factor while it lasts, else 1."""
        return self._factor if self._from <= t < self._until else 1.0

    @property
    def highest(self) -> float:
        """The spike's factor, or 1 if that is lower."""
        return max(self._factor, 1.0)


class Bursts(Shape):
    """Another value at regular intervals, each time for some time."""

    name = "bursts"
    help = "burst_factor times the base value for burst_time, again after each burst_every"
    parameters = (
        _seconds(
            "bursts",
            "burst_every",
            10.0,
            "The time from the beginning of one burst to the next. The first comes after it.",
            0.1,
        ),
        _seconds("bursts", "burst_time", 1.0, "How long each burst lasts."),
        _factor(
            "bursts", "burst_factor", 5.0, "The height of a burst, as a multiple of the base value."
        ),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        self._every, self._time = float(settings["burst_every"]), float(settings["burst_time"])
        self._factor = float(settings["burst_factor"])

    def factor(self, t: float) -> float:
        """Return the bursts' factor while one lasts, else 1."""
        return self._factor if t >= self._every and t % self._every < self._time else 1.0

    @property
    def highest(self) -> float:
        """The bursts' factor, or 1 if that is lower."""
        return max(self._factor, 1.0)


SHAPES: tuple[type[Shape], ...] = (ConstantShape, Ramp, Steps, Sine, Spike, Bursts)
_BY_NAME = {kind.name: kind for kind in SHAPES}


def shape_parameters() -> tuple[Parameter, ...]:
    """Return the setting that chooses the shape, and the settings of every shape."""
    kinds = "; ".join(f"{kind.name}: {kind.help}" for kind in SHAPES)
    choice = Choice(
        key="shape",
        default=ConstantShape.name,
        choices=tuple(_BY_NAME),
        help="How the load varies over time: the number of clients or, with arrivals = open, the "
        f"rate. {kinds}.",
    )
    return (choice, *(parameter for kind in SHAPES for parameter in kind.parameters))


def shape_of(settings: Mapping[str, Value]) -> Shape:
    """Return the shape that `settings` choose. It begins at `t` = 0 of its caller's clock."""
    return _BY_NAME[str(settings["shape"])](settings)


def same_shape(one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    """Return whether both mean the same shape, so that a change between them goes on with it."""
    kind = _BY_NAME[str(one["shape"])]
    keys = ("shape", *(parameter.key for parameter in kind.parameters))
    return all(one[key] == other[key] for key in keys)
