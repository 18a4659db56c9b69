"""The tables on MySQL and MariaDB, which commit each CREATE and DROP at once.

Therefore the row with their scale is written last, and tables without it are created again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pymysql  # type: ignore[import-untyped]
from pymysql.connections import Connection  # type: ignore[import-untyped]

from poolviz.language import tr
from poolviz.load.statements import ACCOUNTS, BRANCHES, SCHEMA, TELLERS
from poolviz.model.errors import ServerError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.mysql.connection import connect
from poolviz.servers.mysql.errors import (
    ACCESS_DENIED,
    LOCK_WAIT_TIMEOUT,
    describe_error,
    number_of,
)
from poolviz.servers.tables import (
    ALL,
    BATCH,
    COLUMNS,
    LOCK_LIMIT,
    MARK,
    NOTE,
    TRIALS,
    Found,
    Tables,
    in_use,
)

_logger = logging.getLogger(__name__)

_EXISTING = f"""
SELECT table_name, table_comment FROM information_schema.tables WHERE table_schema = '{SCHEMA}'
UNION ALL
SELECT concat(routine_name, '()'), '' FROM information_schema.routines
 WHERE routine_schema = '{SCHEMA}'
"""


@contextmanager
def connect_tables(conninfo: str) -> Iterator[Tables]:
    """Connect for the duration of the block."""
    address = MySQLAddress.parse(conninfo)
    try:
        with closing(connect(address, 2 * LOCK_LIMIT)) as connection:
            yield MySQLTables(connection)
    except pymysql.Error as error:
        if number_of(error) == LOCK_WAIT_TIMEOUT:
            raise in_use() from None
        raise describe_error(error, conninfo) or error from None


class MySQLTables(Tables):
    """See `Tables`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()

    def _find(self) -> Found:
        self._execute(f"SET SESSION lock_wait_timeout = {LOCK_LIMIT}")
        ((locked,),) = self._query(f"SELECT GET_LOCK('{SCHEMA} tables', {LOCK_LIMIT})")
        if not locked:
            raise in_use()
        schemas = "information_schema.schemata"
        if not self._query(f"SELECT 1 FROM {schemas} WHERE schema_name = '{SCHEMA}'"):
            return Found()
        existing = dict(self._query(_EXISTING))
        ours = existing.get(NOTE) == MARK
        others = sorted(set(existing) - ({NOTE, *COLUMNS} if ours else set()))
        if not ours:
            return Found(schema=True, ours_alone=False, others=tuple(others))
        with self._allowed():
            noted = self._query(f"SELECT scale, alone FROM {SCHEMA}.{NOTE}")
        ((scale, alone),) = noted or ((0, False),)
        scale = scale if set(COLUMNS) <= set(existing) else 0
        return Found(True, True, bool(alone), scale, tuple(others))

    def _check_privileges(self) -> None:
        with self._allowed():
            for statement in TRIALS:
                self._execute(statement)

    def _create(self, scale: int, found: Found, report: Callable[[float], None]) -> None:
        with self._allowed():
            try:
                self._create_all(scale, found, report)
            except BaseException:
                try:
                    self._drop(Found(True, True, found.ours_alone, 0, found.others))
                except pymysql.Error:  # the next poolviz sees that they are incomplete
                    _logger.info("Incomplete tables couldn't be dropped", exc_info=True)
                raise

    def _create_all(self, scale: int, found: Found, report: Callable[[float], None]) -> None:
        if not found.schema:
            self._execute(f"CREATE DATABASE {SCHEMA}")
        self._execute(f"DROP TABLE IF EXISTS {SCHEMA}.{NOTE}, {ALL}")
        self._create_table(NOTE, "scale int NOT NULL, alone boolean NOT NULL")
        self._execute(f"INSERT INTO {SCHEMA}.{NOTE} VALUES (0, {found.ours_alone})")
        for table, columns in COLUMNS.items():
            self._create_table(table, columns.format(key=" PRIMARY KEY"))
        self._connection.begin()
        self._fill(scale, report)
        self._execute(f"UPDATE {SCHEMA}.{NOTE} SET scale = {scale}")
        self._connection.commit()
        self._query(f"ANALYZE TABLE {ALL}")

    def _create_table(self, table: str, columns: str) -> None:
        self._execute(f"CREATE TABLE {SCHEMA}.{table} ({columns}) ENGINE=InnoDB COMMENT='{MARK}'")

    def _fill(self, scale: int, report: Callable[[float], None]) -> None:
        self._insert("branches", (f"({n},0,'')" for n in range(1, BRANCHES * scale + 1)))
        tellers = range(1, TELLERS * scale + 1)
        self._insert("tellers", (f"({n},{(n - 1) // TELLERS + 1},0,'')" for n in tellers))
        for first in range(1, ACCOUNTS * scale, BATCH):
            branch, numbers = (first - 1) // ACCOUNTS + 1, range(first, first + BATCH)
            self._insert("accounts", (f"({n},{branch},0,'')" for n in numbers))
            report(numbers[-1] / (ACCOUNTS * scale))

    def _insert(self, table: str, rows: Iterator[str]) -> None:
        self._execute(f"INSERT INTO {SCHEMA}.{table} VALUES {','.join(rows)}")

    def _empty_history(self) -> None:
        self._execute("SET SESSION lock_wait_timeout = 1")
        try:
            self._execute(f"TRUNCATE TABLE {SCHEMA}.history")
        except pymysql.Error as error:
            if number_of(error) not in (*ACCESS_DENIED, LOCK_WAIT_TIMEOUT):
                raise

    def _drop(self, found: Found) -> bool:
        with self._allowed():
            self._execute(f"DROP TABLE IF EXISTS {ALL}, {SCHEMA}.{NOTE}")
            if not found.ours_alone or self._query(_EXISTING):
                return False
            self._execute(f"DROP DATABASE {SCHEMA}")
        return True

    @contextmanager
    def _allowed(self) -> Iterator[None]:
        """Raise ServerError with the remedy if this user lacks a privilege."""
        try:
            yield
        except pymysql.Error as error:
            if number_of(error) not in ACCESS_DENIED:
                raise
            ((user, host),) = self._query(
                "SELECT substring_index(current_user(), '@', 1),"
                " substring_index(current_user(), '@', -1)"
            )
            raise ServerError(
                tr(
                    "User {user} may not create and use the tables in database {schema}: ask for "
                    "GRANT ALL ON {schema}.* TO '{user}'@'{host}'.",
                    user=user,
                    schema=SCHEMA,
                    host=host,
                ),
                "42000",
            ) from None

    def _execute(self, statement: str) -> None:
        self._cursor.execute(statement)

    def _query(self, query: str) -> tuple[tuple[Any, ...], ...]:
        self._cursor.execute(query)
        return tuple(self._cursor.fetchall())
