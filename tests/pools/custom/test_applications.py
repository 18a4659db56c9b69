"""Pools as an application's file has them: an Engine, a sessionmaker, a function, an object.

Each is run by an engine's process on a real server, with the counts that it should have.
"""

from __future__ import annotations

import pytest

from poolviz.model.errors import InputError
from poolviz.pools.custom.server_arguments import RunServer
from poolviz.pools.registry import load_pool
from poolviz.runs.runner import Runner
from tests.pools.bench import Crowd, until
from tests.pools.conftest import Benches
from tests.pools.custom.test_shapes import Write, runner, sound, write
from tests.pools.custom.test_user_classes import learned, run

__all__ = ["runner", "write"]  # fixtures

NOWHERE = "postgresql+psycopg2://app:s3cret@127.0.0.1:1/shop"
# As a Flask application has it: everything at module level.
ENGINE = """
from contextlib import contextmanager
from sqlalchemy import create_engine, pool, text
from sqlalchemy.orm import scoped_session, sessionmaker

engine = create_engine("{url}", pool_size=3, max_overflow=0, connect_args={{"keepalives": 1}})
without_pool = create_engine("{url}", poolclass=pool.NullPool)
Session = sessionmaker(bind=engine)
session = scoped_session(Session)

def get_db():
    db = Session()
    try:
        yield db
    finally:
        db.close()

class Extension:
    def __init__(self):
        self._engine, self.sessions = engine, Session

db = Extension()

@contextmanager
def transaction():
    with engine.begin() as connection:
        yield connection
"""


def test_an_applications_engine_is_measured_on_its_own_server(
    conninfo: str, runner: Runner, write: Write
) -> None:
    own = RunServer(conninfo.replace("dbname=postgres", "dbname=template1")).url
    pool, problems = write(ENGINE.format(url=own), "engine"), [""]
    kind = learned(runner, pool)
    assert kind.limits.defaults() | {"pool_timeout": 30.0} == {
        "pool_size": 3,
        "max_overflow": 0,
        "pool_timeout": 30.0,
        "pool_recycle": -1.0,
        "pool_pre_ping": False,
        "pool_use_lifo": False,
    }
    assert kind.capacity(kind.limits.defaults()) == 3
    summary = sound(run(runner, conninfo, pool, problems), opened=3)
    assert summary.reported_counts.open_max == 3


def test_the_server_of_an_engine_is_named_without_its_password(
    conninfo: str, runner: Runner, write: Write
) -> None:
    problems: list[str] = []
    summary, _ = run(runner, conninfo, write(ENGINE.format(url=NOWHERE), "engine"), problems)
    assert summary.operations == 0
    [said] = [each for each in problems if "a server of its own" in each]
    assert "postgresql+psycopg2://app@127.0.0.1:1/shop" in said
    assert "--own-pool url=run" in said
    assert "s3cret" not in str(problems)


@pytest.mark.parametrize(
    ("name", "opened"),
    [
        ("engine", 3),
        ("without_pool", None),
        ("Session", 3),
        ("session", 3),
        ("get_db", 3),
        ("db", 3),
    ],
)
def test_an_applications_objects_connect_to_the_runs_server_if_the_user_says_so(
    conninfo: str, runner: Runner, write: Write, name: str, opened: int | None
) -> None:
    problems: list[str] = []
    pool = f"{write(ENGINE.format(url=NOWHERE), name)}?url=run"
    sound(run(runner, conninfo, pool, problems), opened)
    assert problems == []


def test_the_limits_of_an_engine_change_in_use(bench: Benches, write: Write) -> None:
    one = bench(load_pool(f"{write(ENGINE.format(url=NOWHERE), 'engine')}?url=run"))
    with Crowd(one, 8) as crowd:
        for pool_size, overflow in ((5, 0), (1, 1), (4, 2)):
            one.change(pool_size=pool_size, max_overflow=overflow)
            most = pool_size + overflow
            until(lambda: one.counter.open <= most, "no more than the limits")  # noqa: B023
            crowd.regroup()
            crowd.work(20)
            assert one.counter.peak <= most
    until(one.agreed, "all agree")


