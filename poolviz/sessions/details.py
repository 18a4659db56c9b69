"""What single charts draw of a run beyond the bins that all charts share.

That is the distribution of waits, what was opened and closed, the ages of connections, the server's
backends by state, what a pooler says of itself, and the operations of each client.

Like those of `resolutions.py`, a bin of each level merges 4 of the level below. All that is in one
adds up, so that a bin has exactly what its samples had.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from poolviz.model.histogram import BUCKETS, CELL, MIDDLES
from poolviz.model.sample import TICK, PoolerView, Sample, ServerView
from poolviz.sessions.bins import BITS, RESOLUTIONS, SERVER_KEPT, Numbers

Counts: TypeAlias = NDArray[np.int64]
Cells: TypeAlias = NDArray[np.int32]

JOINED = 12  # buckets of a histogram that make one cell of the distribution, 27 % wide
CELLS = -(-BUCKETS // JOINED)
# The lower bound of each cell in seconds, and the upper one of the last.
BOUNDS: Numbers = MIDDLES[0] / 1.02**0.5 * 1.02 ** (JOINED * np.arange(CELLS + 1.0))

# Sums over a bin, of which the times are in seconds.
STATES = ("active", "idle", "idle_in_transaction", "other")
POOLER = ("cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_other")
SUMS = (
    *("opened", "closed", "connects", "connecting", "waiting"),
    *(f"server_{state}" for state in STATES),
    *("server_known", "age", "age_known", "used", "span"),
    *(f"pooler_{count}" for count in POOLER),
    "pooler_known",
)
V = TypeVar("V")
_COLUMN = {name: number for number, name in enumerate(SUMS)}

_ROOM = 8000  # bins that a level keeps, the coarsest one all
CLIENTS = 4  # the level whose bins hold what each client did until then
MOST_CLIENTS = 5000  # of a run, of which single ones are counted


class Seen(NamedTuple):
    """When the server and a pooler were seen last, and what; None where they weren't."""

    server: tuple[float, ServerView] | None = None
    pooler: tuple[float, PoolerView] | None = None

    def after(self, sample: Sample) -> Seen:
        """Return what is known at the end of the next sample: nothing that is too old."""

        def newest(before: tuple[float, V] | None, now: V | None) -> tuple[float, V] | None:
            if now is not None:
                return sample.t, now
            return before if before and sample.t - before[0] <= SERVER_KEPT else None

        return Seen(newest(self.server, sample.server), newest(self.pooler, sample.pooler))


