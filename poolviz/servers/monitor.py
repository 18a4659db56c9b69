"""The server's own view of a run: its backends by state, seen from outside the pool."""

from __future__ import annotations

import selectors
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ
from psycopg2.extensions import connection as Connection  # noqa: N812

from poolviz.model.dialect import MYSQL, SQLITE, dialect_of
from poolviz.model.sample import ServerView
from poolviz.servers.postgres.errors import describe_failure
from poolviz.servers.target import mysql, with_application_name

_CONNECT_LIMIT = 5.0  # seconds until a server that doesn't answer is given up
_ANSWER_LIMIT = 3.0  # the same for one question
_STATEMENT_LIMIT = 2000  # milliseconds, for the server itself: less than we wait
_LOOK_UP = 0.1  # seconds between two looks whether anybody still waits for an answer
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0  # seconds between two tries, doubling

# A backend that is just starting has no state yet; one whose state is hidden says why in its query.
_LOOK = """
SELECT CASE WHEN query = '<insufficient privilege>' THEN 'hidden' ELSE coalesce(state, 'starting')
        END, count(*) FROM pg_stat_activity
 WHERE application_name = %s AND coalesce(backend_type, 'client backend') = 'client backend'
 GROUP BY 1
"""
_CANCEL = """
SELECT count(*) FILTER (WHERE pg_cancel_backend(pid)) FROM pg_stat_activity
 WHERE application_name = %s AND state = 'active' AND usename = session_user
"""
_IN_TRANSACTION = ("idle in transaction", "idle in transaction (aborted)")


class MonitorLost(Exception):
    """Why the server can't be seen, as the end of a sentence."""


class SilenceError(Exception):
    """The server, or the way to it, didn't answer in time, or nobody waits for it any more."""


class Monitor(ABC):
    """Watches the backends of a run from a connection of its own.

    Used by one thread at a time. It connects at the first look, and again after a loss, at first
    after 1 s and then ever more seldom, up to every 15 s. `trouble` says in one sentence why it
    doesn't see, and is empty while it does. No call takes longer than about 10 s, whatever has
    become of the server; the name lookup of its host is the resolver's own business.
    """

    def __init__(self) -> None:
        self.trouble = ""
        self._pause = _FIRST_PAUSE
        self._next_try = 0.0  # on the monotonic clock

    def look(self) -> ServerView | None:
        """The run's backends by state, now; None while it can't see, which `trouble` explains."""
        if time.monotonic() < self._next_try:
            return None
        try:
            view, self.trouble = self._see()
        except MonitorLost as reason:
            self._lose(str(reason))
            return None
        self._pause = _FIRST_PAUSE
        return view

    def cancel_statements(self) -> int:
        """Ask the server to break off what the run's backends are executing; how many it asked.
        Waits for no pause, so that a stop is quick. Where it fails, `trouble` says so."""
        try:
            return self._cancel()
        except MonitorLost as reason:
            self._lose(str(reason))
            return 0

    @abstractmethod
    def close(self) -> None:
        """Leave the server. A later look would connect again."""

    @abstractmethod
    def _see(self) -> tuple[ServerView, str]:
        """What there is, and in a sentence what of it doesn't show; MonitorLost if nothing does."""

    @abstractmethod
    def _cancel(self) -> int:
        """Break off the run's statements; how many were running."""

    def _lose(self, reason: str) -> None:
        """Say what is wrong, and leave the server alone for a while."""
        self.trouble = f"The server's own view is missing: {reason}."
        self.close()
        self._next_try = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


def monitor_for(conninfo: str, application_name: str) -> Monitor | None:
    """What watches the backends of the run `application_name` on the server of that conninfo;
    None where there are none to watch, as SQLite has no server."""
    dialect = dialect_of(conninfo)
    if dialect == SQLITE:
        return None
    if dialect == MYSQL:
        monitor: Monitor = mysql().MySQLMonitor(conninfo, application_name)
        return monitor
    return PostgresMonitor(conninfo, application_name)


