"""An exception that nothing expects, in each thread of the engine: logged, reported, and the run
ends or goes on as `engine.py` says.

The pools are written by a user, as a file, and fail where the test needs it.
"""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poolviz.engine.engine import Engine
from poolviz.engine.fault_injector import FaultInjector, RunFaultContext
from poolviz.load.client_faults import ClientFaults
from poolviz.model.messages import ProblemReported, Report, RunEnded, SampleTaken, StartRun
from poolviz.pools.connections.connect_faults import ConnectFaults
from poolviz.pools.custom import loader
from tests.engine.runs import PATIENCE, Heard, running, scenario
from tests.servers.fixtures import wait_until

NO_COUNTS = """
from poolviz.pools.registry import pool_class

Base = pool_class("psycopg2.ThreadedConnectionPool")

class Mine(Base):
    title = "Mine"
    asked = 0

    def reported_counts(self):
        type(self).asked += 1
        if self.asked == 3:
            raise RuntimeError("lost count")
        return super().reported_counts()
"""
ONE_EXITS = """
import threading
from poolviz.pools.registry import pool_class

Base = pool_class("psycopg2.ThreadedConnectionPool")

class Mine(Base):
    title = "Mine"

    def acquire(self):
        if threading.current_thread().name == "client 1":
            raise SystemExit(3)
        return super().acquire()
"""
ONE_TASK_EXITS = """
import asyncio
from poolviz.pools.registry import pool_class

Base = pool_class("asyncpg.Pool")

class Mine(Base):
    title = "Mine"

    async def acquire(self):
        if asyncio.current_task().get_name() == "client 1":
            raise SystemExit(3)
        return await super().acquire()
"""
EXITS_AT_ONCE = """
from poolviz.pools.registry import pool_class

Base = pool_class("psycopg2.ThreadedConnectionPool")

class Mine(Base):
    title = "Mine"

    def __init__(self, *arguments):
        raise SystemExit(3)
"""


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Writes a file with a pool class Mine, and returns the pool's id."""
    made: list[str] = []

    def write(source: str) -> str:
        path = tmp_path / "own_pool.py"
        path.write_text(textwrap.dedent(source))
        made.append(f"{path}:Mine")
        return made[-1]

    yield write
    for pool in made:
        loader._loaded.pop(pool, None)


def problems(heard: Heard) -> list[str]:
    return [report.sentence for report in heard.of(ProblemReported)]


def test_a_sampler_that_fails_ends_the_run(
    conninfo: str, written: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    with running(Engine, conninfo, scenario(written(NO_COUNTS), clients=2)) as (engine, heard):
        assert engine.wait(PATIENCE)
    assert heard.ended is not None
    assert heard.ended.failure == (
        "The run was ended because no sample could be taken: RuntimeError('lost count')."
    )
    assert (heard.ended.exit_status, len(heard.samples)) == (1, 2)
    logged = [record for record in caplog.records if record.exc_info]
    assert [record.name for record in logged] == ["poolviz.engine.sampler"]


def test_a_recorder_that_fails_ends_the_run(
    conninfo: str, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()

    def record(report: Report) -> None:
        heard(report)
        if isinstance(report, SampleTaken):
            raise OSError("the record is gone")

    engine = Engine(StartRun(scenario(clients=2), conninfo, "poolviz test"), record)
    try:
        assert engine.wait(PATIENCE)
    finally:
        engine.stop()
    assert isinstance(heard.reports[-1], RunEnded)
    assert heard.ended is not None
    assert "couldn't be recorded: OSError('the record is gone')" in heard.ended.failure
    assert heard.ended.open_at_end == 0
    assert [record.name for record in caplog.records if record.exc_info] == [
        "poolviz.engine.engine"
    ]


@pytest.mark.parametrize("source", [ONE_EXITS, ONE_TASK_EXITS], ids=["thread", "task"])
def test_a_client_that_fails_is_reported_and_the_others_go_on(
    conninfo: str, written: Callable[[str], str], source: str, caplog: pytest.LogCaptureFixture
) -> None:
    if source is ONE_TASK_EXITS:
        pytest.importorskip("asyncpg")
    with running(Engine, conninfo, scenario(written(source), clients=3)) as (_, heard):
        heard.until(problems, "the problem is reported")
        before = heard.operations()
        heard.until(lambda h: h.operations() > before + 100, "the others go on")
    assert problems(heard) == [
        "Client 1 ended unexpectedly, and the run goes on without it: SystemExit(3)."
    ]
    assert heard.ended is not None
    assert (heard.ended.failure, heard.ended.open_at_end) == ("", 0)
    logged = [record.getMessage() for record in caplog.records if record.exc_info]
    assert "client 1 ended" in logged


def test_a_pool_that_exits_when_it_is_opened_ends_the_run(
    conninfo: str, written: Callable[[str], str]
) -> None:
    with running(Engine, conninfo, scenario(written(EXITS_AT_ONCE))) as (engine, heard):
        assert engine.wait(PATIENCE)
    assert heard.ended is not None
    assert heard.ended.failure == "The pool raised SystemExit: 3"
    assert heard.ended.exit_status == 1


def test_a_fault_that_fails_unexpectedly_is_reported(
    conninfo: str, caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[tuple[str, str]] = []

    def restart() -> None:
        raise RuntimeError("no owner")

    context = RunFaultContext(
        conninfo,
        "poolviz test",
        connect_faults=ConnectFaults(),
        client_faults=ClientFaults(),
        set_stuck=lambda clients: None,
        restart_server=restart,
    )
    injector = FaultInjector(context, lambda key, sentence: reported.append((key, sentence)))
    with caplog.at_level(logging.ERROR):
        assert injector.inject("restart_server", True) == ""
        wait_until(lambda: reported, "the problem is reported")
        injector.close(PATIENCE)
    sentence = "restart_server failed, which is a fault of poolviz: RuntimeError('no owner')."
    assert reported == [("restart_server", sentence)]
    assert [record.name for record in caplog.records] == ["poolviz.engine.fault_injector"]
