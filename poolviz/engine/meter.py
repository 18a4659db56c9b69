"""Exact counting: clients note what happens to them, and each tick makes one sample of it.

A client's hot path appends to two buffers of its own, and nothing else: no lock, no queue, no
signal. The sampler reads the clock first and takes then, from every buffer, what was stamped up
to that moment. That this is everything that happened until then rests on one fact: reading the
clock and appending what it said are one step under the interpreter's lock (`log.stamper`), so
no client can hold a stamp that is not yet in its buffer.

Stamps keep the order of cause and effect: a connection is stamped open before anybody can get
it, acquired after acquire came back, released before release is called, closed when nobody can
get it any more. So walking the stamps in order never shows more connections used than open.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from time import perf_counter_ns
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from poolviz.load.log import ACQUIRED, BROKEN, RELEASED, TIMED_OUT, Log, stamper
from poolviz.model.histogram import Histogram
from poolviz.model.sample import Level

# What each event does to (pending, retrying, used), in the events' order.
_DELTAS = np.array(
    [
        (+1, 0, 0),  # REQUESTED
        (-1, 0, +1),  # ACQUIRED
        (-1, 0, 0),  # TIMED_OUT
        (-1, 0, 0),  # FAILED
        (-1, +1, 0),  # REFUSED
        (+1, -1, 0),  # RETRIED
        (0, -1, 0),  # GAVE_UP
        (0, 0, -1),  # RELEASED
        (0, 0, -1),  # BROKEN
    ],
    dtype=np.int64,
)
_WAITED = np.array([kind in (ACQUIRED, TIMED_OUT) for kind in range(9)])
_USED = np.array([kind in (RELEASED, BROKEN) for kind in range(9)])

_NS = 1e-9
_Number = TypeVar("_Number", int, float)


class ConnectionDoor:
    """Counts connections as they are opened and closed, from any thread (a `pools.Door`)."""

    def __init__(self) -> None:
        self._opened, self._closed = array("q"), array("q")
        self._durations = array("d")
        self._stamp_opened, self._stamp_closed = stamper(self._opened), stamper(self._closed)

    def opened(self, seconds: float) -> None:
        """A connection was made; it took `seconds`."""
        self._durations.append(seconds)
        self._stamp_opened()

    def closed(self) -> None:
        """A connection that was opened is no more."""
        self._stamp_closed()

    def take(self, until: int) -> tuple[array[int], array[int], array[float]]:
        """Stamps of openings and closings up to `until`, and how long the openings took."""
        return (
            _taken(self._opened, bisect_right(self._opened, until)),
            _taken(self._closed, bisect_right(self._closed, until)),
            _taken(self._durations, len(self._durations)),
        )


def _taken(values: array[_Number], n: int) -> array[_Number]:
    """The first `n` values, taken off."""
    front = values[:n]
    del values[:n]
    return front


class Tick:
    """What happened between two moments: levels, counts and durations."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.levels: dict[str, Level] = {}
        self.operations = self.timeouts = self.opened = self.closed = 0
        self.errors: Counter[str] = Counter()
        self.per_client: dict[int, int] = {}
        self.wait, self.use, self.create, self.retry = (Histogram() for _ in range(4))


class Meter:
    """Makes ticks of what the logs and the door hold. One thread at a time calls `tick`.

    Where a pool `shares` connections, several clients hold one and it is used once.
    """

    def __init__(self, door: ConnectionDoor, *, shares: bool = False) -> None:
        self._door = door
        self._shares = shares
        self.began = self._then = perf_counter_ns()
        self._now: NDArray[np.int64] = np.zeros(4, dtype=np.int64)  # pending retrying used open

    @property
    def open(self) -> int:
        """Connections open at the last tick."""
        return int(self._now[3])

    def tick(self, logs: Iterable[Log], kept: int) -> Tick:
        """Everything since the last tick. `kept` connections or fewer are no overflow."""
        until = perf_counter_ns()
        tick = Tick(self._then, until)
        opened, closed, durations = self._door.take(until)
        tick.opened, tick.closed = len(opened), len(closed)
        tick.create.add(np.frombuffer(durations, dtype=np.float64))
        stamps, kinds = self._take_clients(logs, tick, until)
        moments = np.concatenate(
            (np.frombuffer(opened, np.int64), stamps, np.frombuffer(closed, np.int64))
        )
        deltas = np.zeros((len(moments), 4), dtype=np.int64)
        deltas[: tick.opened, 3] = 1
        deltas[tick.opened : tick.opened + len(stamps), :3] = _DELTAS[kinds]
        deltas[len(moments) - tick.closed :, 3] = -1
        self._walk(tick, moments, deltas, kept)
        self._then = until
        return tick

    def _take_clients(
        self, logs: Iterable[Log], tick: Tick, until: int
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """What the clients noted, counted into `tick`; all stamps and kinds, by client."""
        pieces, kind_pieces, before, owners = [], [], [], []
        own_waits = array("d")
        for log in logs:
            if log.errors:
                names = log.errors[:]
                del log.errors[: len(names)]
                tick.errors.update(names)
            if log.own_waits:
                own_waits += _taken(log.own_waits, len(log.own_waits))
            if not log.known:
                tick.per_client[log.number] = 0
                log.known = True
            taken = log.take(until)
            if taken is not None:
                pieces.append(taken[0])
                kind_pieces.append(taken[1])
                before.append(taken[2])
                owners.append(log.number)
        tick.retry.add(np.frombuffer(own_waits, dtype=np.float64))
        stamps = np.frombuffer(b"".join(pieces), dtype=np.int64)
        kinds = np.frombuffer(b"".join(kind_pieces), dtype=np.uint8)
        if len(stamps):
            lengths = np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces))
            starts = np.cumsum(lengths) - lengths
            since = np.empty_like(stamps)
            since[1:] = stamps[1:] - stamps[:-1]
            since[starts] = stamps[starts] - np.array(before, dtype=np.int64)
            done = kinds == RELEASED
            for number, count in zip(owners, np.add.reduceat(done, starts, dtype=int), strict=True):
                if count:
                    tick.per_client[number] = int(count)
            tick.operations = int(np.count_nonzero(done))
            tick.timeouts = int(np.count_nonzero(kinds == TIMED_OUT))
            tick.wait.add(since[_WAITED[kinds]] * _NS)
            tick.use.add(since[_USED[kinds]] * _NS)
        return stamps, kinds

    def _walk(
        self,
        tick: Tick,
        moments: NDArray[np.int64],
        deltas: NDArray[np.int64],
        kept: int,
    ) -> None:
        """Levels over the tick: every event in its order, and how long each state stood."""
        order = np.argsort(moments, kind="stable")
        states = np.empty((len(moments) + 1, 4), dtype=np.int64)
        states[0] = self._now
        np.cumsum(deltas[order], axis=0, out=states[1:])
        states[1:] += self._now
        edges = np.concatenate(([tick.start], moments[order], [tick.end]))
        shares = np.diff(np.maximum(edges, tick.start)) / max(tick.end - tick.start, 1)
        pending, retrying, used, opened = states.T
        if self._shares:
            used = np.minimum(used, opened)
        for name, values in (
            ("pending", pending),
            ("retrying", retrying),
            ("used", used),
            ("open", opened),
            ("idle", opened - used),
            ("overflow", np.maximum(opened - kept, 0)),
        ):
            tick.levels[name] = Level(
                int(values[-1]), int(values.min()), int(values.max()), float(values @ shares)
            )
        self._now = states[-1].copy()
