"""What a test of a PostgreSQL server finds out: rights, TLS, times, and a pooler in between.

A pooler speaks PostgreSQL's protocol on both sides, so that a connection ends in it. It is found by
what it can't hide: the key that libpq got for cancelling statements names a process, which isn't
the backend that answers. That holds for PgBouncer, PgDog, pgcat, Odyssey, Supavisor and RDS Proxy,
and not for what passes bytes on, such as HAProxy or NAT. Its mode shows in which backends answer
two connections. Its name is asked for at its console, if the user may go there; PgBouncer is known
also by a startup parameter that it alone refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from time import perf_counter

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import make_dsn, quote_ident

from poolviz.language import tr
from poolviz.load.statements import SCHEMA
from poolviz.model.errors import ServerError
from poolviz.servers.diagnosis import (
    Diagnosis,
    Finding,
    latency_finding,
    tls_finding,
)
from poolviz.servers.pooler import SESSION, TRANSACTION, Pooler
from poolviz.servers.postgres.connection import NoAnswer, limited
from poolviz.servers.postgres.errors import describe_error
from poolviz.servers.postgres.pooler_console import find_console
from poolviz.servers.postgres.target import conninfo_of, target_of

Unwanted = Callable[[], bool]

_LIMIT = 5.0  # seconds for the answers to all questions about rights
_POOLER_LIMIT = 2.0  # seconds for one answer of a pooler
_ROUNDS = 3  # transactions by which a pooler's mode is looked for
_TIMES = 5  # answers of which the median is the latency
_PROBE = "-c poolviz.probe=on"  # which a server takes, and PgBouncer doesn't
_RIGHTS = """
SELECT r.rolsuper, current_user, current_database(),
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
       pg_has_role(current_user, 'pg_signal_backend', 'USAGE'),
       has_database_privilege(current_database(), 'CREATE'),
       (SELECT has_schema_privilege(n.oid, 'CREATE') FROM pg_namespace n WHERE nspname = %s),
       pg_is_in_recovery(),
       current_setting('transaction_read_only') = 'on'
  FROM pg_roles r WHERE r.rolname = current_user
