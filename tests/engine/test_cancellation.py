"""Cancelled clients, on real pools: what is counted, and that every count stays consistent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from poolviz.engine.engine import Engine
from poolviz.load.settings import settings_for
from poolviz.model.errors import InputError
from poolviz.model.sample import Sample
from poolviz.pools.registry import load_pool
from poolviz.runs.engine_process import EngineProcess
from tests.engine.runs import PSYCOPG2, QUEUE_POOL, Heard, running, scenario

TASKS: dict[str, dict[str, Any]] = {
    "asyncpg.Pool": {"min_size": 1, "max_size": 3},
    "psycopg_pool.AsyncConnectionPool": {"min_size": 1, "max_size": 3},
    "aiopg.Pool": {"minsize": 1, "maxsize": 3},
    "sqlalchemy.AsyncAdaptedQueuePool": {"pool_size": 2, "max_overflow": 1},
}
BUSY = {"clients": 6, "hold_time": 0.002, "statement_time": 0.004, "think_time": 0.001}
PLACES = {
    "acquire": "cancelled by the client inside acquire",
    "statement": "cancelled by the client inside a statement",
    "release": "cancelled by the client inside release",
}


def cancelled(samples: list[Sample]) -> int:
    return sum(sample.errors.get("CancelledByClient", 0) for sample in samples)


def said(heard: Heard) -> set[str]:
    return {kind.message for sample in heard.samples for kind in sample.error_kinds}


def consistent(samples: list[Sample]) -> None:
    for sample in samples:
        assert sample.idle.last + sample.used.last == sample.open.last
        for level in (sample.idle, sample.used, sample.open, sample.pending, sample.overflow):
            assert 0 <= level.low <= level.last <= level.high
        assert sample.open.high <= 3


def clean_end(heard: Heard) -> None:
    assert heard.ended is not None
    assert (heard.ended.failure, heard.ended.open_at_end) == ("", 0)
    last = heard.samples[-1]
    assert (last.pending.last, last.used.last) == (0, 0)


@pytest.mark.parametrize("pool", TASKS)
def test_a_share_of_operations_is_cancelled_anywhere(pool: str, conninfo: str) -> None:
    what = scenario(pool, cancel_share=0.5, cancel_in="anywhere", **BUSY, **TASKS[pool])
    with running(Engine, conninfo, what) as (_, heard):
        heard.until(lambda h: cancelled(h.samples) > 100 and h.operations() > 100, "some of both")
    consistent(heard.samples)
    assert {kind for sample in heard.samples for kind in sample.errors} == {"CancelledByClient"}
    assert len(said(heard)) > 1
    clean_end(heard)


@pytest.mark.parametrize("where", PLACES)
def test_operations_are_cancelled_where_the_setting_says(where: str, conninfo: str) -> None:
    what = scenario(
        "asyncpg.Pool", cancel_share=0.5, cancel_in=where, **BUSY, **TASKS["asyncpg.Pool"]
    )
    with running(Engine, conninfo, what) as (_, heard):
        heard.until(lambda h: cancelled(h.samples) > 20 and h.operations() > 20, "some of both")
    consistent(heard.samples)
    assert said(heard) == {PLACES[where]}
    # The wait of a caller that was cancelled is known to be longer than it was.
    unfinished = sum(sample.waits_unfinished for sample in heard.samples)
    assert unfinished >= 20 if where == "acquire" else unfinished <= 6
    clean_end(heard)


def test_what_a_library_keeps_from_its_caller_is_counted(conninfo: str) -> None:
    what = scenario(
        "psycopg_pool.AsyncConnectionPool",
        use="getconn",
        cancel_share=0.5,
        cancel_in="release",
        min_size=1,
        max_size=3,
        **BUSY,
    )
    with running(Engine, conninfo, what) as (_, heard):
        heard.until(lambda h: cancelled(h.samples) > 20 and h.operations() > 20, "some of both")
    assert said(heard) == {f"{PLACES['release']}, and not told so by the library"}
    # The rollback that was cut short costs the connection.
    assert sum(sample.closed for sample in heard.samples) > 20
    consistent(heard.samples)
    clean_end(heard)


def test_a_mysql_pool_is_cancelled_too(mysql_url: str) -> None:
    what = scenario(
        "aiomysql.Pool", cancel_share=0.5, cancel_in="anywhere", minsize=1, maxsize=3, **BUSY
    )
    with running(Engine, mysql_url, what) as (_, heard):
        heard.until(lambda h: cancelled(h.samples) > 50 and h.operations() > 50, "some of both")
    consistent(heard.samples)
    clean_end(heard)


def test_a_request_of_an_open_load_may_be_cancelled_before_it_gets_a_connection(
    conninfo: str,
) -> None:
    what = scenario(
        "asyncpg.Pool",
        cancel_share=0.5,
        cancel_in="acquire",
        arrivals="open",
        rate=300.0,
        **BUSY | TASKS["asyncpg.Pool"],
    )
    with running(Engine, conninfo, what) as (_, heard):
        heard.until(lambda h: cancelled(h.samples) > 20 and h.operations() > 20, "some of both")
    consistent(heard.samples)
    clean_end(heard)


def test_cancelling_begins_and_ends_while_the_run_goes_on(conninfo: str) -> None:
    what = scenario("asyncpg.Pool", **BUSY, **TASKS["asyncpg.Pool"])
    with running(Engine, conninfo, what) as (engine, heard):
        heard.until(lambda h: h.operations() > 20, "some work")
        assert cancelled(heard.samples) == 0
        engine.change("cancel_share", 1.0)
        heard.until(lambda h: cancelled(h.samples) > 20, "cancelled ones")
        engine.change("cancel_share", 0.0)
        heard.until(lambda h: h.samples[-1].segment == 2, "it has ended")
        before = heard.operations()
        heard.until(lambda h: h.operations() > before + 50, "the pool works on")
    # Of the operations that were under way at the change.
    assert cancelled([s for s in heard.samples if s.segment == 2]) <= BUSY["clients"]
    clean_end(heard)


@pytest.mark.parametrize("where", ["acquire", "anywhere"])
def test_threads_are_not_cancelled_inside_acquire(where: str) -> None:
    setting = settings_for(load_pool(QUEUE_POOL))["cancel_in"]
    with pytest.raises(InputError, match="it takes statement"):
        setting.check(where)


@pytest.mark.parametrize("transaction", ["default", "autocommit"])
@pytest.mark.parametrize("pool", [QUEUE_POOL, PSYCOPG2, "psycopg_pool.ConnectionPool"])
def test_a_threads_statement_is_ended_by_the_server_and_no_other_is(
    pool: str, transaction: str, conninfo: str
) -> None:
    sizes = {
        QUEUE_POOL: {"pool_size": 3, "max_overflow": 0},
        PSYCOPG2: {"minconn": 1, "maxconn": 3},
        "psycopg_pool.ConnectionPool": {"min_size": 1, "max_size": 3},
    }
    load = BUSY | {"clients": 3, "statement_time": 0.02, "transaction": transaction}
    what = scenario(pool, cancel_share=0.5, **load, **sizes[pool])
    with running(Engine, conninfo, what) as (engine, heard):
        heard.until(
            lambda h: sum(sum(s.errors.values()) for s in h.samples) > 10 and h.operations() > 10,
            "some of both",
        )
        engine.change("cancel_share", 0.0)
        heard.until(
            lambda h: sum(s.operations for s in h.samples if s.segment == 1) > 30, "it has ended"
        )
        engine.change("statement_time", 0.1)
        heard.until(lambda h: h.samples[-1].segment == 2, "statements take longer")
        before = heard.operations()
        heard.until(lambda h: h.operations() > before + 10, "no timeout is left on a connection")
    kinds = {(k.name, k.sqlstate) for sample in heard.samples for k in sample.error_kinds}
    assert kinds <= {("QueryCanceled", "57014"), ("QueryCanceledError", "57014")}
    assert kinds
    assert sum(sum(s.errors.values()) for s in heard.samples if s.segment == 2) == 0
    consistent(heard.samples)
    clean_end(heard)


def test_a_mysql_statement_is_ended_by_the_server(mysql_url: str) -> None:
    load = BUSY | {"clients": 3, "statement_time": 0.05}
    what = scenario(QUEUE_POOL, cancel_share=0.5, pool_size=3, max_overflow=0, **load)
    with running(Engine, mysql_url, what) as (_, heard):
        heard.until(
            lambda h: sum(sum(s.errors.values()) for s in h.samples) > 5 and h.operations() > 5,
            "some of both",
        )
    assert all("max_statement_time" in message for message in said(heard)), said(heard)
    clean_end(heard)


def test_sqlite_says_that_it_has_no_statement_timeout(tmp_path: Any) -> None:
    with running(Engine, f"sqlite:///{tmp_path}/file.db", scenario(QUEUE_POOL)) as (engine, heard):
        engine.change("cancel_share", 0.5)
        refused = heard.until(lambda h: h.refused, "it is refused")
    assert refused[0].reason == "SQLite has no statement timeout: leave cancel_share at 0."


LEAKY = """
import asyncio
import asyncpg