@dataclass(frozen=True)
class DetailView:
    """Part of a run as bins in ascending order.

    `t` is the end of each bin in seconds since the start, `bin` their nominal width. `waits` has
    for each bin how many waits were in each of the CELLS, `sums` by name a number for each bin,
    `oldest` the highest age of a connection, and `maxwait` the longest wait in a pooler, in seconds
    (NaN: unknown).
    """

    t: Numbers
    bin: float
    waits: Cells
    sums: dict[str, Numbers]
    oldest: Numbers
    maxwait: Numbers

    def rate(self, name: str) -> Numbers:
        """Return how often something was in a second of each bin."""
        return self.mean(name, "span")

    def mean(self, name: str, known: str) -> Numbers:
        """Return the mean of each bin over the time that it was known for; NaN if for none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means: Numbers = self.sums[name] / self.sums[known]
        means[~(self.sums[known] > 0)] = math.nan
        return means


@dataclass(frozen=True)
class ClientView:
    """The operations of each client between two moments, in seconds since the start."""

    start: float
    end: float
    clients: Counts
    operations: Counts


@dataclass
class Table:
    """Successive bins, a row each."""

    t: Numbers
    waits: Cells
    sums: Numbers
    oldest: Numbers
    maxwait: Numbers

    @classmethod
    def empty(cls, rows: int = 0) -> Table:
        """Return a table with room for some rows."""
        return cls(
            np.empty(rows),
            np.empty((rows, CELLS), dtype=np.int32),
            np.empty((rows, len(SUMS))),
            np.empty(rows),
            np.empty(rows),
        )

    def cut(self, first: int, last: int) -> Table:
        """Return the rows from `first` to before `last`."""
        part = slice(first, last)
        return Table(
            *(self.t[part], self.waits[part], self.sums[part]),
            *(self.oldest[part], self.maxwait[part]),
        )

    def merged(self, begins: Counts) -> Table:
        """Return successive bins merged, each from one of `begins` to before the next."""
        ends = np.append(begins[1:], len(self.t)) - 1
        return Table(
            self.t[ends],
            np.add.reduceat(self.waits, begins, axis=0, dtype=np.int32),
            np.add.reduceat(self.sums, begins, axis=0),
            np.fmax.reduceat(self.oldest, begins),
            np.fmax.reduceat(self.maxwait, begins),
        )

    @classmethod
    def joined(cls, tables: list[Table]) -> Table:
        """Return tables that follow each other as one."""
        if len(tables) == 1:
            return tables[0]
        return cls(
            np.concatenate([each.t for each in tables]),
            np.concatenate([each.waits for each in tables]),
            np.concatenate([each.sums for each in tables]),
            np.concatenate([each.oldest for each in tables]),
            np.concatenate([each.maxwait for each in tables]),
        )

    def view(self, start: float, end: float, level: int, head: Table | None = None) -> DetailView:
        """Return the bins in [start, end] and one more at each side. `head` is the last one."""
        first = max(int(np.searchsorted(self.t, start)) - 1, 0)
        last = int(np.searchsorted(self.t, end, side="right")) + 1
        part = self.cut(first, last)
        if head is not None and last > len(self.t):
            part = Table.joined([part, head])
        sums = {name: part.sums[:, column] for name, column in _COLUMN.items()}
        bin_ = TICK * (1 << (BITS * level))
        return DetailView(part.t, bin_, part.waits, sums, part.oldest, part.maxwait)


class _Level:
    """The bins of one level, and the one that is still open."""

    def __init__(self) -> None:
        self._table = Table.empty(256)
        self._count = 0
        self.key = -1
        self.parts: list[Table] = []  # of the open bin

    @property
    def closed(self) -> Table:
        """The bins that are complete."""
        return self._table.cut(0, self._count)

    @property
    def first(self) -> float:
        """The end of the first bin that is kept; infinite without one."""
        return float(self._table.t[0]) if self._count else math.inf

    def head(self) -> Table | None:
        """Return the bin that is open; None without one."""
        return _one(self.parts) if self.parts else None

    def put(self, row: Table, room: int | None) -> None:
        """Keep a bin, and of more than `room` the newer half."""
        table, count = self._table, self._count
        if count == len(table.t):
            if room is not None and count >= room:
                kept = table.cut(count - room // 2, count)
                self._count = count = room // 2
            else:
                kept = table
            self._table = Table.joined([kept, Table.empty(len(table.t) * 2 - len(kept.t))])
            table = self._table
        table.t[count], table.waits[count] = row.t[0], row.waits[0]
        table.sums[count], table.oldest[count] = row.sums[0], row.oldest[0]
        table.maxwait[count] = row.maxwait[0]
        self._count += 1


def level_for(seconds: float, points: int, finest: int = 0) -> int:
    """Return the finest level that gives at most `points` bins, up to 1 % more, of some seconds."""
    fits = (n for n in range(finest, RESOLUTIONS) if seconds <= points * 1.01 * TICK * 4**n)
    return next(fits, RESOLUTIONS - 1)


class ClientCounts:
    """How many operations each client had completed, noted every now and then."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._totals: Counts = np.zeros(16, dtype=np.int64)
        self._times: list[float] = [0.0]
        self._noted: list[Counts] = [np.zeros(0, dtype=np.int64)]
        self._now = 0.0

    def add(self, t: float, clients: dict[int, int]) -> None:
        """Add the operations of a sample that ended at `t`."""
        self._now = t
        for client, operations in clients.items():
            place = self._places.get(client)
            if place is None:
                if len(self._places) >= MOST_CLIENTS:
                    continue
                place = self._places[client] = len(self._places)
                if place >= len(self._totals):
                    self._totals = np.concatenate((self._totals, np.zeros_like(self._totals)))
            self._totals[place] += operations

    def note(self) -> None:
        """Note the counts of now."""
        self._times.append(self._now)
        self._noted.append(self._totals[: len(self._places)].copy())

    def between(self, start: float, end: float) -> ClientView:
        """Return what was between the last note up to `start` and the first one from `end` on, or
        now; no client if nothing is known from `start` on."""
        if self._now <= start:
            nobody = np.zeros(0, dtype=np.int64)
            return ClientView(start, start, nobody, nobody)
        first = max(int(np.searchsorted(self._times, start, side="right")) - 1, 0)
        last = int(np.searchsorted(self._times, end))
        until = self._now
        operations = self._totals[: len(self._places)].copy()
        if last < len(self._times):
            until = self._times[last]
            operations = self._noted[last].copy()
        operations[: len(self._noted[first])] -= self._noted[first]
        clients = np.fromiter(self._places, dtype=np.int64, count=len(self._places))
        clients = clients[: len(operations)]
        return ClientView(self._times[first], until, clients, operations)


