"""Who has which connection when: one lane for each connection, and what happens on it as edges.

An edge is a moment at which the state of a lane changes. The edges of a tick travel in its sample,
packed in some six bytes each before they are compressed: kinds, lanes and times lie apart, since
they compress better so. Every `KEY`th sample also says what stood before it, as edges with a time
below zero, so that reading can begin there.

A lane is the place of a connection in the picture. A connection that is opened gets the lowest that
is free, and its lane is free again once it is closed. Connections in lanes beyond `MOST` are not
recorded. Where a pool's connections can't be told apart, lanes belong to whoever holds one.

Clients that wait for a connection are recorded too: a wait begins with the edge WAITING, and ends
with the next edge of its client that has one. Waits of under 1 ms are left out, unless they go on
at the end of a tick. Their edges lie apart, with times in units of 16 µs.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolviz.language import tr_noop

Ints = NDArray[np.int64]

MOST = 256  # lanes
KEY = 256  # samples: 12.8 s
_HEADER = struct.Struct("<IB3B")  # edges, flags, bytes of each time, whom and duration
_WAITS_HEADER = struct.Struct("<I2B")  # edges of waits, bytes of each time and whom
_BY_HOLDER, _HAS_STANDING, _HAS_WAITS = 1, 2, 4  # flags
UNIT = 16  # µs of the times of waits
_WIDTHS = (1, 2, 4, 8)


class Edge(IntEnum):
    """What happens on a lane."""

    OPENED = 0  # `who` is the connection's number, `took` how long it took
    ACQUIRED = 1  # `who` is the client
    HELD = 2  # the last statement is done, no transaction is open, and the client keeps it
    IN_TRANSACTION = 3  # the same with a transaction that is open
    RELEASED = 4
    CLOSED = 5
    LEAKED = 6  # the client will never release it
    WAITING = 7  # the client `who` asks for a connection; this edge and the next have no lane
    GAVE_UP = 8  # its wait is over, and no lane shows that it got one


class State(IntEnum):
    """What a lane shows from an edge on. A connecting one isn't open yet."""

    NONE = 0
    CONNECTING = 1
    IDLE = 2
    WORKING = 3  # the client executes statements, one after the other
    HELD = 4
    IN_TRANSACTION = 5
    LEAKED = 6
    WAITING = 7  # of a client


STATES = {  # what they are called, and what they mean
    State.CONNECTING: (
        tr_noop("connecting"),
        tr_noop("The pool opens it; nobody has it yet."),
    ),
    State.IDLE: (tr_noop("idle"), tr_noop("It is open and in the pool, and nobody has it.")),
    State.WORKING: (
        tr_noop("working"),
        tr_noop("A client has it and executes statements, one after the other."),
    ),
    State.HELD: (
        tr_noop("held"),
        tr_noop("The statements are done, no transaction is open, and the client keeps it."),
    ),
    State.IN_TRANSACTION: (
        tr_noop("in transaction"),
        tr_noop(
            "The statements are done, and the client keeps it with a transaction that is open: its "
            "locks stay, and the server can't clean up."
        ),
    ),
    State.LEAKED: (
        tr_noop("leaked"),
        tr_noop("A client will never release it. The pool is smaller by it until the run ends."),
    ),
    State.WAITING: (tr_noop("waiting"), tr_noop("A client waits for a connection.")),
}
USED = (State.WORKING, State.HELD, State.IN_TRANSACTION, State.LEAKED)
_AFTER = np.array(
    [
        State.IDLE,
        State.WORKING,
        State.HELD,
        State.IN_TRANSACTION,
        State.IDLE,
        State.NONE,
        State.LEAKED,
        State.NONE,
        State.NONE,
        State.CONNECTING,
    ],
    dtype=np.uint8,
)
_CONNECTING = len(Edge)  # an edge of its own while lanes are drawn


class Edges(NamedTuple):
    """Edges in the order of their times: `at` and `took` are in µs, `at` since the tick began."""

    kind: Ints
    lane: Ints
    at: Ints
    who: Ints
    took: Ints
    by_holder: bool = False
    has_standing: bool = False


