"""Pools in the shapes that applications have: by what names they lend, how they are told a server.

Each is run by an engine's process on a real server, with the counts that it should have.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg2.extensions import make_dsn

from poolviz.model.errors import InputError, ServerError
from poolviz.model.messages import RunEnded
from poolviz.pools.base import ThreadPool
from poolviz.pools.registry import load_pool
from poolviz.runs.runner import Runner
from poolviz.sessions.summary import RunSummary
from tests.pools.bench import RecordingCounter
from tests.pools.custom.test_user_classes import run

Write = Callable[..., str]


@pytest.fixture
def runner() -> Iterator[Runner]:
    with Runner() as runner:
        yield runner


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of an application, and returns the id of a pool in it."""

    def write(source: str, name: str = "Database") -> str:
        path = tmp_path / "database.py"
        path.write_text(textwrap.dedent(source))
        return f"{path}:{name}"

    return write


def sound(result: tuple[RunSummary, RunEnded], opened: int | None = None) -> RunSummary:
    """The figures of a run in which nothing went wrong, and `opened` connections were opened."""
    summary, ended = result
    assert (ended.failure, ended.open_at_end) == ("", 0)
    assert summary.errors == {}
    assert summary.operations > 10
    assert summary.connections.open_max <= 3
    if opened is not None:
        assert summary.connections.opened == opened
    return summary


QUEUE_OF_CONNECTIONS = """
import queue
import psycopg2

class Database:
    '''Connections in a queue, made at the start; the server comes in parts.'''

    def __init__(self, db_host, db_port, db_user, db_password, db_name, max_connections=3):
        self._idle = queue.Queue(max_connections)
        for _ in range(max_connections):
            self._idle.put(psycopg2.connect(
                host=db_host, port=db_port, user=db_user, password=db_password, dbname=db_name))

    def get_connection(self):
        return self._idle.get(timeout=10)

    def release_connection(self, connection):
        connection.rollback()
        self._idle.put(connection)
"""


def test_a_queue_of_connections_is_counted_from_its_making(
    conninfo: str, runner: Runner, write: Write
) -> None:
    problems: list[str] = []
    sound(run(runner, conninfo, write(QUEUE_OF_CONNECTIONS), problems), opened=3)
    assert problems == []


CONTEXT_MANAGER = """
from contextlib import contextmanager
from psycopg2.extras import RealDictCursor
from psycopg2.pool import ThreadedConnectionPool

class Database:
    def __init__(self, database_url: str):
        self._pool = ThreadedConnectionPool(3, 3, database_url)

    @contextmanager
    def {name}(self):
        connection = self._pool.getconn()
        try:
            yield connection{cursor}
            connection.commit()
        except Exception:
            connection.rollback()
            raise
        finally:
            self._pool.putconn(connection)
"""


@pytest.mark.parametrize(
    ("name", "cursor"),
    [("connection", ""), ("get_cursor", ".cursor(cursor_factory=RealDictCursor)")],
)
def test_a_context_manager_lends_a_connection_or_a_cursor(
    conninfo: str, runner: Runner, write: Write, name: str, cursor: str
) -> None:
    pool = write(CONTEXT_MANAGER.format(name=name, cursor=cursor))
    summary = sound(run(runner, conninfo, pool, hold_time=0.05), opened=3)
    assert summary.reported_counts.used_max == 3  # of the library's pool within


SUBCLASS = """
from psycopg_pool import ConnectionPool

def configure(connection):
    connection.execute("SET statement_timeout = '5s'")
    connection.commit()

class Database(ConnectionPool):
    def __init__(self, conninfo, **kwargs):
        super().__init__(
            conninfo, min_size=3, max_size=3, configure=configure, open=False, **kwargs)
"""


def test_a_subclass_of_psycopgs_pool_gets_what_that_takes(
    conninfo: str, runner: Runner, write: Write
) -> None:
    summary = sound(run(runner, conninfo, write(SUBCLASS)), opened=3)
    assert summary.reported_counts.open_max == 3


BORROWED = """
import threading
from dbutils.pooled_db import PooledDB
import psycopg2

class Database:
    def __init__(self, dsn, size=3):
        self._pool = PooledDB(psycopg2, maxconnections=size, mincached=size, blocking=True, dsn=dsn)
    def borrow(self):
        return self._pool.connection()
    def return_(self, connection):
        connection.close()
"""


def test_dbutils_behind_borrow_and_return(conninfo: str, runner: Runner, write: Write) -> None:
    sound(run(runner, conninfo, write(BORROWED)), opened=3)


CLASS_LEVEL = """
from psycopg2.pool import ThreadedConnectionPool

class Database:
    pool = None

    @classmethod
    def init_pool(cls, dsn):
        cls.pool = ThreadedConnectionPool(3, 3, dsn)

    @staticmethod
    def get_connection():
        return Database.pool.getconn()

    @classmethod
    def return_connection(cls, connection):
        cls.pool.putconn(connection)
"""