"""


def diagnose(dsn: str, unwanted: Unwanted) -> Diagnosis:
    """See `dispatch.diagnose`."""
    conninfo = conninfo_of(dsn)
    began = perf_counter()
    try:
        with closing(_connect(conninfo)) as connection:
            connect_s = perf_counter() - began
            target = target_of(connection, conninfo, unwanted)
            connection.rollback()
            with limited(connection, _LIMIT, unwanted):
                latency_s = _latency(connection)
                rights = _rights(connection)
            info = connection.info
            tls = str(info.ssl_attribute("protocol") or "") if info.ssl_in_use else ""
            local = info.host.startswith(("/", "@")) or info.host in ("127.0.0.1", "::1")
            pooler = _pooler(connection, conninfo, unwanted)
    except NoAnswer:
        raise ServerError(
            tr("The server stopped answering during the test: try again, and check its load."),
            "08006",
            field="host",
        ) from None
    except psycopg2.Error as error:
        raise describe_error(error, conninfo) from None
    findings = (latency_finding(connect_s, latency_s), tls_finding(tls, local=local), *rights)
    return Diagnosis(target, connect_s, latency_s, tls, pooler, findings)


def _connect(conninfo: str, **changed: str) -> Connection:
    return psycopg2.connect(make_dsn(conninfo, application_name="poolviz", **changed))


def _latency(connection: Connection) -> float:
    """Return the median time of an answer, in a transaction that is open already."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        times = []
        for _ in range(_TIMES):
            began = perf_counter()
            cursor.execute("SELECT 1")
            times.append(perf_counter() - began)
    connection.rollback()
    return sorted(times)[_TIMES // 2]


def _rights(connection: Connection) -> list[Finding]:
    """Return what this user may do there, with the GRANT for what it may not."""
    with connection.cursor() as cursor:
        cursor.execute(_RIGHTS, (SCHEMA,))
        row = cursor.fetchone()
    connection.rollback()
    if row is None:
        return []
    superuser, user, database, sees_all, signals, creates, schema, standby, read_only = row
    to = quote_ident(user, connection)
    found = []
    if standby or read_only:
        why = (
            tr("is a standby") if standby else tr("takes no changes (transaction_read_only is on)")
        )
        found.append(
            Finding(
                "tables",
                "note",
                tr(
                    "The server {why}: the statement read works where the schema {schema} "
                    "exists already, read_write doesn't.",
                    why=why,
                    schema=SCHEMA,
                ),
                tr("Name the primary for loads that write."),
            )
        )
    elif superuser or schema or (schema is None and creates):
        there = (
            tr("is there, and this user may use it") if schema is not None else tr("can be created")
        )
        found.append(
            Finding(
                "tables",
                "good",
                tr(
                    "Schema {schema}, for statements read and read_write, {there}.",
                    schema=SCHEMA,
                    there=there,
                ),
            )
        )
    else:
        missing = (
            tr("create the schema {schema}", schema=SCHEMA)
            if schema is None
            else tr("create tables in {schema}", schema=SCHEMA)
        )
        grant = (
            f"GRANT CREATE ON DATABASE {quote_ident(database, connection)} TO {to}"
            if schema is None
            else f"GRANT CREATE, USAGE ON SCHEMA {schema} TO {to}"
        )
        found.append(
            Finding(
                "tables",
                "note",
                tr(
                    "This user may not {missing}: the statements read and read_write don't "
                    "run, the others do.",
                    missing=missing,
                ),
                grant,
            )
        )
    found.append(
        Finding(
            "monitor", "good", tr("This user sees the state of every connection to the server.")
        )
        if superuser or sees_all
        else Finding(
            "monitor",
            "note",
            tr(
                "Without pg_monitor the states of other users' connections are hidden; those of a "
                "run "
                "are seen, and all are counted."
            ),
            f"GRANT pg_monitor TO {to}",
        )
    )
    found.append(
        Finding("signal", "good", tr("This user may end connections of others, too."))
        if superuser or signals
        else Finding(
            "signal",
            "note",
            tr(
                "Without pg_signal_backend this user ends its own connections only, which is all "
                "that "
                "the faults of a run need."
            ),
            f"GRANT pg_signal_backend TO {to}",
        )
    )
    return found


def _pooler(connection: Connection, conninfo: str, unwanted: Unwanted) -> Pooler | None:
    """Return the pooler that `connection` ends in; None if it reaches the server itself."""
    with limited(connection, _LIMIT, unwanted):
        backend = _backend(connection)
        connection.rollback()
    if backend == connection.info.backend_pid:
        return None
    found = find_console(conninfo, unwanted)
    if found is not None and found.mode:
        return found
    mode = _mode(connection, conninfo, unwanted)
    if found is not None:
        return replace(found, mode=mode)
    return Pooler(_refused_parameter(conninfo), mode)


def _backend(connection: Connection) -> int:
    """Return the backend that answers, and leave the transaction open, which holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _mode(first: Connection, conninfo: str, unwanted: Unwanted) -> str:
    """Return the pooler's mode by the backends that answer two connections; "" if it gives no
    second one. In session mode each keeps its own, in transaction mode one gets the other's."""
    try:
        with closing(_connect(conninfo)) as second, limited(second, _POOLER_LIMIT, unwanted):
            for _ in range(_ROUNDS):
                with limited(first, _POOLER_LIMIT, unwanted):
                    backend = _backend(first)
                    first.rollback()
                if _backend(second) == backend:
                    return TRANSACTION
                with limited(first, _POOLER_LIMIT, unwanted):
                    other = _backend(first)
                    first.rollback()
                if other != backend:
                    return TRANSACTION
                second.rollback()
    except NoAnswer:
        return ""
    except psycopg2.Error:
        return ""
    return SESSION


def _refused_parameter(conninfo: str) -> str:
    """Return PgBouncer if the pooler refuses a startup parameter as that does, else ""."""
    try:
        _connect(conninfo, options=_PROBE).close()
    except psycopg2.Error as error:
        return "PgBouncer" if "unsupported startup parameter" in str(error) else ""
    return ""