def pack_edges(edges: Edges) -> bytes:
    """Return edges as bytes; none as none, unless they say what stands."""
    if not len(edges.kind) and not edges.has_standing:
        return b""
    flags = edges.by_holder * _BY_HOLDER + edges.has_standing * _HAS_STANDING
    apart = edges.kind >= Edge.WAITING
    waits = b""
    if apart.any():
        waits = _pack_waits(edges.kind[apart], edges.at[apart], edges.who[apart])
        flags += _HAS_WAITS
        own = (column[~apart] for column in edges[:5])
        kinds, lanes, at, who, took = own
        edges = Edges(kinds, lanes, at, who, took)
    kind, lane = edges.kind.astype(np.uint8), edges.lane.astype(np.uint8)
    named, timed = _columns_of(kind)
    columns = [
        _packed(each)
        for each in (np.diff(edges.at, prepend=0), edges.who[named], edges.took[timed])
    ]
    header = _HEADER.pack(len(kind), flags, *(width for width, _ in columns))
    parts = (kind.tobytes(), lane.tobytes(), *(data for _, data in columns), waits)
    return header + b"".join(parts)


def _pack_waits(kind: Ints, at: Ints, who: Ints) -> bytes:
    columns = [_packed(np.diff(at // UNIT, prepend=0)), _packed(who)]
    header = _WAITS_HEADER.pack(len(kind), *(width for width, _ in columns))
    return header + b"".join((kind.astype(np.uint8).tobytes(), *(data for _, data in columns)))


def unpack_edges(body: bytes) -> Edges:
    """Return the edges that were packed. ValueError if none were."""
    if not body:
        nothing = np.empty(0, dtype=np.int64)
        return Edges(nothing, nothing, nothing, nothing, nothing)
    if len(body) < _HEADER.size:
        raise ValueError("edges are cut off")
    count, flags, *widths = _HEADER.unpack_from(body)
    place = _HEADER.size
    if len(body) < place + 2 * count:
        raise ValueError("edges are cut off")
    kind = np.frombuffer(body, np.uint8, count, place)
    lane = np.frombuffer(body, np.uint8, count, place + count).astype(np.int64)
    if count and int(kind.max()) >= Edge.WAITING:
        raise ValueError("there is no such edge")
    place += 2 * count
    named, timed = _columns_of(kind)
    columns = []
    for width, many in zip(widths, (count, int(named.sum()), int(timed.sum())), strict=True):
        columns.append(_unpacked(body, place, width, many))
        place += width * many
    waits, place = _unpack_waits(body, place) if flags & _HAS_WAITS else (None, place)
    if place != len(body):
        raise ValueError("there is more than edges")
    who, took = np.full(count, -1, dtype=np.int64), np.zeros(count, dtype=np.int64)
    who[named], took[timed] = columns[1], columns[2]
    at = np.cumsum(columns[0], dtype=np.int64)
    columns = [kind.astype(np.int64), lane, at, who, took]
    if waits is not None:
        columns = [np.concatenate(both) for both in zip(waits, columns, strict=True)]
        order = np.argsort(columns[2], kind="stable")
        columns = [column[order] for column in columns]
    kinds, lane, at, who, took = columns
    return Edges(
        *(kinds, lane, at, who, took), bool(flags & _BY_HOLDER), bool(flags & _HAS_STANDING)
    )


def _unpack_waits(body: bytes, place: int) -> tuple[tuple[Ints, ...], int]:
    """Return kind, lane, at, who and took of edges of waits, and where they end."""
    if len(body) < place + _WAITS_HEADER.size:
        raise ValueError("waits are cut off")
    count, *widths = _WAITS_HEADER.unpack_from(body, place)
    place += _WAITS_HEADER.size
    if len(body) < place + count:
        raise ValueError("waits are cut off")
    kind = np.frombuffer(body, np.uint8, count, place).astype(np.int64)
    if count and not (int(kind.min()) >= Edge.WAITING and int(kind.max()) < len(Edge)):
        raise ValueError("there is no such wait")
    place += count
    columns = []
    for width in widths:
        columns.append(_unpacked(body, place, width, count))
        place += width * count
    none = np.zeros(count, dtype=np.int64)
    return (kind, none, np.cumsum(columns[0], dtype=np.int64) * UNIT, columns[1], none), place


def _columns_of(kind: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which edges have a `who`, and which have a `took`."""
    return (kind == Edge.OPENED) | (kind == Edge.ACQUIRED), kind == Edge.OPENED


def _packed(numbers: Ints) -> tuple[int, bytes]:
    """Return whole numbers as bytes, the lowest of all first, and how many each has."""
    low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    width = next(n for n in _WIDTHS if -(1 << 8 * n - 1) <= low and high < 1 << 8 * n - 1)
    narrow = numbers.astype(f"<i{width}")
    return width, narrow.view(np.uint8).reshape(-1, width).T.tobytes()


def _unpacked(body: bytes, place: int, width: int, count: int) -> Ints:
    if width not in _WIDTHS or len(body) < place + width * count:
        raise ValueError("edges are cut off")
    table = np.frombuffer(body, np.uint8, width * count, place).reshape(width, count)
    return np.ascontiguousarray(table.T).view(f"<i{width}").reshape(-1).astype(np.int64)


class Pieces(NamedTuple):
    """What lanes show, as pieces of which none overlaps another of its lane; in the order of lanes,
    and within each of time.

    `begin` and `end` are in µs since the run began. `client` is who holds the connection, -1
    if nobody does, and `since` when it got it. `number` is the connection's, -1 where unknown.
    """

    lane: Ints
    state: Ints
    begin: Ints
    end: Ints
    client: Ints
    number: Ints
    since: Ints


def pieces_of(edges: Edges, begin: int, end: int) -> Pieces:
    """Return the pieces between two moments, in µs since the run began, of edges whose `at` is
    since then too. The first edges say what stood at the beginning."""
    own = np.flatnonzero((edges.kind != Edge.WAITING) & (edges.kind != Edge.GAVE_UP))
    rows = own[np.lexsort((own, edges.at[own], edges.lane[own]))]
    kind, lane, at, who, took = (column[rows] for column in edges[:5])
    # A connection was connecting before it was opened, if nothing else was in its lane then.
    slow = np.flatnonzero((kind == Edge.OPENED) & (took > 0))
    alone = (slow == 0) | (lane[slow] != lane[slow - 1])
    began = at[slow] - took[slow]
    began = np.where(alone, began, np.maximum(began, at[slow - 1]))
    kind, lane = np.insert(kind, slow, _CONNECTING), np.insert(lane, slow, lane[slow])
    who, at = np.insert(who, slow, who[slow]), np.insert(at, slow, began)
    n = len(kind)
    if not n:
        nothing = np.empty(0, dtype=np.int64)
        return Pieces(*[nothing] * 7)
    first = np.ones(n, dtype=np.bool_)
    first[1:] = lane[1:] != lane[:-1]
    until = np.full(n, end, dtype=np.int64)
    until[:-1][~first[1:]] = at[1:][~first[1:]]
    state = _AFTER[kind].astype(np.int64)
    held = np.isin(state, USED)
    got = kind == Edge.ACQUIRED
    number = _last(who, (kind == Edge.OPENED) | (kind == _CONNECTING), first)
    client = np.where(held, _last(who, got, first), -1)
    since = np.where(held, _last(at, got, first), at)
    from_, to = np.maximum(at, begin), np.minimum(until, end)
    shown = (to > from_) & (state != State.NONE)
    return Pieces(*(each[shown] for each in (lane, state, from_, to, client, number, since)))


def waits_of(edges: Edges, begin: int, end: int) -> Pieces:
    """Return the waits between two moments, as `pieces_of` does with connections: the lane of each
    is its client, and so is `client`."""
    own = np.flatnonzero(_OF_WAITS[edges.kind])
    rows = own[np.lexsort((own, edges.at[own], edges.who[own]))]
    kind, at, who = edges.kind[rows], edges.at[rows], edges.who[rows]
    until = np.full(len(rows), end, dtype=np.int64)
    until[:-1] = np.where(who[1:] == who[:-1], at[1:], end)
    from_, to = np.maximum(at, begin), np.minimum(until, end)
    shown = (kind == Edge.WAITING) & (to > from_)
    client, since = who[shown], at[shown]
    state, unknown = np.full(len(client), State.WAITING), np.full(len(client), -1)
    return Pieces(client, state, from_[shown], to[shown], client, unknown, since)


_OF_WAITS = np.isin(np.arange(len(Edge)), (Edge.WAITING, Edge.ACQUIRED, Edge.GAVE_UP))


def _last(values: Ints, known: NDArray[np.bool_], first: NDArray[np.bool_]) -> Ints:
    """Return for each row the value of the last one that is known, of the same lane; -1 before."""
    places = np.arange(len(values))
    found = np.maximum.accumulate(np.where(known, places, -1))
    starts = np.maximum.accumulate(np.where(first, places, 0))
    last: Ints = np.where(found >= starts, values[found], -1)
    return last
