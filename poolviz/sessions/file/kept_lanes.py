"""Which lanes a session file keeps: the newest exactly, of older ones their states, as long as all
together take no more bytes than the user allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import msgspec

from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.format import Place, Row
from poolviz.sessions.file.stored_bins import KeptOfLanes, StoredBins
from poolviz.sessions.holds import US
from poolviz.sessions.lane_pieces import BIN, COARSE, LaneTick, pieces_between
from poolviz.sessions.lane_states import LaneStates, summed

# Of the bound, states of old chunks get that share at most: beyond the first one they are kept for
# a chunk as a whole, beyond the second one not at all.
_FINE, _ALL = 0.5, 0.75


class _Exact(NamedTuple):
    """A chunk that has its lanes: how many bytes these take, and its row without them; its bins
    without states, and these."""

    size: int
    chunk: Row
    bins: StoredBins
    states: bytes


class KeptLanes:
    """Makes the rows of chunks, and those that replace them once the lanes of all take more than
    `bound` bytes in the file; None is no bound. The samples that are in no chunk yet aren't
    counted. Samples that have no lanes any more keep the states that `older` knows between two
    moments, in µs. Belongs to the thread that makes the rows of chunks; members of a session share
    it."""

    def __init__(
        self, bound: int | None, older: Callable[[int, int], list[LaneStates]] | None = None
    ) -> None:
        self._bound, self._older = bound, older
        self._exact: deque[_Exact] = deque()
        self._bytes = 0  # of the edges and states of those
        self._states = 0  # bytes of the states of chunks that have nothing else any more

    def rows(self, place: Place, columns: Columns, bins: StoredBins) -> list[Row]:
        """Return the rows of the newest chunk, and those that older ones are replaced by."""
        packed = columns.pack()
        chunk: Row = ("chunks", place, packed)
        if not columns.rare.get("lanes"):
            return [chunk, _bins_row(place, self._with_older(bins, columns))]
        states = states_of(columns).pack()
        kept = _with(bins, KeptOfLanes.ALL, states)
        rows = [chunk, _bins_row(place, kept)]
        if self._bound is None:
            return rows
        rare = {name: each for name, each in columns.rare.items() if name != "lanes"}
        bare = replace(columns, rare=rare).pack()
        number = max(len(packed) - len(bare), 0)
        self._exact.append(_Exact(number, ("chunks", place, bare), bins, states))
        self._bytes += number + len(states)
        while self._bytes + self._states > self._bound and self._exact:
            rows += self._replaced(self._exact.popleft(), self._bound)
        return rows

    def _with_older(self, bins: StoredBins, columns: Columns) -> StoredBins:
        """Return bins with what is known of the lanes of samples that have none."""
        t, span = columns["t"], columns["span"]
        begin, end = round((t[0] - span[0]) / US), round(t[-1] / US)
        known = self._older(max(begin, 0), end) if self._older is not None else []
        if not known:
            return bins
        width = BIN * COARSE
        states = summed(known, width, (max(begin, 0) // width * width, end))
        return _with(bins, KeptOfLanes.STATES, states.pack())

    def _replaced(self, oldest: _Exact, bound: int) -> list[Row]:
        """Return the rows of a chunk that keeps its states only, as far as there is room."""
        self._bytes -= oldest.size + len(oldest.states)
        _, place, _ = oldest.chunk
        states, most = oldest.states, _FINE * bound
        if self._states + len(states) > most:
            states, most = LaneStates.unpack(states).coarser().pack(), _ALL * bound
        lanes = KeptOfLanes.STATES
        if self._states + len(states) > most:
            states, lanes = b"", KeptOfLanes.NOTHING
        self._states += len(states)
        return [oldest.chunk, _bins_row(place, _with(oldest.bins, lanes, states))]


def ticks_of(columns: Columns) -> list[LaneTick]:
    """Return the ticks of the samples of a chunk."""
    bodies = columns.rare.get("lanes", {})
    times = zip(columns["t"].tolist(), columns["span"].tolist(), strict=True)
    return [LaneTick.of(t, span, bodies.get(n, b"")) for n, (t, span) in enumerate(times)]


def states_of(columns: Columns) -> LaneStates:
    """Return the states of lanes in the samples of a chunk."""
    ticks = ticks_of(columns)
    begin, end = ticks[0].begin, ticks[-1].end
    pieces, waits, _ = pieces_between(ticks, begin, end)
    return LaneStates.of(pieces, waits, max(begin, 0), end)


def _bins_row(place: Place, bins: StoredBins) -> Row:
    number, *_, member = place
    return "bins", (number, member), bins.pack()


def _with(bins: StoredBins, lanes: KeptOfLanes, states: bytes) -> StoredBins:
    return msgspec.structs.replace(bins, lanes=lanes, states=states)
