"""Our tables on PostgreSQL: made in one transaction, so that nobody ever sees half of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812

from poolviz.load.statements import ACCOUNTS, BRANCHES, SCHEMA, TELLERS
from poolviz.model.errors import ServerError
from poolviz.servers.postgres.errors import describe_failure
from poolviz.servers.tables import (
    ALL,
    BATCH,
    COLUMNS,
    KEYS,
    LOCK_LIMIT,
    MARK,
    NOTE,
    TRIALS,
    Found,
    Tables,
    in_use,
)

_RELATIONS = f"""
SELECT c.relname, obj_description(c.oid, 'pg_class')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = '{SCHEMA}' AND c.relkind NOT IN ('i', 'I', 't')
UNION ALL
SELECT p.proname || '()', NULL
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = '{SCHEMA}'
"""


@contextmanager
def opened(conninfo: str) -> Iterator[Tables]:
    """The tables on the server that `conninfo` names; what isn't committed is undone at the end."""
    try:
        connection = psycopg2.connect(conninfo, application_name="poolviz tables")
    except psycopg2.Error as error:
        raise describe_failure(error, conninfo) from None
    with closing(connection):
        try:
            yield PostgresTables(connection)
        except errors.LockNotAvailable:
            raise in_use() from None
        except errors.DependentObjectsStillExist as error:
            raise ServerError(
                f"Something that poolviz didn't make depends on its tables in schema {SCHEMA} "
                f"({_words(error)}): drop that first.",
                error.pgcode,
            ) from None
        except psycopg2.Error as error:
            raise ServerError(
                f"The server didn't do what the tables in schema {SCHEMA} need ({_words(error)}): "
                "see to that, or use another server.",
                error.pgcode,
            ) from None


