"""The tables on PostgreSQL, created in one transaction, so that they are never seen incomplete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812

from poolviz.language import tr, tr_noop
from poolviz.load.statements import ACCOUNTS, BRANCHES, SCHEMA, TELLERS
from poolviz.model.errors import ServerError
from poolviz.servers.errors import first_line
from poolviz.servers.postgres.errors import describe_error
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
def connect_tables(conninfo: str) -> Iterator[Tables]:
    """Connect for the duration of the block; what isn't committed at its end is rolled back."""
    try:
        connection = psycopg2.connect(conninfo, application_name="poolviz tables")
    except psycopg2.Error as error:
        raise describe_error(error, conninfo) from None
    with closing(connection):
        try:
            yield PostgresTables(connection)
        except errors.LockNotAvailable:
            raise in_use() from None
        except errors.DependentObjectsStillExist as error:
            raise ServerError(
                tr(
                    "Something that poolviz didn't create depends on its tables in schema "
                    "{schema} ({first_line}): drop that first.",
                    schema=SCHEMA,
                    first_line=first_line(error),
                ),
                error.pgcode,
            ) from None
        except psycopg2.Error as error:
            raise ServerError(
                tr(
                    "The tables in schema {schema} can't be created or dropped "
                    "({first_line}): remove the cause, or use another server.",
                    schema=SCHEMA,
                    first_line=first_line(error),
                ),
                error.pgcode,
            ) from None


class PostgresTables(Tables):
    """See `Tables`. The transaction that `_find` begins ends with the method that changes
    something."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()

    def _find(self) -> Found:
        self._execute(f"SET LOCAL lock_timeout = '{LOCK_LIMIT}s'")
        self._execute(f"SELECT pg_advisory_xact_lock(hashtext('{SCHEMA} tables'))")
        if not self._query(f"SELECT 1 FROM pg_namespace WHERE nspname = '{SCHEMA}'"):
            return Found()
        relations = dict(self._query(_RELATIONS))
        ours = relations.get(NOTE) == MARK
        others = sorted(set(relations) - ({NOTE, *COLUMNS} if ours else set()))
        if not ours:
            return Found(schema=True, ours_alone=False, others=tuple(others))
        with self._allowed(tr("use the tables in schema {schema}"), _USE):
            ((scale, alone),) = self._query(f"SELECT scale, alone FROM {SCHEMA}.{NOTE}")
        scale = scale if set(COLUMNS) <= set(relations) else 0
        return Found(True, True, alone, scale, tuple(others))

    def _check_privileges(self) -> None:
        with self._allowed(tr("use the tables in schema {schema}"), _USE):
            for statement in TRIALS:
                self._execute(statement)

    def _create(self, scale: int, found: Found, report: Callable[[float], None]) -> None:
        if not found.schema:
            with self._allowed(tr("create a schema in database {database}"), _CREATE):
                self._execute(f"CREATE SCHEMA {SCHEMA}")
                self._execute(f"COMMENT ON SCHEMA {SCHEMA} IS '{MARK}'")
        with self._allowed(tr("create tables in schema {schema}, which another user owns"), _OWN):
            self._execute(f"DROP TABLE IF EXISTS {ALL}, {SCHEMA}.{NOTE}")
            self._execute(
                f"CREATE TABLE {SCHEMA}.{NOTE} (scale int NOT NULL, alone boolean NOT NULL)"
            )
            self._execute(f"COMMENT ON TABLE {SCHEMA}.{NOTE} IS '{MARK}'")
            for table, columns in COLUMNS.items():
                self._execute(f"CREATE TABLE {SCHEMA}.{table} ({columns.format(key='')})")
        self._execute(f"INSERT INTO {SCHEMA}.{NOTE} VALUES ({scale}, {found.ours_alone})")
        self._fill(scale, report)
        for table, key in KEYS.items():  # after the rows, which is faster
            self._execute(f"ALTER TABLE {SCHEMA}.{table} ADD PRIMARY KEY ({key})")
        self._connection.commit()
        # As pgbench does. Otherwise the first run would have to set the hint bits of all rows.
        self._connection.autocommit = True
        for table in COLUMNS:
            self._execute(f"VACUUM ANALYZE {SCHEMA}.{table}")

    def _fill(self, scale: int, report: Callable[[float], None]) -> None:
        self._insert("branches", "n, 0, ''", 1, BRANCHES * scale)
        self._insert("tellers", f"n, (n - 1) / {TELLERS} + 1, 0, ''", 1, TELLERS * scale)
        for first in range(1, ACCOUNTS * scale, BATCH):
            last = first + BATCH - 1
            self._insert("accounts", f"n, (n - 1) / {ACCOUNTS} + 1, 0, ''", first, last)
            report(last / (ACCOUNTS * scale))

    def _insert(self, table: str, values: str, first: int, last: int) -> None:
        rows = f"generate_series({first}, {last}) AS n"
        self._execute(f"INSERT INTO {SCHEMA}.{table} SELECT {values} FROM {rows}")

    def _empty_history(self) -> None:
        self._connection.commit()
        try:
            self._execute("SET LOCAL lock_timeout = '200ms'")
            self._execute(f"TRUNCATE {SCHEMA}.history")
            self._connection.commit()
        except (errors.LockNotAvailable, errors.InsufficientPrivilege):
            self._connection.rollback()

    def _drop(self, found: Found) -> bool:
        with self._allowed(tr("drop the tables in schema {schema}, which another user owns"), _OWN):
            self._execute(f"DROP TABLE IF EXISTS {ALL}, {SCHEMA}.{NOTE}")
            whole = found.ours_alone and self._drop_schema()
        self._connection.commit()
        return whole

    def _drop_schema(self) -> bool:
        self._execute("SAVEPOINT tables_dropped")
        try:
            self._execute(f"DROP SCHEMA {SCHEMA}")
        except errors.DependentObjectsStillExist:
            self._execute("ROLLBACK TO SAVEPOINT tables_dropped")
            return False
        return True

    @contextmanager
    def _allowed(self, what: str, remedy: str) -> Iterator[None]:
        """Raise ServerError with the remedy if this user may not do `what`."""
        try:
            yield
        except errors.InsufficientPrivilege as error:
            self._connection.rollback()
            ((user, database),) = self._query(
                "SELECT quote_ident(current_user), quote_ident(current_database())"
            )
            names = {"user": user, "database": database, "schema": SCHEMA}
            raise ServerError(
                tr(
                    "User {user} may not {action}: {remedy}.",
                    user=user,
                    action=tr(what, **names),
                    remedy=tr(remedy, **names),
                ),
                error.pgcode,
            ) from None

    def _execute(self, statement: str) -> None:
        self._cursor.execute(statement)

    def _query(self, query: str) -> list[tuple[Any, ...]]:
        self._cursor.execute(query)
        return self._cursor.fetchall()


_CREATE = tr_noop("ask for GRANT CREATE ON DATABASE {database} TO {user}")
_USE = tr_noop(
    "ask for GRANT USAGE ON SCHEMA {schema} TO {user} and GRANT SELECT, INSERT, UPDATE ON ALL "
    "TABLES IN SCHEMA {schema} TO {user}"
)
_OWN = tr_noop("have that user do it, or ask for ALTER SCHEMA {schema} OWNER TO {user}")
