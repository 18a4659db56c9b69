"""Makes the edges of lanes from the events of clients and connections.

All work is done on whole ticks with numpy, except for what is rare: connections that are opened,
closed, leaked or can't be told apart.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from poolviz.load import event_buffer as events
from poolviz.model.lanes import KEY, MOST, UNIT, Edge, Edges, pack_edges
from poolviz.model.taken_events import ClientEvents

_HELD, _IN_TRANSACTION = events.KINDS, events.KINDS + 1  # stamps of their own, beside the kinds
_UNKNOWN = -1  # the number of a connection that can't be told from others
_NOTHING = 255
_ACQUIRED, _RELEASED = int(Edge.ACQUIRED), int(Edge.RELEASED)  # an enum is slow to ask for a member

_EDGES = np.full(events.KINDS + 2, _NOTHING, dtype=np.int64)
_EDGES[[events.ACQUIRED, events.ACQUIRED_LATE]] = Edge.ACQUIRED
_EDGES[[events.RELEASED, events.BROKEN, events.RETURNED, events.RECLAIMED]] = Edge.RELEASED
_EDGES[events.LEAKED] = Edge.LEAKED
_EDGES[[events.REQUESTED, events.BEGUN]] = Edge.WAITING
_EDGES[[events.TIMED_OUT, events.TIMED_OUT_LATE, events.FAILED, events.GAVE_UP]] = Edge.GAVE_UP
_EDGES[[events.CUT_SHORT, events.CUT_SHORT_LATE]] = Edge.GAVE_UP
_ASKS, _FAILS = _EDGES == Edge.WAITING, _EDGES == Edge.GAVE_UP
_ENDS = _FAILS | (_EDGES == Edge.ACQUIRED)
_SHORT = 1_000_000  # ns: shorter waits are left out
_EDGES[_HELD], _EDGES[_IN_TRANSACTION] = Edge.HELD, Edge.IN_TRANSACTION


@dataclass
class _Standing:
    """What is known of a connection that is held."""

    client: int
    since: int
    kind: int = Edge.ACQUIRED
    at: int = 0


@dataclass
class LaneTracker:
    """Follows who holds which connection. With `by_holder` connections aren't told apart."""

    by_holder: bool = False
    _ticks: int = 0
    _free: list[int] = field(default_factory=list)
    _lanes: int = 0  # that were ever needed
    _lane: dict[int, int] = field(default_factory=dict)  # of each number
    _opened: dict[int, int] = field(default_factory=dict)  # when, by number
    _held: dict[int, _Standing] = field(default_factory=dict)  # by number
    _lost: set[int] = field(default_factory=set)  # closed while they are held
    _leaked: dict[int, list[int]] = field(default_factory=dict)  # numbers, by client
    _holding: dict[int, int] = field(default_factory=dict)  # the newest number, by buffer
    _places: dict[int, int] = field(default_factory=dict)  # a number below zero, by buffer
    _next_place: int = -2
    _waiting: dict[int, int] = field(default_factory=dict)  # since when, by client

    def tick(
        self,
        start: int,
        clients: Sequence[ClientEvents],
        opened: Sequence[tuple[int, int, float]],
        closed: Sequence[tuple[int, int]],
    ) -> bytes:
        """Return the packed edges of a tick from `start` on. `opened` are when, number and seconds
        of each, `closed` when and number."""
        standing = self._standing(start) if self._ticks % KEY == 0 else None
        self._ticks += 1
        (kind, at, number, who), waits = self._of_clients(clients)
        kind, at, number, who, by_holder = self._placed(kind, at, number, who)
        more = self._opened_and_closed(kind, at, number, opened, closed)
        self._remember(kind, at, number, who)
        lanes = self._lanes_of(number)
        self._forget(more)
        kind, lanes, at, who, took = _with_waits(self._joined(kind, lanes, at, who, more), waits)
        at = np.maximum(at - start, 0) // 1000
        if standing is not None:
            kind, lanes, at, who, took = (
                np.concatenate(pair)
                for pair in zip(standing, (kind, lanes, at, who, took), strict=True)
            )
        shown = (lanes >= 0) & (lanes < MOST)
        beyond = ~shown & (kind == Edge.ACQUIRED)  # of which the client doesn't wait any more
        kind, lanes, shown = (
            np.where(beyond, Edge.GAVE_UP, kind),
            np.maximum(lanes, 0),
            shown | beyond,
        )
        return pack_edges(
            Edges(
                kind[shown], lanes[shown], at[shown], who[shown], took[shown],
                self.by_holder or by_holder, standing is not None,
            )
        )  # fmt: skip

    def _of_clients(
        self, clients: Sequence[ClientEvents]
    ) -> tuple[tuple[NDArray[np.int64], ...], tuple[NDArray[np.int64], ...]]:
        """Return kinds, moments, connections and clients of all edges of connections, in order of
        time, and kinds, moments and clients of those of waits."""
        streams = [
            (index, stamps, kinds)
            for index, taken in enumerate(clients)
            for stamps, kinds in (
                (taken.stamps, taken.kinds),
                (taken.held, bytes([_HELD]) * (len(taken.held) // 8)),
                (
                    taken.held_in_transaction,
                    bytes([_IN_TRANSACTION]) * (len(taken.held_in_transaction) // 8),
                ),
            )
            if stamps
        ]
        at = np.frombuffer(b"".join(stamps for _, stamps, _ in streams), dtype=np.int64)
        kinds = np.frombuffer(b"".join(kinds for _, _, kinds in streams), dtype=np.uint8)
        owner = np.repeat([index for index, _, _ in streams], [len(k) for _, _, k in streams])
        owner = owner.astype(np.int64)
        kind = _EDGES[kinds]
        client = np.array([taken.number for taken in clients], dtype=np.int64)
        waits = self._of_waits(kinds, at, client[owner] if len(kind) else owner)
        edges = np.flatnonzero(kind < Edge.WAITING)
        order = edges[np.lexsort((at[edges], owner[edges]))]
        at, kind, owner, kinds = at[order], kind[order], owner[order], kinds[order]
        got = kind == Edge.ACQUIRED
        number = np.full(len(kind), _UNKNOWN, dtype=np.int64)
        given = np.frombuffer(b"".join(taken.connections for taken in clients), dtype=np.int64)
        if not self.by_holder and len(given) == int(got.sum()):
            number[got] = given
        places = np.arange(len(kind))
        last = np.maximum.accumulate(np.where(got, places, -1)) if len(kind) else places
        first = np.ones(len(kind), dtype=np.bool_)
        first[1:] = owner[1:] != owner[:-1]
        starts = np.maximum.accumulate(np.where(first, places, 0)) if len(kind) else places
        holding = [self._holding.get(taken.buffer, _UNKNOWN) for taken in clients]
        before = np.array(holding, dtype=np.int64)
        within = last >= starts
        number = np.where(within, number[last], before[owner]) if len(kind) else number
        ends = np.flatnonzero(np.append(first[1:], True)).tolist() if len(kind) else []
        for place in ends:
            self._holding[clients[owner[place]].buffer] = int(number[place])
        who = client[owner] if len(kind) else owner
        for place in np.flatnonzero((number == _UNKNOWN) | (kinds == events.RECLAIMED)).tolist():
            if kinds[place] == events.RECLAIMED or number[place] == _UNKNOWN:
                self._settle(place, kinds, number, clients[owner[place]])
        for place in np.flatnonzero(kinds == events.LEAKED).tolist():
            self._leaked.setdefault(int(who[place]), []).append(int(number[place]))
        order = np.argsort(at, kind="stable")
        return (kind[order], at[order], number[order], who[order]), waits

    def _of_waits(
        self, kinds: NDArray[np.uint8], at: NDArray[np.int64], who: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], ...]:
        """Return kinds, moments and clients of the waits in events of one client after the other,
        and remember who waits at their end."""
        asks, ends = np.flatnonzero(_ASKS[kinds]), np.flatnonzero(_ENDS[kinds])
        if self._waiting and len(ends):
            for answered in np.intersect1d(who[ends], list(self._waiting)).tolist():
                del self._waiting[answered]
        end = np.append(ends, len(kinds))[np.searchsorted(ends, asks)]  # of each, if it has one
        answered = np.append(who, -1)[end] == who[asks]
        short = answered & (np.append(at, 0)[end] - at[asks] < _SHORT)
        for ask in asks[~answered].tolist():
            self._waiting[int(who[ask])] = int(at[ask])
        failed = _FAILS[kinds]
        failed[end[short & (end < len(kinds))]] = False
        rows = np.sort(np.concatenate((asks[~short], np.flatnonzero(failed))))
        # Rounded down to units, it would begin before what its client did just before.
        later = np.isin(rows, asks[answered]) * (UNIT - 1) * 1000
        return _EDGES[kinds[rows]], at[rows] + later, who[rows]

    def _settle(
        self,
        place: int,
        kinds: NDArray[np.uint8],
        number: NDArray[np.int64],
        taken: ClientEvents,
    ) -> None:
        """Give an edge of a connection that isn't known one that stands for its holder, or the one
        that a client has leaked last."""
        if kinds[place] == events.RECLAIMED:
            leaked = self._leaked.get(taken.number)
            number[place] = leaked.pop() if leaked else _UNKNOWN
        elif kinds[place] in (events.ACQUIRED, events.ACQUIRED_LATE):
            self._next_place -= 1
            number[place] = self._places[taken.buffer] = self._next_place
        else:
            number[place] = self._places.get(taken.buffer, _UNKNOWN)

    def _placed(
        self,
        kind: NDArray[np.int64],
        at: NDArray[np.int64],
        number: NDArray[np.int64],
        who: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], bool]:
        """Give each holder whose connection isn't known a lane, and free it when it is released."""
        apart = np.flatnonzero(number < _UNKNOWN)
        kinds, numbers = (kind.tolist(), number.tolist()) if len(apart) else ([], [])
        for place in apart.tolist():
            key = numbers[place]
            if kinds[place] == _ACQUIRED:
                self._lane[key] = self._take_lane()
            elif kinds[place] == _RELEASED and key in self._lane:
                heapq.heappush(self._free, self._lane[key])
        return kind, at, number, who, bool(len(apart)) or any(n < _UNKNOWN for n in self._held)

    def _opened_and_closed(
        self,
        kind: NDArray[np.int64],
        at: NDArray[np.int64],
        number: NDArray[np.int64],
        opened: Sequence[tuple[int, int, float]],
        closed: Sequence[tuple[int, int]],
    ) -> list[tuple[int, int, int, int, int]]:
        """Give lanes to connections that were opened, and free those of closed ones: return edges
        as kind, moment, number, lane and µs. One that is held is closed when it is released."""
        if self.by_holder or not (opened or closed or self._lost):
            return []
        begins = self._opened | {which: moment for moment, which, _ in opened}
        ends: list[tuple[int, int]] = []
        for closed_at, which in (*closed, *((0, lost) for lost in self._lost)):
            if which not in begins:
                continue
            moment = max(closed_at, begins[which] + 1)
            own = np.flatnonzero(number == which)
            held = kind[own[-1]] != Edge.RELEASED if len(own) else which in self._held
            if held:
                self._lost.add(which)
            else:
                self._lost.discard(which)
                ends.append((max(moment, int(at[own[-1]]) + 1) if len(own) else moment, which))
        more: list[tuple[int, int, int, int, int]] = []
        steps = [(moment, 0, which, seconds) for moment, which, seconds in opened]
        steps += [(moment, 1, which, 0.0) for moment, which in ends]
        for moment, ending, which, seconds in sorted(steps):
            if ending:
                lane = self._lane[which]
                heapq.heappush(self._free, lane)
                more.append((Edge.CLOSED, moment, which, lane, 0))
                self._opened.pop(which, None)
            else:
                lane = self._lane[which] = self._take_lane()
                self._opened[which] = moment
                more.append((Edge.OPENED, moment, which, lane, int(seconds * 1e6)))
        return more

    def _take_lane(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._lanes += 1
        return self._lanes - 1

    def _remember(
        self,
        kind: NDArray[np.int64],
        at: NDArray[np.int64],
        number: NDArray[np.int64],
        who: NDArray[np.int64],
    ) -> None:
        """Keep what the last edges of each connection say."""
        if not len(kind):
            return
        # Of each number, its last edge and its last acquire.
        unique, after = np.unique(number[::-1], return_index=True)
        lasts = len(number) - 1 - after
        over = kind[lasts] == Edge.RELEASED
        held = np.fromiter(self._held, dtype=np.int64, count=len(self._held))
        for which in held[np.isin(held, unique[over])].tolist():
            del self._held[which]
        for which, last in zip(unique[~over].tolist(), lasts[~over].tolist(), strict=True):
            own = number[: last + 1] == which
            got = np.flatnonzero(own & (kind[: last + 1] == Edge.ACQUIRED))
            if len(got):
                self._held[which] = _Standing(int(who[got[-1]]), int(at[got[-1]]))
            if which in self._held:
                self._held[which].kind, self._held[which].at = int(kind[last]), int(at[last])

    def _lanes_of(self, number: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the lane of each connection, -1 where there is none."""
        unique, places = np.unique(number, return_inverse=True)
        lanes = np.array([self._lane.get(int(n), -1) for n in unique], dtype=np.int64)
        found: NDArray[np.int64] = lanes[places] if len(unique) else number
        return found

    def _forget(self, more: Sequence[tuple[int, int, int, int, int]]) -> None:
        """Forget connections that are closed, and holders that hold nothing any more."""
        for kind, _, which, _, _ in more:
            if kind == Edge.CLOSED:
                self._lane.pop(which, None)
        for which in [n for n in self._lane if n < _UNKNOWN and n not in self._held]:
            del self._lane[which]

    def _joined(
        self,
        kind: NDArray[np.int64],
        lanes: NDArray[np.int64],
        at: NDArray[np.int64],
        who: NDArray[np.int64],
        more: Sequence[tuple[int, int, int, int, int]],
    ) -> tuple[NDArray[np.int64], ...]:
        """Return all edges in the order of time."""
        took = np.zeros(len(kind), dtype=np.int64)
        if not more:
            return kind, lanes, at, who, took
        table = np.array(more, dtype=np.int64).T
        kind = np.concatenate((kind, table[0]))
        at = np.concatenate((at, table[1]))
        who = np.concatenate((who, table[2]))
        lanes = np.concatenate((lanes, table[3]))
        took = np.concatenate((took, table[4]))
        # Of one moment, a connection is opened before it is acquired, and released before closed.
        order = np.lexsort(((kind == Edge.CLOSED) * 2 + (kind != Edge.OPENED), at))
        return kind[order], lanes[order], at[order], who[order], took[order]

    def _standing(self, start: int) -> tuple[NDArray[np.int64], ...]:
        """Return what stands at `start`, as edges before it in µs."""
        rows: list[tuple[int, int, int, int, int]] = [
            (Edge.OPENED, self._lane[which], moment, which, 0)
            for which, moment in self._opened.items()
        ]
        for which, held in self._held.items():
            if which in self._lane:
                lane = self._lane[which]
                rows.append((Edge.ACQUIRED, lane, held.since, held.client, 0))
                if held.kind != Edge.ACQUIRED:
                    rows.append((held.kind, lane, held.at, held.client, 0))
        rows += [(Edge.WAITING, 0, since, client, 0) for client, since in self._waiting.items()]
        rows.sort(key=lambda row: row[2])
        table = np.array(rows, dtype=np.int64).reshape(-1, 5).T
        table[2] = np.minimum((table[2] - start) // 1000, -1)
        return table[0], table[1], table[2], table[3], table[4]


def _with_waits(
    edges: tuple[NDArray[np.int64], ...], waits: tuple[NDArray[np.int64], ...]
) -> tuple[NDArray[np.int64], ...]:
    """Return edges and those of waits, which have no lane, in the order of time."""
    kind, at, who = waits
    if not len(kind):
        return edges
    none = np.zeros_like(kind)
    columns = [
        np.concatenate(both) for both in zip(edges, (kind, none, at, who, none), strict=True)
    ]
    order = np.argsort(columns[2], kind="stable")
    return tuple(column[order] for column in columns)
