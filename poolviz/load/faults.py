"""What can go wrong while the load is on, at a button, a scenario's key or an option.

To add a fault, write one class here and name it in `FAULTS`: its one parameter becomes a button or
a slider, an option and a key of scenarios by itself. A standing fault stays until it is put back;
a passing one happens, and is over.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from poolviz.load.client_faults import ClientFaults
from poolviz.load.statements import STATEMENTS
from poolviz.model.dialect import SQLITE
from poolviz.model.errors import ServerError
from poolviz.model.parameters import Count, Parameter, Parameters, Seconds, Switch, Value
from poolviz.pools.base import Pool
from poolviz.pools.connections.connect_faults import ConnectFaults

_TABLES = tuple(statement.name for statement in STATEMENTS if statement.tables)


@dataclass(frozen=True)
class FaultConditions:
    """Where a fault is to happen: on what kind of server (see `dialect_of`), whether poolviz
    brought that along, and under which pool and settings of the load."""

    dialect: str
    ours: bool
    pool: type[Pool]
    load: Mapping[str, Value]


class FaultContext(Protocol):
    """What a fault can lay its actions on: what belongs to the run, and nothing else."""

    connect_faults: ConnectFaults
    client_faults: ClientFaults

    def terminate(self, how_many: int | None) -> int:
        """Have the server end so many of the run's backends, those at work first, or with None
        all of them; how many it ended. ServerError where it can't."""

    def lock_tables(self, seconds: float) -> None:
        """Hold a lock on poolviz' own tables, against reading and writing, for so long or until
        the run's end. ServerError where it can't."""

    def restart_server(self) -> None:
        """Stop and start the server that poolviz brought along. ServerError where it can't."""

    def set_stuck(self, clients: int) -> None:
        """Have so many clients never come back from what they do with their connection."""

    def wait(self, seconds: float) -> bool:
        """Let time pass; True where the run's end cut that short."""


class Fault(ABC):
    """One thing that goes wrong. `parameter` is its key and its amount; at the default it rests."""

    parameter: ClassVar[Parameter]
    standing: ClassVar[bool]
    first_amount: ClassVar[float] = 2.0  # what the window offers for a passing one, if it has any

    @classmethod
    def reason(cls, place: FaultConditions) -> str:  # noqa: ARG003 - for those that it concerns
        """Why it can't be done in that place, in a sentence; empty where it can."""
        return ""

    @abstractmethod
    def inject(self, context: FaultContext, value: Value) -> None:
        """Do it. A standing one sets something and returns at once, and `value` may be its default,
        which ends it; a passing one runs in a thread of its own until it is over."""


class LeakEvery(Fault):
    """Connections that are taken and never given back."""

    parameter = Count(
        key="leak_every",
        default=0,
        maximum=1_000_000,
        slider=(0, 1000),
        log_slider=True,
        special={0: "never"},
        help="Every so-manieth operation of a client ends without giving its connection back, as "
        "where a path through a program forgets to. 0: none.",
    )
    standing = True

    def inject(self, context: FaultContext, value: Value) -> None:
        """From the next operation on."""
        context.client_faults.leak_every = int(value)


class SlowStatements(Fault):
    """A server that takes longer than it did."""

    parameter = Seconds(
        key="slow_statements",
        default=0.0,
        maximum=3600,
        slider=(0, 1),
        log_slider=True,
        help="How much longer the server takes for each operation, as when it is busy with others.",
    )
    standing = True

    def inject(self, context: FaultContext, value: Value) -> None:
        """From the next operation on."""
        context.client_faults.slow_by = float(value)


class SlowConnecting(Fault):
    """Connections that take long to make."""

    parameter = Seconds(
        key="slow_connecting",
        default=0.0,
        maximum=3600,
        slider=(0, 2),
        log_slider=True,
        help="How much longer it takes to make a connection, as over a long way or with TLS.",
    )
    standing = True

    def inject(self, context: FaultContext, value: Value) -> None:
        """For connections being made as well."""
        context.connect_faults.slow_by = float(value)


