"""The figures of a run, as `poolviz run --json` prints them: of the whole run and of each segment.

Counts and times are sums over samples, percentiles are read from merged histograms, and means are
weighted by time. A figure for which nothing was counted is null.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import groupby
from statistics import median
from typing import Any

import msgspec

from poolviz.model.histogram import Histogram, Summary
from poolviz.model.messages import Rows, RunEnded, RunStarted
from poolviz.model.parameters import Value
from poolviz.model.sample import Mark, Sample
from poolviz.sessions.error_details import ErrorCounts, ErrorDetails


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of connections and of clients without one.

    `used_mean` is weighted by time. At most `pending_max` clients were in acquire at once,
    `retrying_max` paused before a retry of their own, and `backlog_max` requests of an open load
    were due and not begun.
    """

    opened: int
    closed: int
    open_max: int
    used_max: int
    used_mean: float | None
    overflow_max: int
    pending_max: int
    retrying_max: int
    backlog_max: int
    open_at_end: int


class ReportedConnections(msgspec.Struct, frozen=True, kw_only=True):
    """The pool's own counts, as it told them at the end of each sample; None for those that it
    doesn't have. Means are weighted by time; `held_by_none_mean` are connections that the pool
    counts as used, though no client holds or waits for one."""

    open_max: int | None
    used_max: int | None
    used_mean: float | None
    held_by_none_mean: float | None
    pending_max: int | None


class PerClient(msgspec.Struct, frozen=True):
    """A figure over all clients, including those with nothing to count: how evenly the pool serves
    them."""

    min: float | None
    median: float | None
    max: float | None


class LoadGenerator(msgspec.Struct, frozen=True):
    """Whether the machine kept up with the load.

    `cpu_max` is in cores, and `lag_p99_max_s` is how late timers of 10 ms fired. For `strained_s`
    seconds the load generator was at its limit (over 0.9 cores, or over 5 ms late), and the figures
    may be its own, not the pool's.
    """

    cpu_max: float
    lag_p99_max_s: float
    strained_s: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured. Times in seconds.

    `retry_time_s` is the time from a client's first refusal to the connection that it got by
    retrying; it is not part of `wait_time_s`. `waits_unfinished` of the waits in `wait_time_s` were
    not over when the run or its open load ended, and count with the time until then.
    `samples_dropped` counts ticks that were skipped: what happened in them is in the next sample.
    """

    duration_s: float
    operations: int
    throughput_per_s: float | None
    timeouts: int
    errors: dict[str, int]
    error_details: list[ErrorDetails]
    wait_time_s: Summary
    waits_unfinished: int
    use_time_s: Summary
    create_time_s: Summary
    retry_time_s: Summary
    connections: Connections
    reported_counts: ReportedConnections
    operations_per_client: PerClient
    longest_wait_per_client_s: PerClient
    load_generator: LoadGenerator
    server_backends_max: int | None
    server_others_max: int | None
    samples: int
    samples_dropped: int


class SegmentSummary(Figures, frozen=True, kw_only=True):
    """The figures between two changes, and what was in force then."""

    from_s: float
    to_s: float
    limits: dict[str, Value]
    load: dict[str, Value]
    faults: dict[str, Value]


class RunSummary(Figures, frozen=True, kw_only=True):
    """The figures of a whole run.

    `use` says how clients used the pool: the names of the setting `use` in their order, None if a
    session of an earlier version doesn't say. `server` describes the server, if known. `rows`
    compares the rows that clients committed with those that are there, if the load added rows.
    `incomplete_reason` is a sentence that says why a run isn't `complete`: it failed, was stopped
    before its time, or couldn't be recorded.
    """

    pool: str | None
    use: str | None
    server: str | None
    complete: bool
    incomplete_reason: str | None
    rows: Rows | None
    segments: list[SegmentSummary]


def as_object(summary: RunSummary, marks: Sequence[Mark] = ()) -> dict[str, Any]:
    """Return the one object that `poolviz run --json` prints: what was run comes first, and the
    changes, faults and notes of the run last."""
    return {
        "pool": summary.pool,
        "use": summary.use,
        "server": summary.server,
        "complete": summary.complete,
        "incomplete_reason": summary.incomplete_reason,
        **msgspec.structs.asdict(summary),
        "marks": [msgspec.structs.asdict(mark) for mark in marks],
    }


def no_success(summary: RunSummary) -> str:
    """Return the sentence about a run in which no operation succeeded although some were begun;
    "" if one did."""
    connections = summary.connections
    begun = (connections.pending_max, connections.used_max, connections.backlog_max)
    if summary.operations or not (summary.errors or summary.timeouts or any(begun)):
        return ""
    most = max(summary.error_details, key=lambda kind: kind.count, default=None)
    if most is None:
        return "No operation succeeded: those that were begun had not ended when the run did."
    often = "once" if most.count == 1 else f"{most.count:,} times"
    said = f" ({most.message.rstrip('.')})" if most.message else ""
    return f"No operation succeeded: {most.name} was raised {often}{said}."


class _Reported:
    """The pool's own counts over samples."""

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}
        self._span = self._used_area = self._lost_area = 0.0

    def add(self, sample: Sample) -> None:
        """Add the next sample."""
        counts = sample.reported_counts
        for name in ("open", "used", "pending"):
            count: int | None = getattr(counts, name)
            if count is not None:
                self._highest[name] = max(self._highest.get(name, 0), count)
        if counts.used is not None:
            self._span += sample.span
            self._used_area += counts.used * sample.span
            # Some pools count a connection as used while it is opened for a client that waits.
            lost = counts.used - sample.used.high - sample.pending.high
            self._lost_area += max(lost, 0) * sample.span

    def counts(self) -> ReportedConnections:
        """Return the counts so far."""
        return ReportedConnections(
            open_max=self._highest.get("open"),
            used_max=self._highest.get("used"),
            used_mean=self._used_area / self._span if self._span else None,
            held_by_none_mean=self._lost_area / self._span if self._span else None,
            pending_max=self._highest.get("pending"),
        )


