"""Exact counting: clients append events to buffers, and each tick is made of the events since the
last one.

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
from collections.abc import Collection, Iterable
from time import perf_counter_ns
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from poolviz.engine.lane_tracker import ClientEvents, LaneTracker
from poolviz.load import event_buffer as events
from poolviz.load.error_kinds import CountedKind
from poolviz.load.event_buffer import EventBuffer, stamper
from poolviz.model.histogram import Histogram
from poolviz.model.sample import Level
from poolviz.pools.connections.connect_faults import ConnectFaults
from poolviz.pools.connections.counting import NumberingCounter

# Events that don't come from clients, numbered on from theirs.
_OPENED, _DUE, _DROPPED, _CLOSED = range(events.KINDS, events.KINDS + 4)
_NUMBERS = events.KINDS + 4


def _effects(*up: int, down: tuple[int, ...]) -> NDArray[np.int64]:
    """What each event adds to a level."""
    return np.array([(n in up) - (n in down) for n in range(_NUMBERS)], dtype=np.int64)


_GOT = (events.ACQUIRED, events.ACQUIRED_LATE)
_EFFECTS = {
    "pending": _effects(
        *(events.REQUESTED, events.RETRIED, events.BEGUN),
        down=(
            *(*_GOT, events.TIMED_OUT, events.TIMED_OUT_LATE),
            *(events.FAILED, events.REFUSED, events.CUT_SHORT, events.CUT_SHORT_LATE),
        ),
    ),
    "retrying": _effects(events.REFUSED, down=(events.RETRIED, events.GAVE_UP)),
    "used": _effects(
        *_GOT, down=(events.RELEASED, events.BROKEN, events.RETURNED, events.RECLAIMED)
    ),
    "backlog": _effects(_DUE, down=(_DROPPED, events.BEGUN)),
    "open": _effects(_OPENED, down=(_CLOSED,)),
    "ever_open": _effects(_OPENED, down=()),
}


def _those(*kinds: int) -> NDArray[np.bool_]:
    """For each kind of event, whether it is one of `kinds`."""
    return np.isin(np.arange(_NUMBERS), kinds)


_LATE = _those(events.ACQUIRED_LATE, events.TIMED_OUT_LATE, events.CUT_SHORT_LATE)
_CUT_SHORT = _those(events.CUT_SHORT, events.CUT_SHORT_LATE)
_WAITED = _those(events.ACQUIRED, events.TIMED_OUT) | _LATE | _CUT_SHORT
_WAITED_IN_VAIN = _WAITED | _those(events.FAILED)  # a client that gets nothing has only these
_TIMED_OUT = _those(events.TIMED_OUT, events.TIMED_OUT_LATE)
_USED = _those(events.RELEASED, events.BROKEN, events.RETURNED)

_NS = 1e-9
_NO_STAMPS = array("q")
_Number = TypeVar("_Number", int, float)
_States = NDArray[np.int64] | int  # one number if a level did not change


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


def _taken_errors(errors: list[CountedKind], n: int) -> list[CountedKind]:
    """Remove and return the first `n` errors."""
    taken = errors[:n]
    del errors[:n]
    return taken


def _kinds_of(kinds: bytearray) -> NDArray[np.uint8]:
    return np.frombuffer(kinds, dtype=np.uint8)


class RequestTimes(Protocol):
    """When the requests of an open load come due."""

    def take(self, until: int) -> tuple[array[int], array[int], array[int]]:
        """Take the moments up to `until` when requests came due, and those when requests were
        dropped that no client had begun, with the ns that each of the latter had waited."""


class Tick:
    """What happened between two moments: levels, counts and durations. `unfinished` of the waits
    were ended by the end of the run or a cancellation, or weren't over: the true ones are
    longer."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.levels: dict[str, Level] = {}
        self.operations = self.timeouts = self.opened = self.closed = self.unfinished = 0
        self.errors: Counter[CountedKind] = Counter()  # timeouts too
        self.per_client: dict[int, int] = {}
        self.longest_waits: dict[int, float] = {}
        self.wait, self.use, self.create, self.retry = (Histogram() for _ in range(4))
        self.oldest_age = self.mean_age = 0.0  # seconds, of the connections open at its end
        self.lanes = b""  # see `model/lanes.py`


