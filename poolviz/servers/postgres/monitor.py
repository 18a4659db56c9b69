"""The view of a run that PostgreSQL gives in pg_stat_activity."""

from __future__ import annotations

from typing import Any

import psycopg2

from poolviz.language import tr
from poolviz.model.sample import ServerView
from poolviz.servers.activity import Activity
from poolviz.servers.errors import first_line
from poolviz.servers.monitor import Monitor, ViewLost, Views, by_state
from poolviz.servers.postgres.connection import LimitedConnection, NoAnswer
from poolviz.servers.postgres.errors import describe_error
from poolviz.servers.postgres.target import LIMITS, free_connections, with_application_name

_CONNECT_LIMIT = 5.0  # seconds
_ANSWER_LIMIT = 3.0  # seconds for one statement
_STATEMENT_TIMEOUT = 2000  # milliseconds, for the server: less than the limit here

# A backend that is just starting has no state yet; if its state is hidden, its query says so.
_STATES = """
SELECT application_name, CASE WHEN query = '<insufficient privilege>' THEN 'hidden'
       ELSE coalesce(state, 'starting') END, count(*) FROM pg_stat_activity
 WHERE (application_name = %s OR application_name LIKE %s)
   AND coalesce(backend_type, 'client backend') = 'client backend'
 GROUP BY 1, 2
"""
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
 WHERE usesysid IS NOT NULL AND datid IS NOT NULL AND application_name NOT LIKE %s
   AND coalesce(backend_type, 'client backend') = 'client backend'
"""
_ACTIVITY = """
SELECT CASE WHEN state <> 'active' THEN 'in_transaction'
            WHEN wait_event_type IS NULL THEN 'running'
            WHEN wait_event_type IN ('Lock', 'LWLock', 'BufferPin') THEN 'locked'
            WHEN wait_event_type = 'IO' THEN 'reading'
            WHEN wait_event = 'PgSleep' THEN 'sleeping'
            ELSE 'other' END, count(*) FROM pg_stat_activity
 WHERE (application_name = %s OR application_name LIKE %s)
   AND coalesce(backend_type, 'client backend') = 'client backend'
   AND state IN ('active', 'idle in transaction', 'idle in transaction (aborted)')
 GROUP BY 1
"""
_CANCEL = """
SELECT count(*) FILTER (WHERE pg_cancel_backend(pid)) FROM pg_stat_activity
 WHERE application_name = %s AND state = 'active' AND usename = session_user
"""
_IN_TRANSACTION = ("idle in transaction", "idle in transaction (aborted)")


class PostgresMonitor(Monitor):
    """Watches the backends of the run `application_name`, and of its processes."""

    def __init__(self, conninfo: str, application_name: str) -> None:
        super().__init__()
        self._name, self._processes = application_name, f"{application_name}-%"
        self._conninfo = with_application_name(conninfo, f"{application_name} monitor")
        self._connection: LimitedConnection | None = None

    def close(self) -> None:
        """Disconnect. May be called again; a later call of `view` would connect again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self) -> tuple[Views, str]:
        # Within a transaction all statements see pg_stat_activity as the first one did.
        self._execute("BEGIN")
        names = by_state(self._execute(_STATES, self._name, self._processes))
        ((others,),) = self._execute(_OTHERS, f"{self._name}%")
        (limits,) = self._execute(LIMITS)
        self._execute("COMMIT")
        free = max(0, free_connections(limits) - 1)  # this connection takes one
        problem = next(filter(None, map(_hidden, names.values())), "")
        views = {name: _view(counts) for name, counts in names.items()}
        return Views(views, int(others), free), problem

    def _activity(self) -> Activity:
        return Activity(**dict(self._execute(_ACTIVITY, self._name, self._processes)))

    def _cancel(self) -> int:
        return int(self._execute(_CANCEL, self._name)[0][0])

    def _execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Execute a statement. ViewLost if there is no answer."""
        if self._connection is None:
            self._connection = self._connect()
        try:
            return self._connection.execute(statement, *values, seconds=_ANSWER_LIMIT)
        except NoAnswer:
            raise ViewLost(tr("the server doesn't answer; poolviz keeps trying")) from None
        except psycopg2.Error as error:
            raise ViewLost(_reason(error, lost=self._connection.closed)) from None

    def _connect(self) -> LimitedConnection:
        try:
            connection = LimitedConnection(self._conninfo, seconds=_CONNECT_LIMIT)
            try:
                timeout = "SET statement_timeout = %s"
                connection.execute(timeout, _STATEMENT_TIMEOUT, seconds=_ANSWER_LIMIT)
            except BaseException:
                connection.close()
                raise
        except NoAnswer:
            raise ViewLost(tr("the server doesn't answer; poolviz keeps trying")) from None
        except psycopg2.Error as error:
            reason = str(describe_error(error, self._conninfo))
            raise ViewLost(reason.removesuffix(".")) from None
        return connection


def _view(counts: dict[str, int]) -> ServerView:
    """Return backends by state."""
    left = dict(counts)
    active, idle = left.pop("active", 0), left.pop("idle", 0)
    in_transaction = sum(left.pop(state, 0) for state in _IN_TRANSACTION)
    return ServerView(active, idle, in_transaction, sum(left.values()))


def _reason(error: psycopg2.Error, *, lost: bool) -> str:
    """Return why a statement failed, as the end of a sentence."""
    if error.pgcode == "42501":
        return tr(
            "this user may not read pg_stat_activity; GRANT pg_monitor TO it would allow that"
        )
    if error.pgcode == "57014":
        return tr("the server took too long to answer; poolviz keeps trying")
    if lost or (error.pgcode or "").startswith(("08", "57P")):
        return tr("the connection to the server was lost; poolviz keeps trying")
    return tr("the server answered with {answer!r}", answer=first_line(error))


def _hidden(counts: dict[str, int]) -> str:
    """Return what to say about backends whose state the server doesn't show."""
    if "hidden" in counts:
        return tr(
            "The server hides the state of other users' connections from this user: GRANT "
            "pg_monitor TO it would show them."
        )
    if "disabled" in counts:
        return tr("The server doesn't track the state of connections: track_activities is off.")
    return ""
