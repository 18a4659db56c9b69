"""URLs as applications have them: options and drivers that libpq doesn't know."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn

from poolviz.model.errors import InputError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.pools.connections.dsn import postgres_url
from poolviz.pools.registry import check_server, pool_class
from poolviz.runs.request import RunRequest
from poolviz.scenarios.connect import split_dsn
from poolviz.scenarios.draft import Draft
from poolviz.servers.dispatch import reach
from poolviz.servers.postgres.target import conninfo_of

ANSWERS = {
    "pgbouncer=true": "pgbouncer, which is Prisma's: for a pooler in transaction mode give",
    "schema=app": "schema, which is not libpq's: give --connect options='-c search_path=NAME'",
    "currentSchema=app": "give --connect options='-c search_path=NAME'",
    "statement_cache_size=0": "which is an argument of asyncpg: give it with --connect",
    "prepared_statement_cache_size=0": "which is an argument of SQLAlchemy: give it with --connect",
    "prepare_threshold=0": "which is an argument of psycopg: give it with --connect",
    "command_timeout=5": "which is an argument of asyncpg: give it with --connect",
    "statement_timeout=5s": "give --connect options='-c statement_timeout=VALUE'",
    "connection_limit=5": "which is a limit of the pool: give it with --limit",
    "sslmod=require": "sslmod, which libpq doesn't know: is it sslmode?",
    "nonsense=1": "nonsense, which libpq doesn't know: correct or remove it.",
}


@pytest.mark.parametrize("option", ANSWERS)
def test_an_option_that_libpq_does_not_know_is_named_with_where_it_belongs(option: str) -> None:
    with pytest.raises(InputError) as caught:
        reach(f"postgresql://user:s3cret@nowhere.invalid/db?connect_timeout=1&{option}")
    (problem,) = caught.value.problems
    assert ANSWERS[option] in problem
    assert "s3cret" not in problem


def test_every_such_option_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        conninfo_of("postgres://h/db?pgbouncer=true&schema=app&sslmode=require")
    assert [" pgbouncer," in each or " schema," in each for each in caught.value.problems] == [
        True,
        True,
    ]


def test_options_of_keywords_are_answered_too() -> None:
    with pytest.raises(InputError, match="an argument of asyncpg: give it with --connect"):
        conninfo_of("host=h statement_cache_size=0")


@pytest.mark.parametrize(
    ("written", "mode"),
    [("disable", "disable"), ("require", "require"), ("true", "require"), ("0", "disable")],
)
def test_asyncpgs_ssl_is_taken(written: str, mode: str) -> None:
    assert parse_dsn(conninfo_of(f"postgresql://h/db?ssl={written}"))["sslmode"] == mode
    with pytest.raises(InputError, match="ssl in the DSN takes disable, allow"):
        conninfo_of("postgresql://h/db?ssl=perhaps")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "POSTGRESQL"])
def test_each_scheme_is_taken(scheme: str) -> None:
    given = parse_dsn(conninfo_of(f"{scheme}://u@h:6432/d?database=other&application_name=x"))
    assert (given["user"], given["host"], given["port"]) == ("u", "h", "6432")


BARE = {
    "postgresql://::1/db": "postgresql://user@[::1]:5432/database",
    "postgresql://u:s3cret@::1:5433/db": "postgresql://user@[::1]:5433/database",
    "postgres://u@fe80::1:2/db": "postgresql://user@[fe80::1:2]:5432/database",
    "postgresql://alice@::1:42583/db": "postgresql://user@[::1]:42583/database",
    "postgresql+asyncpg://2001:db8::7": "postgresql://user@[2001:db8::7]:5432/database",
}


@pytest.mark.parametrize("dsn", BARE)
def test_a_bare_ipv6_address_is_answered_with_its_brackets(dsn: str) -> None:
    with pytest.raises(InputError) as caught:
        conninfo_of(dsn)
    assert BARE[dsn] in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_an_ipv6_address_in_brackets_is_taken() -> None:
    assert parse_dsn(conninfo_of("postgresql://u@[::1]:5433/db"))["host"] == "::1"
    with pytest.raises(InputError, match=r"mysql://user@\[::1\]:3306/database"):
        MySQLAddress.parse("mysql://u@::1/db")
    with pytest.raises(InputError, match=r"mysql://user@\[::1\]:33060/database"):
        MySQLAddress.parse("mysql://u@::1:33060/db")


QUEUE, ASYNC = "sqlalchemy.QueuePool", "sqlalchemy.AsyncAdaptedQueuePool"
FITS = [
    ("psycopg2.ThreadedConnectionPool", "psycopg2"),
    ("psycopg_pool.ConnectionPool", "psycopg"),
    ("asyncpg.Pool", "asyncpg"),
    (ASYNC, "asyncpg"),
    (QUEUE, "psycopg2"),
    (QUEUE, "psycopg"),
]


@pytest.mark.parametrize(("pool", "driver"), FITS)
def test_a_driver_that_a_pool_has_is_used(pool: str, driver: str) -> None:
    kind, dsn = pool_class(pool), f"postgresql+{driver}://u@h/d"
    check_server(kind, dsn)
    plain, taken = split_dsn(kind, dsn)
    assert plain == "postgresql://u@h/d"
    assert taken == ({"driver": "psycopg"} if (pool, driver) == (QUEUE, "psycopg") else {})


@pytest.mark.parametrize(
    ("pool", "dsn", "other"),
    [
        (QUEUE, "postgresql+pg8000://u@h/d", "a pool of your own"),
        (QUEUE, "postgresql+asyncpg://u@h/d", f"{ASYNC} or asyncpg.Pool"),
        ("asyncpg.Pool", "postgresql+psycopg2://u@h/d", QUEUE),
        ("psycopg_pool.ConnectionPool", "postgres+psycopg2://u@h/d", "psycopg2."),
        (ASYNC, "postgresql+psycopg://u@h/d", "psycopg_pool.ConnectionPool"),
        (QUEUE, "mysql+mysqldb://u@h/d", "a pool of your own"),
        (QUEUE, "sqlite+aiosqlite:///x.db", "a pool of your own"),
    ],
)
def test_another_driver_is_refused_with_a_sentence(pool: str, dsn: str, other: str) -> None:
    driver = dsn.partition("+")[2].partition(":")[0]
    with pytest.raises(InputError, match=f"names the driver {driver}, and {pool} connects") as one:
        RunRequest.of(Draft(pool=pool, dsn=dsn))
    assert other in str(one.value)


def test_options_that_the_pools_driver_takes_become_connect_arguments() -> None:
    dsn = "postgresql+asyncpg://u:s3cret@h/d?prepared_statement_cache_size=0&sslmode=disable"
    request = RunRequest.of(Draft(pool=ASYNC, dsn=f"{dsn}&command_timeout=5"))
    assert request.dsn == "postgresql://u:s3cret@h/d?sslmode=disable"
    assert request.scenario.connect == {"prepared_statement_cache_size": 0, "command_timeout": 5.0}
    given = Draft(pool=ASYNC, dsn=dsn, connect={"prepared_statement_cache_size": 7})
    assert RunRequest.of(given).scenario.connect == {"prepared_statement_cache_size": 7}
    with pytest.raises(InputError, match="command_timeout is 'soon': it takes a time"):
        RunRequest.of(Draft(pool="asyncpg.Pool", dsn="postgresql://h/d?command_timeout=soon"))


def test_a_url_chooses_psycopg_below_sqlalchemy() -> None:
    request = RunRequest.of(Draft(dsn="postgresql+psycopg://u@h/d?prepare_threshold=0"))
    assert request.scenario.connect == {"driver": "psycopg", "prepare_threshold": 0}


@given(
    st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=12),
    st.dictionaries(st.sampled_from(["sslmode", "options", "keepalives"]), st.just("x y")),
)
def test_what_libpq_reads_stays_as_it_is(password: str, options: dict[str, str]) -> None:
    query = "&".join(f"{key}={quote(value)}" for key, value in options.items())
    dsn = f"postgresql://u:{quote(password, safe='')}@h/d{'?' if query else ''}{query}"
    url = postgres_url(dsn)
    assert url is not None
    assert (url.libpq, url.others) == (dsn, {})
