"""Sums over the samples of a run or of a segment, and the figures made of them.

Counts and times are sums over samples, percentiles are read from merged histograms, and means are
weighted by time. A figure for which nothing was counted is null.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from statistics import median
from typing import TypeVar

import msgspec

from poolviz.language import number, tr
from poolviz.model.differing_counts import (
    LONG_APART,
    closed_by_server,
    lost_count_of,
    not_closed,
    not_given_back,
)
from poolviz.model.histogram import Histogram, Summary
from poolviz.model.sample import Level, PoolerView, Sample
from poolviz.sessions.error_details import ErrorCounts, ErrorDetails

_Key = TypeVar("_Key", int, str)

_VIEWS_APART = 3  # of the server, on end, for which it counts fewer connections than are open
_FAR_APART = 0.5  # connections on average: by so many, two counts are not those of two moments


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of connections and of clients without one.

    Means are weighted by time. At most `pending_max` clients were in acquire at once,
    `retrying_max` paused before a retry of their own, and `backlog_max` requests of an open load
    were due and not begun.

    `open_mean` and `open_at_end` are of the time until the load ended, before clients were stopped
    and the pool was closed. `open_after_close` is what the pool had left open when the run was
    over: connections that leaked. It is None for a segment, and until the run has ended.
    """

    opened: int
    closed: int
    open_max: int
    open_mean: float | None
    used_max: int
    used_mean: float | None
    overflow_max: int
    pending_max: int
    retrying_max: int
    backlog_max: int
    open_at_end: int
    open_after_close: int | None


class ReportedConnections(msgspec.Struct, frozen=True, kw_only=True):
    """The pool's own counts, as it told them at the end of each sample until the load ended; None
    for those that it doesn't have. Means are weighted by time; `held_by_none_mean` are connections
    that the pool counts as used, though no client holds or waits for one. `difference` says in
    sentences where the pool's counts and those of poolviz contradict each other; None if they
    don't."""

    open_max: int | None
    used_max: int | None
    used_mean: float | None
    held_by_none_mean: float | None
    pending_max: int | None
    difference: str | None


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


class Pooled(msgspec.Struct, frozen=True, kw_only=True):
    """What a pooler in between said of the pool that the run uses, once for each time that it was
    asked until the load ended, by PgBouncer's names.

    `wait_time_mean_s` is the mean time that a transaction waited for one of the pooler's
    connections, as the pooler itself counts both, and so of other users of the database too; None
    where it doesn't count them, or there was no transaction.
    """

    cl_waiting_max: int
    cl_waiting_mean: float
    sv_active_max: int
    sv_active_mean: float
    maxwait_max_s: float
    wait_time_mean_s: float | None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured. Times in seconds.

    `retry_time_s` is the time from a client's first refusal to the connection that it got by
    retrying; it is not part of `wait_time_s`. `waits_unfinished` of the waits in `wait_time_s` were
    not over when the run or its open load ended, or the client was cancelled, and count with the
    time until then.
    `server_backends_…` are this run's connections as the server counts them, once a second until
    the load ended: at most, on average, and when they were counted last. None if they weren't.
    `server_difference` says in a sentence that they were fewer than those open; None if they
    weren't.
    `samples_dropped` counts ticks that were skipped: what happened in them is in the next sample.
    `clients_restarted` counts clients whose thread or task ended and that were started again.
    `processes` is how many the run had at most at one time.
    `pooler` is what a pooler in between said of itself; None where none was asked.
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
    server_backends_mean: float | None
    server_backends_at_end: int | None
    server_difference: str | None
    server_others_max: int | None
    clients_restarted: int
    samples: int
    samples_dropped: int
    processes: int
    pooler: Pooled | None = None


class _Apart(msgspec.Struct):
    """How far a count of another's and ours are apart, in one direction: areas over time, for how
    many samples on end now and at most, and the moment and both counts in that longest time."""

    span: float = 0.0
    area: float = 0.0
    pools_area: float = 0.0
    ours_area: float = 0.0
    lasting: int = 0
    longest: int = 0
    seen: tuple[float, int, int] = (0.0, 0, 0)

    def add(self, sample: Sample, pools: int, ours: Level, apart: int) -> None:
        """Add the counts of the next sample, which are `apart` by that many, if more than 0."""
        self.span += sample.span
        self.pools_area += pools * sample.span
        self.ours_area += ours.mean * sample.span
        self.area += max(apart, 0) * sample.span
        self.lasting = self.lasting + 1 if apart > 0 else 0
        if self.lasting > self.longest:
            self.longest, self.seen = self.lasting, (sample.t, pools, ours.last)

    @property
    def mean(self) -> float | None:
        """By how many they were apart on average; None without any counts."""
        return self.area / self.span if self.span else None

    def said(
        self, sentence: Callable[[str, str, str], str], *, far: float = _FAR_APART, long: int
    ) -> str:
        """Return what is to be said of it: they contradict each other if they are `far` apart on
        average, or apart for `long` samples on end. "" if they may be of different moments."""
        if (self.mean or 0.0) >= far:
            pools, ours = self.pools_area / self.span, self.ours_area / self.span
            return sentence(number(pools, ".2f"), number(ours, ".2f"), tr(" on average"))
        if self.longest >= long:
            t, pools_count, ours_count = self.seen
            return sentence(f"{pools_count}", f"{ours_count}", tr(" at {t:.1f} s", t=t))
        return ""


