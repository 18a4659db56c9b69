"""The bins of a chunk of samples: made from its columns all at once, and stored for the coarser
resolutions, of which a chunk has whole bins."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from enum import IntEnum
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from poolviz.language import tr
from poolviz.model.histogram import BUCKETS, MIDDLES
from poolviz.model.sample import TICK
from poolviz.sessions.bins import (
    BITS,
    BUDGET,
    CAPACITY,
    HEIGHT,
    HEIGHT_BEFORE_AGES,
    HIGHS,
    LEVELS,
    LOWS,
    MEAN_AGE,
    MEANS,
    OLDEST,
    PERCENTILES,
    RESOLUTIONS,
    SERVER,
    SERVER_KEPT,
    SPAN,
    WAITS,
    Numbers,
    ServerSeen,
    T,
    merged,
)
from poolviz.sessions.file.arrays import Packed, pack_array, unpack_array
from poolviz.sessions.file.columns import Columns, missing
from poolviz.sessions.file.format import CHUNK_BITS, Damage

FINE = 2  # levels below this one are made of the columns when they are looked at

Begins: TypeAlias = Sequence[int] | NDArray[np.int64]

# Bytes of the bins of a chunk once unpacked, of which there are 22,000, and of states of lanes.
_LARGEST = 200_000


class KeptOfLanes(IntEnum):
    """What a session file has of the lanes of a chunk."""

    UNKNOWN = 0  # only the chunk itself says; so it was in older sessions
    ALL = 1  # the edges in the chunk
    STATES = 2  # no edges any more
    NOTHING = 3  # neither, any more


class StoredBins(msgspec.Struct, array_like=True):
    """What is stored of a chunk: the server's last view before it (seconds, active, all; `budget`
    is the budget then), and its bins from level FINE up, of `height` rows each. Older sessions have
    the first of them.

    `states` are those of lanes, as `LaneStates.pack` has them; empty where there are none.
    """

    seen: tuple[float, float, float]
    levels: list[Packed]
    height: int = HEIGHT_BEFORE_AGES
    budget: float = math.nan
    states: bytes = b""
    lanes: int = KeptOfLanes.UNKNOWN

    @classmethod
    def of(cls, columns: Columns, seen: ServerSeen) -> StoredBins:
        """Return those of the next chunk. `seen` moves to its end."""
        before, budget = (seen.t, seen.active, seen.total), seen.budget
        levels = [pack_array(bins.ravel()) for bins in levels_of(columns, seen)[FINE:]]
        for number, view in columns.rare.get("server", {}).items():
            seen.see(float(columns["t"][number]), view)
        return cls(before, levels, HEIGHT, budget)

    @property
    def server_before(self) -> ServerSeen:
        """The server's last view before it."""
        return ServerSeen(*self.seen, self.budget)

    @classmethod
    def unpack(cls, body: bytes) -> StoredBins:
        """Return what was packed. Damage if it can't have been."""
        try:
            unpacking = zlib.decompressobj()
            stored = _decode(unpacking.decompress(body, _LARGEST))
            if not unpacking.eof or len(stored.levels) != RESOLUTIONS - FINE:
                raise ValueError(tr("it is cut off"))
            KeptOfLanes(stored.lanes)
        except (msgspec.MsgspecError, zlib.error, ValueError, TypeError):
            raise Damage(tr("what is drawn of it is not what was written")) from None
        return stored

    def pack(self) -> bytes:
        """Return these as bytes."""
        return zlib.compress(_encode(self), 6)

    def tables(self) -> list[Numbers]:
        """Return the bins of each level from FINE up. Damage if they can't be bins."""
        wrong = Damage(tr("what is drawn of it can't be"))
        if not HEIGHT_BEFORE_AGES <= self.height <= HEIGHT:
            raise wrong
        try:
            tables = [unpack_array(packed).reshape(self.height, -1) for packed in self.levels]
        except ValueError:
            raise wrong from None
        if self.height < HEIGHT:
            unknown = ((0, HEIGHT - self.height), (0, 0))
            tables = [
                np.pad(table.astype(np.float64), unknown, constant_values=math.nan)
                for table in tables
            ]
        for level, table in enumerate(tables, start=FINE):
            if table.shape[1] > 1 << (CHUNK_BITS - BITS * level):
                raise wrong
            times = table[T].astype(np.float64)
            if not table.shape[1] or not np.isfinite(times).all() or (np.diff(times) < 0).any():
                raise wrong
        return tables


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredBins).decode


