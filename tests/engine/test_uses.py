"""Each use of each pool does what an application that uses the pool so does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from poolviz.engine.engine import Engine
from poolviz.load.settings import SETTINGS, settings_for
from poolviz.model.sample import Sample
from poolviz.model.scenario import Scenario
from poolviz.model.use import use_of
from poolviz.pools.registry import listings, load_pool, missing_for
from tests.engine.runs import PSYCOPG2, QUEUE_POOL, Heard, running

POSTGRESQL = [
    (listing.id, use.name)
    for listing in listings()
    if not missing_for(listing) and "postgresql" in load_pool(listing.id).servers
    for use in load_pool(listing.id).uses
]
LIBRARIES = (
    *(QUEUE_POOL, "sqlalchemy.AsyncAdaptedQueuePool", "psycopg_pool.ConnectionPool", PSYCOPG2),
    *("psycopg_pool.AsyncConnectionPool", "asyncpg.Pool", "aiopg.Pool", "dbutils.PooledDB"),
)
ONE_OF_EACH = [(pool, use) for pool, use in POSTGRESQL if pool in LIBRARIES]
USES = pytest.mark.parametrize("use", ["connection", "session", "raw_connection", "pool"])


class Table:
    """A table that clients write to, and what is committed in it."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self.name = f"used_{time.monotonic_ns()}"
        self.query(f"CREATE TABLE {self.name} (client int)")

    def rows(self) -> int:
        return int(self.query(f"SELECT count(*) FROM {self.name}")[0][0])

    def query(self, statement: str) -> Any:
        with closing(psycopg2.connect(self._conninfo)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else ()


@pytest.fixture
def table(conninfo: str) -> Iterator[Table]:
    made = Table(conninfo)
    yield made
    made.query(f"DROP TABLE {made.name}")


def scenario(pool: str, **said: Any) -> Scenario:
    kind = load_pool(pool)
    rest = {key: said.pop(key) for key in ("duration",) if key in said}
    limits = {key: value for key, value in said.items() if key in kind.limits}
    load = {key: value for key, value in said.items() if key not in limits}
    quick = {"statement_time": 0.001, "hold_time": 0.0, "think_time": 0.002}
    return Scenario(
        pool=pool,
        limits=kind.limits.complete(limits),
        load=settings_for(kind).complete(quick | load),
        **rest,
    )


def done(conninfo: str, what: Scenario) -> Heard:
    with running(Engine, conninfo, what) as (run, heard):
        assert run.wait(60)
    return heard


def after(operations: int, conninfo: str, what: Scenario) -> Heard:
    """What a run reported that was stopped after so many operations."""
    with running(Engine, conninfo, what) as (run, heard):
        heard.until(lambda so_far: so_far.operations() >= operations, f"{operations} operations")
        run.stop()
        assert run.wait(60)
    return heard


def errors(heard: Heard) -> dict[str, int]:
    found: dict[str, int] = {}
    for sample in heard.samples:
        for name, count in sample.errors.items():
            found[name] = found.get(name, 0) + count
    return found


def insert(table: Table) -> dict[str, Any]:
    return {"statement": "sql", "sql": f"INSERT INTO {table.name} VALUES (:client)"}


@pytest.mark.parametrize(("pool", "use"), POSTGRESQL)
def test_a_use_commits_what_its_library_says(
    pool: str, use: str, conninfo: str, table: Table
) -> None:
    heard = after(5, conninfo, scenario(pool, use=use, clients=1, **insert(table)))
    assert not errors(heard)
    kind = load_pool(pool)
    commits = not kind.transactional or use_of({"use": use}, kind.uses).ends == "commit"
    # The last operation may be cut off after its commit.
    assert table.rows() - (heard.operations() if commits else 0) in (0, 1)


@pytest.mark.parametrize(("pool", "use"), ONE_OF_EACH)
def test_a_commit_by_the_client_is_one_in_each_use(
    pool: str, use: str, conninfo: str, table: Table
) -> None:
    what = scenario(
        pool,
        use=use,
        clients=1,
        hold_time=0.01,
        transaction="commit",
        **insert(table),
    )
    with running(Engine, conninfo, what) as (run, heard):
        heard.until(lambda so_far: so_far.operations() > 3, "four operations")
        run.change("transaction_ends", "after_hold")
        heard.until(lambda so_far: so_far.marks, "transaction_ends has changed")
        before = heard.operations()
        heard.until(lambda so_far: so_far.operations() > before + 5, "five more operations")
        run.stop()
        assert run.wait(60)
    assert not errors(heard)
    assert 0 <= table.rows() - heard.operations() <= 1


@pytest.mark.parametrize(("pool", "use"), ONE_OF_EACH)
def test_a_use_goes_on_after_an_error_of_a_statement(pool: str, use: str, conninfo: str) -> None:
    what = scenario(
        pool,
        use=use,
        clients=1,
        statement="sql",
        sql="SELECT 1 / (:n % 2)",  # every second operation fails, and no % is a placeholder
        error_pause=0.0,
    )
    heard = after(6, conninfo, what)
    (count,) = errors(heard).values()
    assert abs(heard.operations() - count) <= 2
    assert max(sample.used.high for sample in heard.samples) == 1
    assert sum(sample.opened for sample in heard.samples) <= 10


def all_left(samples: list[Sample]) -> bool:
    """Whether no client has used or awaited a connection for a while."""
    last = samples[-3:]
    return len(last) == 3 and not any(each.used.high or each.pending.high for each in last)


RESIZED = (  # each use of pools whose limits have these names, in pairs
    *((QUEUE_POOL, use, "pool_size") for use in ("connection", "session", "raw_connection")),
    *(
        ("sqlalchemy.AsyncAdaptedQueuePool", use, "pool_size")
        for use in ("connection", "session", "raw_connection")
    ),
    ("psycopg_pool.ConnectionPool", "connection", "max_size"),
    ("psycopg_pool.AsyncConnectionPool", "connection", "max_size"),
    ("asyncpg.Pool", "acquire", "max_size"),
)


@pytest.mark.parametrize(("pool", "use", "limit"), RESIZED)
def test_limits_are_changed_live_in_each_use(
    pool: str, use: str, limit: str, conninfo: str
) -> None:
    rest = {"max_overflow": 0} if limit == "pool_size" else {"min_size": 1}
    what = scenario(pool, use=use, clients=8, hold_time=0.005, think_time=0.0, **{limit: 5}, **rest)

    def all_open_are_used(number: int) -> Callable[[Heard], bool]:
        return lambda so_far: any(
            sample.limits[limit] == number
            and sample.open.low == sample.open.high == sample.used.high == number
            for sample in so_far.samples
        )

    with running(Engine, conninfo, what) as (run, heard):
        for number in (5, 2, 6):
            run.change(limit, number)
            heard.until(all_open_are_used(number), f"{number} are open")
        run.stop()
        assert run.wait(60)
    assert not errors(heard)


@USES
def test_after_a_disconnect_an_engine_replaces_all_connections(use: str, conninfo: str) -> None:
    """As in a script that acquires five connections, gives them back, and has them all killed."""
    what = scenario(
        QUEUE_POOL,
        use=use,
        pool_size=5,
        max_overflow=0,
        clients=5,
        hold_time=0.05,
        think_time=0.01,
    )
    with running(Engine, conninfo, what) as (run, heard):
        heard.until(lambda so_far: so_far.samples and so_far.samples[-1].open.last == 5, "all open")
        run.change("clients", 0)
        heard.until(lambda so_far: so_far.marks, "the clients are told to leave")
        before = len(heard.samples)
        heard.until(lambda so_far: all_left(so_far.samples[before:]), "they have left")
        run.change("kill_all_backends", True)
        heard.until(lambda so_far: len(so_far.marks) == 2, "they are killed")
        before = heard.operations()
        run.change("hold_time", 0.0)
        run.change("clients", 1)  # alone, it meets the dead connections one by one
        heard.until(lambda so_far: so_far.operations() >= before + 12, "twelve operations")
        run.stop()
        assert run.wait(60)
    assert sum(errors(heard).values()) == (1 if use in ("connection", "session") else 5)
    assert sum(sample.opened for sample in heard.samples) == 10


@pytest.mark.parametrize("when", ["before_hold", "after_hold"])
def test_a_timeout_of_idle_transactions_is_met_at_the_end_after_the_hold(
    when: str, conninfo: str
) -> None:
    what = scenario(
        QUEUE_POOL,
        clients=1,
        hold_time=0.3,
        hold_distribution="constant",
        transaction="commit",
        transaction_ends=when,
        duration=1.5,
    )
    heard = done(f"{conninfo} options='-c idle_in_transaction_session_timeout=100'", what)
    assert bool(errors(heard)) is (when == "after_hold")
    # The end of the run may end one hold in time.
    assert (heard.operations() > 1) is (when == "before_hold")


def test_a_pool_that_is_used_in_one_way_has_no_other() -> None:
    asyncpg = settings_for(load_pool("asyncpg.Pool"))["use"]
    assert asyncpg.default == "acquire"
    assert "async with pool.acquire()" in asyncpg.help
    engine = settings_for(load_pool(QUEUE_POOL))["use"]
    assert engine.default == "connection"
    assert set(SETTINGS) == set(settings_for(load_pool(QUEUE_POOL)))