class _Reported(msgspec.Struct):
    """The pool's own counts over samples."""

    highest: dict[str, int] = {}
    span: float = 0.0
    used_area: float = 0.0
    not_back: _Apart = msgspec.field(default_factory=_Apart)
    lost: _Apart = msgspec.field(default_factory=_Apart)
    abandoned: _Apart = msgspec.field(default_factory=_Apart)

    def add(self, sample: Sample) -> None:
        """Add the next sample."""
        counts = sample.reported_counts
        for name in ("open", "used", "pending"):
            count: int | None = getattr(counts, name)
            if count is not None:
                self.highest[name] = max(self.highest.get(name, 0), count)
        if counts.used is not None:
            self.span += sample.span
            self.used_area += counts.used * sample.span
            # Some pools count a connection as used while it is opened for a client that waits.
            apart = counts.used - sample.used.high - sample.pending.high
            self.not_back.add(sample, counts.used, sample.used, apart)
            self.lost.add(sample, counts.used, sample.used, sample.used.low - counts.used)
        if counts.open is not None:
            # Without idle ones it may be that what is used stands for what is open.
            apart = sample.open.low - counts.open if sample.idle.low > 0 else 0
            self.abandoned.add(sample, counts.open, sample.open, apart)

    def counts(self) -> ReportedConnections:
        """Return the counts so far."""
        sentences = (
            self.not_back.said(not_given_back, long=LONG_APART),
            self.lost.said(lost_count_of, long=LONG_APART),
            self.abandoned.said(not_closed, long=LONG_APART),
        )
        return ReportedConnections(
            open_max=self.highest.get("open"),
            used_max=self.highest.get("used"),
            used_mean=self.used_area / self.span if self.span else None,
            held_by_none_mean=self.not_back.mean,
            pending_max=self.highest.get("pending"),
            difference=" ".join(filter(None, sentences)) or None,
        )


class _Pooler(msgspec.Struct):
    """What a pooler said over samples."""

    views: int = 0
    cl_waiting: int = 0
    cl_waiting_max: int = 0
    sv_active: int = 0
    sv_active_max: int = 0
    maxwait_max: float = 0.0
    first: PoolerView | None = None
    last: PoolerView | None = None

    def add(self, view: PoolerView) -> None:
        """Add what it said next."""
        self.views += 1
        self.cl_waiting += view.cl_waiting
        self.cl_waiting_max = max(self.cl_waiting_max, view.cl_waiting)
        self.sv_active += view.sv_active
        self.sv_active_max = max(self.sv_active_max, view.sv_active)
        self.maxwait_max = max(self.maxwait_max, view.maxwait)
        self.first, self.last = self.first or view, view

    def figures(self) -> Pooled | None:
        """Return the figures so far; None if it said nothing."""
        if not self.views:
            return None
        return Pooled(
            cl_waiting_max=self.cl_waiting_max,
            cl_waiting_mean=self.cl_waiting / self.views,
            sv_active_max=self.sv_active_max,
            sv_active_mean=self.sv_active / self.views,
            maxwait_max_s=self.maxwait_max,
            wait_time_mean_s=self._mean_wait(),
        )

    def _mean_wait(self) -> float | None:
        first, last = self.first, self.last
        if first is None or last is None or None in (first.waited, last.waited):
            return None
        transactions = (last.transactions or 0) - (first.transactions or 0)
        waited = (last.waited or 0.0) - (first.waited or 0.0)
        # Both are smaller than before if the pooler was started anew.
        return waited / transactions if transactions > 0 and waited >= 0 else None


