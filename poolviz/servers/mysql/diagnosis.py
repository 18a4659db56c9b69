"""What a test of a MySQL or MariaDB server finds out: rights, TLS and times."""

from __future__ import annotations

from contextlib import closing
from time import perf_counter

import pymysql  # type: ignore[import-untyped]

from poolviz.load.statements import SCHEMA
from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.diagnosis import Diagnosis, Finding, latency_finding, tls_finding
from poolviz.servers.mysql.connection import connect
from poolviz.servers.mysql.errors import describe_error
from poolviz.servers.mysql.target import reach

_TIMES = 5  # answers of which the median is the latency
_LOCAL = ("localhost", "127.0.0.1", "::1")
_RIGHTS = f"""
SELECT (SELECT count(*) FROM information_schema.user_privileges WHERE privilege_type = 'CREATE')
     + (SELECT count(*) FROM information_schema.schema_privileges
         WHERE privilege_type = 'CREATE' AND '{SCHEMA}' LIKE table_schema),
       (SELECT count(*) FROM information_schema.user_privileges WHERE privilege_type = 'PROCESS'),
       substring_index(current_user(), '@', 1), substring_index(current_user(), '@', -1)
"""


def diagnose(dsn: str) -> Diagnosis:
    """See `dispatch.diagnose`."""
    target = reach(dsn)
    address = MySQLAddress.parse(dsn)
    began = perf_counter()
    try:
        with closing(connect(address)) as connection, connection.cursor() as cursor:
            connect_s = perf_counter() - began
            times = []
            for _ in range(_TIMES):
                began = perf_counter()
                cursor.execute("SELECT 1")
                cursor.fetchall()
                times.append(perf_counter() - began)
            cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_version'")
            row = cursor.fetchone()
            tls = str(row[1]) if row else ""
            cursor.execute(_RIGHTS)
            creates, sees_all, user, host = cursor.fetchone()
    except (pymysql.Error, OSError) as error:
        described = describe_error(error, address.url)
        if described is None:
            raise
        raise described from None
    latency_s = sorted(times)[_TIMES // 2]
    to = f"'{user}'@'{host}'"
    local = bool(address.unix_socket) or address.host in _LOCAL
    findings = (
        latency_finding(connect_s, latency_s),
        tls_finding(tls, local=local),
        Finding(
            "tables",
            "good",
            f"Database {SCHEMA}, for the statements read and read_write, can be created and used.",
        )
        if creates
        else Finding(
            "tables",
            "note",
            f"This user may not create the database {SCHEMA}: the statements read and read_write "
            "don't run, the others do.",
            f"GRANT ALL ON {SCHEMA}.* TO {to}",
        ),
        Finding("monitor", "good", "This user sees every connection to the server.")
        if sees_all
        else Finding(
            "monitor",
            "note",
            "Without PROCESS this user sees its own connections only, which those of a run are.",
            f"GRANT PROCESS ON *.* TO {to}",
        ),
    )
    return Diagnosis(target, connect_s, latency_s, tls, None, findings)
