"""How the load changes over time: a factor on the number of clients, or on the rate of arrivals."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from poolviz.model.parameters import Choice, Count, Number, Parameter, Seconds, Value

_LARGEST = 20.0  # times the base value that a shape may reach


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
    """A kind of change over time. Never altered once made; 1 is the base value."""

    name: ClassVar[str]
    help: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    changes: ClassVar[bool] = True  # the factor isn't the same all the time

    @abstractmethod
    def __init__(self, settings: Mapping[str, Value]) -> None: ...

    @abstractmethod
    def factor(self, t: float) -> float:
        """The factor `t` seconds (0 or more) after the shape was put in force."""

    @property
    @abstractmethod
    def highest(self) -> float:
        """The largest factor there will ever be."""


class Constant(Shape):
    """The base value, all the time."""

    name = "constant"
    help = "always the base value"
    changes = False

    def __init__(self, settings: Mapping[str, Value]) -> None:
        pass

    def factor(self, t: float) -> float:  # noqa: ARG002
        """1."""
        return 1.0

    @property
    def highest(self) -> float:
        """1."""
        return 1.0


class Ramp(Shape):
    """In a straight line from a share of the base value, or a multiple of it, to the base value."""

    name = "ramp"
    help = "evenly from ramp_from to the base value within ramp_time, and no further"
    parameters = (
        _factor("ramp", "ramp_from", 0.0, "Where the ramp begins, as a multiple of the base."),
        _seconds("ramp", "ramp_time", 30.0, "How long the ramp takes to reach the base value."),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        self._from, self._time = float(settings["ramp_from"]), float(settings["ramp_time"])

    def factor(self, t: float) -> float:
        """Where the ramp is."""
        if t >= self._time:
            return 1.0
        return self._from + (1.0 - self._from) * t / self._time

    @property
    def highest(self) -> float:
        """The higher one of the ramp's two ends."""
        return max(self._from, 1.0)


class Steps(Shape):
    """Up to the base value in equal steps."""

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
            help="How many steps there are up to the base value; the first one isn't zero.",
        ),
        _seconds("steps", "step_time", 10.0, "How long each step lasts.", 0.1),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        self._count, self._time = int(settings["step_count"]), float(settings["step_time"])

    def factor(self, t: float) -> float:
        """The height of the step that is stood on."""
        return min(1 + math.floor(t / self._time), self._count) / self._count

    @property
    def highest(self) -> float:
        """The last step."""
        return 1.0


class Sine(Shape):
    """Up and down around the base value, without an end."""

    name = "sine"
    help = "up and down around the base value by sine_depth, once each sine_period"
    parameters = (
        _seconds("sine", "sine_period", 30.0, "How long one wave takes.", 0.1),
        _factor(
            "sine",
            "sine_depth",
            0.5,
            "How far the wave goes up and down, as a share of the base value.",
            1.0,
        ),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        self._depth = float(settings["sine_depth"])
        self._speed = 2.0 * math.pi / float(settings["sine_period"])

    def factor(self, t: float) -> float:
        """Where the wave is; it begins at the base value, upwards."""
        return 1.0 + self._depth * math.sin(self._speed * t)

    @property
    def highest(self) -> float:
        """The crest."""
        return 1.0 + self._depth


class Spike(Shape):
    """Once, for a while, another value."""

    name = "spike"
    help = "once, at spike_at and for spike_time, spike_factor times the base value"
    parameters = (
        _seconds("spike", "spike_at", 10.0, "When the spike comes, from the shape's beginning."),
        _seconds("spike", "spike_time", 5.0, "How long the spike lasts."),
        _factor("spike", "spike_factor", 5.0, "The spike's height, as a multiple of the base."),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        self._from = float(settings["spike_at"])
        self._until = self._from + float(settings["spike_time"])
        self._factor = float(settings["spike_factor"])

    def factor(self, t: float) -> float:
        """The spike's factor while it lasts, else 1."""
        return self._factor if self._from <= t < self._until else 1.0

    @property
    def highest(self) -> float:
        """The spike, unless it is a hollow."""
        return max(self._factor, 1.0)


class Bursts(Shape):
    """Again and again, for a while, another value."""

    name = "bursts"
    help = "each burst_every, for burst_time, burst_factor times the base value"
    parameters = (
        _seconds(
            "bursts",
            "burst_every",
            10.0,
            "The time from one burst's beginning to the next one's; the first comes after it.",
            0.1,
        ),
        _seconds("bursts", "burst_time", 1.0, "How long each burst lasts."),
        _factor("bursts", "burst_factor", 5.0, "A burst's height, as a multiple of the base."),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        self._every, self._time = float(settings["burst_every"]), float(settings["burst_time"])
        self._factor = float(settings["burst_factor"])

    def factor(self, t: float) -> float:
        """The bursts' factor while one lasts, else 1."""
        return self._factor if t >= self._every and t % self._every < self._time else 1.0

    @property
    def highest(self) -> float:
        """The bursts, unless they are hollows."""
        return max(self._factor, 1.0)


SHAPES: tuple[type[Shape], ...] = (Constant, Ramp, Steps, Sine, Spike, Bursts)
_BY_NAME = {kind.name: kind for kind in SHAPES}


def shape_parameters() -> tuple[Parameter, ...]:
    """Which shape the load has over time, and what each shape asks for."""
    kinds = "; ".join(f"{kind.name}: {kind.help}" for kind in SHAPES)
    choice = Choice(
        key="shape",
        default=Constant.name,
        choices=tuple(_BY_NAME),
        help="How the load changes over time: the number of clients or, where requests arrive "
        f"by themselves, their rate. {kinds}.",
    )
    return (choice, *(parameter for kind in SHAPES for parameter in kind.parameters))


def shape_of(settings: Mapping[str, Value]) -> Shape:
    """The shape that `settings` ask for, beginning whenever its user says."""
    return _BY_NAME[str(settings["shape"])](settings)


def same_shape(one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    """Both mean the same shape, so that a change from one to the other doesn't begin it anew."""
    kind = _BY_NAME[str(one["shape"])]
    keys = ("shape", *(parameter.key for parameter in kind.parameters))
    return all(one[key] == other[key] for key in keys)