class Meter:
    """Makes ticks of the events of clients and connections. One thread at a time calls `tick`.

    If the pool `shares` connections, one that several clients hold counts as used once.
    """

    def __init__(self, connections: ConnectionEventBuffer, *, shares: bool = False) -> None:
        self._connections = connections
        self._shares = shares
        self.began = self._then = perf_counter_ns()
        self._now = dict.fromkeys(_EFFECTS, 0)
        self._longest: dict[int, int] = {}  # ns: the longest wait of each client in this segment
        self._lanes = LaneTracker(by_holder=shares)
        self._opened_at: dict[int, int] = {}  # by number, of the connections that are open

    @property
    def open(self) -> int:
        """Number of connections that were open at the last tick."""
        return self._now["open"]

    def begin_segment(self) -> None:
        """Forget the longest waits: those of a new segment start here."""
        self._longest.clear()

    def tick(
        self,
        buffers: Collection[EventBuffer],
        kept: int,
        requests: RequestTimes | None = None,
        *,
        last: bool = False,
    ) -> Tick:
        """Return what happened since the last tick. More than `kept` connections are overflow.

        In the `last` tick of a run, clients that still wait count with their wait up to then.
        """
        until = perf_counter_ns()
        tick = Tick(self._then, until)
        taken = self._connections.take(until)
        opened, closed = taken.opened, taken.closed
        tick.opened, tick.closed = len(opened), len(closed)
        tick.create.add(np.frombuffer(taken.took, dtype=np.float64))
        self._set_ages(tick, taken)
        stamps, kinds, clients = self._take_clients(buffers, tick, until)
        tick.lanes = self._lanes.tick(
            tick.start,
            clients,
            list(zip(opened, taken.opened_numbers, taken.took, strict=True)),
            list(zip(closed, taken.closed_numbers, strict=True)),
        )
        none = array("q")
        due, dropped, waited = requests.take(until) if requests is not None else (none, none, none)
        self._add_unfinished(tick, np.frombuffer(waited, dtype=np.int64))
        if last:
            self._count_waiting(tick, buffers)
        # Of one moment, connections open before they are used and requests are due before they
        # begin.
        streams = (
            (np.frombuffer(opened, np.int64), _OPENED),
            (np.frombuffer(due, np.int64), _DUE),
            (stamps, kinds),
            (np.frombuffer(dropped, np.int64), _DROPPED),
            (np.frombuffer(closed, np.int64), _CLOSED),
        )
        moments = np.concatenate([moments for moments, _ in streams])
        numbers = np.empty(len(moments), dtype=np.uint8)
        place = 0
        for stream, number in streams:
            numbers[place : (place := place + len(stream))] = number
        self._walk(tick, moments, numbers, kept)
        self._then = until
        return tick

    def _set_ages(self, tick: Tick, taken: ConnectionEvents) -> None:
        """Set the ages of the connections that are open at the end of `tick`."""
        opened_at = self._opened_at
        opened_at.update(zip(taken.opened_numbers, taken.opened, strict=True))
        for number in taken.closed_numbers:
            # Which one was closed isn't known of connections that can't be told apart; the oldest
            # of all is as likely as any other.
            if opened_at.pop(number, None) is None and number < 0 and opened_at:
                del opened_at[next(iter(opened_at))]
        if opened_at:
            tick.oldest_age = (tick.end - min(opened_at.values())) * _NS
            tick.mean_age = tick.end * _NS - sum(opened_at.values()) / len(opened_at) * _NS

    def _take_clients(
        self, buffers: Iterable[EventBuffer], tick: Tick, until: int
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8], list[ClientEvents]]:
        """Take the clients' events and count them into `tick`; return stamps and kinds, of all
        together and of each."""
        pieces, kind_pieces, before, owners = [], [], [], []
        clients: list[ClientEvents] = []
        own_waits = array("d")
        late: list[array[int]] = []
        for buffer in buffers:
            if buffer.errors:
                tick.errors.update(_taken_errors(buffer.errors, len(buffer.errors)))
            if buffer.own_waits:
                own_waits += _taken(buffer.own_waits, len(buffer.own_waits))
            if not buffer.known:
                tick.per_client[buffer.number] = 0
                buffer.known = True
            taken = buffer.take(until)
            held = _taken_until(buffer.held, until)
            held_in_transaction = _taken_until(buffer.held_in_transaction, until)
            if taken is not None or held or held_in_transaction:
                stamped, noted = taken[:2] if taken is not None else (_NO_STAMPS, bytearray())
                got = noted.count(events.ACQUIRED) + noted.count(events.ACQUIRED_LATE)
                numbers = _taken(buffer.connections, got)
                clients.append(
                    ClientEvents(buffer, stamped, noted, numbers, held, held_in_transaction)
                )
            if taken is not None:
                pieces.append(taken[0])
                kind_pieces.append(taken[1])
                before.append(taken[2])
                owners.append(buffer.number)
                if buffer.late:
                    late.append(_taken(buffer.late, int(_LATE[_kinds_of(taken[1])].sum())))
                if buffer.timeouts:
                    # One that is noted may not be stamped yet: it is counted with its moment.
                    n = int(_TIMED_OUT[_kinds_of(taken[1])].sum())
                    tick.errors.update(_taken_errors(buffer.timeouts, n))
        tick.retry.add(np.frombuffer(own_waits, dtype=np.float64))
        stamps = np.frombuffer(b"".join(pieces), dtype=np.int64)
        kinds = np.frombuffer(b"".join(kind_pieces), dtype=np.uint8)
        if len(stamps):
            lengths = np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces))
            starts = np.cumsum(lengths) - lengths
            since = np.empty_like(stamps)
            since[1:] = stamps[1:] - stamps[:-1]
            since[starts] = stamps[starts] - np.array(before, dtype=np.int64)
            if late:
                since[_LATE[kinds]] += np.frombuffer(b"".join(late), dtype=np.int64)
            self._count(tick, kinds, since, starts, owners)
        return stamps, kinds, clients

    def _count_waiting(self, tick: Tick, buffers: Collection[EventBuffer]) -> None:
        """Count the waits of clients that are in acquire at the end of `tick`."""
        waits = []
        for buffer in buffers:
            if buffer.waiting_since:
                wait = tick.end - buffer.waiting_since
                waits.append(wait)
                if wait > self._longest.get(buffer.number, 0):
                    self._longest[buffer.number] = wait
                    tick.longest_waits[buffer.number] = wait * _NS
        self._add_unfinished(tick, np.array(waits, dtype=np.int64))

    def _add_unfinished(self, tick: Tick, waits: NDArray[np.int64]) -> None:
        tick.wait.add(waits.astype(np.float64) * _NS)
        tick.unfinished += len(waits)

    def _count(
        self,
        tick: Tick,
        kinds: NDArray[np.uint8],
        since: NDArray[np.int64],
        starts: NDArray[np.int64],
        owners: list[int],
    ) -> None:
        """Count events into `tick`. `since` is the time from the client's event before each, and
        `owners` are the clients whose events begin at `starts`."""
        done = kinds == events.RELEASED
        waits = np.where(_WAITED_IN_VAIN[kinds], since, 0)
        for number, count, wait in zip(
            owners,
            np.add.reduceat(done, starts, dtype=int).tolist(),
            np.maximum.reduceat(waits, starts).tolist(),
            strict=True,
        ):
            if count:
                tick.per_client[number] = count
            if wait > self._longest.get(number, 0):
                self._longest[number] = wait
                tick.longest_waits[number] = wait * _NS
        tick.operations = int(np.count_nonzero(done))
        tick.timeouts = int(np.count_nonzero(_TIMED_OUT[kinds]))
        tick.unfinished += int(np.count_nonzero(_CUT_SHORT[kinds]))
        seconds = since.astype(np.float64) * _NS
        tick.wait.add(seconds[_WAITED[kinds]])
        tick.use.add(seconds[_USED[kinds]])

    def _walk(
        self,
        tick: Tick,
        moments: NDArray[np.int64],
        numbers: NDArray[np.uint8],
        kept: int,
    ) -> None:
        """Set the levels of `tick`: the events in order, and how long each state lasted."""
        order = np.argsort(moments, kind="stable")
        numbers = numbers[order]
        edges = np.concatenate(([tick.start], moments[order], [tick.end]))
        shares = np.diff(np.maximum(edges, tick.start)) / max(tick.end - tick.start, 1)
        happened = np.bincount(numbers, minlength=_NUMBERS).astype(bool)
        states: dict[str, _States] = {}
        for name, effects in _EFFECTS.items():
            before = self._now[name]
            if effects[happened].any():
                walked = np.concatenate(([before], before + np.cumsum(effects[numbers])))
                states[name], self._now[name] = walked, int(walked[-1])
            else:
                states[name] = before
        opened, used, ever = states["open"], states["used"], states.pop("ever_open")
        if self._now["ever_open"]:
            # A pool that gives one connection to several clients has no more than it has opened.
            used = states["used"] = np.minimum(used, ever)
        if self._shares:
            used = states["used"] = np.minimum(used, opened)
        else:
            # A driver may find a connection lost while a client has it: it is open until released.
            opened = states["open"] = np.maximum(opened, used)
        # A request that one schedule hands to the next may be seen to begin before it is due.
        states["backlog"] = np.maximum(states["backlog"], 0)
        states["idle"] = opened - used
        states["overflow"] = np.maximum(opened - kept, 0)
        tick.levels = {name: _level(values, shares) for name, values in states.items()}


def _level(states: _States, shares: NDArray[np.float64]) -> Level:
    """Return a level over a tick; `shares` says for what part of it each state lasted."""
    if not isinstance(states, np.ndarray):
        return Level(int(states), int(states), int(states), float(states))
    return Level(int(states[-1]), int(states.min()), int(states.max()), float(states @ shares))
