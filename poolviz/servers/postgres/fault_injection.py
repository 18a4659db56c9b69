"""Faults that PostgreSQL can cause in a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg2

from poolviz.language import tr
from poolviz.load.statements import SCHEMA
from poolviz.model.errors import ServerError
from poolviz.servers.fault_injection import (
    LOCK_LIMIT,
    TABLES,
    FaultInjection,
    Wait,
    lock_denied,
    lock_timeout,
    no_tables,
)
from poolviz.servers.freezing import frozen_server_of
from poolviz.servers.postgres.connection import LimitedConnection, NoAnswer
from poolviz.servers.postgres.errors import describe_error
from poolviz.servers.postgres.target import with_application_name

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
_LOCK_ERRORS = {"42P01": no_tables, "3F000": no_tables, "55P03": lock_timeout, "42501": lock_denied}

_Execute = Callable[..., list[tuple[Any, ...]]]


class PostgresFaultInjection(FaultInjection):
    """Injects faults into the run `application_name`."""

    def __init__(self, conninfo: str, application_name: str) -> None:
        self._name = application_name
        self._conninfo = with_application_name(conninfo, f"{application_name} fault")

    def terminate(self, how_many: int | None, wait: Wait) -> int:
        """Call pg_terminate_backend, which the server allows for backends of the same user."""
        with self._connected(wait) as execute:
            return int(execute(_TERMINATE, self._name, how_many)[0][0])

    def lock_tables(self, seconds: float, wait: Wait) -> None:
        """Lock them in a transaction, which ends with its connection."""
        with self._connected(wait) as execute:
            execute("BEGIN")
            execute(f"SET LOCAL lock_timeout = '{LOCK_LIMIT}s'")
            execute(_LOCK)
            wait(seconds)

    def hosts(self, wait: Wait) -> list[tuple[str, int]]:
        """Return what libpq found in the DSN, a service file and the environment."""
        with self._open(wait) as connection:
            return connection.hosts

    def freeze(self, seconds: float, wait: Wait) -> None:
        """Stop every process of the server, the one that accepts connections first."""
        with ExitStack() as frozen:
            with self._connected(wait) as execute:
                backend = int(execute("SELECT pg_backend_pid()")[0][0])
                frozen.enter_context(frozen_server_of(backend))
            wait(seconds)

    @contextmanager
    def _connected(self, wait: Wait) -> Iterator[_Execute]:
        """Do as `_open`; the block gets a function that executes statements."""

        def execute(statement: str, *values: object) -> list[tuple[Any, ...]]:
            return connection.execute(statement, *values, seconds=_ANSWER_LIMIT + LOCK_LIMIT)

        with self._open(wait) as connection:
            yield execute

    @contextmanager
    def _open(self, wait: Wait) -> Iterator[LimitedConnection]:
        """Connect for the duration of the block. ServerError if that fails, or the run is over
        first."""

        def over() -> bool:
            return wait(0)

        try:
            with LimitedConnection(
                self._conninfo, seconds=_CONNECT_LIMIT, unwanted=over
            ) as connection:
                yield connection
        except NoAnswer:
            raise ServerError(
                tr("The fault wasn't injected, because the server doesn't answer.")
            ) from None
        except psycopg2.Error as error:
            known = _LOCK_ERRORS.get(error.pgcode or "")
            raise (
                known(error.pgcode) if known else describe_error(error, self._conninfo)
            ) from None
