"""A user's pool of which a call never returns: the run ends in time, in a sentence that says which
call it is and at which line. Each run has a process of its own, with which the blocked thread ends.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from time import perf_counter

import pytest

from poolviz.model.messages import ProblemReported
from poolviz.runs.engine_process import EngineProcess
from tests.engine.runs import PATIENCE, Heard, changes, running, scenario

THREADS = """
import time
from poolviz.pools.registry import pool_class

class Mine(pool_class("psycopg2.ThreadedConnectionPool")):
    title = "Mine"

    def {name}(self, *arguments):
        time.sleep(1000)
"""
TASKS = """
import asyncio
import time
from poolviz.pools.registry import pool_class

class Mine(pool_class("asyncpg.Pool")):
    title = "Mine"

    async def {name}(self, *arguments):
        {how}
"""
SWALLOWS = """\
while True:
            try:
                await asyncio.sleep(1000)
            except BaseException:
                pass"""
LINE = "own_blocked.py, line"


def written(folder: Path, source: str, **words: str) -> str:
    path = folder / "own_blocked.py"
    path.write_text(textwrap.dedent(source).format(**words))
    return f"{path}:Mine"


def sentences(heard: Heard) -> list[str]:
    return [report.sentence for report in heard.of(ProblemReported) if report.sentence]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("__init__", "Opening the pool"),
        ("close", "Closing the pool"),
        ("interrupt", "Closing the pool"),
    ],
)
def test_a_pool_that_does_not_open_or_close_is_given_up(
    conninfo: str, tmp_path: Path, name: str, what: str
) -> None:
    pool = written(tmp_path, THREADS, name=name)
    began = perf_counter()
    with running(EngineProcess, conninfo, scenario(pool, duration=0.5)) as (run, heard):
        assert run.wait(PATIENCE)
    assert perf_counter() - began < 15
    assert heard.ended is not None
    assert heard.ended.exit_status == 1
    # A busy machine may not hear in time of a pool that doesn't open, and asks where it is.
    assert re.match(f"{what} hasn't returned within |.* has kept all threads", heard.ended.failure)
    assert f"t is at {LINE} 9, in {name}: time.sleep(1000)." in heard.ended.failure


@pytest.mark.parametrize("name", ["acquire", "release"])
def test_clients_that_do_not_end_are_told_with_their_place(
    conninfo: str, tmp_path: Path, name: str
) -> None:
    pool = written(tmp_path, THREADS, name=name)
    with running(EngineProcess, conninfo, scenario(pool, clients=2, duration=0.5)) as (run, heard):
        assert run.wait(PATIENCE)
    assert any(f"at {LINE} 9, in {name}: time.sleep(1000)" in s for s in sentences(heard))
    assert heard.ended is not None
    assert heard.ended.failure == ""
    assert heard.samples[-1].t >= 0.5


def test_a_resize_that_blocks_does_not_keep_a_run_from_ending(
    conninfo: str, tmp_path: Path
) -> None:
    pool = written(tmp_path, THREADS, name="resize")
    what = scenario(pool, clients=2, changes=changes((0.2, "maxconn", 3)))
    with running(EngineProcess, conninfo, what) as (run, heard):
        heard.until(lambda h: h.samples and h.samples[-1].t > 0.5, "the resize has begun")
        before = heard.operations()
        heard.until(lambda h: h.operations() > before + 20, "clients go on meanwhile")
        run.stop()
        assert run.wait(PATIENCE)
    assert heard.ended is not None
    assert heard.ended.exit_status == 1
    assert heard.ended.failure.startswith("Changing the pool's limits hasn't returned within ")
    assert f"{LINE} 9, in resize" in heard.ended.failure
    assert heard.samples[-1].used.last == 0


def test_counts_that_do_not_come_keep_no_sample_back(conninfo: str, tmp_path: Path) -> None:
    pool = written(tmp_path, THREADS, name="reported_counts")
    with running(EngineProcess, conninfo, scenario(pool, clients=2, duration=2.5)) as (run, heard):
        assert run.wait(PATIENCE)
    [sentence] = sentences(heard)
    assert sentence == (
        f"The pool's own counts haven't come for 1 s. It is at {LINE} 9, in reported_counts: "
        "time.sleep(1000). The run goes on without them."
    )
    assert heard.ended is not None
    assert heard.ended.failure == ""
    assert len(heard.samples) > 20
    assert heard.operations() > 20


NAMES = ("open", "acquire", "release", "resize", "close")
WAYS = [
    *(pytest.param(name, "time.sleep(1000)", id=f"{name}-blocks") for name in NAMES),
    *(pytest.param(name, SWALLOWS, id=f"{name}-swallows") for name in NAMES),
]


@pytest.mark.parametrize(("name", "how"), WAYS)
def test_a_loop_that_is_blocked_or_a_task_that_does_not_end_is_told_with_its_place(
    conninfo: str, tmp_path: Path, name: str, how: str
) -> None:
    pytest.importorskip("asyncpg")
    pool = written(tmp_path, TASKS, name=name, how=how)
    resizes = name == "resize"
    due = changes((0.2, "max_size", 3)) if resizes else ()
    began = perf_counter()
    what = scenario(pool, clients=2, duration=1.0 if resizes else 0.5, changes=due)
    with running(EngineProcess, conninfo, what) as (run, heard):
        assert run.wait(PATIENCE)
    assert perf_counter() - began < 15
    assert heard.ended is not None
    found = [*sentences(heard), heard.ended.failure]
    assert any(f"at {LINE} " in s and f", in {name}: " in s for s in found), found


def test_a_resize_that_waits_is_told_with_its_place_while_clients_keep_the_loop_busy(
    conninfo: str, tmp_path: Path
) -> None:
    pytest.importorskip("asyncpg")
    source = f"""{TASKS}
    async def acquire(self):
        time.sleep(0.03)
        return await super().acquire()
"""
    pool = written(tmp_path, source, name="resize", how="await asyncio.sleep(1000)")
    what = scenario(pool, clients=2, duration=1.0, changes=changes((0.2, "max_size", 3)))
    with running(EngineProcess, conninfo, what) as (run, heard):
        assert run.wait(PATIENCE)
    assert heard.ended is not None
    assert f"at {LINE} 10, in resize: await asyncio.sleep(1000)" in heard.ended.failure
