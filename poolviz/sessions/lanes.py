"""Who had which connection when, of a run that goes on or of a session that was opened.

What is drawn from afar are shares: which part of a bin a lane was in each state. Those of a tick's
length are kept of the newest 20 minutes, those of `COARSE` of them of the whole run. Of waits there
are shares of the first `MOST_CLIENTS` that waited. A session file has shares of all chunks, and
edges of the newest (`file/kept_lanes.py`); `less` says where there are none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.lanes import Edges, Pieces, State
from poolviz.model.sample import Sample
from poolviz.sessions.bins import T
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.kept_lanes import ticks_of
from poolviz.sessions.file.reader import SessionReader
from poolviz.sessions.file.stored_bins import KeptOfLanes
from poolviz.sessions.holds import LONGEST, US, Hold, LongestHolds
from poolviz.sessions.lane_pieces import (
    BIN,
    COARSE,
    NOTHING,
    LaneTick,
    Shares,
    has_standing,
    joined,
    pieces_between,
    shares_of,
    standing_at,
)
from poolviz.sessions.lane_states import MOST_CLIENTS, LaneStates, summed

ROOM = 64_000_000  # bytes of edges that are kept in memory while a run goes on
_FINE_ROOM = 24_000  # finest bins that are kept
_AT_ONCE = 16  # ticks of which shares are made together
_BLOCK = 1024  # ticks of which holds are found at once
_RECENT = 1200  # stretches, each of one tick at least, whose pieces are kept: a minute
_MOST = 60_000_000  # µs of which pieces are made at once
_CHUNKS = 6  # of a session that are read at once: five minutes
_STATES = len(State)


class Less(NamedTuple):
    """From when to when, in µs, less is known of lanes than their edges: shares of bins `width` µs
    long, or nothing where that is 0. What was there is `damaged`, or wasn't kept."""

    begin: int
    end: int
    width: int
    damaged: bool = False


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
    damaged: tuple[tuple[int, int], ...] = ()

    def within(self, start: int, end: int) -> bool:
        """Whether any part of it lies between two moments."""
        return self.end > start and self.begin < end


