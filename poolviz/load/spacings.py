"""How the requests of an open load follow one another: the gaps between their arrivals.

To add a spacing, write one subclass of `Spacing` here and name it in `SPACINGS`. Its name becomes
a choice of the setting `spacing`, and its parameters become settings, in the window, on the
command line, and in scenarios and their schema. Test its gaps in `tests/load/test_spacings.py`.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from array import array
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import ClassVar

from poolviz.language import tr
from poolviz.load.distributions import read_column
from poolviz.model.errors import InputError
from poolviz.model.parameters import (
    Choice,
    File,
    Number,
    Parameter,
    Switch,
    Value,
    parse_seconds,
)


class Spacing(ABC):
    """An endless or finite stream of gaps, measured in units of its own.

    `rate_key` is the setting that says how many units pass in a second. A change of it speeds the
    stream up or slows it down; a change of one of the other `parameters` begins another stream.
    `help` says how requests arrive, as part of a sentence after its `name`.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    rate_key: ClassVar[str] = "rate"
    parameters: ClassVar[tuple[Parameter, ...]] = ()

    @abstractmethod
    def __init__(self, settings: Mapping[str, Value], rng: random.Random) -> None: ...

    @abstractmethod
    def gap(self) -> float:
        """Return the units until the next arrival; infinity after the last one."""


class Poisson(Spacing):
    """Independent requests of many callers. A unit is the mean gap."""

    name = "poisson"
    help = "at random, as the requests of many independent callers do"

    def __init__(self, settings: Mapping[str, Value], rng: random.Random) -> None:  # noqa: ARG002
        self._random = rng.random

    def gap(self) -> float:
        """Return an exponentially distributed gap with a mean of 1."""
        return -math.log(1.0 - self._random())


class ConstantSpacing(Spacing):
    """Requests at regular intervals. A unit is the interval."""

    name = "constant"
    help = "evenly, as the requests of a timer do"

    def __init__(self, settings: Mapping[str, Value], rng: random.Random) -> None:
        pass

    def gap(self) -> float:
        """Return 1."""
        return 1.0


class Replay(Spacing):
    """Requests as they were recorded. A unit is a second of the recording."""

    name = "replay"
    help = "as recorded in replay_file"
    rate_key = "replay_speed"
    parameters = (
        File(
            key="replay_file",
            default="",
            only_when=("spacing", ("replay",)),
            help="A file of arrival times, one per line: seconds, or dates with a time of day. In "
            "a CSV file, the first column. The earliest request arrives at once.",
        ),
        Number(
            key="replay_speed",
            default=1.0,
            maximum=1000,
            slider=(0.1, 100),
            log_slider=True,
            unit="×",
            only_when=("spacing", ("replay",)),
            help="How many times faster than recorded the requests arrive.",
        ),
        Switch(
            key="replay_repeats",
            default=False,
            only_when=("spacing", ("replay",)),
            help="Whether the recording begins again after its end.",
        ),
    )

    def __init__(self, settings: Mapping[str, Value], rng: random.Random) -> None:  # noqa: ARG002
        file = str(settings["replay_file"])
        if not file:
            raise InputError(
                tr("replay_file is empty: spacing is replay, so name a file of arrival times.")
            )
        self._gaps = _recorded_gaps(file)
        self._pause = sum(self._gaps) / max(len(self._gaps) - 1, 1) or 1.0
        self._repeats = settings["replay_repeats"] is True
        self._next = 0

    def gap(self) -> float:
        """Return the next recorded gap; before the recording begins again, one of mean length."""
        if self._next == len(self._gaps):
            if not self._repeats:
                return math.inf
            self._next = 1
            return self._pause
        gap = self._gaps[self._next]
        self._next += 1
        return gap


SPACINGS: tuple[type[Spacing], ...] = (Poisson, ConstantSpacing, Replay)
_BY_NAME = {spacing.name: spacing for spacing in SPACINGS}


def spacing_class(settings: Mapping[str, Value]) -> type[Spacing]:
    """Return the class of the spacing that `settings` choose."""
    return _BY_NAME[str(settings["spacing"])]


def same_stream(one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    """Return whether both settings mean the same stream of gaps, at whatever rate."""
    spacing = spacing_class(one)
    own = (parameter.key for parameter in spacing.parameters if parameter.key != spacing.rate_key)
    return all(one[key] == other[key] for key in ("spacing", *own))


def arrival_parameters() -> tuple[Parameter, ...]:
    """Return the settings that say when operations begin, and those of every spacing."""
    described = "; ".join(f"{spacing.name}: {spacing.help}" for spacing in SPACINGS)
    rated = tuple(spacing.name for spacing in SPACINGS if spacing.rate_key == "rate")
    return (
        Choice(
            key="arrivals",
            default="closed",
            choices=("closed", "open"),
            help="What makes a client begin an operation. closed: its last one has ended, and "
            "think_time has passed. open: a request has arrived, which the first free client "
            "serves; its wait counts from the moment the request was due.",
        ),
        Number(
            key="rate",
            default=100.0,
            maximum=10_000,
            slider=(0, 1000),
            log_slider=True,
            unit="/s",
            only_when=("spacing", rated),
            help="How many requests arrive per second, on average. Only with arrivals = open.",
        ),
        Choice(
            key="spacing",
            default=Poisson.name,
            choices=tuple(_BY_NAME),
            only_when=("arrivals", ("open",)),
            help=f"How the requests follow one another. {described}.",
        ),
        *(parameter for spacing in SPACINGS for parameter in spacing.parameters),
    )


def _recorded_gaps(file: str) -> array[float]:
    """Return the seconds between the arrivals in `file`, in order of time; the first one is 0."""
    times = sorted(
        read_column(file, _moment, tr("a time in seconds, or a date with a time of day"))
    )
    return array("d", [0.0, *(later - earlier for earlier, later in pairwise(times))])


def _moment(text: str) -> float:
    """Return seconds since some fixed moment. A date without a time zone is taken as UTC."""
    try:
        seconds = parse_seconds(text)
    except ValueError:
        moment = datetime.fromisoformat(text.removesuffix(" UTC").removesuffix(" GMT"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(seconds):
        raise ValueError
    return seconds
