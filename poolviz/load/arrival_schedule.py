"""The requests of an open load, which arrive when they are due, whether a client is free or not.

Arrivals are a stream of gaps measured in units (`load.spacings`), and a clock that runs through
the units at the current rate. So a change of the rate speeds the stream up or slows it down; no
request is lost, and the stream doesn't start over.
"""

from __future__ import annotations

import random
import threading
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush
from time import perf_counter_ns
from typing import NamedTuple

from poolviz.load.shapes import same_shape, shape_of
from poolviz.load.spacings import Spacing, same_stream, spacing_class
from poolviz.model.parameters import Value

_CELL = 0.005  # seconds that the clock runs at one speed
_CELL_NS = 5_000_000
_AHEAD = 1_000_000_000  # ns that a request may be claimed before it is due


class _Remainder(NamedTuple):
    """What a closed schedule passes on to its successor."""

    end: int
    waiting: list[int]
    dues: array[int]
    spacing: Spacing
    ahead: deque[float]
    shape_began: int


class ArrivalSchedule:
    """Requests with the moments at which they are due. A client claims the request that it serves.

    Any thread may call any method. All moments are readings of perf_counter_ns.

    A schedule with other settings is made from the one `before` it, which is closed at `began`, or
    now if that is later, so that no request that has come due is called off. The successor takes
    over the requests that aren't claimed or taken yet. A claim is still given back to, or checked
    with, the schedule it was made on.

    Raises InputError, before anything is closed, if a recording can't be read.
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
        spacing = spacing_class(settings)
        self._settings = dict(settings)
        self._rate = float(settings[spacing.rate_key])
        self._factor = shape_of(settings).factor
        self._clock = clock
        self._lock = threading.Lock()  # guards everything below
        self._waiting: list[int] = []  # a heap: requests that aren't claimed
        self._dues = array("q")  # sorted: those that `take_due` hasn't returned
        self._gaps = array("d")  # the gap before each of `_dues`
        self._ahead: deque[float] = deque()  # gaps that come before the spacing's next one
        self._taken_until = began  # the last moment up to which dues were taken
        self._end: int | None = None
        self._successor: ArrivalSchedule | None = None
        self._abandoned = False
        self._dropped = array("q")  # the moments at which due requests were given up
        self._waited = array("q")  # ns that each of these had waited by then
        carries_on = before is not None and same_stream(before._settings, settings)
        if not carries_on:
            self._spacing = spacing(settings, random.Random(f"{seed}/arrivals"))
        self._start = self._shape_began = began
        if before is not None:
            self._take_over(before._hand_over(began, self), carries_on, before._settings)
        self._edge = self._start  # the moment up to which the clock has run
        self._gap = self._left = self._next_gap()

    def claim(self, now: int) -> int | None:
        """Claim the earliest request for the caller to serve, and return when it is due.

        Return None if no request is due within the next second. The caller waits until the moment
        has come and then asks `void` whether the request still stands: the schedule may have been
        closed meanwhile, and its successor may have the request at another moment.
        """
        horizon = now + _AHEAD
        with self._lock:
            waiting = self._waiting
            while not waiting and self._end is None and self._edge <= horizon:
                self._run_cell()
            return heappop(waiting) if waiting and waiting[0] <= horizon else None

    def give_back(self, due: int) -> None:
        """Give up a claim, so that another client can serve the request."""
        schedule: ArrivalSchedule | None = self
        while schedule is not None:
            with schedule._lock:
                if schedule._end is not None and due > schedule._end:
                    return
                if schedule._abandoned:
                    now = schedule._clock()
                    schedule._dropped.append(now)
                    schedule._waited.append(max(now - due, 0))
                elif schedule._successor is None:
                    heappush(schedule._waiting, due)
                schedule = schedule._successor

    def void(self, due: int) -> bool:
        """Return whether a claim is void, because the schedule was closed before it was due."""
        with self._lock:
            return self._end is not None and due > self._end

    def take_due(self, until: int) -> array[int]:
        """Return the due times up to `until` that weren't taken before, sorted, claimed or not."""
        with self._lock:
            if self._end is None:
                self._run_to(until)
                self._taken_until = max(self._taken_until, until)
            count = bisect_right(self._dues, until)
            taken = self._dues[:count]
            del self._dues[:count], self._gaps[:count]
            return taken

    def abandon(self, at: int) -> None:
        """Close the schedule without a successor, and give up due requests that aren't claimed."""
        with self._lock:
            end = self._close(at)
            self._abandoned = True
            self._dropped.extend([end] * len(self._waiting))
            self._waited.extend(end - due for due in self._waiting)
            self._waiting = []

    def take_dropped(self, until: int) -> tuple[array[int], array[int]]:
        """Return the moments up to `until` at which requests were given up, and how many ns each
        had waited then, each only once."""
        with self._lock:
            count = bisect_right(self._dropped, until)
            taken = self._dropped[:count], self._waited[:count]
            del self._dropped[:count], self._waited[:count]
            return taken

    @property
    def followed(self) -> bool:
        """Whether a successor has taken over."""
        return self._successor is not None

    def _run_to(self, until: int) -> None:
        while self._edge <= until:
            self._run_cell()

    def _run_cell(self) -> None:
        """Run the clock through one cell, and add the requests that come due in it."""
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
        """Return the units per second throughout the cell that begins at `cell`."""
        return self._rate * self._factor((cell - self._shape_began) * 1e-9 + _CELL / 2)

    def _next_gap(self) -> float:
        return self._ahead.popleft() if self._ahead else self._spacing.gap()

    def _units(self, since: int, until: int) -> float:
        """Return how many units the clock passes between two moments."""
        units = 0.0
        while since < until:
            cell = since - (since - self._start) % _CELL_NS
            stop = min(cell + _CELL_NS, until)
            units += self._speed(cell) * (stop - since) * 1e-9
            since = stop
        return units

    def _close(self, at: int) -> int:
        if self._end is None:
            # Whoever has seen a request come due did so under the lock, before this moment.
            self._end = end = max(at, self._clock(), self._taken_until)
            self._run_to(end)
            count = bisect_right(self._dues, end)
            self._put_back(end, count)
            del self._dues[count:], self._gaps[count:]
            self._waiting = [due for due in self._waiting if due <= end]
            heapify(self._waiting)
        return self._end

    def _put_back(self, end: int, count: int) -> None:
        """Rewind the stream to `end`, after the first `count` of the dues."""
        gaps = [*self._gaps[count:], self._gap]
        if count < len(self._dues):
            gaps[0] = self._units(end, self._dues[count])
        else:
            gaps[0] = self._units(end, self._edge) + self._left
        self._ahead.extendleft(reversed(gaps))

    def _hand_over(self, at: int, successor: ArrivalSchedule) -> _Remainder:
        with self._lock:
            if self._successor is not None:
                raise RuntimeError("This schedule already has a successor.")
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
        with self._lock:  # the schedule before already passes on what is given back to it
            self._waiting += remainder.waiting
            heapify(self._waiting)
        self._dues = remainder.dues
        self._gaps = array("d", bytes(8 * len(remainder.dues)))
        self._start = self._taken_until = max(self._start, remainder.end)
        self._shape_began = self._start
        if carries_on:
            self._spacing, self._ahead = remainder.spacing, remainder.ahead
        if same_shape(settings, self._settings):
            self._shape_began = remainder.shape_began
