"""Who had which connection when, of a run that goes on or of a session that was opened.

What is drawn from afar are shares: which part of a bin a lane was in each state. Those of a tick's
length are kept of the newest 20 minutes, those of `COARSE` of them of the whole run. Of waits there
are shares of the first `MOST_WAITING` clients that waited.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolviz.model.lanes import (
    Edge,
    Edges,
    Pieces,
    State,
    pieces_of,
    unpack_edges,
    waits_of,
)
from poolviz.model.sample import TICK, Sample
from poolviz.sessions.bins import T
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.reader import SessionReader
from poolviz.sessions.holds import LONGEST, US, Hold, LongestHolds

ROOM = 64_000_000  # bytes of edges that are kept in memory while a run goes on
BIN = round(TICK / US)  # µs of the finest bin
COARSE = 32  # of these make a coarse one
_FINE_ROOM = 24_000  # finest bins that are kept
_AT_ONCE = 16  # ticks of which shares are made together
_BLOCK = 1024  # ticks of which holds are found at once
_RECENT = 1200  # stretches, each of one tick at least, whose pieces are kept: a minute
_MOST = 60_000_000  # µs of which pieces are made at once
MOST_WAITING = 64  # clients of whose waits shares are kept
_CHUNKS = 6  # of a session that are read at once: five minutes
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


class WaitShares(NamedTuple):
    """Which part of each bin clients waited, by bin and client: where the first bin begins and how
    long each is, in µs, and the numbers of the clients."""

    begin: int
    width: int
    parts: Shares
    clients: Sequence[int]


class _Stretch(NamedTuple):
    """The pieces of successive ticks, of connections and of waits."""

    begin: int
    end: int
    pieces: Pieces
    waits: Pieces

    def within(self, start: int, end: int) -> bool:
        """Whether any part of it lies between two moments."""
        return self.end > start and self.begin < end


class LaneRecord:
    """The lanes of a run that goes on. Not thread-safe."""

    def __init__(self, room: int = ROOM) -> None:
        self._room, self._bytes = room, 0
        self._ticks: list[LaneTick] = []
        self._begins: list[int] = []
        self._keys: list[int] = []  # the begins of ticks that say what stood before them
        self._waiting = 0  # ticks of which there are no shares yet
        self._fine, self._coarse = _Bins(BIN, _FINE_ROOM), _Bins(BIN * COARSE, None)
        waiting = slice(State.WAITING, State.WAITING + 1)
        self._fine_waits = _Bins(BIN, _FINE_ROOM, waiting)
        self._coarse_waits = _Bins(BIN * COARSE, None, waiting)
        self._clients: dict[int, int] = {}  # rows of shares of waits, by client
        self._recent: deque[_Stretch] = deque(maxlen=_RECENT)
        self._standing: Edges | None = None  # at the end of the newest of them
        self._longest = LongestHolds()

    def add(self, sample: Sample) -> None:
        """Add the next sample."""
        tick = LaneTick.of(sample.t, sample.span, sample.lanes)
        self._ticks.append(tick)
        self._begins.append(tick.begin)
        self._bytes += len(tick.body)
        if has_standing(tick.body):
            self._keys.append(tick.begin)
        self._waiting += 1
        if self._waiting >= _AT_ONCE:
            self._count()
        if self._bytes > self._room and len(self._keys) > 2:
            self._drop_until(self._keys[len(self._keys) // 2])

    def pieces(self, start: int, end: int) -> Pieces | None:
        """Return what lanes show between two moments, in µs; None if too much would be read."""
        return self._pieces(start, end)[0]

    def waits(self, start: int, end: int) -> Pieces | None:
        """Return the waits of clients in the same way: their lane is the client."""
        return self._pieces(start, end)[1]

    def _pieces(self, start: int, end: int) -> tuple[Pieces | None, Pieces | None]:
        self._count()
        if self._recent and start >= self._recent[0].begin:
            # Of successive stretches, as they were counted.
            found = [each for each in self._recent if each.within(start, end)]
            return _joined([each.pieces for each in found]), _joined([each.waits for each in found])
        if end - start > _MOST:
            return None, None
        return pieces_between(self._between(start, end), start, end)

    def shares(self, start: int, end: int) -> tuple[int, int, Shares] | None:
        """Return shares from `start` on, in µs: when their first bin begins, how long each is, and
        by bin, lane and state their part."""
        self._count()
        return self._fine.between(start, end) or self._coarse.between(start, end)

    def wait_shares(self, start: int, end: int) -> WaitShares | None:
        """Return shares of waits in the same way."""
        self._count()
        found = self._fine_waits.between(start, end) or self._coarse_waits.between(start, end)
        if found is None:
            return None
        begin, width, parts = found
        return WaitShares(begin, width, parts[:, :, 0], list(self._clients))

    def _between(self, start: int, end: int) -> list[LaneTick]:
        """Return the ticks from the last one before `start` that says what stood, up to `end`."""
        if not self._keys:
            return []
        key = self._keys[max(bisect_right(self._keys, start) - 1, 0)]
        first = bisect_right(self._begins, key) - 1
        return self._ticks[first : bisect_right(self._begins, end)]

    def newest_longest(self) -> list[Hold]:
        """Return the longest holds up to now, the longest first."""
        self._count()
        return self._longest.holds

    def ticks(self, start: int, end: int) -> list[LaneTick]:
        """Return the ticks of which `longest_of` finds holds between two moments, in µs."""
        return self._between(start, end)

    def _count(self) -> None:
        """Add the shares of the newest ticks, and the longest holds in them."""
        waiting = self._ticks[len(self._ticks) - self._waiting :]
        self._waiting = 0
        if not waiting:
            return
        start, end = waiting[0].begin, waiting[-1].end
        pieces, waits = pieces_between(waiting, start, end, self._standing)
        self._standing = standing_at(pieces, waits, end)
        self._recent.append(_Stretch(start, end, pieces, waits))
        self._fine.add(pieces)
        self._coarse.add(pieces)
        rows = self._rows(waits)
        self._fine_waits.add(rows)
        self._coarse_waits.add(rows)
        self._longest.add(pieces)

    def _rows(self, waits: Pieces) -> Pieces:
        """Return waits with their rows of shares as lanes, of clients that have one."""
        clients, places = np.unique(waits.client, return_inverse=True)
        for client in clients.tolist():
            if len(self._clients) < MOST_WAITING:
                self._clients.setdefault(client, len(self._clients))
        rows = np.array([self._clients.get(each, -1) for each in clients.tolist()], dtype=np.int64)
        lane = rows[places] if len(rows) else waits.lane
        return Pieces(*(column[lane >= 0] for column in waits._replace(lane=lane)))

    def _drop_until(self, begin: int) -> None:
        place = bisect_right(self._begins, begin) - 1
        self._bytes -= sum(len(tick.body) for tick in self._ticks[:place])
        del self._ticks[:place], self._begins[:place]
        self._keys = [key for key in self._keys if key >= begin]


class _Bins:
    """Shares of bins of one length, the newest `room` of them or all."""

    def __init__(self, width: int, room: int | None, states: slice = slice(_STATES)) -> None:
        self._width, self._room, self._states = width, room, states
        self._first = 0  # the number of the first bin that is kept
        self._count = 0  # bins up to the newest
        depth = len(range(*states.indices(_STATES)))
        self._parts = np.zeros((256, 1, depth), dtype=np.float32)

    def add(self, pieces: Pieces) -> None:
        """Add pieces, which no earlier ones overlap."""
        if not len(pieces.lane):
            return
        last, lanes = (int(pieces.end.max()) - 1) // self._width, int(pieces.lane.max()) + 1
        if self._room is not None and last - self._first >= 2 * self._room:
            gone = last - self._room - self._first
            self._parts = np.concatenate((self._parts[gone:], np.zeros_like(self._parts[:gone])))
            self._first += gone
        bins, known, _ = self._parts.shape
        more_bins, more_lanes = last + 1 - self._first - bins, lanes - known
        if more_bins > 0 or more_lanes > 0:
            grown = (
                (0, max(more_bins, bins) if more_bins > 0 else 0),
                (0, max(more_lanes, 0)),
                (0, 0),
            )
            self._parts = np.pad(self._parts, grown)
        first = max(int(pieces.begin.min()) // self._width, self._first)
        part = shares_of(pieces, first * self._width, self._width, last + 1 - first, lanes)
        kept = part[:, :, self._states]
        self._parts[first - self._first : last + 1 - self._first, :lanes] += kept
        self._count = max(self._count, last + 1)

    def between(self, start: int, end: int) -> tuple[int, int, Shares] | None:
        """Return those from `start` to `end`; None if the first of them isn't kept any more."""
        first = max(start // self._width, 0)
        if first < self._first:
            return None
        last = max(min(end // self._width + 1, self._count), first)
        part = self._parts[first - self._first : last - self._first]
        return first * self._width, self._width, part


class StoredLanes:
    """The lanes of a session that was opened. Thread-safe; reads the session file."""

    def __init__(self, reader: SessionReader) -> None:
        self._reader, stored = reader, reader.stored
        self._ends = [round(float(bins.tables()[-1][T, -1]) / US) for bins in stored.bins]
        self._rest = [
            LaneTick.of(sample.t, sample.span, sample.lanes)
            for number, sample in enumerate(stored.newest, stored.newest_from)
            if number >= stored.chunked
        ]
        self._until = self._rest[-1].end if self._rest else max(self._ends, default=0)
        self._chunk = lru_cache(4 * _CHUNKS)(self._stretch)
        self._unchunked: _Stretch | None = None
        self._kept: dict[int, tuple[int, Shares]] = {}  # shares, by the begin of their stretch

    def pieces(self, start: int, end: int) -> Pieces | None:
        """Do as `LaneRecord.pieces`. InputError if the file is damaged or gone."""
        stretches = self._stretches(start, end)
        return None if stretches is None else _joined([each.pieces for each in stretches])

    def waits(self, start: int, end: int) -> Pieces | None:
        """Do as `LaneRecord.waits`. InputError as `pieces`."""
        stretches = self._stretches(start, end)
        return None if stretches is None else _joined([each.waits for each in stretches])

    def wait_shares(self, start: int, end: int) -> WaitShares | None:
        """Do as `LaneRecord.wait_shares`; None if too much would be read. InputError as
        `pieces`."""
        waits = self.waits(start, end)
        if waits is None:
            return None
        clients, rows = np.unique(waits.client, return_inverse=True)
        shown = rows < MOST_WAITING
        waits = Pieces(*(column[shown] for column in waits._replace(lane=rows)))
        first = max(start // BIN, 0)
        number = max(min(end, self._until) // BIN + 1 - first, 1)
        kept = clients[:MOST_WAITING].tolist()
        parts = shares_of(waits, first * BIN, BIN, number, max(len(kept), 1))
        return WaitShares(first * BIN, BIN, parts[:, :, State.WAITING], kept)

    def shares(self, start: int, end: int) -> tuple[int, int, Shares] | None:
        """Do as `LaneRecord.shares`; None if too much would be read. InputError as `pieces`."""
        stretches = self._stretches(start, end)
        if stretches is None:
            return None
        parts = [self._shares(each) for each in stretches]
        first = max(start // BIN, 0)
        last = max([first, *(begin + len(part) for begin, part in parts)])
        lanes = max([1, *(part.shape[1] for _, part in parts)])
        whole: Shares = np.zeros((last - first, lanes, _STATES), dtype=np.float32)
        for begin, part in parts:
            shown = part[max(first - begin, 0) :]
            place = max(begin - first, 0)
            whole[place : place + len(shown), : part.shape[1]] += shown
        return first * BIN, BIN, whole

    def longest(self, start: int, end: int, most: int) -> list[Hold]:
        """Return the longest holds that any part of lies between two moments, in µs. Reads all of
        that: it takes some seconds for an hour. InputError as `pieces`."""
        first, last = self._chunks(start, end)
        found = LongestHolds(most)
        for number in range(first, last + 1):
            found.add(_touching(self._stretch(number).pieces, start, end))
        if not self._ends or end > self._ends[-1]:
            found.add(_touching(self._last().pieces, start, end))
        return found.holds

    def _shares(self, stretch: _Stretch) -> tuple[int, Shares]:
        """Return the number of the first bin of a stretch, and its shares."""
        found = self._kept.get(stretch.begin)
        if found is None:
            first, pieces = stretch.begin // BIN, stretch.pieces
            count = max(stretch.end // BIN + 1 - first, 1)
            lanes = int(pieces.lane.max()) + 1 if len(pieces.lane) else 1
            if len(self._kept) > 4 * _CHUNKS:
                self._kept = {}
            found = first, shares_of(pieces, first * BIN, BIN, count, lanes)
            self._kept[stretch.begin] = found
        return found

    def _chunks(self, start: int, end: int) -> tuple[int, int]:
        """Return the numbers of the first and the last chunk that lie between two moments."""
        return bisect_right(self._ends, start), min(
            bisect_right(self._ends, end), len(self._ends) - 1
        )

    def _stretches(self, start: int, end: int) -> list[_Stretch] | None:
        first, last = self._chunks(start, end)
        if last - first >= _CHUNKS:
            return None
        found = [self._chunk(number) for number in range(first, last + 1)]
        if not self._ends or end > self._ends[-1]:
            found.append(self._last())
        return found

    def _last(self) -> _Stretch:
        """Return the samples that are in no chunk."""
        if self._unchunked is None:
            self._unchunked = _stretch_of(self._rest)
        return self._unchunked

    def _stretch(self, number: int) -> _Stretch:
        return _stretch_of(ticks_of(self._reader.chunk(number)))


def _stretch_of(ticks: Sequence[LaneTick]) -> _Stretch:
    begin, end = (ticks[0].begin, ticks[-1].end) if ticks else (0, 0)
    return _Stretch(begin, end, *pieces_between(ticks, begin, end))


def _joined(parts: Sequence[Pieces]) -> Pieces:
    """Return the pieces of successive stretches; those that go on are one in each."""
    if not parts:
        return NOTHING
    return Pieces(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def ticks_of(columns: Columns) -> list[LaneTick]:
    """Return the ticks of the samples of a chunk."""
    bodies = columns.rare.get("lanes", {})
    times = zip(columns["t"].tolist(), columns["span"].tolist(), strict=True)
    return [LaneTick.of(t, span, bodies.get(n, b"")) for n, (t, span) in enumerate(times)]


def pieces_between(
    ticks: Sequence[LaneTick], start: int, end: int, before: Edges | None = None
) -> tuple[Pieces, Pieces]:
    """Return what lanes show from `start` to `end`, in µs, of successive ticks of which the first
    says what stood before it, unless `before` does, and the waits. What can't be edges is left
    out."""
    parts: list[Edges] = [] if before is None else [before]
    for number, tick in enumerate(ticks):
        try:
            edges = unpack_edges(tick.body)
        except ValueError:
            continue
        if not len(edges.kind):
            continue
        if (number or before is not None) and edges.has_standing:
            edges = _selected(edges, edges.at >= 0)
        parts.append(edges._replace(at=edges.at + tick.begin))
    if not parts or not ticks:
        return NOTHING, NOTHING
    kind, lane, at, who, took = (
        np.concatenate(each) for each in zip(*(part[:5] for part in parts), strict=True)
    )
    # Nothing is known before the first tick, and nothing after the last one.
    begin, until = max(start, ticks[0].begin), min(end, ticks[-1].end)
    edges = Edges(kind, lane, at, who, took)
    return pieces_of(edges, begin, until), waits_of(edges, begin, until)


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


def longest_of(ticks: Sequence[LaneTick], start: int, end: int, most: int = LONGEST) -> list[Hold]:
    """Return the longest holds that any part of lies between two moments, in µs, of successive
    ticks of which the first says what stood before it."""
    found = LongestHolds(most)
    before: Edges | None = None
    for place in range(0, len(ticks), _BLOCK):
        block = ticks[place : place + _BLOCK]
        pieces, waits = pieces_between(block, block[0].begin, block[-1].end, before)
        before = standing_at(pieces, waits, block[-1].end)
        found.add(_touching(pieces, start, end))
    return found.holds


def _touching(pieces: Pieces, start: int, end: int) -> Pieces:
    """Return those that end after `start`, of holds that begin before `end`."""
    shown = (pieces.end > start) & (pieces.since < end)
    return Pieces(*(column[shown] for column in pieces))


def longest_holds(all_columns: Iterable[Columns], most: int = LONGEST) -> list[Hold]:
    """Return the longest holds in samples that follow one another, the longest first."""
    found = LongestHolds(most)
    ticks: list[LaneTick] = []
    for columns in all_columns:
        if not columns.rare.get("lanes"):
            ticks = []
            found.add(NOTHING)
            continue
        new = ticks_of(columns)
        ticks = new if new and has_standing(new[0].body) else [*ticks, *new]
        if new:
            found.add(pieces_between(ticks, new[0].begin, new[-1].end)[0])
    return found.holds


def _selected(edges: Edges, those: NDArray[np.bool_]) -> Edges:
    kind, lane, at, who, took = (column[those] for column in edges[:5])
    return Edges(kind, lane, at, who, took)


def has_standing(body: bytes) -> bool:
    """Whether the edges of a tick say what stood before it."""
    try:
        return unpack_edges(body).has_standing
    except ValueError:
        return False
