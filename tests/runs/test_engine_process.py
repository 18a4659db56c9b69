"""The parent's side of an engine: reports that can't be read, and children that do anything."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from poolviz.model.messages import ProblemReported, Report, RunEnded, StartRun, pack
from poolviz.runs import engine_process, spawned_engine
from poolviz.runs.engine_process import EngineProcess
from poolviz.runs.request import check_draft
from poolviz.runs.spawned_engine import SpawnedEngine, spawn_engine
from poolviz.scenarios.draft import Draft
from tests.servers.fixtures import PROJECT, wait_until

START = StartRun(check_draft(Draft()), "host=/nowhere", "poolviz-test")
NOTE = ProblemReported("test", "It is there.")
_CHILD = """
import os, struct, sys, time
from multiprocessing.connection import Connection
pipe = Connection(int(sys.argv[1]))
note = bytes.fromhex(sys.argv[2])
pipe.send_bytes(note)
"""


class Child:
    """An engine that runs some lines of Python instead, after it has sent a report."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lines: str, *, head: str = _CHILD) -> None:
        code = head + lines

        def command(handle: int, *_: object) -> list[str]:
            return [sys.executable, "-c", code, str(handle), pack(NOTE).hex()]

        monkeypatch.setattr(spawned_engine, "_command", command)
        self.reports: list[Report] = []
        self.ended = threading.Event()

    def start(self, listener: Callable[[Report], None] | None = None) -> EngineProcess:
        self.spawned: SpawnedEngine = spawn_engine()

        def hear(report: Report) -> None:
            self.reports.append(report)
            try:
                if listener is not None:
                    listener(report)
            finally:
                if isinstance(report, RunEnded):
                    self.ended.set()

        return EngineProcess(START, hear, self.spawned)

    def end(self, seconds: float = 20) -> RunEnded:
        """Return the RunEnded that must come; the child must be gone."""
        assert self.ended.wait(seconds)
        last = self.reports[-1]
        assert isinstance(last, RunEnded)
        assert self.spawned.process.poll() is not None
        assert [r for r in self.reports if isinstance(r, RunEnded)] == [last]
        return last


UNREADABLE = {
    "no msgpack": "pipe.send_bytes(b'\\xc1garbage'); time.sleep(60)",
    "another message": "pipe.send_bytes(bytes([0x81, 0xa1, 0x61, 0x01])); time.sleep(60)",
    "empty": "pipe.send_bytes(b''); time.sleep(60)",
    "cut": "pipe.send_bytes(note[:-3]); time.sleep(60)",
    "half sent": "os.write(pipe.fileno(), struct.pack('!i', 1000) + b'x'); time.sleep(60)",
    "too long": "os.write(pipe.fileno(), struct.pack('!i', 1 << 30) + b'x'); time.sleep(60)",
    "far too long": "os.write(pipe.fileno(), struct.pack('!iQ', -1, 1 << 60)); time.sleep(60)",
    "negative": "os.write(pipe.fileno(), struct.pack('!i', -5) + b'x' * 99); time.sleep(60)",
}


@pytest.mark.parametrize("lines", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_report_that_cannot_be_read_ends_the_run_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, lines: str
) -> None:
    child = Child(monkeypatch, lines)
    child.start()
    ended = child.end()
    assert child.reports == [NOTE, ended]
    assert ended.failure.startswith("The engine sent a report that can't be read (")
    assert ended.failure.endswith("what it recorded until then is kept; start again.")
    assert ended.exit_status == 1


def test_a_child_that_dies_in_the_middle_of_a_report_is_said_to_have_died(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child = Child(
        monkeypatch, "os.write(pipe.fileno(), struct.pack('!i', 1000) + b'x'); os._exit(7)"
    )
    child.start()
    assert "ended by itself with status 7" in child.end().failure


def test_a_child_that_leaves_its_pipe_to_another_process_is_seen_to_be_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = "child = os.fork()\nif child: print(child, flush=True); os._exit(7)\ntime.sleep(600)\n"
    child = Child(monkeypatch, lines)
    engine = child.start()
    left = wait_until(lambda: _holders(engine.pid), "the other process holds the pipe")
    try:
        assert "ended by itself with status 7" in child.end().failure
    finally:
        for process in left:
            process.kill()


def _holders(engine: int) -> list[psutil.Process]:
    mark = pack(NOTE).hex()
    return [
        process
        for process in psutil.process_iter(["pid", "cmdline"])
        if mark in (process.info["cmdline"] or []) and process.pid != engine
    ]


def test_a_child_that_reads_nothing_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    child = Child(monkeypatch, "time.sleep(600)")
    engine = child.start()
    before = time.monotonic()
    for number in range(5000):
        engine.add_note(f"{number} " + "x" * 1000)
    assert time.monotonic() - before < 5
    wait_until(
        lambda: any(
            isinstance(r, ProblemReported) and r.topic == "commands" for r in child.reports
        ),
        "it is told that changes are lost",
    )
    engine.stop()
    assert "didn't stop when it was asked to" in child.end(60).failure
    engine.close()


def test_a_child_that_reports_for_ever_ends_when_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child = Child(monkeypatch, "while True: pipe.send_bytes(note); time.sleep(0.05)")
    engine = child.start()
    wait_until(lambda: len(child.reports) > 3, "it reports")
    engine.stop()
    assert "didn't stop when it was asked to" in child.end(60).failure


def test_a_child_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_process, "_SILENT_AFTER", 0.5)
    monkeypatch.setattr(engine_process, "_GIVE_UP_AFTER", 1.0)
    child = Child(monkeypatch, "time.sleep(600)")
    child.start()
    failure = child.end().failure
    assert failure.startswith("The engine hasn't answered for")
    problems = [r.sentence for r in child.reports[1:] if isinstance(r, ProblemReported)]
    assert [sentence.split(":")[0] for sentence in problems] == [
        "The engine hasn't answered for 0.5 s"
    ]


def test_a_listener_that_raises_keeps_no_report_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(report: Report) -> None:
        raise LookupError("a listener's mistake")

    child = Child(monkeypatch, "pipe.send_bytes(note); os._exit(7)")
    child.start(fail)
    ended = child.end()
    assert child.reports == [NOTE, NOTE, ended]
    wait_until(
        lambda: caplog.text.count("LookupError: a listener's mistake") == 3, "each one is logged"
    )


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("block", ["time.sleep(600)", "threading.Event().wait()"])
def test_an_engine_whose_main_thread_is_kept_ends_with_its_parent(block: str, begun: bool) -> None:
    """A pool's module, for instance, that blocks while it is imported."""
    head = (
        "import sys, threading, time\n"
        "from poolviz.runs import engine_child\n"
        "engine_child.STOP_LIMIT = 0.5\n"
        "begun = threading.Event()\n"
        f"{'begun.set()' if begun else ''}\n"
        "engine_child._end_with_parent(begun)\n"
    )
    engine = subprocess.Popen(
        [sys.executable, "-c", head + block], stdin=subprocess.PIPE, cwd=PROJECT
    )
    assert engine.stdin is not None
    try:
        wait_until(lambda: psutil.Process(engine.pid).num_threads() > 1, "it watches its parent")
        engine.stdin.close()
        assert engine.wait(30) == 1
    finally:
        engine.kill()
        engine.wait()
