"""The figures that are measured, declared: what each means, its unit, and OpenTelemetry's name.

A condition (`--fail-if`), a key of the results and the help name a figure by its key, or by the key
with one of STATISTICS: `used_max`, `wait_p95`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What one figure means. `unit` is that of its values, and `metric` the name in OpenTelemetry's
    semantic conventions; "" if it has none there. A time is measured for each operation."""

    key: str
    title: str
    help: str
    unit: str = "connections"
    metric: str = ""
    is_time: bool = False

    @property
    def topic(self) -> str:
        """The name of the help on it: a time's is that of the results, without the unit."""
        return f"{self.key}_time" if self.is_time else self.key


_COUNT = "db.client.connection.count"

_DECLARED = (
    Figure(
        key="open",
        title="Open connections",
        help="Connections that exist: those that were opened and not yet closed, in use or idle. "
        "open_at_end is counted when the load ends; open_after_close when the pool was closed, and "
        "what is open then has leaked.",
        metric=_COUNT,
    ),
    Figure(
        key="used",
        title="Connections in use (active)",
        help="Connections that a client has acquired and not yet released. A connection is in use "
        "while its client works without a statement, too: see the server's view. In every sample "
        "idle + used = open.",
        metric=_COUNT,
    ),
    Figure(
        key="idle",
        title="Idle connections",
        help="Open connections that no client uses: open − used. They are ready at once, and each "
        "costs the server a process and its memory.",
        metric=_COUNT,
    ),
    Figure(
        key="overflow",
        title="Overflow",
        help="Open connections beyond those that the pool keeps (pool_size, minconn, min_size …). "
        "Most pools close them when they are given back, or after a time without use, so that the "
        "next burst opens them again.",
    ),
    Figure(
        key="opened",
        title="Connections opened",
        help="How many connections the pool opened. Many a second are a churn: each takes the "
        "create time, and mostly a client waits for it.",
    ),
    Figure(
        key="closed",
        title="Connections closed",
        help="How many connections the pool closed, or found lost.",
    ),
    Figure(
        key="pending",
        title="Waiting clients (pending)",
        help="Clients inside acquire: they have asked for a connection and have none yet. A pool "
        "that never waits has them too, while it connects for them.",
        unit="clients",
        metric="db.client.connection.pending_requests",
    ),
    Figure(
        key="retrying",
        title="Retrying clients",
        help="Clients that were refused a connection and pause before the next attempt "
        "(on_exhausted = retry).",
        unit="clients",
    ),
    Figure(
        key="backlog",
        title="Requests not started",
        help="Requests of an open load that are due and that no client has begun: all clients are "
        "busy or waiting. Their wait counts from the moment they were due.",
        unit="requests",
    ),
    Figure(
        key="wait",
        title="Wait time",
        help="How long a client is inside acquire until it has a connection, those waits included "
        "that end with a timeout. It is what a pool that is too small costs. Percentiles come from "
        "merged histograms and are never averaged: p95 is the wait that 95 of 100 stay below.",
        unit="s",
        metric="db.client.connection.wait_time",
        is_time=True,
    ),
    Figure(
        key="use",
        title="Use time",
        help="How long a client has a connection, from borrowing it to giving it back: statement, "
        "hold and transaction. Operations a second × mean use time = mean connections in use "
        "(Little's law).",
        unit="s",
        metric="db.client.connection.use_time",
        is_time=True,
    ),
    Figure(
        key="create",
        title="Create time",
        help="How long it takes to open a connection. A client for which the pool connects waits "
        "at least that long.",
        unit="s",
        metric="db.client.connection.create_time",
        is_time=True,
    ),
    Figure(
        key="retry",
        title="Retry time",
        help="How long it takes from a client's first refusal to the connection that it got by "
        "retrying. It is no part of the wait time.",
        unit="s",
        is_time=True,
    ),
    Figure(
        key="throughput",
        title="Throughput",
        help="Operations completed per second. A closed load completes fewer when clients wait "
        "longer; an open load completes as many as arrive, until the pool can't keep up.",
        unit="operations/s",
    ),
    Figure(
        key="operations",
        title="Operations",
        help="Operations completed: acquire, statements, hold and release without an error. By "
        "client they show how evenly a pool serves those that wait.",
        unit="operations",
    ),
    Figure(
        key="timeouts",
        title="Timeouts",
        help="Attempts that got no connection within the time that the pool's limits allow "
        "(pool_timeout, timeout …).",
        unit="timeouts",
        metric="db.client.connection.timeouts",
    ),
    Figure(
        key="errors",
        title="Errors",
        help="Operations that ended with an error other than a timeout, by the name of the "
        "exception: the driver's, the server's, or the pool's refusal. Each kind is shown with its "
        "first message.",
        unit="errors",
    ),
    Figure(
        key="server_backends",
        title="The server's view",
        help="The connections of this run as the server counts them once a second, by state: "
        "active, idle, idle in transaction. More in use than active on the server are held without "
        "working; more open than the server has are dead.",
    ),
    Figure(
        key="server_budget",
        title="Budget",
        help="How many connections the server leaves to this run, with all its processes: "
        "max_connections without those that are reserved and those of others. Whatever the pools "
        "may open beyond it, the server refuses. Drawn as a dashed line in the colour of the "
        "server, and named with an arrow where it is far above the curves.",
    ),
    Figure(
        key="pooler_cl_waiting",
        title="Clients waiting in the pooler",
        help="Connections of the pool that have begun a transaction and wait in a pooler in "
        "between, such as PgBouncer, for one of its connections to the server (cl_waiting). The "
        "pool counts them as in use: its own waits don't show them. --pooler names the console "
        "that is asked, twice a second.",
        unit="clients",
    ),
    Figure(
        key="pooler_sv_active",
        title="The pooler's connections in use",
        help="Connections of a pooler in between to the server that a client has at present "
        "(sv_active). At the pooler's pool_size, further clients wait there.",
    ),
    Figure(
        key="capacity",
        title="Limit",
        help="How many connections the limits of the pool allow, drawn as a dashed line. Some "
        "pools have none.",
        metric="db.client.connection.max",
    ),
    Figure(
        key="load_generator",
        title="Load generator",
        help="Whether this machine keeps up with the load. Over 0.9 cores, or with timers over "
        "5 ms late, the figures may be those of the machine and not of the pool.",
        unit="cores",
    ),
)
FIGURES: Mapping[str, Figure] = {figure.key: figure for figure in _DECLARED}

# What a figure's name may end with, after its key.
STATISTICS: Mapping[str, str] = {
    "mean": "The mean; that of a count is weighted by time.",
    "p50": "The median: half of all are shorter.",
    "p95": "The 95th percentile: 95 of 100 are shorter.",
    "p99": "The 99th percentile: 99 of 100 are shorter.",
    "max": "The highest.",
    "at_end": "When the load ends.",
    "after_close": "When the pool is closed, at the end of the run.",
}


def figure_named(name: str) -> Figure:
    """Return the figure of a condition's or a result's name, such as `used_max`. KeyError if there
    is none."""
    for statistic in ("", *STATISTICS):
        key = name.removesuffix(f"_{statistic}") if statistic else name
        if key in FIGURES:
            return FIGURES[key]
    raise KeyError(name)