class LaneRecord:
    """The lanes of a run that goes on. Not thread-safe."""

    def __init__(self, room: int = ROOM) -> None:
        self._room, self._bytes, self._dropped = room, 0, False
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
            return joined([each.pieces for each in found]), joined([each.waits for each in found])
        if end - start > _MOST:
            return None, None
        read = pieces_between(self._between(start, end), start, end)
        return read.pieces, read.waits

    def less(self, start: int, end: int) -> list[Less]:
        """Return where less than edges is known between two moments, in µs."""
        kept = self._begins[0] if self._dropped else 0
        if start >= kept:
            return []
        found = self._fine.between(start, end) or self._coarse.between(start, end)
        return [Less(max(start, 0), min(end, kept), found[1] if found is not None else 0)]

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

    def states(self, start: int, end: int) -> list[LaneStates]:
        """Return the states of lanes between two moments."""
        self._count()
        lanes, waits = (each.between(start, end) for each in (self._coarse, self._coarse_waits))
        if lanes is None or waits is None or not len(lanes[2]):
            return []
        clients = np.array(list(self._clients), dtype=np.int64)
        part = np.zeros((len(lanes[2]), len(clients)), dtype=np.float32)
        found = waits[2][: len(part), : len(clients), 0]
        part[: len(found), : found.shape[1]] = found
        return [LaneStates(*lanes, part, clients)]

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
        pieces, waits, _ = pieces_between(waiting, start, end, self._standing)
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
            if len(self._clients) < MOST_CLIENTS:
                self._clients.setdefault(client, len(self._clients))
        rows = np.array([self._clients.get(each, -1) for each in clients.tolist()], dtype=np.int64)
        lane = rows[places] if len(rows) else waits.lane
        return Pieces(*(column[lane >= 0] for column in waits._replace(lane=lane)))

    def _drop_until(self, begin: int) -> None:
        place = bisect_right(self._begins, begin) - 1
        self._bytes -= sum(len(tick.body) for tick in self._ticks[:place])
        del self._ticks[:place], self._begins[:place]
        self._dropped = True
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
        self._kept = [KeptOfLanes(bins.lanes) for bins in stored.bins]
        self._packed = [bins.states for bins in stored.bins]
        self._rest = [
            LaneTick.of(sample.t, sample.span, sample.lanes)
            for number, sample in enumerate(stored.newest, stored.newest_from)
            if number >= stored.chunked
        ]
        self._until = self._rest[-1].end if self._rest else max(self._ends, default=0)
        self._chunk = lru_cache(4 * _CHUNKS)(self._stretch)
        self._states = lru_cache(4096)(self._unpacked)
        self._unchunked: _Stretch | None = None
        self.trouble = ""  # a sentence once lanes were read that are damaged
        self._fine_kept: dict[int, LaneStates] = {}  # by the begin of their stretch
        self._afar: tuple[tuple[int, int], LaneStates] | None = None  # of chunks, as last drawn

    def pieces(self, start: int, end: int) -> Pieces | None:
        """Do as `LaneRecord.pieces`. InputError if the file is damaged or gone."""
        stretches = self._stretches(start, end)
        return None if stretches is None else joined([each.pieces for each in stretches])

    def waits(self, start: int, end: int) -> Pieces | None:
        """Do as `LaneRecord.waits`. InputError as `pieces`."""
        stretches = self._stretches(start, end)
        return None if stretches is None else joined([each.waits for each in stretches])

    def less(self, start: int, end: int) -> list[Less]:
        """Do as `LaneRecord.less`. Of a part that is shown from afar, `damaged` parts aren't known.
        InputError as `pieces`."""
        first, last = self._chunks(start, end)
        found: list[Less] = []
        near = last - first < _CHUNKS
        for number in range(first, last + 1):
            begin, until = self._ends[number - 1] if number else 0, self._ends[number]
            kept, states = self._kept[number], self._states(number)
            if kept is KeptOfLanes.NOTHING:
                found.append(Less(begin, until, 0))
            elif states is not None and (kept is KeptOfLanes.STATES or not near):
                found.append(Less(begin, until, states.width))
            elif kept is KeptOfLanes.STATES:
                found.append(Less(begin, until, 0, damaged=True))
        for stretch in (self._stretches(start, end) or ()) if near else ():
            found += [Less(*each, 0, damaged=True) for each in stretch.damaged]
        found.sort()
        return _merged(found)

    def wait_shares(self, start: int, end: int) -> WaitShares | None:
        """Do as `LaneRecord.wait_shares`; None if too much would be read. InputError as
        `pieces`."""
        found = self._between(start, end)
        if found is None:
            return None
        return WaitShares(found.begin, found.width, found.waits, found.clients.tolist())

    def shares(self, start: int, end: int) -> tuple[int, int, Shares] | None:
        """Do as `LaneRecord.shares`; None if too much would be read. InputError as `pieces`."""
        found = self._between(start, end)
        return None if found is None else (found.begin, found.width, found.lanes)

    def states(self, start: int, end: int) -> list[LaneStates]:
        """Return the states of lanes between two moments, where the file has nothing else."""
        first, last = self._chunks(start, end - 1)
        numbers = range(first, last + 1)
        coarse = [each for each in numbers if self._kept[each] is KeptOfLanes.STATES]
        return [each for each in map(self._states, coarse) if each is not None]

    def _between(self, start: int, end: int) -> LaneStates | None:
        """Return what is drawn between two moments: in the finest bins of a few chunks, else in
        coarse ones, if the file has these."""
        chunks = self._chunks(start, end)
        if chunks[1] - chunks[0] < _CHUNKS:
            return self._near(start, end)
        if KeptOfLanes.UNKNOWN in self._kept[chunks[0] : chunks[1] + 1]:
            return None
        if self._afar is None or self._afar[0] != chunks:
            parts = [self._states(number) for number in range(chunks[0], chunks[1] + 1)]
            if self._rest and chunks[1] == len(self._ends) - 1:
                last = self._last()
                parts.append(LaneStates.of(last.pieces, last.waits, max(last.begin, 0), last.end))
            self._afar = chunks, summed([each for each in parts if each is not None], COARSE * BIN)
        return self._afar[1]

    def _near(self, start: int, end: int) -> LaneStates:
        stretches = self._stretches(start, end) or []
        first, last = self._chunks(start, end)
        coarse = (
            self._states(number)
            for number in range(first, last + 1)
            if self._kept[number] is KeptOfLanes.STATES
        )
        parts = [each for each in coarse if each is not None]
        parts += [self._fine(each) for each in stretches]
        return summed(parts, BIN, (start, min(end, self._until)))

    def _unpacked(self, number: int) -> LaneStates | None:
        """Return the states of a chunk; None if there are none, or these can't be states."""
        try:
            return LaneStates.unpack(self._packed[number]) if self._packed[number] else None
        except ValueError:
            return None

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

    def _fine(self, stretch: _Stretch) -> LaneStates:
        """Return the shares of a stretch in the finest bins."""
        found = self._fine_kept.get(stretch.begin)
        if found is None:
            if len(self._fine_kept) > 4 * _CHUNKS:
                self._fine_kept = {}
            begin = max(stretch.begin, 0)
            found = LaneStates.of(stretch.pieces, stretch.waits, begin, stretch.end, BIN)
            self._fine_kept[stretch.begin] = found
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
        found = [
            self._chunk(number)
            for number in range(first, last + 1)
            if self._kept[number] in (KeptOfLanes.ALL, KeptOfLanes.UNKNOWN)
        ]
        if not self._ends or end > self._ends[-1]:
            found.append(self._last())
        return found

    def _last(self) -> _Stretch:
        """Return the samples that are in no chunk."""
        if self._unchunked is None:
            self._unchunked = self._checked(_stretch_of(self._rest))
        return self._unchunked

    def _stretch(self, number: int) -> _Stretch:
        return self._checked(_stretch_of(ticks_of(self._reader.chunk(number))))

    def _checked(self, stretch: _Stretch) -> _Stretch:
        if stretch.damaged and not self.trouble:
            self.trouble = str(damaged_lanes(*stretch.damaged[0]))
        return stretch


