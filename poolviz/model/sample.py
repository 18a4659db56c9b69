"""A sample, which is what one tick saw, and the marks on the timeline."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from poolviz.language import tr
from poolviz.model.histogram import Durations
from poolviz.model.mark_text import mark_in_words
from poolviz.model.parameters import Value

TICK = 0.05  # seconds between two samples, if none is late


class Level(msgspec.Struct, array_like=True, frozen=True):
    """A count over one tick: at its end, its extremes, and its time-weighted mean."""

    last: int = 0
    low: int = 0
    high: int = 0
    mean: float = 0.0


class ReportedCounts(msgspec.Struct, array_like=True, frozen=True):
    """The pool's own counts at the end of the tick; None for a count that it doesn't have."""

    open: int | None = None
    used: int | None = None
    pending: int | None = None


class ServerView(msgspec.Struct, array_like=True, frozen=True):
    """The backends of this run by state, as the server itself reports them.

    `others` are the connections of other programs, and `free` those that this user may still open,
    as the limits of server, database and user have it; None where that isn't known.
    """

    active: int = 0
    idle: int = 0
    idle_in_transaction: int = 0
    other: int = 0
    others: int | None = None
    free: int | None = None

    @property
    def total(self) -> int:
        """The number of backends of this run."""
        return self.active + self.idle + self.idle_in_transaction + self.other

    @property
    def budget(self) -> int | None:
        """How many connections the server leaves to this run: those that it has and those that are
        free, without what is reserved and what others hold. None where that isn't known."""
        return None if self.free is None else self.total + self.free


class PoolerView(msgspec.Struct, array_like=True, frozen=True):
    """What the console of a pooler says of the pool that the run uses, by PgBouncer's names.

    Clients have a server connection (`cl_active`; None where the pooler doesn't say) or wait for
    one (`cl_waiting`). The pooler's own connections to the server are in use by a client
    (`sv_active`), ready for one (`sv_idle`), or neither. `maxwait` is how long the client that
    waits longest has waited, in seconds. `transactions` and the `waited` seconds before them are
    counted since the pooler was started, for all users of the database; None where it doesn't say.
    """

    cl_active: int | None = None
    cl_waiting: int = 0
    sv_active: int = 0
    sv_idle: int = 0
    sv_other: int = 0
    maxwait: float = 0.0
    transactions: int | None = None
    waited: float | None = None


class ErrorKind(msgspec.Struct, array_like=True, frozen=True):
    """What is known of a kind of error: its name, and when, in seconds since the run began, the
    first one came, with which message. `timeout` says that it is counted as a timeout.

    Kinds of one name are told apart by their `number`, which is -1 in older sessions, where there
    is one kind for each name. `exception` is the name of the class with that of its module, and
    empty for the kind of all further texts.
    """

    name: str
    first: float
    message: str
    timeout: bool = False
    number: int = -1
    sqlstate: str | None = None
    exception: str = ""


class ErrorCount(msgspec.Struct, array_like=True, frozen=True):
    """How often the kind of error `number` came, when the latest one did, in seconds since the run
    began, and its message if it is another than before."""

    number: int
    count: int
    last: float
    message: str | None = None


class Sample(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What one tick saw. In every sample idle + used = open.

    `t` is when it ended and `span` how long it was, in seconds; `t` since the run began.

    `operations`, `timeouts`, `errors`, `opened`, `closed` and `per_client` count what happened
    within the tick. `per_client` has the completed operations of each client number that had any;
    a new client is there once with 0. `wait`, `use`, `create` and `retry` are the durations that
    ended within the tick, in seconds. `longest_waits` has the longest wait of each client since
    the segment began, if it grew.

    `limits`, `load` and `faults` are in force at the end of the tick.
    `capacity` is how many connections the limits allow, None if any number. `backlog` counts the
    requests of an open load that are due and that no client has begun, `clients` the clients that
    work. `missed` counts ticks that came too late and became part of this one: only the borders
    between them are lost.

    `cpu` is the share of one core that the load generator used within the last second, and `lag`
    how late, in seconds, the 99th of 100 timers of 10 ms fired within the last two. `overloaded`
    says that it was at its own limit, so that the figures may be its own rather than the pool's.

    `errors` and `timeout_names` count by the names of exceptions, `timeouts` all timeouts. Each
    kind that had not come before in the segment is in `error_kinds`, and `error_counts` has the
    same counts by kind. `waits_unfinished` of the durations in `wait` were not over when the run
    ended or the client was cancelled: the true ones are longer.

    A sample is `ending` if the load had ended before it: clients were stopped and the pool was
    closed. `clients_restarted` counts clients whose thread or task ended otherwise and that were
    started again.

    `oldest_age` and `mean_age` are those of the connections that are open at the end of the tick,
    in seconds: 0 without any, -1 where they weren't recorded. `lanes` says what happened on each
    connection, as `model/lanes.py` packs it. `processes` are those that the run has at the end of
    the tick. `pooler` is what a pooler between says, if it was asked within the tick.
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
    overloaded: bool = False
    timeout_names: dict[str, int] = {}
    error_kinds: list[ErrorKind] = []
    waits_unfinished: int = 0
    error_counts: list[ErrorCount] = []
    ending: bool = False
    clients_restarted: int = 0
    oldest_age: float = -1.0
    mean_age: float = -1.0
    lanes: bytes = b""
    processes: int = 1
    pooler: PoolerView | None = None


class MarkKind(StrEnum):
    """What happened at a marked moment."""

    CHANGE = "change"
    FAULT = "fault"
    NOTE = "note"


LOST = "process_lost"  # the key of a note that a process was lost


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A moment on the timeline, at `t` seconds. A change has its key, and the value before and
    after."""

    t: float
    kind: MarkKind
    text: str
    key: str | None = None
    old: Value | None = None
    new: Value | None = None

    @property
    def gap(self) -> tuple[float, float] | None:
        """From when until when it isn't known what a process did, if this notes that it was lost;
        its clients were gone at the end."""
        if self.key != LOST or not isinstance(self.old, int | float):
            return None
        return (float(self.old), self.t) if 0 <= self.old <= self.t else None

    @property
    def words(self) -> str:
        """What it says, in the user's language; a note as it was written."""
        if self.key == LOST:
            return tr("{name} lost", name=self.new)
        return self.text if self.key is None else mark_in_words(self.text)
