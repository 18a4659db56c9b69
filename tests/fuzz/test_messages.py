"""Any bytes on the pipe between a run and its engine, in both directions."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.model.errors import PoolvizError
from poolviz.model.messages import (
    AddNote,
    ChangeSetting,
    MarkAdded,
    ProblemReported,
    Report,
    RunEnded,
    RunStarted,
    StartRun,
    StopRun,
    pack,
    unpack_report,
)
from poolviz.model.sample import Mark, MarkKind
from poolviz.runs.engine_process import EngineProcess
from poolviz.runs.request import check_draft
from poolviz.runs.spawned_engine import SpawnedEngine, spawn_engine
from poolviz.scenarios.draft import Draft
from poolviz.system import logs
from tests.fuzz.hostile import WORDS
from tests.fuzz.promise import counted, fuzz
from tests.fuzz.test_scenarios import mutated
from tests.servers.fixtures import wait_until

BOUND = 30.0  # seconds
START = StartRun(check_draft(Draft(load={"clients": 1})), "sqlite://", "fuzz")
_COMMANDS = (pack(START), pack(ChangeSetting("clients", 3)), pack(AddNote("x")), pack(StopRun()))
_REPORTS = (
    pack(MarkAdded(Mark(t=0.1, kind=MarkKind.NOTE, text="x"))),
    pack(ProblemReported("x", "y")),
    pack(RunEnded(0)),
    pack(RunEnded(3, "z", 99)),
)


def garbage(right: tuple[bytes, ...]) -> st.SearchStrategy[list[bytes]]:
    return st.lists(
        st.one_of(mutated(st.sampled_from(right)), st.sampled_from(right), st.binary(max_size=30)),
        min_size=1,
        max_size=5,
    )


@fuzz(share=0.04)
@given(garbage(_REPORTS), st.binary(max_size=12))
def test_any_reports_end_in_one_that_says_so(messages: list[bytes], rest: bytes) -> None:
    heard: list[Report] = []
    ours, theirs = multiprocessing.Pipe()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        with counted("reports", messages):
            for message in messages:
                theirs.send_bytes(message)
            with suppress(OSError):
                theirs._send(rest)  # no whole message
            theirs.close()
            process.stdin.close()
            engine = EngineProcess(START, heard.append, SpawnedEngine(process, ours, None))
            assert engine.wait(BOUND)
            engine.close()
    last = heard[-1]
    assert isinstance(last, RunEnded)
    assert str(PoolvizError(last.failure)).isprintable()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """Where children write their log."""
    path = tmp_path / "log"
    logs.set_up_logging("error", path)
    yield path
    logs.set_up_logging()


@fuzz(share=0.006, few=3)
@given(garbage(_COMMANDS))
def test_any_commands_end_the_engine_or_are_refused(log: Path, messages: list[bytes]) -> None:
    child = spawn_engine()
    there = psutil.Process(child.process.pid)
    # Starting a process and its imports is no part of an input's time.
    wait_until(lambda: there.num_threads() > 1, "the engine's own code runs")
    reports = []
    with counted("commands", messages):
        with suppress(OSError):
            for message in messages:
                child.pipe.send_bytes(message)
            child.pipe.send_bytes(pack(StopRun()))
            child.pipe.send_bytes(b"\xc1")  # which is no message, in whatever state it is
        with suppress(EOFError, OSError):
            while child.pipe.poll(BOUND):
                reports.append(unpack_report(child.pipe.recv_bytes()))
                if isinstance(reports[-1], RunEnded):
                    break
        child.close()
    assert not child.alive
    assert reports and isinstance(reports[-1], RunEnded)


@fuzz(share=0.01, few=3)
@given(st.lists(st.tuples(WORDS, WORDS | st.integers() | st.floats() | st.booleans()), max_size=8))
def test_any_change_is_made_or_refused(changes: list[tuple[str, object]]) -> None:
    """A right message with any key and any value in it."""
    sent = []
    for key, value in changes:
        with suppress(UnicodeEncodeError, OverflowError):
            sent.append(pack(ChangeSetting(key, value)))  # type: ignore[arg-type]
    heard: list[Report] = []
    child = spawn_engine("sqlalchemy.QueuePool")
    engine = EngineProcess(START, heard.append, child)
    # As above, and neither is the start of its pool.
    wait_until(lambda: any(isinstance(report, RunStarted) for report in heard), "it starts")
    with counted("changes", changes):
        for message in sent:
            engine._outbox.put_nowait(message)
        engine.stop()
        assert engine.wait(BOUND)
        engine.close()
    assert isinstance(heard[-1], RunEnded)
    assert heard[-1].failure == ""


assert sys.platform != "win32"
