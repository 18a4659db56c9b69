"""An exception that nothing expects, in each thread of the engine: logged, reported, and the run
ends or goes on as `engine.py` says.

The pools are written by a user, as a file, and fail where the test needs it.
"""

from __future__ import annotations

import logging
import textwrap
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poolviz.engine import run, sampler
from poolviz.engine.engine import Engine
from poolviz.engine.fault_injector import FaultInjector, RunFaultContext
from poolviz.engine.server_monitor import ServerMonitor
from poolviz.load.client_faults import ClientFaults
from poolviz.model.messages import ProblemReported, Report, RunEnded, SampleTaken, StartRun
from poolviz.pools.connections.connect_faults import ConnectFaults
from poolviz.pools.custom import loader
from poolviz.runs.engine_process import EngineProcess
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.result_text import text
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
WRONG_COUNTS = """
from poolviz.model.sample import ReportedCounts
from poolviz.pools.registry import pool_class

class Mine(pool_class("psycopg2.ThreadedConnectionPool")):
    title = "Mine"

    def reported_counts(self):
        return {what}
"""
CANCELS_ALL = """
import asyncio
from poolviz.pools.registry import pool_class

class Mine(pool_class("asyncpg.Pool")):
    title = "Mine"
    asked = 0

    async def acquire(self):
        Mine.asked += 1
        if Mine.asked % 20 == 0:
            for task in asyncio.all_tasks():
                if task.get_name().startswith("client"):
                    task.cancel()
        return await super().acquire()
"""
RAISES_IN_ALL = """
import ctypes
import threading
from poolviz.pools.registry import pool_class

class Away(BaseException):
    pass

class Mine(pool_class("psycopg2.ThreadedConnectionPool")):
    title = "Mine"
    asked = 0

    def acquire(self):
        Mine.asked += 1
        if Mine.asked % 20 == 0:
            for thread in threading.enumerate():
                if thread.name == "client 1":
                    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
                    raise_in(ctypes.c_ulong(thread.ident), ctypes.py_object(Away))
        return super().acquire()
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


def errors(heard: Heard) -> Counter[str]:
    return sum((Counter(sample.errors) for sample in heard.samples), Counter())


def served(heard: Heard) -> Counter[int]:
    return sum((Counter(sample.per_client) for sample in heard.samples), Counter())


def problems(heard: Heard) -> list[str]:
    return [report.sentence for report in heard.of(ProblemReported)]


def test_counts_that_fail_are_missing_and_the_run_goes_on(
    conninfo: str, written: Callable[[str], str]
) -> None:
    with running(Engine, conninfo, scenario(written(NO_COUNTS), clients=2)) as (_, heard):
        heard.until(lambda h: len(problems(h)) == 2, "the problem is reported, and over")
        heard.until(lambda h: len(h.samples) > 6, "samples are taken")
    sentence, over = problems(heard)
    assert sentence == (
        "The pool's own counts can't be read: RuntimeError: lost count (own_pool.py, line 13, in "
        'reported_counts: raise RuntimeError("lost count")). The run goes on without them.'
    )
    assert over == ""
    assert heard.ended is not None
    assert heard.ended.failure == ""
    counts = [sample.reported_counts.open for sample in heard.samples]
    assert counts[2] is None
    assert counts[1] is not None
    assert counts[3] is not None


@pytest.mark.parametrize("what", ["None", "ReportedCounts(open='four')", "ReportedCounts(10**30)"])
def test_counts_that_are_no_numbers_are_missing(
    conninfo: str, written: Callable[[str], str], what: str
) -> None:
    pool = written(WRONG_COUNTS.format(what=what))
    with running(EngineProcess, conninfo, scenario(pool, clients=2)) as (_, heard):
        heard.until(lambda h: len(h.samples) > 3, "samples are taken")
    assert problems(heard)[0].startswith("The pool's own counts can't be read: ")
    assert heard.ended is not None
    assert heard.ended.failure == ""


def test_a_sampler_that_fails_ends_the_run(
    conninfo: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(monitor: ServerMonitor) -> None:
        raise RuntimeError("lost\nview")

    monkeypatch.setattr(ServerMonitor, "take", fail)
    with running(Engine, conninfo, scenario(clients=2)) as (engine, heard):
        assert engine.wait(PATIENCE)
    assert heard.ended is not None
    assert heard.ended.failure == (
        "The run was ended because no sample could be taken: RuntimeError: lost view."
    )
    assert (heard.ended.exit_status, len(heard.samples)) == (1, 0)
    logged = [record for record in caplog.records if record.exc_info]
    assert [record.name for record in logged] == ["poolviz.engine.sampler"]


def test_events_do_not_pile_up_while_nobody_takes_reports(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_MOST_WAITING", 3)
    monkeypatch.setattr(sampler, "_MOST_MISSED", 4)
    heard, taken = Heard(), threading.Event()

    def take(report: Report) -> None:
        assert not isinstance(report, SampleTaken) or taken.wait(PATIENCE)
        heard(report)

    engine = Engine(StartRun(scenario(clients=2), conninfo, "poolviz test"), take)
    try:
        wait_until(lambda: engine._reports.qsize() >= 6, "samples are taken all the same")
        taken.set()
        heard.until(lambda h: len(h.samples) > 10, "samples")
    finally:
        taken.set()
        engine.stop()
        assert engine.wait(PATIENCE)
    assert sum(sample.missed for sample in heard.samples) >= 3 * 4
    assert [sample.index for sample in heard.samples] == list(range(len(heard.samples)))


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
    assert "couldn't be recorded: OSError: the record is gone" in heard.ended.failure
    assert heard.ended.open_at_end == 0
    assert [record.name for record in caplog.records if record.exc_info] == [
        "poolviz.engine.engine"
    ]


LEAVING = ("SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()", "MemoryError()")
CANCELLED = "__import__('asyncio').CancelledError()"


@pytest.mark.parametrize("error", [*LEAVING, "StopIteration(3)", CANCELLED])
@pytest.mark.parametrize("source", [ONE_EXITS, ONE_TASK_EXITS], ids=["thread", "task"])
def test_whatever_a_pool_raises_is_counted_by_its_name_and_the_client_goes_on(
    conninfo: str, written: Callable[[str], str], source: str, error: str
) -> None:
    if source is ONE_TASK_EXITS:
        pytest.importorskip("asyncpg")
    name = error.removeprefix("__import__('asyncio').").split("(")[0]
    what = scenario(written(source.replace("SystemExit(3)", error)), clients=3)
    with running(Engine, conninfo, what) as (_, heard):
        heard.until(lambda h: errors(h)[name] > 5, "the client comes again")
        before = heard.operations()
        heard.until(lambda h: h.operations() > before + 50, "the others go on")
    assert set(errors(heard)) == {name}
    assert problems(heard) == []
    assert heard.ended is not None
    assert (heard.ended.failure, heard.ended.open_at_end) == ("", 0)
    assert heard.samples[-1].pending.last == 0


def test_a_task_that_is_cancelled_from_outside_begins_again(
    conninfo: str, written: Callable[[str], str]
) -> None:
    pytest.importorskip("asyncpg")
    with running(Engine, conninfo, scenario(written(CANCELS_ALL), clients=3)) as (_, heard):
        heard.until(lambda h: errors(h)["CancelledError"] > 3, "tasks are cancelled")
        before = heard.operations()
        heard.until(lambda h: h.operations() > before + 50, "they begin again")
    assert set(errors(heard)) == {"CancelledError"}
    assert heard.ended is not None
    assert (heard.ended.failure, heard.ended.open_at_end) == ("", 0)


def test_an_exception_that_is_raised_into_a_clients_thread_is_told_and_the_client_begins_again(
    conninfo: str, written: Callable[[str], str]
) -> None:
    what = scenario(written(RAISES_IN_ALL), clients=3, think_time=0.05)
    # In a child: psycopg2 loses a connection where the exception comes within its putconn.
    with running(EngineProcess, conninfo, what) as (_, heard):
        heard.until(lambda h: errors(h)["Away"] > 5, "clients are ended")
        before = heard.operations()
        heard.until(lambda h: h.operations() > before + 50, "they begin again")
        heard.until(
            lambda h: any("was started again" in told for told in problems(h)), "one is told"
        )
        heard.until(lambda h: any(sample.clients_restarted for sample in h.samples), "counted")
    assert heard.ended is not None
    assert heard.ended.failure == ""
    with Recorder() as recorder:
        for report in heard.reports:
            recorder.add(report)
        summary = recorder.summary()
    assert summary.clients_restarted == sum(sample.clients_restarted for sample in heard.samples)
    assert "started again" in text(summary)


def test_clients_that_the_system_has_no_thread_for_are_started_later(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, allowed = threading.Thread.start, [True]

    def few(thread: threading.Thread) -> None:
        if thread.name in {"client 2", "client 3"} and not allowed[0]:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    allowed[0] = False
    with running(Engine, conninfo, scenario(clients=4)) as (_, heard):
        heard.until(lambda h: h.operations() > 50, "the first two work")
        assert set(served(heard)) == {0, 1}
        allowed[0] = True
        heard.until(lambda h: set(served(h)) == {0, 1, 2, 3}, "the others work too")
    assert problems(heard) == [
        "2 of 4 clients can't be started (RuntimeError: can't start new thread), and the run goes "
        "on without them: the system allows no more threads. They are started once it does.",
        "",
    ]


def test_a_pool_that_exits_when_it_is_opened_ends_the_run(
    conninfo: str, written: Callable[[str], str]
) -> None:
    with running(Engine, conninfo, scenario(written(EXITS_AT_ONCE))) as (engine, heard):
        assert engine.wait(PATIENCE)
    assert heard.ended is not None
    assert heard.ended.failure == (
        "The pool raised SystemExit: 3 (own_pool.py, line 10, in __init__: raise SystemExit(3))."
    )
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
        request_restart=restart,
    )
    over: list[str] = []
    injector = FaultInjector(
        context, lambda key, sentence: reported.append((key, sentence)), over.append
    )
    with caplog.at_level(logging.ERROR):
        assert injector.inject("restart_server", True) == ""
        wait_until(lambda: reported, "the problem is reported")
        injector.close(PATIENCE)
    sentence = "restart_server failed, which is a fault of poolviz: RuntimeError: no owner."
    assert reported == [("restart_server", sentence)]
    assert over == ["restart_server"]
    assert [record.name for record in caplog.records] == ["poolviz.engine.fault_injector"]
