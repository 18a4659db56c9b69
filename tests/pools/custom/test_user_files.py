"""Users' pool files that hang, raise, exit or crash: a run of each ends in time, in one sentence.

Each is run by the real command on a real server. The sentence names the file and, where that can
be known, the line; no traceback of poolviz is printed, and no process stays behind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.servers.fixtures import PROJECT, wait_until

HEAD = """
import ctypes, os, signal, sys, threading, time
from psycopg2.pool import ThreadedConnectionPool
"""
MINE = "\nclass Mine(ThreadedConnectionPool):\n    pass\n"
BUSY_IN_C = "ctypes.PyDLL(None).sleep(60)"  # which holds Python's lock
WAIT = 60.0  # seconds: more than any of these takes, and less than a test may


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str
    seconds: float


Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file with a class Mine, and returns the pool's id."""

    def write(source: str) -> str:
        path = tmp_path / "own_pool.py"
        path.write_text(HEAD.lstrip() + textwrap.dedent(source))
        return f"{path}:Mine"

    return write


def run(pool: str, conninfo: str, *options: str) -> Done:
    """Run a pool by the command; nothing that was started is left."""
    environment = {**os.environ, "POOLVIZ_TEST_MARK": f"{time.monotonic_ns()}"}
    began = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "poolviz", "run", "--pool", pool, "--dsn", conninfo),
            *("--duration", "0.5", "--load", "clients=2", *options),
        ],
        capture_output=True,
        timeout=WAIT,
        check=False,
        cwd=PROJECT,
        env=environment,
    )
    seconds = time.monotonic() - began
    wait_until(lambda: not _marked(environment["POOLVIZ_TEST_MARK"]), "no process is left")
    err = done.stderr.decode(errors="replace")
    assert "Traceback" not in err or "own_pool" in err, err
    assert "poolviz/" not in err.replace(str(PROJECT), ""), err
    return Done(done.returncode, done.stdout.decode(errors="replace"), err, seconds)


def _marked(mark: str) -> list[psutil.Process]:
    """The processes that were started with a mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("POOLVIZ_TEST_MARK") == mark:
                found.append(process)
        except psutil.Error:
            continue
    return [each for each in found if each.status() != psutil.STATUS_ZOMBIE]


def line_of(source: str, words: str) -> str:
    """Where words stand in a file that `write` wrote, as sentences name it."""
    lines = (HEAD.lstrip() + textwrap.dedent(source)).splitlines()
    return f"own_pool.py, line {next(i for i, text in enumerate(lines, 1) if words in text)}"


SLOW = "hasn't ended after"
AT_IMPORT = {
    "sleeps": ("def connect():\n    time.sleep(600)\nconnect()", "time.sleep(600)", SLOW),
    "waits for a lock": ("a = threading.Lock()\na.acquire()\na.acquire()", None, SLOW),
    "is busy": ("while True:\n    pass", None, SLOW),
    "holds the lock of Python": (BUSY_IN_C, BUSY_IN_C, SLOW),
    "pauses": ("signal.pause()", "signal.pause()", SLOW),
    "raises": ("raise ValueError('no luck')", "no luck", "ValueError: no luck"),
    "raises a BaseException": ("raise BaseException('odd')", "odd", "BaseException: odd"),
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", "raise", "KeyboardInterrupt"),
    "raises GeneratorExit": ("raise GeneratorExit", "raise", "GeneratorExit"),
    "raises what can't be shown": (
        "class Odd(Exception):\n    def __str__(self): raise ValueError('no')\nraise Odd",
        "raise Odd",
        "Odd: its message can't be read: ValueError",
    ),
    "calls sys.exit": ("sys.exit(3)", "sys.exit(3)", "SystemExit: 3"),
    "calls os._exit": ("os._exit(3)", "os._exit(3)", "os._exit(3)"),
    "exits with 0": ("os._exit(0)", "os._exit(0)", "os._exit(0)"),
    "aborts": ("os.abort()", "os.abort()", "a crash, aborted"),
    "crashes": ("ctypes.string_at(0)", "ctypes.string_at(0)", "a crash, segmentation fault"),
    "kills itself": ("os.kill(os.getpid(), 9)", "os.kill", "os.kill("),
    "closes all files": ("os.closerange(3, 200)", None, "closed the pipe"),
    "replaces threads": ("threading.Thread = None", None, "no thread can be started"),
    "replaces what Python needs": (
        "import builtins\nbuiltins.len = None",
        None,
        "changed Python so that poolviz can't run",
    ),
    "asks": ("input('password: ')", "input(", "EOFError"),
}
# One of each way to end or not to end; the others are variations of it.
USUAL_AT_IMPORT = (
    *("waits for a lock", "holds the lock of Python", "raises GeneratorExit", "calls os._exit"),
    *("raises what can't be shown", "exits with 0", "crashes", "closes all files"),
    *("replaces threads", "replaces what Python needs"),
)


def params(names: Iterable[str], usual: Container[str]) -> list[Any]:
    """Return a parameter for each name; those that aren't usual are for on demand."""
    return [
        pytest.param(name, marks=() if name in usual else pytest.mark.on_demand) for name in names
    ]


@pytest.mark.parametrize("name", params(AT_IMPORT, USUAL_AT_IMPORT))
def test_a_file_that_cant_be_imported_is_one_sentence(
    conninfo: str, write: Write, name: str
) -> None:
    source, line, said = AT_IMPORT[name]
    done = run(write(source + MINE), conninfo)
    assert done.status == 2, done
    assert said in done.err, done
    assert len(done.err.splitlines()) == 1, done
    if line is not None:
        assert line_of(source, line) in done.err, done
    assert "own_pool.py" in done.err
    assert done.seconds < 20, done  # 10 s on a machine that does nothing else


