"""Asyncio pools of one's own, in the shapes that applications have.

Each is run by an engine's process on a real server, with the counts that it should have.
"""

from __future__ import annotations

import pytest

from poolviz.model.errors import InputError
from poolviz.pools.base import TaskPool
from poolviz.pools.custom.server_arguments import RunServer
from poolviz.pools.registry import load_pool
from poolviz.runs.runner import Runner
from tests.pools.bench import Crowd, RecordingCounter, until
from tests.pools.conftest import Benches
from tests.pools.custom.test_shapes import Write, runner, sound, write
from tests.pools.custom.test_user_classes import learned, run

__all__ = ["runner", "write"]  # fixtures

# As a FastAPI application has it: an asynchronous engine, sessions, and a dependency.
FASTAPI = """
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

engine = create_async_engine(
    "postgresql+asyncpg://app:s3cret@127.0.0.1:1/shop", pool_size=3, max_overflow=0)
Session = async_sessionmaker(engine, expire_on_commit=False)

async def get_session():
    async with Session() as session:
        yield session

def make_engine(database_url):
    return create_async_engine(database_url, pool_size=3, max_overflow=0)
"""


@pytest.mark.parametrize(
    "name", ["engine?url=run", "Session?url=run", "get_session?url=run", "make_engine"]
)
def test_an_applications_asynchronous_engine_is_measured(
    conninfo: str, runner: Runner, write: Write, name: str
) -> None:
    problems: list[str] = []
    pool = write(FASTAPI, name)
    assert issubclass(learned(runner, pool), TaskPool)
    summary = sound(run(runner, conninfo, pool, problems), opened=3)
    assert problems == []
    assert summary.reported_counts.open_max == 3


def test_the_limits_of_an_asynchronous_engine_change_in_use(bench: Benches, write: Write) -> None:
    one = bench(load_pool(write(FASTAPI, "engine?url=run")))
    with Crowd(one, 6) as crowd:
        for pool_size in (5, 2, 4):
            one.change(pool_size=pool_size)
            until(lambda: one.counter.open <= pool_size, "no more than the limit")  # noqa: B023
            crowd.work(20)
    until(one.agreed, "all agree")


ASYNCPGS = """
import asyncio
from contextlib import asynccontextmanager
import asyncpg

async def create_pool(dsn, min_size=3, max_size=3):
    return await asyncpg.create_pool(dsn, min_size=min_size, max_size=max_size)

def unopened(dsn):
    return asyncpg.create_pool(dsn, min_size=3, max_size=3)

class Database:
    def __init__(self, dsn, max_size=3):
        self._dsn, self._max_size, self._pool = dsn, max_size, None
    async def connect(self):
        self._pool = await asyncpg.create_pool(self._dsn, min_size=3, max_size=self._max_size)
    async def disconnect(self):
        await self._pool.close()
    @asynccontextmanager
    async def connection(self):
        async with self._pool.acquire() as connection:
            yield connection

class Parts:
    def __init__(self, host, port, user, password, database, size=3):
        self.arguments = dict(host=host, port=port, user=user, database=database)
        self.size, self.idle = size, asyncio.Queue()
    async def start(self):
        for _ in range(self.size):
            self.idle.put_nowait(await asyncpg.connect(**self.arguments))
    async def get_connection(self):
        return await self.idle.get()
    async def release_connection(self, connection):
        self.idle.put_nowait(connection)
    async def stop(self):
        while not self.idle.empty():
            await self.idle.get_nowait().close()

class Mine(asyncpg.Pool):
    pass

database = Database("{dsn}")
"""


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("create_pool", {}),
        ("unopened", {}),
        ("Database", {}),
        ("Parts", {}),
        ("Mine", {"min_size": 3, "max_size": 3}),
        ("database", {}),
    ],
)
def test_asyncpgs_connections_are_lent_to_tasks(
    *, conninfo: str, runner: Runner, write: Write, name: str, limits: dict[str, object]
) -> None:
    source = ASYNCPGS.replace("{dsn}", RunServer(conninfo).url_for("asyncpg"))
    problems: list[str] = []
    summary = sound(run(runner, conninfo, write(source, name), problems, **limits), opened=3)
    assert problems == []
    if name != "Parts":
        assert summary.reported_counts.open_max == 3


def test_a_limit_of_a_pool_for_tasks_rebuilds_it(bench: Benches, write: Write) -> None:
    one = bench(load_pool(write(ASYNCPGS, "create_pool")), min_size=1, max_size=2)
    held = one.fill(2)
    one.change(max_size=4)
    one.use(*held)
    more = [one.holders.take() for _ in range(4)]
    one.release([*held, *more])
    until(lambda: one.counter.open <= 4, "the old pool is closed")
    until(one.agreed, "all agree")


OTHERS = """
from contextlib import asynccontextmanager
import aiopg
from psycopg_pool import AsyncConnectionPool

class Database(AsyncConnectionPool):
    def __init__(self, conninfo, **kwargs):
        super().__init__(conninfo, min_size=3, max_size=3, open=False, **kwargs)

async def make_pool(dsn):
    return await aiopg.create_pool(dsn, minsize=3, maxsize=3)

@asynccontextmanager
async def lifespan(dsn):
    async with aiopg.create_pool(dsn, minsize=3, maxsize=3) as pool:
        yield pool
"""


@pytest.mark.parametrize("name", ["Database", "make_pool", "lifespan"])
def test_other_drivers_connections_are_lent_to_tasks(
    conninfo: str, runner: Runner, write: Write, name: str
) -> None:
    sound(run(runner, conninfo, write(OTHERS, name)), opened=3)


MODULE_LEVEL = """
import asyncpg

pool = asyncpg.create_pool("postgresql://app:s3cret@127.0.0.1:1/shop", min_size=3, max_size=3)

async def get_pool():
    return await asyncpg.create_pool("postgresql://app:s3cret@127.0.0.1:1/shop")
"""


def test_asyncpgs_pool_that_a_module_has_made_is_opened_on_the_loop_of_the_run(
    conninfo: str, runner: Runner, write: Write
) -> None:
    sound(run(runner, conninfo, f"{write(MODULE_LEVEL, 'pool')}?url=run"), opened=3)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("pool", "by `--own-pool url=run`"),
        ("get_pool", "by `--own-pool url=run`"),
        ("get_pool?url=run", "as a function with a parameter `dsn` does"),
    ],
)
def test_a_server_of_its_own_that_cant_be_reached_is_told_from_the_runs(
    conninfo: str, runner: Runner, write: Write, name: str, remedy: str
) -> None:
    _, ended = run(runner, conninfo, write(MODULE_LEVEL, name))
    said = ended.failure
    assert "connects to a server of its own and raised ConnectionRefusedError" in said
    assert remedy in said
    assert "s3cret" not in said


def test_a_pool_that_is_for_tasks_after_all_is_refused(
    conninfo: str, runner: Runner, write: Write
) -> None:
    source = """
    class Pool:
        async def acquire(self): ...
        async def release(self, connection): ...
    def make(dsn):
        return globals()["Pool"]()
    """
    pool = write(source, "make")
    kind = load_pool(pool)
    with pytest.raises(InputError, match=r"clients are tasks: .* --own-pool clients=tasks"):
        kind(conninfo, RecordingCounter(), {})  # type: ignore[call-arg, abstract]
    assert issubclass(learned(runner, f"{pool}?clients=tasks"), TaskPool)