FACTORIES = """
from psycopg2.pool import ThreadedConnectionPool
from psycopg_pool import ConnectionPool
from sqlalchemy import create_engine, Engine

def make_pool(dsn, minconn=3, maxconn=3):
    return ThreadedConnectionPool(minconn, maxconn, dsn)

def create_db_engine(database_url: str, pool_size: int = 3) -> Engine:
    return create_engine(database_url.replace("postgresql://", "postgresql+psycopg2://"),
                         pool_size=pool_size, max_overflow=0)

class Settings:
    url = "{url}"

def psycopgs(settings=Settings):
    return ConnectionPool(settings.url, min_size=3, max_size=3, open=True)

class Database:
    @classmethod
    def from_url(cls, url, size=3):
        made = cls()
        made.pool = make_pool(url, size, size)
        return made
    def get_connection(self):
        return self.pool.getconn()
    def release_connection(self, connection):
        self.pool.putconn(connection)

pool = None

def init_pool(dsn):
    '''As many applications do, keeps the pool and returns it.'''
    global pool
    pool = pool or make_pool(dsn)
    return pool
"""


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("make_pool", ["minconn", "maxconn"]),
        ("create_db_engine", ["pool_size"]),
        ("psycopgs", []),
        ("Database.from_url", ["size"]),
        ("init_pool", []),
    ],
)
def test_a_function_that_makes_a_pool_is_called_with_the_server(
    conninfo: str, runner: Runner, write: Write, name: str, limits: list[str]
) -> None:
    pool = write(FACTORIES.format(url=RunServer(conninfo).url), name)
    assert list(learned(runner, pool).limits) == limits
    summary = sound(run(runner, conninfo, pool), opened=3)
    assert summary.reported_counts.open_max == 3


def test_a_limit_of_a_factory_rebuilds_the_pool(bench: Benches, write: Write) -> None:
    one = bench(load_pool(write(FACTORIES.format(url=""), "make_pool")), minconn=1, maxconn=2)
    held = one.fill(2)
    one.change(maxconn=4)
    one.use(*held)
    more = one.fill(4)
    one.release([*held, *more])
    one.settle()


SINGLETON = """
import os
from psycopg2.pool import ThreadedConnectionPool

pool = ThreadedConnectionPool(3, 3, "{dsn}")

def get_connection():
    return pool.getconn()

def release_connection(connection):
    pool.putconn(connection)
"""


@pytest.mark.parametrize("name", ["pool", "get_connection"])
@pytest.mark.parametrize("url", ["", "?url=run"])
def test_a_pool_at_module_level_is_taken_as_it_is(
    *, conninfo: str, runner: Runner, write: Write, name: str, url: str
) -> None:
    own = conninfo.replace("dbname=postgres", "dbname=template1") if url else conninfo
    problems: list[str] = []
    pool = f"{write(SINGLETON.format(dsn=own), name)}{url}"
    summary = sound(run(runner, conninfo, pool, problems, hold_time=0.05), opened=3)
    assert problems == []
    assert summary.reported_counts.used_max == 3


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        ("class A: pass\na = A()", "a", "it lacks getconn and putconn, or --own-pool acquire=NAME"),
        ("a = 3", "a", "is not a connection pool"),
        ("a = None", "a", "is None and not a pool: name the function that makes the pool"),
        ("a = {}", "a", r"is a dict and not a pool: give .* a name .* `pool = a\[…\]`"),
        (
            "import sqlite3\na = sqlite3.connect(':memory:')",
            "a",
            "is one connection and not a pool: name the function or the class that makes",
        ),
        ("def a(number): pass", "a", r"requires number, .* \(database.py, line 1, in a: def a\("),
        (
            "from sqlalchemy import create_engine\na = create_engine('sqlite://')",
            "a",
            "its engine connects to sqlite, and",
        ),
        ("def make_pool(dsn): pass", "make_pol", "function or object make_pol: perhaps make_pool"),
    ],
)
def test_what_is_no_pool_is_refused_in_one_sentence(
    write: Write, source: str, name: str, said: str
) -> None:
    with pytest.raises(InputError, match=said) as error:
        load_pool(write(source, name))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        ("dsn", "make is not a connection pool: it lacks getconn"),
        ("None", "make gives None and not a pool"),
        ("(dsn, 1)", r"make gives a tuple and not a pool: .* `pool = make\(\)\[…\]`"),
    ],
)
def test_a_function_that_makes_no_pool_is_told_so(
    conninfo: str, write: Write, gives: str, said: str
) -> None:
    kind = load_pool(write(f"def make(dsn): return {gives}", "make"))
    with pytest.raises(InputError, match=said):
        kind(conninfo, None, {})  # type: ignore[call-arg, abstract]