class PostgresTables(Tables):
    """See `Tables`. From `find` on everything is one transaction, which ends with each method
    that changes something."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()

    def find(self) -> Found:
        """What is there, once nobody else makes or drops it."""
        self._do(f"SET LOCAL lock_timeout = '{LOCK_LIMIT}s'")
        self._do(f"SELECT pg_advisory_xact_lock(hashtext('{SCHEMA} tables'))")
        if not self._ask(f"SELECT 1 FROM pg_namespace WHERE nspname = '{SCHEMA}'"):
            return Found()
        relations = dict(self._ask(_RELATIONS))
        ours = relations.get(NOTE) == MARK
        others = sorted(set(relations) - ({NOTE, *COLUMNS} if ours else set()))
        if not ours:
            return Found(schema=True, ours_alone=False, others=tuple(others))
        with self._allowed("use the tables in schema {schema}", _USE):
            ((scale, alone),) = self._ask(f"SELECT scale, alone FROM {SCHEMA}.{NOTE}")
        scale = scale if set(COLUMNS) <= set(relations) else 0
        return Found(True, True, alone, scale, tuple(others))

    def try_out(self) -> None:
        """Do to no row what the statements do."""
        with self._allowed("use the tables in schema {schema}", _USE):
            for statement in TRIALS:
                self._do(statement)

    def make(self, scale: int, found: Found, tell: Callable[[float], None]) -> None:
        """Make schema and tables, all or nothing."""
        if not found.schema:
            with self._allowed("create a schema in database {database}", _CREATE):
                self._do(f"CREATE SCHEMA {SCHEMA}")
                self._do(f"COMMENT ON SCHEMA {SCHEMA} IS '{MARK}'")
        with self._allowed("make tables in schema {schema}, which is another's", _GIVE):
            self._do(f"DROP TABLE IF EXISTS {ALL}, {SCHEMA}.{NOTE}")
            self._do(f"CREATE TABLE {SCHEMA}.{NOTE} (scale int NOT NULL, alone boolean NOT NULL)")
            self._do(f"COMMENT ON TABLE {SCHEMA}.{NOTE} IS '{MARK}'")
            for table, columns in COLUMNS.items():
                self._do(f"CREATE TABLE {SCHEMA}.{table} ({columns.format(key='')})")
        self._do(f"INSERT INTO {SCHEMA}.{NOTE} VALUES ({scale}, {found.ours_alone})")
        self._fill(scale, tell)
        for table, key in KEYS.items():  # afterwards, which is quicker
            self._do(f"ALTER TABLE {SCHEMA}.{table} ADD PRIMARY KEY ({key})")
        self._connection.commit()
        # As pgbench does: no run is to be the first that looks at each row.
        self._connection.autocommit = True
        for table in COLUMNS:
            self._do(f"VACUUM ANALYZE {SCHEMA}.{table}")

    def _fill(self, scale: int, tell: Callable[[float], None]) -> None:
        self._insert("branches", "n, 0, ''", 1, BRANCHES * scale)
        self._insert("tellers", f"n, (n - 1) / {TELLERS} + 1, 0, ''", 1, TELLERS * scale)
        for first in range(1, ACCOUNTS * scale, BATCH):
            last = first + BATCH - 1
            self._insert("accounts", f"n, (n - 1) / {ACCOUNTS} + 1, 0, ''", first, last)
            tell(last / (ACCOUNTS * scale))

    def _insert(self, table: str, values: str, first: int, last: int) -> None:
        rows = f"generate_series({first}, {last}) AS n"
        self._do(f"INSERT INTO {SCHEMA}.{table} SELECT {values} FROM {rows}")

    def empty_history(self) -> None:
        """Forget what earlier runs did, unless somebody else uses it or this user may not."""
        self._connection.commit()
        try:
            self._do("SET LOCAL lock_timeout = '200ms'")
            self._do(f"TRUNCATE {SCHEMA}.history")
            self._connection.commit()
        except (errors.LockNotAvailable, errors.InsufficientPrivilege):
            self._connection.rollback()

    def drop(self, found: Found) -> bool:
        """Drop the tables, and the schema if we made it and nobody has put anything in."""
        with self._allowed("drop the tables in schema {schema}, which are another's", _GIVE):
            self._do(f"DROP TABLE IF EXISTS {ALL}, {SCHEMA}.{NOTE}")
            whole = found.ours_alone and self._drop_schema()
        self._connection.commit()
        return whole

    def _drop_schema(self) -> bool:
        self._do("SAVEPOINT tables_dropped")
        try:
            self._do(f"DROP SCHEMA {SCHEMA}")
        except errors.DependentObjectsStillExist:
            self._do("ROLLBACK TO SAVEPOINT tables_dropped")
            return False
        return True

    @contextmanager
    def _allowed(self, what: str, remedy: str) -> Iterator[None]:
        """ServerError with the remedy where this user may not do `what`."""
        try:
            yield
        except errors.InsufficientPrivilege as error:
            self._connection.rollback()
            ((user, database),) = self._ask(
                "SELECT quote_ident(current_user), quote_ident(current_database())"
            )
            names = {"user": user, "database": database, "schema": SCHEMA}
            raise ServerError(
                f"User {user} may not {what.format(**names)}: {remedy.format(**names)}.",
                error.pgcode,
            ) from None

    def _do(self, statement: str) -> None:
        self._cursor.execute(statement)

    def _ask(self, question: str) -> list[tuple[Any, ...]]:
        self._cursor.execute(question)
        return self._cursor.fetchall()


_CREATE = "ask for GRANT CREATE ON DATABASE {database} TO {user}"
_USE = (
    "ask for GRANT USAGE ON SCHEMA {schema} TO {user} and GRANT SELECT, INSERT, UPDATE ON ALL "
    "TABLES IN SCHEMA {schema} TO {user}"
)
_GIVE = "let that user do it, or ask for ALTER SCHEMA {schema} OWNER TO {user}"


def _words(error: psycopg2.Error) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
