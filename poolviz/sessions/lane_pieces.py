"""What lanes show, made of the edges of successive ticks, and shares of it.

What is drawn from afar are shares: which part of a bin a lane was in each state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolviz.model.lanes import Edge, Edges, Pieces, State, pieces_of, unpack_edges, waits_of
from poolviz.model.sample import TICK
from poolviz.sessions.holds import US

BIN = round(TICK / US)  # µs of the finest bin
COARSE = 32  # of these make a coarse one
_STATES = len(State)
_HELD_BY = {
    State.HELD: Edge.HELD,
    State.IN_TRANSACTION: Edge.IN_TRANSACTION,
    State.LEAKED: Edge.LEAKED,
}

Shares = NDArray[np.float32]
NOTHING = pieces_of(unpack_edges(b""), 0, 0)


class LaneTick(NamedTuple):
    """The edges of a tick, packed, and when it began and ended, in µs since the run began."""

    begin: int
    end: int
    body: bytes

    @classmethod
    def of(cls, t: float, span: float, body: bytes) -> LaneTick:
        """Return that of a sample."""
        return cls(round((t - span) / US), round(t / US), body)


class Read(NamedTuple):
    """The pieces of connections and of waits in successive ticks. Nothing is known in the parts
    that are `damaged`, from when to when in µs: there what should be edges isn't."""

    pieces: Pieces
    waits: Pieces
    damaged: tuple[tuple[int, int], ...] = ()


def pieces_between(
    ticks: Sequence[LaneTick], start: int, end: int, before: Edges | None = None
) -> Read:
    """Return what lanes show from `start` to `end`, in µs, of successive ticks of which the first
    says what stood before it, unless `before` does."""
    parts: list[tuple[Pieces, Pieces]] = []
    damaged: list[tuple[int, int]] = []
    until = ticks[0].begin if ticks else 0
    for first, last, edges in _whole_parts(ticks, before):
        if first > until:
            damaged.append((until, first))
        until = last
        # Nothing is known before the first tick, and nothing after the last one.
        begin, stop = max(start, first), min(end, last)
        parts.append((pieces_of(edges, begin, stop), waits_of(edges, begin, stop)))
    if ticks and ticks[-1].end > until:
        damaged.append((until, ticks[-1].end))
    pieces, waits = (joined(each) for each in zip(*parts, strict=True)) if parts else [NOTHING] * 2
    return Read(pieces, waits, tuple(damaged))


def _whole_parts(
    ticks: Sequence[LaneTick], before: Edges | None
) -> Iterator[tuple[int, int, Edges]]:
    """Yield the parts of ticks that can be read, from when to when, and their edges. After a tick
    that can't, the next part begins with one that says what stands."""
    parts: list[Edges] = [] if before is None else [before]
    begin, end, known = (ticks[0].begin if ticks else 0), 0, True
    for number, tick in enumerate(ticks):
        try:
            edges = unpack_edges(tick.body)
        except ValueError:
            if known and number:
                yield begin, end, _chained(parts)
            parts, known = [], False
            continue
        if not known and not edges.has_standing:
            continue
        if not known:
            begin, known = tick.begin, True
        elif (number or before is not None) and edges.has_standing:
            edges = _selected(edges, edges.at >= 0)
        end = tick.end
        if len(edges.kind):
            parts.append(edges._replace(at=edges.at + tick.begin))
    if known and ticks:
        yield begin, end, _chained(parts)


def _chained(parts: Sequence[Edges]) -> Edges:
    if not parts:
        return unpack_edges(b"")
    kind, lane, at, who, took = (
        np.concatenate(each) for each in zip(*(part[:5] for part in parts), strict=True)
    )
    return Edges(kind, lane, at, who, took)


def joined(parts: Sequence[Pieces]) -> Pieces:
    """Return the pieces of successive stretches; those that go on are one in each."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return NOTHING
    return Pieces(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def standing_at(pieces: Pieces, waits: Pieces, moment: int) -> Edges:
    """Return what stands at the end of pieces, in µs, as edges before it."""
    rows: list[tuple[int, int, int, int]] = []
    now = np.flatnonzero(pieces.end == moment)
    for lane, state, begin, _, client, number, since in zip(
        *(column[now].tolist() for column in pieces), strict=True
    ):
        rows.append((Edge.OPENED, lane, since - 1, number))
        if client >= 0:
            rows.append((Edge.ACQUIRED, lane, since, client))
        if state in _HELD_BY:
            rows.append((_HELD_BY[State(state)], lane, begin, client))
    now = np.flatnonzero(waits.end == moment)
    for client, since in zip(waits.client[now].tolist(), waits.since[now].tolist(), strict=True):
        rows.append((Edge.WAITING, 0, since, client))
    kind, lanes, at, who = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return Edges(kind, lanes, at, who, np.zeros_like(kind))


def shares_of(pieces: Pieces, start: int, width: float, bins: int, lanes: int) -> Shares:
    """Return by bin, lane and state which part of the bin the lane was in that state. Bins are
    `width` µs long, the first from `start` on."""
    inside = (pieces.lane < lanes) & (pieces.end > start) & (pieces.begin < start + width * bins)
    lane, state = pieces.lane[inside], pieces.state[inside]
    begin = np.maximum(pieces.begin[inside] - start, 0) / width
    end = np.minimum((pieces.end[inside] - start) / width, float(bins))
    first = begin.astype(np.int64)
    count = np.maximum(np.ceil(end).astype(np.int64) - first, 1)
    owner = np.repeat(np.arange(len(lane)), count)
    place = first[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    part = np.minimum(end[owner], place + 1) - np.maximum(begin[owner], place)
    place = np.minimum(place, bins - 1)
    cells = (place * lanes + lane[owner]) * _STATES + state[owner]
    found = np.bincount(cells, weights=np.maximum(part, 0.0), minlength=bins * lanes * _STATES)
    return found.reshape(bins, lanes, _STATES).astype(np.float32)


def _selected(edges: Edges, those: NDArray[np.bool_]) -> Edges:
    kind, lane, at, who, took = (column[those] for column in edges[:5])
    return Edges(kind, lane, at, who, took)


def has_standing(body: bytes) -> bool:
    """Whether the edges of a tick say what stood before it."""
    try:
        return unpack_edges(body).has_standing
    except ValueError:
        return False
