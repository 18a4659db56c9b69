"""Exact counting: clients append events to buffers, and each tick is made of the events since the
last one, which are taken here and counted by `event_counter`, usually in another process.

A client's hot path appends to two buffers of its own and does nothing else: no lock, no queue, no
signal. The sampler reads the clock first and then takes from every buffer what was stamped up to
that moment. This is everything that happened until then, because reading the clock and appending
the time are one step under the interpreter's lock (`event_buffer.stamper`): no client can hold a
stamp that is not yet in its buffer.

Stamps keep the order of cause and effect. A connection is stamped as opened before any client can
get it, as acquired after acquire returned, as released before release is called, and as closed
when no client can get it any more. So the events in the order of their stamps never show more
connections used than open.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection
from time import perf_counter_ns
from typing import NamedTuple, Protocol, TypeVar

from poolviz.engine.event_counter import EventCounter, Tick
from poolviz.load import event_buffer as events
from poolviz.load.error_kinds import CountedKind
from poolviz.load.event_buffer import EventBuffer, stamper
from poolviz.model.taken_events import AppendedEvents, TakenEvents
from poolviz.pools.connections.connect_faults import ConnectFaults
from poolviz.pools.connections.counting import NumberingCounter

__all__ = ["ConnectionEventBuffer", "EventTaker", "Meter", "RequestTimes", "Tick"]

_LATE = (events.ACQUIRED_LATE, events.TIMED_OUT_LATE, events.CUT_SHORT_LATE)
_TIMED_OUT = (events.TIMED_OUT, events.TIMED_OUT_LATE)
_ACQUIRED = (events.ACQUIRED, events.ACQUIRED_LATE)

_NO_STAMPS = array("q")
_Number = TypeVar("_Number", int, float)
_Listed = TypeVar("_Listed")


class ConnectionEvents(NamedTuple):
    """When connections were opened and closed, their numbers, and how many seconds the openings
    took. A number is -1 where it isn't known which connection was closed."""

    opened: array[int]
    opened_numbers: array[int]
    took: array[float]
    closed: array[int]
    closed_numbers: array[int]


class ConnectionEventBuffer(NumberingCounter):
    """Records when connections are opened and closed (a `pools.base.ConnectionCounter`).

    The number of a connection that is closed is appended before the stamp, in two steps: of two
    connections that are closed at the same moment, each may get the stamp of the other. A
    finalizer closes connections, which may run within any step, so this can't wait for a lock.
    """

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self._opening = threading.Lock()  # so that number, duration and stamp belong together
        self._opened, self._closed = array("q"), array("q")
        self._opened_numbers, self._closed_numbers = array("q"), array("q")
        self._next = 1
        self._taken = 0
        self._durations = array("d")
        self._stamp_opened, self._stamp_closed = stamper(self._opened), stamper(self._closed)
        self.connect_faults = ConnectFaults()
        self.check = self.connect_faults.check

    def opened(self, seconds: float) -> None:
        """Record that a connection was opened, which took `seconds`."""
        self.opened_next(seconds)

    def closed(self) -> None:
        """Record that a connection was closed."""
        self.closed_number(-1)

    def opened_next(self, seconds: float) -> int:
        """Record that a connection was opened, which took `seconds`, and return its number."""
        with self._opening:
            number, self._next = self._next, self._next + 1
            self._durations.append(seconds)
            self._opened_numbers.append(number)
            self._stamp_opened()
        return number

    def closed_number(self, number: int) -> None:
        """Record that the connection of that number was closed."""
        self._closed_numbers.append(number)
        self._stamp_closed()

    @property
    def opened_so_far(self) -> int:
        """Number of connections that were ever opened. May be read from any thread."""
        return self._taken + len(self._opened)

    def take(self, until: int) -> ConnectionEvents:
        """Take what was stamped up to `until`."""
        opened = _taken(self._opened, bisect_right(self._opened, until))
        closed = _taken(self._closed, bisect_right(self._closed, until))
        self._taken += len(opened)
        return ConnectionEvents(
            opened,
            _taken(self._opened_numbers, len(opened)),
            _taken(self._durations, len(opened)),
            closed,
            _taken(self._closed_numbers, len(closed)),
        )


def _taken(values: array[_Number], n: int) -> array[_Number]:
    """Remove and return the first `n` values."""
    front = values[:n]
    del values[:n]
    return front


def _taken_until(stamps: array[int], until: int) -> array[int]:
    """Remove and return the stamps up to `until`."""
    return _taken(stamps, bisect_right(stamps, until)) if stamps else _NO_STAMPS


def _taken_of(values: list[_Listed], n: int) -> list[_Listed]:
    """Remove and return the first `n` values."""
    front = values[:n]
    del values[:n]
    return front