def levels_of(columns: Columns, seen: ServerSeen, number: int = RESOLUTIONS) -> list[Numbers]:
    """Return the bins of successive samples at the first `number` levels. `seen` is what was known
    of the server before the first one, and stays as it is."""
    samples = bins_of(columns, seen)
    # A sample that a change cut short is merged into the one before: see `resolutions.py`.
    whole = columns["span"] >= TICK / 2
    whole[:1] = True
    begins = np.flatnonzero(whole)
    levels = [_with_percentiles(merged(samples, begins), columns, begins)]
    below, keys = samples, columns["index"]
    for _ in range(1, number):
        keys = keys >> BITS
        firsts = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
        below, keys = merged(below, firsts), keys[firsts]
        begins = np.searchsorted(columns["index"] >> (BITS * len(levels)), keys)
        levels.append(_with_percentiles(below, columns, begins))
    return levels


def _with_percentiles(bins: Numbers, columns: Columns, begins: Begins) -> Numbers:
    bins[WAITS] = percentiles(columns, begins)
    return bins


def bins_of(columns: Columns, seen: ServerSeen) -> Numbers:
    """Return every sample as a bin of its own, as `bin_of` does, all at once. `seen` is what was
    known of the server before the first one."""
    bins = np.empty((HEIGHT, columns.count))
    bins[T], bins[SPAN] = columns["t"], columns["span"]
    span = bins[SPAN]
    span[span == 0.0] = TICK
    bins[CAPACITY] = columns["capacity"]
    bins[CAPACITY, missing(columns["capacity"])] = math.nan
    for row, name in enumerate(LEVELS):
        bins[MEANS.start + row] = columns[f"{name}.mean"]
        bins[LOWS.start + row] = columns[f"{name}.low"]
        bins[HIGHS.start + row] = columns[f"{name}.high"]
    errors = np.zeros(columns.count)
    for number, names in columns.rare.get("errors", {}).items():
        errors[number] = sum(names.values())
    rates = (columns["operations"], columns["timeouts"], errors)
    for row, counted in enumerate(rates, start=MEANS.start + len(LEVELS)):
        bins[row] = counted / span
    bins[SERVER.start], bins[SERVER.start + 1], bins[BUDGET] = _server(columns, seen)
    bins[WAITS] = math.nan
    for row, name in ((OLDEST, "oldest_age"), (MEAN_AGE, "mean_age")):
        bins[row] = np.where(columns[name] < 0, math.nan, columns[name])
    return bins


def _server(columns: Columns, seen: ServerSeen) -> Numbers:
    """Return the active and all backends and the budget at the end of each sample; NaN if they
    aren't known."""
    views = sorted(columns.rare.get("server", {}).items())
    at = [-1, *(number for number, _ in views)]
    known = np.array(
        [
            (seen.t, seen.active, seen.total, seen.budget),
            *(
                (columns["t"][number], view.active, view.total, _or_nan(view.budget))
                for number, view in views
            ),
        ],
        dtype=np.float64,
    ).T
    newest = np.searchsorted(at, np.arange(columns.count), side="right") - 1
    t, *server = known[:, newest]
    table = np.array(server)
    table[:, columns["t"] - t > SERVER_KEPT] = math.nan
    return table


def _or_nan(count: int | None) -> float:
    return math.nan if count is None else count


def percentiles(columns: Columns, begins: Begins, times: str = "wait") -> Numbers:
    """Return the percentiles of the `times` of successive samples, a row each: from one of `begins`
    to before the next. NaN where there were none. As `Histogram.percentiles` reads them."""
    starts = np.asarray(begins)
    table = np.full((len(PERCENTILES), len(starts)), math.nan)
    cells, counted = columns[f"{times}.cells"], columns[f"{times}.count"]
    if not len(cells):
        return table
    owners = np.repeat(np.arange(columns.count), columns[f"{times}.filled"])
    groups = np.searchsorted(starts, owners, side="right") - 1
    order = np.argsort(groups * BUCKETS + cells["bucket"], kind="stable")
    cumulated = np.cumsum(cells["count"][order], dtype=np.int64)
    counts = np.add.reduceat(counted, starts)
    filled = np.flatnonzero(counts)
    before = np.cumsum(counts) - counts
    lows = np.where(counted > 0, columns[f"{times}.low"], math.inf)
    low = np.minimum.reduceat(lows, starts)[filled]
    high = np.maximum.reduceat(columns[f"{times}.high"], starts)[filled]
    for row, share in enumerate(PERCENTILES.values()):
        ranks = before[filled] + np.maximum(np.ceil(share * counts[filled]), 1)
        places = np.minimum(np.searchsorted(cumulated, ranks), len(cumulated) - 1)
        values = MIDDLES[cells["bucket"][order[places]]]
        table[row, filled] = np.minimum(np.maximum(values, low), high)
    return table