def _stretch_of(ticks: Sequence[LaneTick]) -> _Stretch:
    begin, end = (ticks[0].begin, ticks[-1].end) if ticks else (0, 0)
    return _Stretch(begin, end, *pieces_between(ticks, begin, end))


def damaged_lanes(begin: int, end: int) -> InputError:
    """Return what is wrong between two moments, in µs."""
    return InputError(
        tr(
            "The lanes from {begin:.1f} to {end:.1f} s are damaged: who had which connection then "
            "can't be read.",
            begin=begin * US,
            end=end * US,
        )
    )


def _merged(found: Sequence[Less]) -> list[Less]:
    """Return parts in the order of time, those that touch and are alike as one."""
    parts: list[Less] = []
    for each in found:
        before = parts[-1] if parts else None
        if before is not None and before[2:] == each[2:] and before.end >= each.begin:
            parts[-1] = before._replace(end=max(before.end, each.end))
        else:
            parts.append(each)
    return parts


def longest_of(ticks: Sequence[LaneTick], start: int, end: int, most: int = LONGEST) -> list[Hold]:
    """Return the longest holds that any part of lies between two moments, in µs, of successive
    ticks of which the first says what stood before it."""
    found = LongestHolds(most)
    before: Edges | None = None
    for place in range(0, len(ticks), _BLOCK):
        block = ticks[place : place + _BLOCK]
        pieces, waits, _ = pieces_between(block, block[0].begin, block[-1].end, before)
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
            found.add(pieces_between(ticks, new[0].begin, new[-1].end).pieces)
    return found.holds
