"""Topics of the charts: what each draws, and what its patterns mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from poolviz.help.topic import Item, Kind, Section, Topic
from poolviz.language import tr, tr_noop
from poolviz.model.figures import FIGURES
from poolviz.model.lanes import STATES


@dataclass(frozen=True)
class _Chart:
    """What the help says of a chart. `figures` are the keys of those that it draws."""

    topic: str
    title: str
    drawn: str
    read: str
    figures: tuple[str, ...] = ()
    see_also: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


_CHARTS = (
    _Chart(
        "wait_chart",
        tr_noop("The chart of waits"),
        tr_noop(
            "How long clients waited for a connection, as percentiles of all waits in each stretch "
            "of time, on a logarithmic scale: half of all clients waited less than p50, 95 of 100 "
            "less than p95, 99 of 100 less than p99. Where no client got a connection the curves "
            "go straight on to the next value."
        ),
        tr_noop(
            "All three low: there is always a connection free. p50 low and p99 high: most clients "
            "find one, and some wait for it or connect. All three high and close together: "
            "everyone queues, and the pool is too small or connections are held too long."
        ),
        ("wait", "create"),
        ("heatmap", "connections", "pool_timeout"),
        ("wait to acquire",),
    ),
    _Chart(
        "heatmap",
        tr_noop("The heatmap of waits"),
        tr_noop(
            "Every wait, not only percentiles: each column is a stretch of time, each row a span "
            "of waits, and a cell is the darker the more waits it counts."
        ),
        tr_noop(
            "Two dark bands show two kinds of acquire: a short one from the pool, and a long one "
            "that connects, or that waits for another client. Percentiles between the bands are "
            "of waits that hardly any client had."
        ),
        ("wait",),
        ("wait_chart",),
        ("waits as a heatmap",),
    ),
    _Chart(
        "throughput_chart",
        tr_noop("The chart of throughput"),
        tr_noop(
            "Operations that were completed in a second, and below them as bars the timeouts and "
            "errors."
        ),
        tr_noop(
            "A curve that stays as it is while clients are added: something is saturated, the pool "
            "if callers wait, else the server. Bars are attempts that failed."
        ),
        ("throughput", "timeouts", "errors"),
        ("wait_chart", "connections"),
    ),
    _Chart(
        "opened_chart",
        tr_noop("The chart of opened and closed connections"),
        tr_noop("How many connections the pool opened and closed in a second."),
        tr_noop(
            "Near zero after the start: connections are used again, as they should be. Both curves "
            "up all the time: the pool closes what it opens again at once, and each operation "
            "that has to connect waits for it. More that it keeps, such as pool_size, minconn or "
            "min_size, ends that."
        ),
        ("opened", "closed", "create"),
        ("ages", "connections"),
        ("opened and closed",),
    ),
    _Chart(
        "ages",
        tr_noop("The chart of the age of connections"),
        tr_noop("How old the oldest open connection is, and how old open ones are in the mean."),
        tr_noop(
            "The oldest grows with the run where nothing ends connections. A saw-tooth: a limit on "
            "their lifetime, such as pool_recycle or max_lifetime, replaces them. A fall to zero "
            "of both: all were lost at once, as after a restart of the server. A low mean: "
            "connections are opened again all the time."
        ),
        ("opened", "closed"),
        ("opened_chart", "connections"),
        ("age of connections",),
    ),
    _Chart(
        "fairness",
        tr_noop("The chart of fairness"),
        tr_noop(
            "One bar for each client with the operations that it completed in the visible time, "
            "sorted from most to least, and the mean of all as a line."
        ),
        tr_noop(
            "Bars of one height: the pool serves everyone alike. A steep fall: some clients get "
            "connections again and again while others starve, as happens where a pool wakes no "
            "particular waiter, or the newest first."
        ),
        ("operations",),
        ("throughput_chart",),
    ),
    _Chart(
        "pooler_view",
        tr_noop("The chart of the pooler's view"),
        tr_noop(
            "What the console of a pooler in between says, such as PgBouncer's: clients that have "
            "one of its connections, clients that wait for one, and its connections to the server, "
            "in use and idle. It is empty unless the run was given that console, with --pooler or "
            "in the server dialog."
        ),
        tr_noop(
            "Clients waiting while all server connections are in use: the pooler is the "
            "bottleneck, though the pool counts these clients as working. A larger pool makes that "
            "queue longer; a larger pool_size of the pooler, or shorter transactions, make it "
            "shorter. Many server connections idle: the pooler has more than this load needs."
        ),
        ("pooler_cl_waiting", "pooler_sv_active"),
        ("server_view", "connections"),
        ("pooler", "pgbouncer"),
    ),
    _Chart(
        "server_view",
        tr_noop("The chart of the server's view"),
        tr_noop(
            "The run's backends as the server reports them, stacked by state: active, idle in "
            "transaction, other states and idle. The line over them is what the pool has lent."
        ),
        tr_noop(
            "The hatched part is held but not working: clients have these connections, and have "
            "the server do nothing with them. Where it is large, clients keep connections while "
            "they do something else, and returning them sooner helps more than a larger pool. Idle "
            "in transaction: a transaction was left open, which keeps locks."
        ),
        ("server_backends", "server_budget", "used"),
        ("lanes", "connections"),
        ("server",),
    ),
)


def charts() -> Iterator[Topic]:
    """Yield a topic for each chart."""
    yield _connections()
    yield _lanes()
    for chart in _CHARTS:
        yield Topic(
            chart.topic,
            tr(chart.title),
            Kind.CHART,
            (
                Section(paragraphs=(tr(chart.drawn), tr(chart.read))),
                Section(tr("Figures"), items=tuple(map(_figure_item, chart.figures))),
            ),
            chart.aliases,
            chart.see_also,
        )


def _connections() -> Topic:
    shown = ("used", "overflow", "idle", "capacity", "server_backends", "server_budget")
    below = ("pending", "retrying", "backlog")
    return Topic(
        "connections",
        tr("The chart of connections"),
        Kind.CHART,
        (
            Section(
                paragraphs=(
                    tr(
                        "Open connections are stacked above zero by what they do; clients that "
                        "have none are drawn downwards from zero."
                    ),
                    tr(
                        "Blue up to the dashed limit and a band below zero: the pool is exhausted, "
                        "and the wait grows. Mostly light blue: the pool is larger than the load "
                        "needs. A ragged orange edge: connections are closed and opened again all "
                        "the time."
                    ),
                    tr(
                        "A client that is inside acquire counts as waiting, also while the pool "
                        "connects for it: a pool that never makes callers wait has a band below "
                        "zero too, as long as opening connections takes."
                    ),
                ),
            ),
            Section(tr("Above zero"), items=tuple(map(_figure_item, shown))),
            Section(tr("Below zero"), items=tuple(map(_figure_item, below))),
        ),
        see_also=("lanes", "wait_chart", "throughput_chart"),
    )


def _lanes() -> Topic:
    meanings = tuple(Item(tr(name), tr(meaning)) for name, meaning in STATES.values())
    return Topic(
        "lanes",
        tr("The chart of lanes, and who holds the connections"),
        Kind.CHART,
        (
            Section(
                paragraphs=(
                    tr(
                        "Each connection has a lane, coloured by what is done with it. From afar a "
                        "lane shows which part of the time it was in each state; nearer than 15 "
                        "seconds every operation is to be seen. The pointer says which client has "
                        "the connection, and since when."
                    ),
                    tr(
                        "Lanes that are long in one colour while clients wait show who keeps the "
                        "pool exhausted. Where a pool lends one connection to several clients, "
                        "lanes belong to those who hold it."
                    ),
                    tr(
                        "Below the connections each client that waits has a lane, named by its "
                        "number. The pointer says since when it waits and who holds the "
                        "connections then. Waits of less than a millisecond aren't drawn."
                    ),
                    tr(
                        "Of several pools that run at the same time, the lanes of each stand "
                        "together, below its name."
                    ),
                    tr(
                        "Hatched is what a session doesn't have exactly any more: it keeps lanes "
                        "up to a size that the preferences and `poolviz sessions limits --lanes` "
                        "set, and of what is older the share of each state in 1.6 seconds."
                    ),
                ),
            ),
            Section(tr("States"), items=meanings),
            Section(
                tr("Who holds the connections"),
                paragraphs=(
                    tr(
                        "The table below the lanes (W) has the clients that hold connections now, "
                        "the longest first; after the run, those that held one for longest in the "
                        "part that is shown. A row that is chosen outlines its hold on the lanes, "
                        "and Return shows when it began."
                    ),
                ),
            ),
        ),
        ("holders", "who holds the connections", "longest_holders"),
        ("connections", "wait_time"),
    )


def _figure_item(key: str) -> Item:
    figure = FIGURES[key]
    first = tr(figure.help).partition(". ")[0].rstrip(".")
    return Item(tr(figure.title), f"{first}.", figure.topic)