class Details:
    """The details of a run at every resolution. Not thread-safe."""

    def __init__(self, finest: int = 0) -> None:
        self.finest = finest  # the level of what is added
        self._levels = [_Level() for _ in range(RESOLUTIONS)]
        self._clients = ClientCounts()
        self._noted = -1
        self._seen = Seen()

    def add(self, sample: Sample) -> None:
        """Add the next sample."""
        self._seen = self._seen.after(sample)
        self.add_bin(_row_of(sample, self._seen), sample.index)
        self.add_clients(sample.t, sample.index, sample.per_client)

    def add_clients(self, t: float, index: int, clients: dict[int, int]) -> None:
        """Add what clients did in samples from `index` on, the last of which ended at `t`."""
        key = index >> (BITS * CLIENTS)
        if key != self._noted:
            if self._noted >= 0:
                self._clients.note()
            self._noted = key
        self._clients.add(t, clients)

    def add_bin(self, row: Table, index: int) -> None:
        """Add the next bin of the finest level, of samples from `index` on."""
        for number in range(self.finest + 1, RESOLUTIONS):
            level, key = self._levels[number], index >> (BITS * number)
            if key == level.key:
                break
            done = level.head()
            if done is not None:
                level.put(done, _ROOM if number < RESOLUTIONS - 1 else None)
                if number < RESOLUTIONS - 1:
                    self._levels[number + 1].parts.append(done)
            level.key, level.parts = key, []
        self._levels[self.finest].put(row, _ROOM if self.finest == 0 else None)
        self._levels[self.finest + 1].parts.append(row)

    def view(self, start: float, end: float, points: int) -> DetailView:
        """Return the bins in [start, end] and one more at each side, at the finest level that still
        has `start` and gives at most `points` bins."""
        level = level_for(end - max(start, 0.0), points, self.finest)
        while level < RESOLUTIONS - 1 and not self._has(level, start):
            level += 1
        heads = [
            head
            for each in range(level, self.finest, -1)
            if (head := self._levels[each].head()) is not None
        ]
        closed = self._levels[level].closed
        return closed.view(start, end, level, _one(heads) if heads else None)

    def _has(self, level: int, start: float) -> bool:
        first = self._levels[level].first
        return first <= max(start, TICK * (2 << (BITS * level))) or first == math.inf

    def clients(self, start: float, end: float) -> ClientView:
        """Return the operations of each client in [start, end], or a little more."""
        return self._clients.between(start, end)


def _one(parts: list[Table]) -> Table:
    """Return successive bins as one."""
    return Table.joined(parts).merged(np.zeros(1, dtype=np.int64))


def _row_of(sample: Sample, seen: Seen) -> Table:
    row = Table.empty(1)
    span = sample.span or TICK
    row.t[0] = sample.t
    cells = np.frombuffer(sample.wait.cells, dtype=CELL)
    row.waits[0] = np.bincount(cells["bucket"] // JOINED, weights=cells["count"], minlength=CELLS)
    server, pooler = seen.server, seen.pooler
    known = span if server is not None else 0.0
    states = [getattr(server[1], state) * span for state in STATES] if server else [0.0] * 4
    counts = [0.0] * len(POOLER)
    if pooler is not None:
        counts = [(getattr(pooler[1], count) or 0) * span for count in POOLER]
    aged = span if sample.mean_age >= 0 else 0.0
    row.sums[0] = (
        *(sample.opened, sample.closed, sample.create.count, sample.create.total),
        sample.pending.mean * span,
        *states,
        *(known, max(sample.mean_age, 0.0) * aged, aged, sample.used.mean * span, span),
        *(*counts, span if pooler is not None else 0.0),
    )
    row.maxwait[0] = math.nan if pooler is None else pooler[1].maxwait
    row.oldest[0] = sample.oldest_age if sample.oldest_age >= 0 else math.nan
    return row
