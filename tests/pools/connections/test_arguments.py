"""Arguments to connect, declared for each pool, arrive at its driver."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from poolviz.load.settings import SETTINGS
from poolviz.model.dialect import MYSQL, POSTGRESQL
from poolviz.model.errors import InputError
from poolviz.model.parameters import Effect, Value
from poolviz.pools.base import Pool, TaskPool
from poolviz.pools.registry import POOLS, pool_class
from poolviz.scenarios.connect import check_connect
from tests.pools.bench import RecordingCounter
from tests.pools.driven import Driven
from tests.pools.places import MySQL, Place, Postgres, SQLite

Made = Callable[..., Any]
Places = Callable[[str], Place]
LIBPQ = [id for id, pool in POOLS.items() if "keepalives" in pool.connect_arguments(POSTGRESQL)]
UNTIL_COMMIT = "CREATE TEMP TABLE until_commit () ON COMMIT DROP"
POSTGRES = [id for id, pool in POOLS.items() if POSTGRESQL in pool.servers]


def smallest(kind: type[Pool]) -> dict[str, Value]:
    """Limits of one connection, as far as the pool has such limits."""
    sizes = {"pool_size": 1, "max_overflow": 0, "max_size": 1, "maxsize": 1, "maxconn": 1}
    return kind.limits.complete({key: value for key, value in sizes.items() if key in kind.limits})


@contextmanager
def made(id: str, place: Place, **connect: Value) -> Iterator[Any]:
    """A pool with these arguments, checked as those of a scenario are."""
    kind = pool_class(id)
    check_connect(kind, connect, place.dialect)
    arguments = (place.conninfo("connect arguments"), RecordingCounter(), smallest(kind), connect)
    make: Any = kind
    pool = Driven(kind, *arguments) if issubclass(kind, TaskPool) else make(*arguments)
    try:
        yield pool
    finally:
        pool.close()


def execute(pool: Any, *statements: str) -> None:
    connection = pool.acquire()
    try:
        for statement in statements:
            pool.execute(connection, statement)
    finally:
        pool.release(connection)


def if_true(condition: str) -> str:
    """A statement that fails unless the condition is true."""
    return f"SELECT 1 / (CASE WHEN {condition} THEN 1 ELSE 0 END)"


def prepared(comparison: str) -> str:
    return if_true(f"(SELECT count(*) FROM pg_prepared_statements) {comparison}")


def test_no_argument_has_the_name_of_a_limit_or_a_setting() -> None:
    for pool in POOLS.values():
        for arguments in pool.connect.values():
            assert arguments, pool.id
            assert not arguments.keys() & {*pool.limits, *SETTINGS}, pool.id
            for each in arguments.values():
                assert each.check(each.default) == each.default
                assert each.help
                assert each.effect is Effect.NEW_RUN


@pytest.mark.parametrize("id", POSTGRES)
def test_options_reach_the_server(id: str, postgres: Postgres) -> None:
    with made(id, postgres, options="-c work_mem=7MB -c statement_timeout=7s") as pool:
        execute(pool, if_true("current_setting('work_mem') = '7MB'"))
        execute(pool, if_true("current_setting('statement_timeout') = '7s'"))


@pytest.mark.parametrize("id", LIBPQ)
def test_keepalives_reach_libpq(id: str, postgres: Postgres) -> None:
    given: dict[str, Value] = {
        "keepalives": True,
        "keepalives_idle": 30.0,
        "keepalives_interval": 5.0,
        "keepalives_count": 3,
        "tcp_user_timeout": 4000,
    }
    with made(id, postgres, **given) as pool:
        connection = pool.acquire()
        try:
            raw = pool.raw(connection)
            raw = getattr(raw, "raw", raw)  # aiopg's
            info = raw.info
            found = info.get_parameters() if id.startswith("psycopg_") else info.dsn_parameters
        finally:
            pool.release(connection)
    assert {key: found.get(key) for key in given} == {
        "keepalives": "1",
        "keepalives_idle": "30",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "4000",
    }


@pytest.mark.parametrize(
    "id",
    [
        *("psycopg_pool.ConnectionPool", "psycopg_pool.NullConnectionPool"),
        *("psycopg_pool.AsyncConnectionPool", "sqlalchemy.QueuePool", "sqlalchemy.StaticPool"),
    ],
)
def test_the_prepare_threshold_of_psycopg(id: str, postgres: Postgres) -> None:
    driver: dict[str, Value] = {"driver": "psycopg"} if id.startswith("sqlalchemy") else {}
    with made(id, postgres, prepare_threshold=0, **driver) as pool:
        execute(pool, "SELECT 1", prepared(">= 1"))
    with made(id, postgres, prepare_threshold=-1, **driver) as pool:
        execute(pool, *["SELECT 1"] * 12, prepared("= 0"))
    with made(id, postgres, **driver) as pool:
        execute(pool, *["SELECT 1"] * 12, prepared(">= 1"))


def test_autocommit_of_psycopg(postgres: Postgres) -> None:
    for on, gone in ((False, "IS NOT NULL"), (True, "IS NULL")):
        with made("psycopg_pool.ConnectionPool", postgres, autocommit=on) as pool:
            execute(pool, UNTIL_COMMIT, if_true(f"to_regclass('until_commit') {gone}"))


def test_the_statement_cache_of_asyncpg(postgres: Postgres) -> None:
    for size, expected in ((100, ">= 1"), (0, "= 0")):
        with made("asyncpg.Pool", postgres, statement_cache_size=size) as pool:
            execute(pool, "SELECT 1", prepared(expected))
    with made("asyncpg.Pool", postgres, max_cacheable_statement_size=20) as pool:
        execute(pool, "SELECT 'longer than twenty bytes'", prepared("= 0"))
    with made("asyncpg.Pool", postgres, max_cached_statement_lifetime=60.0) as pool:
        execute(pool, "SELECT 1", prepared(">= 1"))


@pytest.mark.parametrize("id", ["asyncpg.Pool", "sqlalchemy.AsyncAdaptedQueuePool"])
def test_the_command_timeout_of_asyncpg(id: str, postgres: Postgres) -> None:
    with made(id, postgres, command_timeout=0.1, connect_timeout=20.0) as pool:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            execute(pool, "SELECT pg_sleep(20)")
        assert time.monotonic() - began < 15
    with made(id, postgres, command_timeout=0.0) as pool:
        execute(pool, "SELECT pg_sleep(0.2)")


def test_the_names_of_sqlalchemys_prepared_statements(postgres: Postgres) -> None:
    named = "(SELECT count(*) FROM pg_prepared_statements WHERE name LIKE '__asyncpg_%-%-%')"
    for how, expected in (("uuid4", ">= 1"), ("default", "= 0")):
        with made(
            "sqlalchemy.AsyncAdaptedQueuePool", postgres, prepared_statement_name_func=how
        ) as pool:
            execute(pool, "SELECT 1", if_true(f"{named} {expected}"))


def test_the_statement_cache_of_sqlalchemy(postgres: Postgres) -> None:
    id = "sqlalchemy.AsyncAdaptedQueuePool"
    with made(id, postgres, prepared_statement_cache_size=0, statement_cache_size=0) as pool:
        # The statement itself is being executed; none is kept from before.
        execute(pool, "SELECT 1", prepared("<= 1"))
    with made(id, postgres) as pool:
        execute(pool, "SELECT 1", "SELECT 2", prepared(">= 3"))


@pytest.mark.parametrize("id", ["sqlalchemy.QueuePool", "sqlalchemy.AsyncAdaptedQueuePool"])
def test_the_isolation_level_of_an_engine(id: str, postgres: Postgres) -> None:
    with made(id, postgres, isolation_level="SERIALIZABLE") as pool:
        execute(pool, if_true("current_setting('transaction_isolation') = 'serializable'"))
    with made(id, postgres, isolation_level="AUTOCOMMIT") as pool:
        execute(pool, UNTIL_COMMIT, if_true("to_regclass('until_commit') IS NULL"))


@pytest.mark.parametrize("id", ["sqlalchemy.QueuePool", "sqlalchemy.AsyncAdaptedQueuePool"])
def test_what_a_pool_does_to_a_connection_that_is_given_back(id: str, postgres: Postgres) -> None:
    for how in ("none", "commit"):
        with made(id, postgres, pool_reset_on_return=how) as pool:
            execute(pool, "CREATE TEMP TABLE kept ()")
            execute(pool, "SELECT * FROM kept")
    with made(id, postgres) as pool:
        execute(pool, "CREATE TEMP TABLE gone ()")
        with pytest.raises(Exception, match="gone"):
            execute(pool, "SELECT * FROM gone")


@pytest.fixture(scope="module")
def mysql(mysql_url: str) -> Iterator[MySQL]:
    with ExitStack() as stack:
        place = MySQL(mysql_url)
        stack.callback(place.close)
        yield place


@pytest.mark.parametrize("id", ["aiomysql.Pool", "sqlalchemy.QueuePool"])
def test_the_arguments_of_mysqls_drivers(id: str, mysql: MySQL) -> None:
    try:
        with made(id, mysql, init_command="SET @given = 7", autocommit=True) as pool:
            fails = "SELECT * FROM (SELECT 1) AS a WHERE {} OR (SELECT 1 UNION SELECT 2) = 1"
            execute(pool, fails.format("@given = 7"))
            execute(pool, fails.format("@@autocommit = 1"))
        with made(id, mysql, connect_timeout=3.0) as pool:
            execute(pool, "SELECT 1")
    finally:
        mysql.forget("connect arguments")


def test_the_read_timeout_of_pymysql(mysql: MySQL) -> None:
    try:
        with made("sqlalchemy.QueuePool", mysql, read_timeout=0.2, write_timeout=9.0) as pool:
            began = time.monotonic()
            with pytest.raises(Exception, match=r"timed out|Lost connection"):
                execute(pool, "SELECT SLEEP(20)")
            assert time.monotonic() - began < 15
    finally:
        mysql.forget("connect arguments")


def test_the_timeout_of_sqlite() -> None:
    place = SQLite()
    try:
        with made("sqlalchemy.QueuePool", place, timeout=0.0) as pool:
            execute(pool, "CREATE TABLE one (x)")
            with made("sqlalchemy.QueuePool", place, timeout=0.0) as other:
                holding = pool.acquire()
                pool.execute(holding, "BEGIN IMMEDIATE")
                with pytest.raises(Exception, match="locked"):
                    execute(other, "BEGIN IMMEDIATE")
                pool.release(holding)
    finally:
        place.close()


WRONG = {
    "psycopg_pool.ConnectionPool": ({"statement_cache_size": 0}, "is no connect argument of"),
    "sqlalchemy.QueuePool": ({"prepare_threshold": 0}, "only with driver = psycopg"),
    "asyncpg.Pool": ({"statement_cache_size": -1}, "from 0 to"),
    "aiomysql.Pool": ({"read_timeout": 1}, "is no connect argument of"),
}


@pytest.mark.parametrize("id", WRONG)
def test_what_a_driver_does_not_take_is_refused(id: str) -> None:
    given, words = WRONG[id]
    server = MYSQL if id == "aiomysql.Pool" else POSTGRESQL
    with pytest.raises(InputError, match=words):
        check_connect(pool_class(id), given, server)
