"""The console of a pooler: what PgBouncer and PgDog say of their pools.

It speaks PostgreSQL's protocol, but no SQL: SHOW and little else, each alone and without
parameters. Columns are found by name, since they differ between versions. PgDog has no count of
active clients; PgBouncer before 1.21 doesn't follow prepared statements.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from poolviz.language import tr
from poolviz.model.errors import ServerError
from poolviz.model.sample import PoolerView
from poolviz.servers.errors import first_line
from poolviz.servers.monitor import ViewLost, ViewReader
from poolviz.servers.pooler import Pooler
from poolviz.servers.postgres.connection import LimitedConnection, NoAnswer
from poolviz.servers.postgres.errors import describe_error
from poolviz.servers.postgres.target import conninfo_of

_Record: TypeAlias = dict[str, Any]

_CONSOLES = ("pgbouncer", "admin", "pgcat")  # databases: PgBouncer's, PgDog's, pgcat's
_KNOWN = re.compile(r"(PgBouncer|PgDog|PgCat|Odyssey)\s*v?([\d.]*)", re.IGNORECASE)
_CONNECT_LIMIT = 5.0  # seconds
_ANSWER_LIMIT = 3.0  # seconds for one statement
_OTHER = ("sv_used", "sv_tested", "sv_login", "sv_active_cancel", "sv_being_canceled")


def console_of(dsn: str) -> str:
    """See `dispatch.pooler_console_of`."""
    conninfo = conninfo_of(dsn)
    given = parse_dsn(conninfo)
    named = {} if "dbname" in given or "service" in given else {"dbname": _CONSOLES[0]}
    return str(make_dsn(conninfo, application_name="poolviz", **named))


def find_console(conninfo: str, unwanted: Callable[[], bool]) -> Pooler | None:
    """Return what the pooler that `conninfo` leads to says of itself, if this user may use its
    console there; else None."""
    for database in _CONSOLES:
        if unwanted():
            break
        console = str(make_dsn(conninfo, application_name="poolviz", dbname=database))
        asking = PoolerConsole(console, conninfo, unwanted)
        try:
            return asking.describe()
        except ViewLost:
            continue  # there is no such console, or this user may not use it
        finally:
            asking.close()
    return None


def ask_pooler(console: str, conninfo: str) -> Pooler:
    """See `dispatch.ask_pooler`."""
    asking = PoolerConsole(console, conninfo)
    try:
        return asking.describe()
    except ViewLost as reason:
        raise ServerError(
            tr("The pooler can't be asked: {reason}.", reason=str(reason)), "08001"
        ) from None
    finally:
        asking.close()


class PoolerConsole(ViewReader[PoolerView]):
    """Asks the pooler at `console` for the pool that the run's DSN `conninfo` uses."""

    def __init__(
        self, console: str, conninfo: str, unwanted: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__()
        self._console, self._unwanted = console, unwanted
        named = parse_dsn(conninfo)
        self._user = str(named.get("user") or os.environ.get("PGUSER", ""))
        self._database = str(named.get("dbname") or os.environ.get("PGDATABASE") or self._user)
        self._connection: LimitedConnection | None = None
        self._name = ""

    def close(self) -> None:
        """Disconnect. May be called again; a later call of `read` would connect again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def describe(self) -> Pooler:
        """Return the pooler's name, its mode and how many connections it opens. Raises ViewLost."""
        pools, settings = self._own(self._show("POOLS")), self._settings()
        databases = self._show("DATABASES", optional=True)
        database = next((each for each in databases if self._is_of(each, "name")), {})
        modes = [record.get("pool_mode") for record in (*pools, database)]
        usual = settings.get("pool_mode") or settings.get("pooler_mode")
        return Pooler(
            name=self._name,
            mode=str(next(filter(None, modes), None) or usual or ""),
            size=_number(database.get("pool_size")),
            follows_prepared=_follows_prepared(settings),
            clients=_number(settings.get("max_client_conn")) or None,
            console=self._console,
        )

    def _read(self) -> tuple[PoolerView, str]:
        pools = self._own(self._show("POOLS"))
        # PgDog's statistics have other units.
        stats = self._show("STATS", optional=True) if self._name.startswith("PgBouncer") else []
        own = next((each for each in stats if self._is_of(each, "database")), {})
        waited = _number(own.get("total_wait_time"))
        known = any("cl_active" in pool for pool in pools) or not pools
        view = PoolerView(
            cl_active=_sum(pools, "cl_active") if known else None,
            cl_waiting=_sum(pools, "cl_waiting"),
            sv_active=_sum(pools, "sv_active"),
            sv_idle=_sum(pools, "sv_idle"),
            sv_other=_sum(pools, *_OTHER),
            maxwait=max((_longest_wait(pool) for pool in pools), default=0.0),
            transactions=_number(own.get("total_xact_count")),
            waited=None if waited is None else waited * 1e-6,
        )
        return view, ""

    def _missing(self, reason: str) -> str:
        return tr("The pooler's own view is missing: {reason}.", reason=reason)

    def _own(self, pools: Sequence[_Record]) -> list[_Record]:
        """Return the pools that the run uses: those of its database, and of its user unless the
        pooler connects as another one."""
        of_database = [pool for pool in pools if self._is_of(pool, "database")]
        return [pool for pool in of_database if pool.get("user") == self._user] or of_database

    def _is_of(self, record: _Record, key: str) -> bool:
        return record.get(key) == self._database

    def _settings(self) -> dict[str, str]:
        records = self._show("CONFIG", optional=True)
        return {
            str(each.get("key") or each.get("name")): str(each.get("value")) for each in records
        }

    def _show(self, what: str, *, optional: bool = False) -> list[_Record]:
        """Return what SHOW answers; nothing where the pooler doesn't know it and it is `optional`.
        ViewLost if there is no answer."""
        if self._connection is None:
            self._connection = self._connect()
        try:
            return self._connection.records(f"SHOW {what}", seconds=_ANSWER_LIMIT)
        except NoAnswer:
            raise ViewLost(tr("its console doesn't answer")) from None
        except psycopg2.Error as error:
            if self._connection.closed:
                raise ViewLost(tr("the connection to its console was lost")) from None
            if optional:
                return []
            raise ViewLost(
                tr("its console answered with {answer!r}", answer=first_line(error))
            ) from None

    def _connect(self) -> LimitedConnection:
        try:
            connection = LimitedConnection(
                self._console, seconds=_CONNECT_LIMIT, unwanted=self._unwanted
            )
        except NoAnswer:
            raise ViewLost(tr("its console doesn't answer")) from None
        except psycopg2.Error as error:
            reason = str(describe_error(error, self._console))
            raise ViewLost(reason.removesuffix(".")) from None
        try:
            records = connection.records("SHOW VERSION", seconds=_ANSWER_LIMIT)
            known = _KNOWN.search(" ".join(str(v) for r in records for v in r.values()))
        except (psycopg2.Error, NoAnswer):
            known = None
        if known is None:
            connection.close()
            raise ViewLost(
                tr(
                    "what answers at its console is no pooler: name the database pgbouncer, or "
                    "admin for PgDog"
                )
            )
        self._name = f"{known[1]} {known[2]}".strip()
        return connection


def _follows_prepared(settings: dict[str, str]) -> bool:
    """Return whether the pooler knows prepared statements of its clients, by its settings."""
    if "prepared_statements" in settings:  # PgDog's: disabled, extended, full
        return settings["prepared_statements"] != "disabled"
    return bool(_number(settings.get("max_prepared_statements")))


def _longest_wait(pool: _Record) -> float:
    """Return `maxwait`, which are whole seconds, with the microseconds that PgBouncer says since
    version 1.8."""
    return (_number(pool.get("maxwait")) or 0) + (_number(pool.get("maxwait_us")) or 0) * 1e-6


def _sum(pools: Sequence[_Record], *names: str) -> int:
    return sum(_number(pool.get(name)) or 0 for pool in pools for name in names)


def _number(value: object) -> int | None:
    """Return a whole number that isn't below 0; None if it is none."""
    try:
        return max(int(str(value)), 0)
    except ValueError:
        return None
