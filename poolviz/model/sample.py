"""What one tick saw, and the moments that stand on the timeline."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from poolviz.model.histogram import Durations
from poolviz.model.parameters import Value

TICK = 0.05  # seconds between two samples, nominally


class Level(msgspec.Struct, array_like=True, frozen=True):
    """A count over one tick: at its end, its extremes, and its time-weighted mean."""

    last: int = 0
    low: int = 0
    high: int = 0
    mean: float = 0.0


class ReportedCounts(msgspec.Struct, array_like=True, frozen=True):
    """What the pool itself says at the tick's end; None where it keeps no such count."""

    open: int | None = None
    used: int | None = None
    pending: int | None = None


class ServerView(msgspec.Struct, array_like=True, frozen=True):
    """The server's own backends of this run, by state, as `pg_stat_activity` has them."""

    active: int = 0
    idle: int = 0
    idle_in_transaction: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        """All backends of this run."""
        return self.active + self.idle + self.idle_in_transaction + self.other


class Sample(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What one tick saw. Times in seconds since the run began; idle + used = open, always.

    `operations`, `timeouts`, `errors`, `opened`, `closed` and `per_client` count what happened
    within the tick; `limits` and `load` are those in force at its end. `per_client` counts
    completed operations for each client number that had any; a new client comes once with 0.
    `backlog` counts the requests of an open load that are due and that no client has begun;
    `clients` those at work. `longest_waits` has the longest wait of each client since the segment
    began, where this tick made it longer. `faults` are those that stand.
    `missed` counts the ticks that came too late to be taken by themselves and are part of this
    one: nothing of them is lost but their edges.
    `cpu` is the share of one core that the load generator used within the last second, `lag` how
    late the 99th of 100 timers of 10 ms fired within the last two. Where `strained`, it was at its
    own limit, and the figures may be the load generator's rather than the pool's.
    """

    index: int
    t: float
    span: float
    segment: int
    open: Level
    used: Level
    idle: Level
    overflow: Level
    pending: Level
    retrying: Level
    operations: int = 0
    timeouts: int = 0
    errors: dict[str, int] = {}
    opened: int = 0
    closed: int = 0
    wait: Durations = Durations()
    use: Durations = Durations()
    create: Durations = Durations()
    retry: Durations = Durations()
    limits: dict[str, Value]
    load: dict[str, Value]
    capacity: int | None = None
    per_client: dict[int, int] = {}
    reported_counts: ReportedCounts = ReportedCounts()
    server: ServerView | None = None
    missed: int = 0
    cpu: float = 0.0
    lag: float = 0.0
    backlog: Level = Level()
    clients: int = 0
    longest_waits: dict[int, float] = {}
    faults: dict[str, Value] = {}
    strained: bool = False


class MarkKind(StrEnum):
    """Why a moment is marked."""

    CHANGE = "change"
    FAULT = "fault"
    NOTE = "note"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A moment on the timeline. A change carries its key and what was in force before and after."""

    t: float
    kind: MarkKind
    text: str
    key: str | None = None
    old: Value | None = None
    new: Value | None = None