def test_a_pool_that_a_class_keeps_is_opened_by_its_method_for_that(
    conninfo: str, runner: Runner, write: Write
) -> None:
    problems: list[str] = []
    summary = sound(run(runner, conninfo, write(CLASS_LEVEL), problems, hold_time=0.05), opened=3)
    assert problems == []
    assert summary.reported_counts.used_max == 3


ENVIRONMENT = """
import os
from psycopg2.pool import ThreadedConnectionPool

class Database:
    def __init__(self):
        self._pool = ThreadedConnectionPool(3, 3, os.environ.get("DATABASE_URL", "{dsn}"))
    def acquire(self):
        return self._pool.getconn()
    def release(self, connection):
        self._pool.putconn(connection)
"""


def test_a_pool_that_knows_its_server_connects_to_it_or_to_the_runs(
    conninfo: str, runner: Runner, write: Write
) -> None:
    pool, problems = write(ENVIRONMENT.format(dsn=make_dsn(conninfo, dbname="template1"))), [""]
    sound(run(runner, conninfo, pool, problems), opened=3)
    assert [each for each in problems if "a server of its own" in each and "url=run" in each]
    problems.clear()
    sound(run(runner, conninfo, f"{pool}?url=run", problems), opened=3)
    assert problems == []


def test_a_server_of_its_own_that_cant_be_reached_is_named(conninfo: str, write: Write) -> None:
    kind = load_pool(write(ENVIRONMENT.format(dsn="host=127.0.0.1 port=1 password=s3cret")))
    assert issubclass(kind, ThreadPool)
    with pytest.raises(ServerError) as error:
        kind(conninfo, RecordingCounter(), {})
    assert "connects to a server of its own and raised OperationalError" in str(error.value)
    assert "database.py, line 7, in __init__" in str(error.value)
    assert "s3cret" not in str(error.value)


NAMES = """
import psycopg2
import psycopg2.extensions

class Database:
    def __init__(self, {parameter}):
        self.dsn = {parameter}
    def {acquire}(self):
        return psycopg2.{connect}
    def {release}(self, connection):
        connection.close()
"""


@pytest.mark.parametrize(
    ("acquire", "release", "parameter"),
    [
        ("getconn", "putconn", "postgres_dsn"),
        ("checkout", "checkin", "db_url"),
        ("get", "put", "config"),
        ("acquire_connection", "return_connection", "creator"),
        ("borrow", "give_back", "connection_string"),
        ("connect", "unused", "conninfo"),
    ],
)
def test_usual_names_are_known(
    *, conninfo: str, runner: Runner, write: Write, acquire: str, release: str, parameter: str
) -> None:
    connect = {"config": "connect(**self.dsn)", "creator": "extensions and self.dsn()"}
    pool = write(
        NAMES.format(
            acquire=acquire,
            release=release,
            parameter=parameter,
            connect=connect.get(parameter, "connect(self.dsn)"),
        )
    )
    summary = sound(run(runner, conninfo, pool))
    assert summary.connections.opened >= summary.operations