class Totals(msgspec.Struct):
    """Sums over samples. `begin` is in seconds; None takes it from the first sample.

    `error_counts` of a segment are made with those of the whole run, which gets each sample first.
    Not thread-safe.
    """

    begin: float | None = None
    end: float = 0.0
    samples: int = 0
    missed: int = 0
    operations: int = 0
    timeouts: int = 0
    opened: int = 0
    closed: int = 0
    open: int = 0
    errors: dict[str, int] = {}
    error_counts: ErrorCounts = msgspec.field(default_factory=ErrorCounts)
    per_client: dict[int, int] = {}
    waits_unfinished: int = 0
    wait: Histogram = msgspec.field(default_factory=Histogram)
    use: Histogram = msgspec.field(default_factory=Histogram)
    create: Histogram = msgspec.field(default_factory=Histogram)
    retry: Histogram = msgspec.field(default_factory=Histogram)
    open_max: int = 0
    used_max: int = 0
    overflow_max: int = 0
    pending_max: int = 0
    retrying_max: int = 0
    backlog_max: int = 0
    longest_waits: dict[int, float] = {}
    cpu_max: float = 0.0
    lag_max: float = 0.0
    strained: float = 0.0
    backends_max: int | None = None
    backends_at_end: int | None = None
    others_max: int | None = None
    restarted: int = 0
    views: int = 0
    backends: int = 0
    # Once a second, and while connections are opened they are not those of one moment.
    server_apart: _Apart = msgspec.field(default_factory=_Apart)
    span: float = 0.0
    used_area: float = 0.0
    load_span: float = 0.0
    open_area: float = 0.0
    reported: _Reported = msgspec.field(default_factory=_Reported)
    processes: int = 1
    pooler: _Pooler = msgspec.field(default_factory=_Pooler)

    def add(self, sample: Sample) -> None:
        """Add the next sample."""
        if self.begin is None:
            self.begin = sample.t - sample.span
        self.end = sample.t
        self.samples += 1
        self.missed += sample.missed
        self.span += sample.span
        self.used_area += sample.used.mean * sample.span
        self.restarted += sample.clients_restarted
        self.processes = max(self.processes, sample.processes)
        self.operations += sample.operations
        self.timeouts += sample.timeouts
        self.waits_unfinished += sample.waits_unfinished
        self.opened += sample.opened
        self.closed += sample.closed
        _count(self.errors, sample.errors)
        self.error_counts.add(sample)
        _count(self.per_client, sample.per_client)
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
        if not sample.ending:
            self._add_under_load(sample)

    def _add_under_load(self, sample: Sample) -> None:
        """Add what the end of a run, which closes the pool, would distort."""
        self.open = sample.open.last
        self.load_span += sample.span
        self.open_area += sample.open.mean * sample.span
        self.reported.add(sample)
        if sample.pooler is not None:
            self.pooler.add(sample.pooler)
        if sample.server is not None:
            self.backends_at_end = sample.server.total
            self.backends += sample.server.total
            self.views += 1
            apart = sample.open.low - sample.server.total
            self.server_apart.add(sample, sample.server.total, sample.open, apart)

    @property
    def throughput(self) -> float | None:
        """Operations per second of the time that was measured; None before the first sample."""
        return self.operations / self.span if self.span else None

    @property
    def used_mean(self) -> float | None:
        """Time-weighted mean of connections in use; None before the first sample."""
        return self.used_area / self.span if self.span else None

    def figures(self, open_after_close: int | None = None) -> Figures:
        """Return the figures so far. `open_after_close` is given once the run has ended."""
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
                open_mean=self.open_area / self.load_span if self.load_span else None,
                used_max=self.used_max,
                used_mean=self.used_mean,
                overflow_max=self.overflow_max,
                pending_max=self.pending_max,
                retrying_max=self.retrying_max,
                backlog_max=self.backlog_max,
                open_at_end=self.open,
                open_after_close=open_after_close,
            ),
            reported_counts=self.reported.counts(),
            operations_per_client=_per_client(self.per_client.values()),
            longest_wait_per_client_s=_per_client(waits),
            load_generator=LoadGenerator(self.cpu_max, self.lag_max, self.strained),
            server_backends_max=self.backends_max,
            server_backends_mean=self.backends / self.views if self.views else None,
            server_backends_at_end=self.backends_at_end,
            server_difference=self._server_difference(),
            server_others_max=self.others_max,
            clients_restarted=self.restarted,
            samples=self.samples,
            samples_dropped=self.missed,
            processes=self.processes,
            pooler=self.pooler.figures(),
        )

    def _server_difference(self) -> str | None:
        """Return what is wrong with the server's count; a pooler in between has fewer there."""
        if self.pooler.views:
            return None
        far = math.inf
        return self.server_apart.said(closed_by_server, far=far, long=_VIEWS_APART) or None


def _count(counts: dict[_Key, int], more: Mapping[_Key, int]) -> None:
    """Add counts to those of the same keys."""
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count


def _per_client(figures: Collection[float]) -> PerClient:
    return PerClient(
        min(figures, default=None),
        median(figures) if figures else None,
        max(figures, default=None),
    )
