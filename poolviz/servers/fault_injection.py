"""What a server can be made to do to a run: end its backends, lock its tables.

Nothing here reaches further than the run: only backends under its own name and user are ended, and
only poolviz' own tables are locked. Each time a connection of its own is made for it, with bounds
on every wait, and closed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2

from poolviz.load.statements import SCHEMA
from poolviz.model.dialect import MYSQL, SQLITE, dialect_of
from poolviz.model.errors import ServerError
from poolviz.servers.monitor import SilenceError, await_answer
from poolviz.servers.postgres.errors import describe_failure
from poolviz.servers.target import mysql, with_application_name

LOCK_LIMIT = 5  # seconds that a lock is waited for
TABLES = ("accounts", "tellers", "branches")  # in the order in which clients change them
_CONNECT_LIMIT, _ANSWER_LIMIT = 5.0, 3.0  # seconds
_TERMINATE = """
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))
  FROM (SELECT pid FROM pg_stat_activity
         WHERE application_name = %s AND usename = session_user
           AND coalesce(backend_type, 'client backend') = 'client backend'
         ORDER BY state = 'idle', backend_start
         LIMIT %s) AS chosen
"""
_LOCK = "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE".format(", ".join(f"{SCHEMA}.{t}" for t in TABLES))

NO_TABLES = "There are no tables to lock: poolviz makes them for a load that works on them."
NO_LOCK = (
    f"The tables couldn't be locked within {LOCK_LIMIT} s: the load itself holds locks on them, "
    "in transactions that it leaves open."
)
MAY_NOT_LOCK = "This user may not lock poolviz' tables, which are another user's."

Wait = Callable[[float], bool]  # lets so many seconds pass; True where the run's end cut that short


class FaultInjection(ABC):
    """Does harm to the run `application_name`, from any thread. `wait` bounds what takes long: it
    is asked, at every pause, whether the run is over. ServerError says why something can't be."""

    @abstractmethod
    def terminate(self, how_many: int | None, wait: Wait) -> int:
        """End so many of the run's backends, those at work first, or with None all; how many."""

    @abstractmethod
    def lock_tables(self, seconds: float, wait: Wait) -> None:
        """Lock poolviz' tables for so long, or until the run is over."""


def fault_injection_for(conninfo: str, application_name: str) -> FaultInjection | None:
    """What does harm to that run on the server of that conninfo; None where there is no server."""
    dialect = dialect_of(conninfo)
    if dialect == SQLITE:
        return None
    if dialect == MYSQL:
        mysql()  # which says where its driver is missing
        from poolviz.servers.mysql.fault_injection import MySQLFaultInjection  # noqa: PLC0415

        return MySQLFaultInjection(conninfo, application_name)
    return PostgresFaultInjection(conninfo, application_name)


class PostgresFaultInjection(FaultInjection):
    """On PostgreSQL. Its connections are asynchronous: libpq would wait without an end."""

    def __init__(self, conninfo: str, application_name: str) -> None:
        self._name = application_name
        self._conninfo = with_application_name(conninfo, f"{application_name} fault")

    def terminate(self, how_many: int | None, wait: Wait) -> int:
        """pg_terminate_backend, which the server allows for backends of the same user."""
        ended = 0  # as it stays where the run is over first
        with self._session(wait) as ask:
            ended = int(ask(_TERMINATE, self._name, how_many)[0][0])
        return ended  # noqa: RET504 - the block may be left early

    def lock_tables(self, seconds: float, wait: Wait) -> None:
        """In a transaction that ends with its connection."""
        with self._session(wait) as ask:
            ask("BEGIN")
            ask(f"SET LOCAL lock_timeout = '{LOCK_LIMIT}s'")
            ask(_LOCK)
            wait(seconds)

    @contextmanager
    def _session(self, wait: Wait) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
        """A connection, as what asks it; nothing of it is left after the block."""

        def over() -> bool:
            return wait(0)

        def ask(question: str, *values: object) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(question, values or None)
                await_answer(connection, _ANSWER_LIMIT + LOCK_LIMIT, over)
                return cursor.fetchall() if cursor.description else []

        try:
            with closing(psycopg2.connect(self._conninfo, async_=True)) as connection:
                await_answer(connection, _CONNECT_LIMIT, over)
                yield ask
        except SilenceError:
            if not over():
                raise ServerError("The server doesn't answer, so the fault didn't come.") from None
        except psycopg2.Error as error:
            raise self._told(error) from None

    def _told(self, error: psycopg2.Error) -> ServerError:
        sentences = {
            "42P01": NO_TABLES,
            "3F000": NO_TABLES,
            "55P03": NO_LOCK,
            "42501": MAY_NOT_LOCK,
        }
        if error.pgcode in sentences:
            return ServerError(sentences[error.pgcode], error.pgcode)
        return describe_failure(error, self._conninfo)