class Totals:
    """Sums over samples. `begin` is in seconds; None takes it from the first sample. `whole` are
    those of the run of which this is a segment; they get each sample first.

    Not thread-safe.
    """

    def __init__(self, begin: float | None = None, whole: Totals | None = None) -> None:
        self.begin = begin
        self.end = 0.0
        self.samples = self.missed = 0
        self.operations = self.timeouts = self.opened = self.closed = self.open = 0
        self.errors: Counter[str] = Counter()
        self.error_counts: ErrorCounts = ErrorCounts(None if whole is None else whole.error_counts)
        self.per_client: Counter[int] = Counter()
        self.waits_unfinished = 0
        self.wait, self.use = Histogram(), Histogram()
        self.create, self.retry = Histogram(), Histogram()
        self.open_max = self.used_max = self.overflow_max = 0
        self.pending_max = self.retrying_max = self.backlog_max = 0
        self.longest_waits: dict[int, float] = {}
        self.cpu_max = self.lag_max = self.strained = 0.0
        self.backends_max: int | None = None
        self.others_max: int | None = None
        self._span = self._used_area = 0.0
        self._reported = _Reported()

    def add(self, sample: Sample) -> None:
        """Add the next sample."""
        if self.begin is None:
            self.begin = sample.t - sample.span
        self.end = sample.t
        self.samples += 1
        self.missed += sample.missed
        self._span += sample.span
        self._used_area += sample.used.mean * sample.span
        self._reported.add(sample)
        self.operations += sample.operations
        self.timeouts += sample.timeouts
        self.waits_unfinished += sample.waits_unfinished
        self.opened += sample.opened
        self.closed += sample.closed
        self.open = sample.open.last
        self.errors.update(sample.errors)
        self.error_counts.add(sample)
        self.per_client.update(sample.per_client)
        self.wait.merge(sample.wait)
        self.use.merge(sample.use)
        self.create.merge(sample.create)
        self.retry.merge(sample.retry)
        self.open_max = max(self.open_max, sample.open.high)
        self.used_max = max(self.used_max, sample.used.high)
        self.overflow_max = max(self.overflow_max, sample.overflow.high)
        self.pending_max = max(self.pending_max, sample.pending.high)
        self.retrying_max = max(self.retrying_max, sample.retrying.high)
        self.backlog_max = max(self.backlog_max, sample.backlog.high)
        for client, wait in sample.longest_waits.items():
            self.longest_waits[client] = max(self.longest_waits.get(client, 0.0), wait)
        self.cpu_max = max(self.cpu_max, sample.cpu)
        self.lag_max = max(self.lag_max, sample.lag)
        self.strained += sample.span if sample.overloaded else 0.0
        if sample.server is not None:
            self.backends_max = max(self.backends_max or 0, sample.server.total)
            if sample.server.others is not None:
                self.others_max = max(self.others_max or 0, sample.server.others)

    @property
    def throughput(self) -> float | None:
        """Operations per second of the time that was measured; None before the first sample."""
        return self.operations / self._span if self._span else None

    @property
    def used_mean(self) -> float | None:
        """Time-weighted mean of connections in use; None before the first sample."""
        return self._used_area / self._span if self._span else None

    def figures(self, open_at_end: int | None = None) -> Figures:
        """Return the figures so far. `open_at_end` is given once the run has ended."""
        waits = [self.longest_waits.get(client, 0.0) for client in self.per_client]
        return Figures(
            duration_s=self.end - (self.begin or 0.0),
            operations=self.operations,
            throughput_per_s=self.throughput,
            timeouts=self.timeouts,
            errors=dict(sorted(self.errors.items())),
            error_details=self.error_counts.details(),
            wait_time_s=self.wait.summary(),
            waits_unfinished=self.waits_unfinished,
            use_time_s=self.use.summary(),
            create_time_s=self.create.summary(),
            retry_time_s=self.retry.summary(),
            connections=Connections(
                opened=self.opened,
                closed=self.closed,
                open_max=self.open_max,
                used_max=self.used_max,
                used_mean=self.used_mean,
                overflow_max=self.overflow_max,
                pending_max=self.pending_max,
                retrying_max=self.retrying_max,
                backlog_max=self.backlog_max,
                open_at_end=self.open if open_at_end is None else open_at_end,
            ),
            reported_counts=self._reported.counts(),
            operations_per_client=_per_client(self.per_client.values()),
            longest_wait_per_client_s=_per_client(waits),
            load_generator=LoadGenerator(self.cpu_max, self.lag_max, self.strained),
            server_backends_max=self.backends_max,
            server_others_max=self.others_max,
            samples=self.samples,
            samples_dropped=self.missed,
        )


