"""Our tables on MySQL and MariaDB, which commit each CREATE and DROP at once: the note of their
scale is written last, and tables without it are made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pymysql  # type: ignore[import-untyped]
from pymysql.connections import Connection  # type: ignore[import-untyped]

from poolviz.load.statements import ACCOUNTS, BRANCHES, SCHEMA, TELLERS
from poolviz.model.errors import ServerError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.mysql.server import connect, describe
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

_FORBIDDEN = (1044, 1142, 1143, 1370)  # to this user: the database, the table, the column, …
_LOCKED = 1205
_THERE = f"""
SELECT table_name, table_comment FROM information_schema.tables WHERE table_schema = '{SCHEMA}'
UNION ALL
SELECT concat(routine_name, '()'), '' FROM information_schema.routines
 WHERE routine_schema = '{SCHEMA}'
"""


@contextmanager
def opened(conninfo: str) -> Iterator[Tables]:
    """The tables on the server that `conninfo` names."""
    address = MySQLAddress.parse(conninfo)
    try:
        with closing(connect(address, 2 * LOCK_LIMIT)) as connection:
            yield MySQLTables(connection)
    except pymysql.Error as error:
        number = error.args[0] if error.args else 0
        raise (in_use() if number == _LOCKED else describe(error, conninfo) or error) from None


def count(conninfo: str, question: str, seconds: float) -> int:
    """The count that the server answers within so many seconds; ServerError where it doesn't."""
    address = MySQLAddress.parse(conninfo)
    try:
        with closing(connect(address, seconds)) as connection, connection.cursor() as cursor:
            cursor.execute(question)
            return int(cursor.fetchone()[0])
    except pymysql.Error as error:
        raise describe(error, conninfo) or error from None


class MySQLTables(Tables):
    """See `Tables`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()

    def find(self) -> Found:
        """What is there, once nobody else makes or drops it."""
        self._do(f"SET SESSION lock_wait_timeout = {LOCK_LIMIT}")
        ((locked,),) = self._ask(f"SELECT GET_LOCK('{SCHEMA} tables', {LOCK_LIMIT})")
        if not locked:
            raise in_use()
        schemas = "information_schema.schemata"
        if not self._ask(f"SELECT 1 FROM {schemas} WHERE schema_name = '{SCHEMA}'"):
            return Found()
        there = dict(self._ask(_THERE))
        ours = there.get(NOTE) == MARK
        others = sorted(set(there) - ({NOTE, *COLUMNS} if ours else set()))
        if not ours:
            return Found(schema=True, ours_alone=False, others=tuple(others))
        with self._allowed():
            noted = self._ask(f"SELECT scale, alone FROM {SCHEMA}.{NOTE}")
        ((scale, alone),) = noted or ((0, False),)
        scale = scale if set(COLUMNS) <= set(there) else 0
        return Found(True, True, bool(alone), scale, tuple(others))

    def try_out(self) -> None:
        """Do to no row what the statements do."""
        with self._allowed():
            for statement in TRIALS:
                self._do(statement)

    def make(self, scale: int, found: Found, tell: Callable[[float], None]) -> None:
        """Make database and tables; where that fails, nothing of them is left."""
        with self._allowed():
            try:
                self._make(scale, found, tell)
            except BaseException:
                with suppress(pymysql.Error):  # the next to come sees that they aren't whole
                    self.drop(Found(True, True, found.ours_alone, 0, found.others))
                raise

    def _make(self, scale: int, found: Found, tell: Callable[[float], None]) -> None:
        if not found.schema:
            self._do(f"CREATE DATABASE {SCHEMA}")
        self._do(f"DROP TABLE IF EXISTS {SCHEMA}.{NOTE}, {ALL}")
        self._create(NOTE, "scale int NOT NULL, alone boolean NOT NULL")
        self._do(f"INSERT INTO {SCHEMA}.{NOTE} VALUES (0, {found.ours_alone})")
        for table, columns in COLUMNS.items():
            self._create(table, columns.format(key=" PRIMARY KEY"))
        self._connection.begin()
        self._fill(scale, tell)
        self._do(f"UPDATE {SCHEMA}.{NOTE} SET scale = {scale}")
        self._connection.commit()
        self._ask(f"ANALYZE TABLE {ALL}")

    def _create(self, table: str, columns: str) -> None:
        self._do(f"CREATE TABLE {SCHEMA}.{table} ({columns}) ENGINE=InnoDB COMMENT='{MARK}'")

    def _fill(self, scale: int, tell: Callable[[float], None]) -> None:
        self._insert("branches", (f"({n},0,'')" for n in range(1, BRANCHES * scale + 1)))
        tellers = range(1, TELLERS * scale + 1)
        self._insert("tellers", (f"({n},{(n - 1) // TELLERS + 1},0,'')" for n in tellers))
        for first in range(1, ACCOUNTS * scale, BATCH):
            branch, numbers = (first - 1) // ACCOUNTS + 1, range(first, first + BATCH)
            self._insert("accounts", (f"({n},{branch},0,'')" for n in numbers))
            tell(numbers[-1] / (ACCOUNTS * scale))

    def _insert(self, table: str, rows: Iterator[str]) -> None:
        self._do(f"INSERT INTO {SCHEMA}.{table} VALUES {','.join(rows)}")

    def empty_history(self) -> None:
        """Forget what earlier runs did, unless somebody else uses it or this user may not."""
        self._do("SET SESSION lock_wait_timeout = 1")
        try:
            self._do(f"TRUNCATE TABLE {SCHEMA}.history")
        except pymysql.Error as error:
            if error.args[0] not in (*_FORBIDDEN, _LOCKED):
                raise

    def drop(self, found: Found) -> bool:
        """Drop the tables, and the database if we made it and nobody has put anything in."""
        with self._allowed():
            self._do(f"DROP TABLE IF EXISTS {ALL}, {SCHEMA}.{NOTE}")
            if not found.ours_alone or self._ask(_THERE):
                return False
            self._do(f"DROP DATABASE {SCHEMA}")
        return True

    @contextmanager
    def _allowed(self) -> Iterator[None]:
        """ServerError with the remedy where this user may not."""
        try:
            yield
        except pymysql.Error as error:
            if error.args[0] not in _FORBIDDEN:
                raise
            ((user, host),) = self._ask(
                "SELECT substring_index(current_user(), '@', 1),"
                " substring_index(current_user(), '@', -1)"
            )
            raise ServerError(
                f"User {user} may not make and use the tables in database {SCHEMA}: ask for "
                f"GRANT ALL ON {SCHEMA}.* TO '{user}'@'{host}'.",
                "42000",
            ) from None

    def _do(self, statement: str) -> None:
        self._cursor.execute(statement)

    def _ask(self, question: str) -> tuple[tuple[Any, ...], ...]:
        self._cursor.execute(question)
        return tuple(self._cursor.fetchall())
