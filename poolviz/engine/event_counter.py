"""Counts the events of a tick: levels, durations, and who has which connection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from poolviz.engine.lane_tracker import LaneTracker
from poolviz.load import event_buffer as events
from poolviz.load.error_kinds import CountedKind
from poolviz.model.histogram import Histogram
from poolviz.model.sample import Level
from poolviz.model.taken_events import ClientEvents, TakenEvents

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
_States = NDArray[np.int64] | int  # one number if a level did not change


class Tick:
    """What happened between two moments: levels, counts and durations. `unfinished` of the waits
    were ended by the end of the run or a cancellation, or weren't over: the true ones are
    longer."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.levels: dict[str, Level] = {}
        self.operations = self.timeouts = self.opened = self.closed = self.unfinished = 0
        self.errors: Counter[CountedKind] = Counter()  # timeouts too, if they are taken with it
        self.per_client: dict[int, int] = {}
        self.longest_waits: dict[int, float] = {}
        self.wait, self.use, self.create, self.retry = (Histogram() for _ in range(4))
        self.oldest_age = self.mean_age = 0.0  # seconds, of the connections open at its end
        self.lanes = b""  # see `model/lanes.py`


class EventCounter:
    """Makes ticks of the events of clients and connections. One thread at a time calls `count`,
    with what was taken, in the order in which it was.

    If the pool `shares` connections, one that several clients hold counts as used once.
    """

    def __init__(self, *, shares: bool) -> None:
        self._shares = shares
        self._now = dict.fromkeys(_EFFECTS, 0)
        self._longest: dict[int, int] = {}  # ns: the longest wait of each client in this segment
        self._lanes = LaneTracker(by_holder=shares)
        self._opened_at: dict[int, int] = {}  # by number, of the connections that are open

    def begin_segment(self) -> None:
        """Forget the longest waits: those of a new segment start here."""
        self._longest.clear()

    def count(self, taken: TakenEvents) -> Tick:
        """Return what happened in one tick."""
        tick = Tick(taken.start, taken.end)
        opened, closed = _stamps(taken.opened), _stamps(taken.closed)
        opened_numbers, closed_numbers = (
            _stamps(taken.opened_numbers),
            _stamps(taken.closed_numbers),
        )
        took = np.frombuffer(taken.took, dtype=np.float64)
        tick.opened, tick.closed = len(opened), len(closed)
        tick.create.add(took)
        tick.retry.add(np.frombuffer(taken.retries, dtype=np.float64))
        begun = list(zip(opened.tolist(), opened_numbers.tolist(), took.tolist(), strict=True))
        over = list(zip(closed.tolist(), closed_numbers.tolist(), strict=True))
        self._set_ages(tick, begun, over)
        tick.per_client = dict.fromkeys(taken.new_clients, 0)
        clients = [client.in_arrays() for client in taken.clients]
        stamps, kinds = self._count_clients(tick, clients)
        tick.lanes = self._lanes.tick(tick.start, clients, begun, over)
        self._add_unfinished(tick, _stamps(taken.waited))
        if taken.waiting:
            self._count_waiting(tick, taken.waiting)
        # Of one moment, connections open before they are used and requests are due before they
        # begin.
        streams = (
            (opened, _OPENED),
            (_stamps(taken.due), _DUE),
            (stamps, kinds),
            (_stamps(taken.dropped), _DROPPED),
            (closed, _CLOSED),
        )
        moments = np.concatenate([moments for moments, _ in streams])
        numbers = np.empty(len(moments), dtype=np.uint8)
        place = 0
        for stream, number in streams:
            numbers[place : (place := place + len(stream))] = number
        self._walk(tick, moments, numbers, taken.kept)
        return tick

    def _set_ages(
        self,
        tick: Tick,
        opened: Sequence[tuple[int, int, float]],
        closed: Sequence[tuple[int, int]],
    ) -> None:
        """Set the ages of the connections that are open at the end of `tick`."""
        opened_at = self._opened_at
        opened_at.update((number, moment) for moment, number, _ in opened)
        for _, number in closed:
            # Which one was closed isn't known of connections that can't be told apart; the oldest
            # of all is as likely as any other.
            if opened_at.pop(number, None) is None and number < 0 and opened_at:
                del opened_at[next(iter(opened_at))]
        if opened_at:
            tick.oldest_age = (tick.end - min(opened_at.values())) * _NS
            # In whole ns up to here: of two moments as floats, little of a short age is left.
            ages = tick.end * len(opened_at) - sum(opened_at.values())
            tick.mean_age = ages / len(opened_at) * _NS

    def _count_clients(
        self, tick: Tick, clients: Sequence[ClientEvents]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Count the clients' events into `tick`; return the stamps and kinds of all together."""
        stamped = [client for client in clients if client.stamps]
        stamps = _stamps(b"".join([client.stamps for client in stamped]))
        kinds = np.frombuffer(b"".join([client.kinds for client in stamped]), dtype=np.uint8)
        if stamped:
            lengths = np.array([len(client.kinds) for client in stamped], dtype=np.int64)
            starts = np.cumsum(lengths) - lengths
            since = np.empty_like(stamps)
            since[1:] = stamps[1:] - stamps[:-1]
            before = np.array([client.before for client in stamped], dtype=np.int64)
            since[starts] = stamps[starts] - before
            late = b"".join([client.late for client in stamped])
            if late:
                since[_LATE[kinds]] += _stamps(late)
            self._count(tick, kinds, since, starts, [client.number for client in stamped])
        return stamps, kinds

    def _count_waiting(self, tick: Tick, waiting: Sequence[tuple[int, int]]) -> None:
        """Count the waits of clients that are in acquire at the end of `tick`."""
        waits = []
        for number, since in waiting:
            wait = tick.end - since
            waits.append(wait)
            if wait > self._longest.get(number, 0):
                self._longest[number] = wait
                tick.longest_waits[number] = wait * _NS
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


def _stamps(data: bytes) -> NDArray[np.int64]:
    return np.frombuffer(data, dtype=np.int64)


def _level(states: _States, shares: NDArray[np.float64]) -> Level:
    """Return a level over a tick; `shares` says for what part of it each state lasted."""
    if not isinstance(states, np.ndarray):
        return Level(int(states), int(states), int(states), float(states))
    return Level(int(states[-1]), int(states.min()), int(states.max()), float(states @ shares))
