"""The open load: requests arrive when they are due, whether or not a client is free to serve them.

Arrivals are a stream of gaps measured in units, and a clock that runs through the units at the
rate of the moment. So a change of the rate speeds the stream up or slows it down, and neither
loses a request nor begins the stream anew.
"""

from __future__ import annotations

import math
import random
import threading
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush
from time import perf_counter_ns
from typing import ClassVar, NamedTuple

import numpy as np

from poolviz.load.distributions import read_column
from poolviz.load.shapes import same_shape, shape_of
from poolviz.model.errors import InputError
from poolviz.model.parameters import Choice, File, Number, Parameter, Switch, Value, parse_seconds

_CELL = 0.005  # seconds that the clock runs at one speed
_CELL_NS = 5_000_000
_AHEAD = 1_000_000_000  # ns that a request may be claimed before it is due


class Spacing(ABC):
    """A kind of arrivals: the gaps between them, in units of its own.

    `pace` is the key of the parameter that says how many units pass in a second. What the other
    `parameters` say makes it another stream, which begins at its beginning.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    pace: ClassVar[str] = "rate"
    parameters: ClassVar[tuple[Parameter, ...]] = ()

    @abstractmethod
    def __init__(self, settings: Mapping[str, Value], rng: random.Random) -> None: ...

    @abstractmethod
    def gap(self) -> float:
        """Units until the next arrival; infinity after the last one."""


class Poisson(Spacing):
    """Independent requests of many callers: a unit is a mean gap."""

    name = "poisson"
    help = "by chance, as requests of many independent callers do"

    def __init__(self, settings: Mapping[str, Value], rng: random.Random) -> None:  # noqa: ARG002
        self._random = rng.random

    def gap(self) -> float:
        """An exponential gap of 1 on average."""
        return -math.log(1.0 - self._random())


class Constant(Spacing):
    """A metronome."""

    name = "constant"
    help = "evenly, as a timer's requests do"

    def __init__(self, settings: Mapping[str, Value], rng: random.Random) -> None:
        pass

    def gap(self) -> float:
        """1."""
        return 1.0


class Replay(Spacing):
    """What was recorded: a unit is a second of the recording."""

    name = "replay"
    help = "as recorded in replay_file"
    pace = "replay_speed"
    parameters = (
        File(
            key="replay_file",
            default="",
            only_when=("spacing", ("replay",)),
            help="A file of arrival times, one a line: seconds, or dates with a time of day. Of a "
            "CSV file the first column is read. The earliest arrives at once.",
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
            help="Whether the recording begins again when it is over.",
        ),
    )

    def __init__(self, settings: Mapping[str, Value], rng: random.Random) -> None:  # noqa: ARG002
        file = str(settings["replay_file"])
        if not file:
            raise InputError(
                "replay_file is empty: spacing is replay, so name a file of arrival times."
            )
        self._gaps = _recorded_gaps(file)
        self._pause = sum(self._gaps) / max(len(self._gaps) - 1, 1) or 1.0
        self._repeats = settings["replay_repeats"] is True
        self._next = 0

    def gap(self) -> float:
        """The next one recorded; before the recording begins again, one of its mean length."""
        if self._next == len(self._gaps):
            if not self._repeats:
                return math.inf
            self._next = 1
            return self._pause
        gap = self._gaps[self._next]
        self._next += 1
        return gap


SPACINGS: tuple[type[Spacing], ...] = (Poisson, Constant, Replay)
_BY_NAME = {kind.name: kind for kind in SPACINGS}


def _recorded_gaps(file: str) -> array[float]:
    """Seconds between the arrivals in `file`, in their order; the first of them is 0."""
    times = np.sort(read_column(file, _moment, "a time in seconds, or a date with a time of day"))
    return array("d", np.diff(times, prepend=times[0]).tobytes())


def _moment(text: str) -> float:
    """Seconds since any fixed moment; dates without a time zone are taken as UTC."""
    try:
        seconds = parse_seconds(text)
    except ValueError:
        moment = datetime.fromisoformat(text.removesuffix(" UTC").removesuffix(" GMT"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(seconds):
        raise ValueError
    return seconds


def arrival_parameters() -> tuple[Parameter, ...]:
    """When operations begin: after one another, or whenever requests arrive."""
    kinds = "; ".join(f"{kind.name}: {kind.help}" for kind in SPACINGS)
    paced = tuple(kind.name for kind in SPACINGS if kind.pace == "rate")
    return (
        Choice(
            key="arrivals",
            default="closed",
            choices=("closed", "open"),
            help="What makes a client begin an operation. closed: it has ended the one before, and "
            "paused for think_time. open: a request has arrived, which the first free client "
            "serves; its wait counts from the moment it was due.",
        ),
        Number(
            key="rate",
            default=100.0,
            maximum=10_000,
            slider=(0, 1000),
            log_slider=True,
            unit="/s",
            only_when=("spacing", paced),
            help="How many requests arrive in a second, on average.",
        ),
        Choice(
            key="spacing",
            default=Poisson.name,
            choices=tuple(_BY_NAME),
            only_when=("arrivals", ("open",)),
            help=f"How the requests follow one another. {kinds}.",
        ),
        *(parameter for kind in SPACINGS for parameter in kind.parameters),
    )


class _Remainder(NamedTuple):
    """What a closed schedule leaves to the one that follows it."""

    end: int
    waiting: list[int]
    dues: array[int]
    spacing: Spacing
    ahead: deque[float]
    shape_began: int


class ArrivalSchedule:
    """The requests that are due, and who may serve them. Any thread may call it.

    All moments are readings of perf_counter_ns. Whatever was claimed of a schedule is voided or
    given back at the same one, even if another has followed it. `before` is the schedule this one
    follows: it is closed at `began`, or now if that is later, so that what somebody has already
    been told is due stays due; its requests that nobody has claimed or asked for come over.
    Raises InputError, before anything is closed, where a recording can't be read.
    """

    def __init__(
        self,
        settings: Mapping[str, Value],
        seed: int,
        began: int,
        before: ArrivalSchedule | None = None,
        *,
        clock: Callable[[], int] = perf_counter_ns,
    ) -> None:
        kind = _BY_NAME[str(settings["spacing"])]
        self._settings = dict(settings)
        self._pace = float(settings[kind.pace])
        self._factor = shape_of(settings).factor
        self._clock = clock
        self._lock = threading.Lock()  # guards everything below
        self._waiting: list[int] = []  # a heap: nobody has claimed them
        self._dues = array("q")  # sorted: nobody has taken them
        self._gaps = array("d")  # the gap before each of these
        self._ahead: deque[float] = deque()  # gaps that come before the spacing's next one
        self._told = began  # the last moment up to which dues were taken
        self._end: int | None = None
        self._successor: ArrivalSchedule | None = None
        self._abandoned = False
        self._dropped = array("q")  # when requests that were due were given up
        carries_on = before is not None and _same_stream(before._settings, settings)
        if not carries_on:
            self._spacing = kind(settings, random.Random(f"{seed}/arrivals"))
        self._start = self._shape_began = began
        if before is not None:
            self._take_over(before._hand_over(began, self), carries_on, before._settings)
        self._edge = self._start  # the clock stands here
        self._gap = self._left = self._next_gap()

    def claim(self, now: int) -> int | None:
        """When the request is due that the caller is to serve, the earliest that nobody has.

        None where none is due within the next second. A due time to come is to be waited for, and
        once it has come, `void` asked whether the request still stands: the schedule may have been
        closed meanwhile, and its successor may have the request at another time.
        """
        horizon = now + _AHEAD
        with self._lock:
            waiting = self._waiting
            while not waiting and self._end is None and self._edge <= horizon:
                self._run_cell()
            return heappop(waiting) if waiting and waiting[0] <= horizon else None

    def give_back(self, due: int) -> None:
        """Let somebody else serve a claimed request."""
        schedule: ArrivalSchedule | None = self
        while schedule is not None:
            with schedule._lock:
                if schedule._end is not None and due > schedule._end:
                    return
                if schedule._abandoned:
                    schedule._dropped.append(schedule._clock())
                elif schedule._successor is None:
                    heappush(schedule._waiting, due)
                schedule = schedule._successor

    def void(self, due: int) -> bool:
        """A claimed request isn't to be served: the schedule was closed before it was due."""
        with self._lock:
            return self._end is not None and due > self._end

    def take_due(self, until: int) -> array[int]:
        """The due times up to `until`, sorted, that weren't taken before, claimed or not."""
        with self._lock:
            if self._end is None:
                self._run_to(until)
                self._told = max(self._told, until)
            count = bisect_right(self._dues, until)
            taken = self._dues[:count]
            del self._dues[:count], self._gaps[:count]
            return taken

    def abandon(self, at: int) -> None:
        """Close, and give up what is due and that nobody has claimed: no open load follows."""
        with self._lock:
            end = self._close(at)
            self._abandoned = True
            self._dropped.extend([end] * len(self._waiting))
            self._waiting = []

    def take_dropped(self, until: int) -> array[int]:
        """When requests were given up, each once: those up to `until`, not taken before."""
        with self._lock:
            count = bisect_right(self._dropped, until)
            taken = self._dropped[:count]
            del self._dropped[:count]
            return taken

    @property
    def followed(self) -> bool:
        """Another schedule has all that this one had."""
        return self._successor is not None

    def _run_to(self, until: int) -> None:
        while self._edge <= until:
            self._run_cell()

    def _run_cell(self) -> None:
        """Let the clock run through one cell, and write down what falls due in it."""
        units, passed = self._speed(self._edge) * _CELL, 0.0
        while units > 0 and self._left <= units - passed:
            passed += self._left
            due = self._edge + round(min(passed / units, 1.0) * _CELL_NS)
            self._dues.append(due)
            self._gaps.append(self._gap)
            heappush(self._waiting, due)
            self._gap = self._left = self._next_gap()
        self._left -= units - passed
        self._edge += _CELL_NS

    def _speed(self, cell: int) -> float:
        """Units a second throughout the cell that begins at that moment."""
        return self._pace * self._factor((cell - self._shape_began) * 1e-9 + _CELL / 2)

    def _next_gap(self) -> float:
        return self._ahead.popleft() if self._ahead else self._spacing.gap()

    def _units(self, since: int, until: int) -> float:
        """How many units the clock passes between two moments."""
        units = 0.0
        while since < until:
            cell = since - (since - self._start) % _CELL_NS
            stop = min(cell + _CELL_NS, until)
            units += self._speed(cell) * (stop - since) * 1e-9
            since = stop
        return units

    def _close(self, at: int) -> int:
        if self._end is None:
            # A client that has seen a request come due did so under the lock, before this moment.
            self._end = end = max(at, self._clock(), self._told)
            self._run_to(end)
            count = bisect_right(self._dues, end)
            self._put_back(end, count)
            del self._dues[count:], self._gaps[count:]
            self._waiting = [due for due in self._waiting if due <= end]
            heapify(self._waiting)
        return self._end

    def _put_back(self, end: int, count: int) -> None:
        """Have the stream stand where it is at `end`: after the first `count` of the dues."""
        gaps = [*self._gaps[count:], self._gap]
        if count < len(self._dues):
            gaps[0] = self._units(end, self._dues[count])
        else:
            gaps[0] = self._units(end, self._edge) + self._left
        self._ahead.extendleft(reversed(gaps))

    def _hand_over(self, at: int, successor: ArrivalSchedule) -> _Remainder:
        with self._lock:
            if self._successor is not None:
                raise RuntimeError("Another schedule has followed this one already.")
            end = self._close(at)
            self._successor = successor
            remainder = _Remainder(
                end, self._waiting, self._dues, self._spacing, self._ahead, self._shape_began
            )
            self._waiting, self._dues, self._gaps = [], array("q"), array("d")
            return remainder

    def _take_over(
        self, remainder: _Remainder, carries_on: bool, settings: Mapping[str, Value]
    ) -> None:
        with self._lock:  # a client may give back to the schedule before already
            self._waiting += remainder.waiting
            heapify(self._waiting)
        self._dues = remainder.dues
        self._gaps = array("d", bytes(8 * len(remainder.dues)))
        self._start = self._told = max(self._start, remainder.end)
        self._shape_began = self._start
        if carries_on:
            self._spacing, self._ahead = remainder.spacing, remainder.ahead
        if same_shape(settings, self._settings):
            self._shape_began = remainder.shape_began


def _same_stream(one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    """Both settings mean the same arrivals, at whatever pace."""
    kind = _BY_NAME[str(one["spacing"])]
    keys = ("spacing", *(p.key for p in kind.parameters if p.key != kind.pace))
    return all(one[key] == other[key] for key in keys)