UNUSUAL = {
    "its connections are proxies without a usual attribute": """
        import threading
        import psycopg2
        class Lent:
            def __init__(self, pool, raw): self._pool, self.raw = pool, raw
            def cursor(self): return self.raw.cursor()
            def commit(self): self.raw.commit()
            def rollback(self): self.raw.rollback()
            def close(self): self._pool.take(self.raw)
        class Database:
            def __init__(self, connection_string: str, pool_size: int = 3):
                self._dsn, self._slots = connection_string, threading.Semaphore(pool_size)
                self._idle = []
            def connect(self):
                self._slots.acquire()
                return Lent(self, self._idle.pop() if self._idle else psycopg2.connect(self._dsn))
            def take(self, raw):
                self._idle.append(raw)
                self._slots.release()
    """,
    "its method open opens psycopg's pool": """
        from psycopg_pool import ConnectionPool
        class Database:
            def __init__(self, conninfo):
                self.inner = ConnectionPool(conninfo, min_size=3, max_size=3, open=False)
            def open(self): self.inner.open(wait=True)
            def close(self): self.inner.close()
            def connection(self): return self.inner.connection()
    """,
    "it is opened by entering it": """
        from psycopg2.pool import ThreadedConnectionPool
        class Database:
            def __init__(self, dsn): self._dsn, self._pool = dsn, None
            def __enter__(self):
                self._pool = ThreadedConnectionPool(3, 3, self._dsn)
                return self
            def __exit__(self, *_): self._pool.closeall()
            def get_connection(self): return self._pool.getconn()
            def release_connection(self, connection): self._pool.putconn(connection)
    """,
    "a class method takes whatever psycopg2 does": """
        from psycopg2.pool import ThreadedConnectionPool
        class Database:
            __pool = None
            @classmethod
            def initialise(cls, **kwargs): cls.__pool = ThreadedConnectionPool(3, 3, **kwargs)
            @classmethod
            def get_connection(cls): return cls.__pool.getconn()
            @classmethod
            def return_connection(cls, connection): cls.__pool.putconn(connection)
    """,
    "its methods go on alike after a verb": """
        import queue
        import psycopg2
        class Database:
            def __init__(self, dsn):
                self._idle = queue.LifoQueue()
                for _ in range(3): self._idle.put(psycopg2.connect(dsn))
            def borrow_object(self): return self._idle.get(timeout=10)
            def return_object(self, one):
                one.rollback()
                self._idle.put(one)
    """,
    "it says that it gives a context manager": """
        import queue
        import psycopg2
        class Lease:
            def __init__(self, idle): self._idle = idle
            def __enter__(self):
                self.connection = self._idle.get(timeout=10)
                return self.connection
            def __exit__(self, kind, *_):
                self.connection.rollback()
                self._idle.put(self.connection)
        class Database:
            def __init__(self, dsn):
                self._idle = queue.LifoQueue()
                for _ in range(3): self._idle.put(psycopg2.connect(dsn))
            def lease(self) -> Lease: return Lease(self._idle)
    """,
    "it is a singleton that lends nothing and holds a pool": """
        from psycopg2.pool import ThreadedConnectionPool
        class Singleton(type):
            _made = {}
            def __call__(cls, *args, **kwargs):
                if cls not in cls._made:
                    cls._made[cls] = super().__call__(*args, **kwargs)
                return cls._made[cls]
        class Database(metaclass=Singleton):
            def __init__(self, dsn): self._pool = ThreadedConnectionPool(3, 3, dsn)
            def __enter__(self): return self
            def __exit__(self, *_): pass
            def query(self, sql):
                connection = self._pool.getconn()
                try:
                    return connection.cursor().execute(sql)
                finally:
                    self._pool.putconn(connection)
    """,
    "it has the methods of the pool that it holds": """
        from dataclasses import dataclass, field
        import psycopg2.pool
        @dataclass
        class Database:
            dsn: str
            _pool: object = field(init=False, repr=False)
            def __post_init__(self):
                self._pool = psycopg2.pool.ThreadedConnectionPool(3, 3, self.dsn)
            def __getattr__(self, name): return getattr(self._pool, name)
    """,
    "a coroutine makes an object that holds asyncpg's pool": """
        import asyncpg
        class Queries:
            def __init__(self, pool): self.pool = pool
            async def fetch(self, sql): return await self.pool.fetch(sql)
        async def Database(dsn):
            return Queries(await asyncpg.create_pool(dsn, min_size=3, max_size=3))
    """,
}


@pytest.mark.parametrize("how", UNUSUAL)
def test_a_pool_of_an_unusual_shape_is_run(
    conninfo: str, runner: Runner, write: Write, how: str
) -> None:
    sound(run(runner, conninfo, write(UNUSUAL[how])), opened=3)


ONE_USE = """
from psycopg2.pool import ThreadedConnectionPool

class Pools:
    lent = None

class Database:
    def __init__(self{parameter}): self._key, self._connection = None, None
    def __enter__(self):
        self._connection = Pools.lent.getconn()
        return self._connection{cursor}
    def __exit__(self, kind, *_):
        self._connection.commit()
        Pools.lent.putconn(self._connection)

Pools.lent = ThreadedConnectionPool(3, 3, "{dsn}")
"""


@pytest.mark.parametrize(("parameter", "cursor"), [("", ".cursor()"), (", dsn", ""), (", n=1", "")])
def test_a_class_of_which_each_use_makes_an_object_lends_by_being_entered(
    conninfo: str, runner: Runner, write: Write, parameter: str, cursor: str
) -> None:
    problems: list[str] = []
    dsn = make_dsn(conninfo)
    pool = write(ONE_USE.format(parameter=parameter, cursor=cursor, dsn=dsn))
    summary = sound(run(runner, conninfo, pool, problems, hold_time=0.05), opened=3)
    assert summary.reported_counts.used_max == 3  # of the pool that another class keeps
    assert problems == []


def test_a_function_whose_connections_are_closed_is_run_if_the_user_says_so(
    conninfo: str, runner: Runner, write: Write
) -> None:
    source = f"""
    import psycopg2
    def open_database(): return psycopg2.connect("{make_dsn(conninfo)}")
    """
    kind = load_pool(write(source, "open_database"))
    with pytest.raises(
        InputError, match=r"one connection and not a pool.* --own-pool release=close"
    ):
        kind(conninfo, None, {})  # type: ignore[call-arg, abstract]
    summary = sound(run(runner, conninfo, f"{write(source, 'open_database')}?release=close"))
    assert summary.connections.opened >= summary.operations