class RequestTimes(Protocol):
    """When the requests of an open load come due."""

    def take(self, until: int) -> tuple[array[int], array[int], array[int]]:
        """Take the moments up to `until` when requests came due, and those when requests were
        dropped that no client had begun, with the ns that each of the latter had waited."""


class EventTaker:
    """Takes the events of clients and connections, to be counted by an `EventCounter`. One thread
    at a time calls `take`.

    `shares` says that the pool gives one connection to several clients.
    """

    def __init__(self, connections: ConnectionEventBuffer, *, shares: bool = False) -> None:
        self._connections = connections
        self._shares = shares
        self.began = self._then = perf_counter_ns()
        self.open = 0  # connections, when events were last taken

    def take(
        self,
        buffers: Collection[EventBuffer],
        kept: int,
        requests: RequestTimes | None = None,
        *,
        last: bool = False,
    ) -> tuple[TakenEvents, Counter[CountedKind]]:
        """Take what happened since the last call, and the errors among it, timeouts too. More than
        `kept` connections are overflow.

        With the `last` events of a run come those clients that still wait.
        """
        start, until = self._then, perf_counter_ns()
        self._then = until
        connections = self._connections.take(until)
        self.open += len(connections.opened) - len(connections.closed)
        errors: Counter[CountedKind] = Counter()
        retries = array("d")
        clients: list[AppendedEvents] = []
        new_clients: list[int] = []
        for buffer in buffers:
            if buffer.errors:
                errors.update(_taken_of(buffer.errors, len(buffer.errors)))
            if buffer.own_waits:
                retries += _taken(buffer.own_waits, len(buffer.own_waits))
            if not buffer.known:
                new_clients.append(buffer.number)
                buffer.known = True
            if (client := _client_events(buffer, until, errors)) is not None:
                clients.append(client)
        none = array("q")
        due, dropped, waited = requests.take(until) if requests is not None else (none, none, none)
        waiting = [(b.number, b.waiting_since) for b in buffers if b.waiting_since] if last else []
        taken = TakenEvents(
            start=start,
            end=until,
            kept=kept,
            shares=self._shares,
            opened=connections.opened.tobytes(),
            opened_numbers=connections.opened_numbers.tobytes(),
            took=connections.took.tobytes(),
            closed=connections.closed.tobytes(),
            closed_numbers=connections.closed_numbers.tobytes(),
            due=due.tobytes(),
            dropped=dropped.tobytes(),
            waited=waited.tobytes(),
            retries=retries.tobytes(),
            clients=clients,
            new_clients=new_clients,
            waiting=waiting,
        )
        return taken, errors


def _client_events(
    buffer: EventBuffer, until: int, errors: Counter[CountedKind]
) -> AppendedEvents | None:
    """Take what was stamped up to `until` from a buffer, and add its timeouts to `errors`. None if
    there is nothing."""
    taken = buffer.take(until)
    held, in_transaction = buffer.held, buffer.held_in_transaction
    held = _taken_until(held, until) if held else _NO_STAMPS
    in_transaction = _taken_until(in_transaction, until) if in_transaction else _NO_STAMPS
    if taken is None:
        if not (held or in_transaction):
            return None
        taken = [], b"", 0
    stamps, kinds, before = taken
    late = timeouts = 0
    if buffer.late:
        late = sum(map(kinds.count, _LATE))
    if buffer.timeouts:
        # One that is noted may not be stamped yet: it is counted with its moment.
        timeouts = sum(map(kinds.count, _TIMED_OUT))
        errors.update(_taken_of(buffer.timeouts, timeouts))
    return AppendedEvents(
        buffer.key,
        buffer.number,
        before,
        stamps,
        kinds,
        _taken(buffer.late, late).tobytes() if late else b"",
        _taken_of(buffer.connections, sum(map(kinds.count, _ACQUIRED))),
        held.tobytes(),
        in_transaction.tobytes(),
    )


class Meter:
    """Takes events and counts them in the same process. One thread at a time calls `tick`."""

    def __init__(self, connections: ConnectionEventBuffer, *, shares: bool = False) -> None:
        self._taker = EventTaker(connections, shares=shares)
        self._counter = EventCounter(shares=shares)

    @property
    def open(self) -> int:
        """Number of connections that were open at the last tick."""
        return self._taker.open

    def tick(
        self,
        buffers: Collection[EventBuffer],
        kept: int,
        requests: RequestTimes | None = None,
        *,
        last: bool = False,
    ) -> Tick:
        """Return what happened since the last tick, as `EventTaker.take` and `EventCounter.count`
        do."""
        taken, errors = self._taker.take(buffers, kept, requests, last=last)
        tick = self._counter.count(taken)
        tick.errors = errors
        return tick