class PostgresMonitor(Monitor):
    """Watches the backends of the run `application_name` on PostgreSQL."""

    def __init__(self, conninfo: str, application_name: str) -> None:
        super().__init__()
        self._name = application_name
        self._conninfo = with_application_name(conninfo, f"{application_name} monitor")
        self._connection: Connection | None = None

    def close(self) -> None:
        """Leave the server. A later look would connect again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _see(self) -> tuple[ServerView, str]:
        counts: dict[str, int] = dict(self._ask(_LOOK))
        trouble = _half_seen(counts)
        active, idle = counts.pop("active", 0), counts.pop("idle", 0)
        in_transaction = sum(counts.pop(state, 0) for state in _IN_TRANSACTION)
        return ServerView(active, idle, in_transaction, sum(counts.values())), trouble

    def _cancel(self) -> int:
        return int(self._ask(_CANCEL)[0][0])

    def _ask(self, question: str) -> list[tuple[Any, ...]]:
        """The rows that answer a question about this run; MonitorLost where there is no answer."""
        connection = self._connection or self._connected()
        try:
            with connection.cursor() as cursor:
                cursor.execute(question, (self._name,))
                await_answer(connection, _ANSWER_LIMIT)
                return cursor.fetchall()
        except SilenceError:
            raise MonitorLost("the server doesn't answer; it is asked again") from None
        except psycopg2.Error as error:
            raise MonitorLost(_reason(error, connection)) from None

    def _connected(self) -> Connection:
        """A new connection, made without blocking in libpq: a server that hangs would hold it."""
        try:
            connection = psycopg2.connect(self._conninfo, async_=True)
            self._connection = connection  # from here on `close` ends it
            await_answer(connection, _CONNECT_LIMIT)
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = %s", (_STATEMENT_LIMIT,))
                await_answer(connection, _ANSWER_LIMIT)
        except SilenceError:
            raise MonitorLost("the server doesn't answer; it is asked again") from None
        except psycopg2.Error as error:
            reason = str(describe_failure(error, self._conninfo))
            raise MonitorLost(reason.removesuffix(".")) from None
        return connection


def _reason(error: psycopg2.Error, connection: Connection) -> str:
    """Why a question failed, as the end of a sentence."""
    if error.pgcode == "42501":
        return "this user may not read pg_stat_activity; GRANT pg_monitor TO it would help"
    if error.pgcode == "57014":
        return "the server took too long to answer; it is asked again"
    if connection.closed or (error.pgcode or "").startswith(("08", "57P")):
        return "the connection to the server was lost; it is tried again"
    lines = str(error).strip().splitlines() or ["no reason given"]
    return f"the server answered with {lines[0]!r}"


def _half_seen(counts: dict[str, int]) -> str:
    """What to say of backends whose state the server doesn't show."""
    if "hidden" in counts:
        return (
            "The server hides from this user what its connections are doing: GRANT pg_monitor TO "
            "it would show that."
        )
    if "disabled" in counts:
        return "The server doesn't note what connections are doing: track_activities is off there."
    return ""


def await_answer(
    connection: Connection, seconds: float, over: Callable[[], bool] = lambda: False
) -> None:
    """Go on with what an asynchronous connection is doing until it is done; SilenceError when time
    is up, or soon after `over` says so."""
    deadline = time.monotonic() + seconds
    while (state := connection.poll()) != POLL_OK:
        wanted = selectors.EVENT_READ if state == POLL_READ else selectors.EVENT_WRITE
        with selectors.DefaultSelector() as selector:  # plain select knows no socket beyond 1024
            selector.register(connection.fileno(), wanted)
            while not selector.select(max(0.0, min(_LOOK_UP, deadline - time.monotonic()))):
                if over() or time.monotonic() >= deadline:
                    raise SilenceError
