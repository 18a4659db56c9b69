"""A server that restarts, is slow, or holds a lock."""

from __future__ import annotations

from poolviz.language import tr
from poolviz.load.faults.base import Fault, FaultConditions, FaultContext
from poolviz.load.statements import STATEMENTS
from poolviz.model.dialect import SQLITE
from poolviz.model.parameters import Seconds, Switch, Value, either

_TABLE_STATEMENTS = tuple(statement.name for statement in STATEMENTS if statement.tables)


class RestartServer(Fault):
    """The server stops and starts again."""

    parameter = Switch(
        key="restart_server",
        default=False,
        help="Restart the server that poolviz started: every connection is lost, and none can be "
        "opened until it is back.",
    )
    lasts = True
    of_server = True
    rank = 30

    @classmethod
    def reason(cls, conditions: FaultConditions) -> str:
        """Return that only our own server is restarted."""
        if conditions.dialect == SQLITE:
            return tr("SQLite has no server that could be restarted.")
        if not conditions.ours:
            return tr(
                "Only the embedded PostgreSQL is restarted, and this run uses another server."
            )
        return ""

    def inject(self, context: FaultContext, value: Value) -> None:  # noqa: ARG002
        """Request the restart, and wait until the server is back."""
        context.restart_server()


class LockTable(Fault):
    """The tables of the load are locked for some time."""

    parameter = Seconds(
        key="lock_table",
        default=0.0,
        maximum=3600,
        slider=(0, 30),
        log_slider=True,
        help="How long another connection locks poolviz's tables, so that every statement on them "
        "waits, as behind an ALTER TABLE.",
    )
    lasts = True
    of_server = True
    rank = 50

    @classmethod
    def reason(cls, conditions: FaultConditions) -> str:
        """Return that there are no tables, or that the load doesn't use them."""
        if conditions.dialect == SQLITE:
            return tr("poolviz has no tables in SQLite that could be locked.")
        if conditions.load["statement"] not in _TABLE_STATEMENTS:
            return tr(
                "This load touches no table that could be locked: it needs statement = "
                "{statements}.",
                statements=either(_TABLE_STATEMENTS, tr),
            )
        return ""

    def inject(self, context: FaultContext, value: Value) -> None:
        """Hold the lock for `value` seconds from when it was granted."""
        context.lock_tables(float(value))


class SlowStatements(Fault):
    """The server takes longer."""

    parameter = Seconds(
        key="slow_statements",
        default=0.0,
        maximum=3600,
        slider=(0, 1),
        log_slider=True,
        help="How much longer the server takes for each operation, as if it were busy with others.",
    )
    standing = True
    rank = 80

    def inject(self, context: FaultContext, value: Value) -> None:
        """Set the time from the next operation on."""
        context.client_faults.slow_by = float(value)