HARMLESS = {
    "an endless thread": "threading.Thread(target=time.sleep, args=(600,)).start()",
    "an endless exit hook": "import atexit\natexit.register(time.sleep, 600)",
    "standard output closed": "sys.stdout.close()",
    "standard streams closed": "os.close(1)\nos.close(2)",
    "another folder": "os.chdir('/')",
    "handlers of signals": "signal.signal(signal.SIGTERM, signal.SIG_DFL)",
    "standard output replaced": "import io\nsys.stdout = sys.stderr = io.StringIO()",
    "logging set up": "import logging\nlogging.basicConfig(level=logging.DEBUG)",
    "functions of time replaced": "time.sleep = time.time = time.monotonic = lambda *_: 0.0",
    "sockets replaced": "import socket\nsocket.socket = None",
    "modules out of reach": "sys.path.clear()",
    "a process": "if not os.fork():\n    time.sleep(600)",
    "a process that goes on": "os.fork()",
    "a daemon": "import subprocess\nsubprocess.Popen(['sleep', '600'])",
}
USUAL_HARMLESS = (
    *("an endless exit hook", "standard streams closed", "standard output replaced"),
    *("functions of time replaced", "sockets replaced", "modules out of reach"),
    *("a process that goes on", "a daemon"),
)


@pytest.mark.parametrize("name", params(HARMLESS, USUAL_HARMLESS))
def test_what_a_file_does_besides_doesnt_disturb_its_run(
    conninfo: str, write: Write, name: str
) -> None:
    done = run(write(HARMLESS[name] + MINE), conninfo, "--json")
    assert done.status == 0, done
    assert json.loads(done.out)["operations"] > 0
    assert done.seconds < 25, done


def test_a_file_is_executed_once_and_its_prints_are_kept_apart(
    conninfo: str, write: Write, tmp_path: Path
) -> None:
    pool = write(f"""
    with open({str(tmp_path / "executed")!r}, "a") as file:
        file.write(f"{{os.getpid()}}\\n")
    print("imported " * 10_000)

    class Mine(ThreadedConnectionPool):
        def __init__(self, *args, **kwargs):
            with open({str(tmp_path / "made")!r}, "a") as file:
                file.write("made\\n")
            super().__init__(*args, **kwargs)

        def getconn(self, key=None):
            print("checked out")
            return super().getconn(key)
    """)
    done = run(pool, conninfo, "--json", "--limit", "maxconn=3")
    assert done.status == 0, done.err[-300:]
    assert json.loads(done.out)["operations"] > 0
    assert "checked out" in done.err
    assert len((tmp_path / "executed").read_text().splitlines()) == 1
    assert (tmp_path / "made").read_text() == "made\n"


def during(method: str, action: str) -> str:
    """A pool one of whose methods does something the second time that it is called, or the first
    if that is the only one."""
    first = method in ("__init__", "closeall")
    arguments = "self, *args, **kwargs"
    return f"""
calls = 0

class Mine(ThreadedConnectionPool):
    def {method}({arguments}):
        global calls
        calls += 1
        if calls > {0 if first else 5}:
            {action}
        return super().{method}(*args, **kwargs)
"""


METHODS = ("__init__", "getconn", "putconn", "closeall")
# What is done, and what the sentence says: of the constructor, and of other methods.
ACTIONS = {
    "sleeps": ("time.sleep(600)", None),
    "is busy": ("while True: pass", None),
    "raises": ("raise ValueError('no luck')", "ValueError: no luck"),
    "raises a BaseException": ("raise BaseException('odd')", "BaseException: odd"),
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "raises GeneratorExit": ("raise GeneratorExit", "GeneratorExit"),
    "calls sys.exit": ("sys.exit(3)", "SystemExit: 3"),
    "calls os._exit": ("os._exit(3)", "os._exit(3)"),
    "crashes": ("ctypes.string_at(0)", "a crash, segmentation fault"),
    "kills itself": ("os.kill(os.getpid(), 9)", "os.kill("),
    "closes all files": ("os.closerange(3, 200)", "closed the pipe"),
    "holds the lock of Python": (BUSY_IN_C, "has kept all threads from running"),
}
CASES = [
    pytest.param(
        method,
        name,
        id=f"{method} {name}",
        marks=() if (row + column) % len(METHODS) == 0 else pytest.mark.on_demand,
    )
    for row, name in enumerate(ACTIONS)
    for column, method in enumerate(METHODS)
]
DEADLY = ("calls os._exit", "crashes", "kills itself", "closes all files")


@pytest.mark.parametrize(("method", "name"), CASES)
def test_a_run_ends_in_time_whatever_a_pool_does_in_it(
    conninfo: str, write: Write, method: str, name: str
) -> None:
    action, said = ACTIONS[name]
    source = during(method, action)
    done = run(write(source), conninfo, "--json")
    assert done.seconds < 30, done  # 10 s on a machine that does nothing else
    lives = name not in (*DEADLY, "holds the lock of Python")
    if lives and method in ("getconn", "putconn"):
        assert done.status in (0, 1), done  # what the clients met is in the result
        where, words = (done.err, action) if said is None else (done.out, said.partition(":")[0])
        assert words in where, done
        return
    assert done.status == (2 if lives and said and method == "__init__" else 1), done
    last = done.err.splitlines()[-1]
    assert said is None or said in last, done
    if name != "closes all files":
        assert line_of(source, action) in last, done