class StuckClients(Fault):
    """Clients that hang while they hold a connection."""

    parameter = Count(
        key="stuck_clients",
        default=0,
        maximum=2000,
        slider=(0, 100),
        help="So many clients hang with a connection in their actions and never come back, until "
        "this is lowered.",
    )
    standing = True

    def inject(self, context: FaultContext, value: Value) -> None:
        """From the next operation on; those beyond `value` come back."""
        context.set_stuck(int(value))


class _Ending(Fault):
    """Backends that the server ends."""

    standing = False
    how_many: ClassVar[int | None]

    @classmethod
    def reason(cls, place: FaultConditions) -> str:
        """SQLite has none."""
        if place.dialect == SQLITE:
            return "SQLite has no server, and so no backend that could be killed."
        return ""

    def inject(self, context: FaultContext, value: Value) -> None:  # noqa: ARG002
        """At once."""
        if not context.terminate(self.how_many):
            raise ServerError("This run has no connection that could be killed just now.")


class KillBackend(_Ending):
    """One connection is lost."""

    parameter = Switch(
        key="kill_backend",
        default=False,
        help="Have the server end one of this run's connections, one at work if there is one.",
    )

    how_many = 1


class KillAllBackends(_Ending):
    """Every connection is lost."""

    parameter = Switch(
        key="kill_all_backends",
        default=False,
        help="Have the server end all of this run's connections, as a failover does.",
    )

    how_many = None


class RestartServer(Fault):
    """The server goes and comes back."""

    parameter = Switch(
        key="restart_server",
        default=False,
        help="Restart the server that poolviz brought along: every connection is lost, and until "
        "it is back none can be made.",
    )
    standing = False

    @classmethod
    def reason(cls, place: FaultConditions) -> str:
        """No server but our own is restarted."""
        if place.dialect == SQLITE:
            return "SQLite has no server that could be restarted."
        if not place.ours:
            return "This server isn't poolviz' own: only the embedded PostgreSQL is restarted."
        return ""

    def inject(self, context: FaultContext, value: Value) -> None:  # noqa: ARG002
        """Until it takes connections again."""
        context.restart_server()


class RefuseConnections(Fault):
    """No new connection can be made for a while."""

    parameter = Seconds(
        key="refuse_connections",
        default=0.0,
        maximum=3600,
        slider=(0, 30),
        log_slider=True,
        help="For so long every attempt of the pool to connect is refused; connections that exist "
        "go on.",
    )
    standing = False

    def inject(self, context: FaultContext, value: Value) -> None:
        """For `value` seconds."""
        context.connect_faults.refuse(True)
        try:
            context.wait(float(value))
        finally:
            context.connect_faults.refuse(False)


class LockTable(Fault):
    """What everybody needs is locked."""

    parameter = Seconds(
        key="lock_table",
        default=0.0,
        maximum=3600,
        slider=(0, 30),
        log_slider=True,
        help="For so long another connection holds a lock on poolviz' tables, so that every "
        "statement on them waits, as behind an ALTER TABLE.",
    )
    standing = False

    @classmethod
    def reason(cls, place: FaultConditions) -> str:
        """Where the load has nothing to do with those tables, nobody would notice."""
        if place.dialect == SQLITE:
            return "poolviz keeps no tables in SQLite that could be locked."
        if place.load["statement"] not in _TABLES:
            return (
                f"This load touches no table that could be locked: it takes statement = "
                f"{' or '.join(_TABLES)}."
            )
        return ""

    def inject(self, context: FaultContext, value: Value) -> None:
        """For `value` seconds from when the lock was given."""
        context.lock_tables(float(value))


_ALL: tuple[type[Fault], ...] = (
    KillBackend,
    KillAllBackends,
    RestartServer,
    RefuseConnections,
    LockTable,
    LeakEvery,
    StuckClients,
    SlowStatements,
    SlowConnecting,
)
FAULTS: Mapping[str, type[Fault]] = {fault.parameter.key: fault for fault in _ALL}
FAULT_PARAMETERS = Parameters("fault", *(fault.parameter for fault in _ALL))
