"""Who had which connection when, of a run that goes on or of a session that was opened."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolviz.model.lanes import USED, Edges, Pieces, State, pieces_of, unpack_edges
from poolviz.model.sample import Sample

US = 1e-6
ROOM = 64_000_000  # bytes of edges that are kept in memory while a run goes on


class LaneTick(NamedTuple):
    """The edges of a tick, packed, and when it began and ended, in µs since the run began."""

    begin: int
    end: int
    body: bytes

    @classmethod
    def of(cls, t: float, span: float, body: bytes) -> LaneTick:
        """Return that of a sample."""
        return cls(round((t - span) / US), round(t / US), body)


class Holder(NamedTuple):
    """Who holds a connection: the client, since when in seconds since the run began, and what it
    does with it. `connection` is the number of the connection, -1 where it isn't known."""

    lane: int
    connection: int
    client: int
    since: float
    state: State


class LaneTicks:
    """The newest ticks of a run, as long as there is room for them. Not thread-safe."""

    def __init__(self, room: int = ROOM) -> None:
        self._room, self._bytes = room, 0
        self._ticks: list[LaneTick] = []
        self._begins: list[int] = []
        self._keys: list[int] = []  # the begins of ticks that say what stood before them

    def add(self, sample: Sample) -> None:
        """Add the next sample."""
        tick = LaneTick.of(sample.t, sample.span, sample.lanes)
        self._ticks.append(tick)
        self._begins.append(tick.begin)
        self._bytes += len(tick.body)
        if _has_standing(tick.body):
            self._keys.append(tick.begin)
        if self._bytes > self._room and len(self._keys) > 1:
            self._drop_until(self._keys[len(self._keys) // 2])

    def _drop_until(self, begin: int) -> None:
        place = bisect_right(self._begins, begin) - 1
        self._bytes -= sum(len(tick.body) for tick in self._ticks[:place])
        del self._ticks[:place], self._begins[:place]
        self._keys = [key for key in self._keys if key >= begin]

    def between(self, start: int, end: int) -> list[LaneTick]:
        """Return the ticks from the last one before `start` that says what stood, up to `end`."""
        if not self._keys:
            return []
        key = self._keys[max(bisect_right(self._keys, start) - 1, 0)]
        first = bisect_right(self._begins, key) - 1
        return self._ticks[first : bisect_right(self._begins, end)]


def pieces_between(ticks: Sequence[LaneTick], start: int, end: int) -> tuple[Pieces, bool]:
    """Return what lanes show from `start` to `end`, in µs, of successive ticks of which the first
    says what stood before it, and whether connections weren't told apart. What can't be edges is
    left out."""
    parts: list[Edges] = []
    by_holder = False
    for number, tick in enumerate(ticks):
        try:
            edges = unpack_edges(tick.body)
        except ValueError:
            continue
        if not len(edges.kind):
            continue
        by_holder |= edges.by_holder
        if number and edges.has_standing:
            new = edges.at >= 0
            edges = _selected(edges, new)
        parts.append(edges._replace(at=edges.at + tick.begin))
    if not parts:
        return pieces_of(unpack_edges(b""), start, end), False
    kind, lane, at, who, took = (
        np.concatenate(each) for each in zip(*(part[:5] for part in parts), strict=True)
    )
    # Nothing is known before the first tick, and nothing after the last one.
    begin, until = max(start, ticks[0].begin), min(end, ticks[-1].end)
    return pieces_of(Edges(kind, lane, at, who, took), begin, until), by_holder


def holders(ticks: Sequence[LaneTick]) -> list[Holder]:
    """Return who holds connections at the end of the last of these ticks, the longest holder
    first."""
    if not ticks:
        return []
    end = ticks[-1].end
    pieces, _ = pieces_between(ticks, end - 1, end)
    held = np.isin(pieces.state, USED) & (pieces.end == end)
    rows = zip(*(column[held].tolist() for column in pieces), strict=True)
    found = [
        Holder(lane, number, client, since * US, State(state))
        for lane, state, _, _, client, number, since in rows
    ]
    return sorted(found, key=lambda holder: holder.since)


def _selected(edges: Edges, those: NDArray[np.bool_]) -> Edges:
    kind, lane, at, who, took = (column[those] for column in edges[:5])
    return Edges(kind, lane, at, who, took)


def _has_standing(body: bytes) -> bool:
    try:
        return unpack_edges(body).has_standing
    except ValueError:
        return False