class SummaryBuilder:
    """The totals of a run and of its segments. Not thread-safe."""

    def __init__(self) -> None:
        self._whole, self._current = Totals(), Totals()
        self._closed: list[SegmentSummary] = []
        self._last: Sample | None = None

    def add(self, sample: Sample) -> None:
        """Add the next sample; a new segment number closes the segment before."""
        if self._last is not None and self._last.segment != sample.segment:
            self._closed.append(_segment(self._current, self._last))
            # It begins where the one before ended, exactly.
            self._current = Totals(begin=self._last.t, whole=self._whole)
        self._whole.add(sample)
        self._current.add(sample)
        self._last = sample

    def error_details(self) -> list[ErrorDetails]:
        """Return the kinds of errors and timeouts so far."""
        return self._whole.error_counts.details()

    def summary(
        self, began: RunStarted | None, ended: RunEnded | None, trouble: str = ""
    ) -> RunSummary:
        """Return the figures so far, of the whole run and of each segment. `trouble` says in a
        sentence why the record isn't whole."""
        reason = _incomplete_reason(began, ended) or trouble
        current = [] if self._last is None else [_segment(self._current, self._last)]
        figures = self._whole.figures(None if ended is None else ended.open_at_end)
        segments = [*self._closed, *current]
        loads = [] if began is None else [began.scenario.load]
        uses = [str(load["use"]) for load in [*loads, *(s.load for s in segments)] if "use" in load]
        return RunSummary(
            pool=None if began is None else began.scenario.pool,
            use=", then ".join(use for use, _ in groupby(uses)) or None,
            server=None if began is None else began.environment.get("server"),
            complete=not reason,
            incomplete_reason=reason or None,
            rows=None if ended is None else ended.rows,
            segments=segments,
            **msgspec.structs.asdict(figures),
        )


def _incomplete_reason(began: RunStarted | None, ended: RunEnded | None) -> str:
    """Return why a run isn't complete, in a sentence; "" if it is."""
    if ended is None:
        return "The record ends before the run did."
    planned = None if began is None else began.scenario.duration
    if not ended.failure and ended.stopped and planned is not None:
        return f"The run was stopped before its {planned:g} s were over."
    return ended.failure


def _per_client(figures: Collection[float]) -> PerClient:
    return PerClient(
        min(figures, default=None),
        median(figures) if figures else None,
        max(figures, default=None),
    )


def _segment(totals: Totals, last: Sample) -> SegmentSummary:
    return SegmentSummary(
        from_s=totals.begin or 0.0,
        to_s=totals.end,
        limits=last.limits,
        load=last.load,
        faults=last.faults,
        **msgspec.structs.asdict(totals.figures()),
    )