class Leaky:
    '''Lends connections that it checks and resets, and forgets one if that is cancelled.'''

    def __init__(self, dsn, size=3):
        self.dsn, self.size, self.idle = dsn, size, asyncio.Queue()

    async def start(self):
        for _ in range(self.size):
            self.idle.put_nowait(await asyncpg.connect(self.dsn))

    async def get_connection(self):
        connection = await self.idle.get()
        await connection.execute("SELECT 1")
        return connection

    async def release_connection(self, connection):
        await connection.execute("RESET ALL")
        self.idle.put_nowait(connection)

    async def stop(self):
        while not self.idle.empty():
            await self.idle.get_nowait().close()
"""


@pytest.mark.parametrize("where", ["acquire", "release"])
def test_the_leak_of_a_pool_that_has_one_is_seen(where: str, conninfo: str, tmp_path: Path) -> None:
    file = tmp_path / "leaky.py"
    file.write_text(LEAKY)
    what = scenario(f"{file}:Leaky", cancel_share=0.5, cancel_in=where, **BUSY)
    with running(EngineProcess, conninfo, what) as (engine, heard):
        heard.until(lambda h: _exhausted(h.samples), "everybody waits, and no client holds any")
        # The leak stays when its cause has gone.
        engine.change("cancel_share", 0.0)
        heard.until(
            lambda h: _exhausted([s for s in h.samples if s.segment == 1]), "they wait for ever"
        )
    consistent(heard.samples)


def _exhausted(samples: list[Sample]) -> bool:
    """Whether all clients wait although no other holds a connection, for half a second."""
    last = samples[-10:]
    return len(last) == 10 and all(
        (s.used.high, s.pending.low, s.operations) == (0, BUSY["clients"], 0) for s in last[1:]
    )
