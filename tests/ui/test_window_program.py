"""The whole program with its window, as its users start and end it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from poolviz import open_session
from poolviz.system.interrupts import INTERRUPTED
from tests.servers.fixtures import open_home

PATIENCE = 50.0  # seconds
SAME = 0.25  # seconds in which signals count as one

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


@pytest.fixture
def home() -> Iterator[Path]:
    with open_home() as folder:
        yield folder


@contextmanager
def poolviz(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The program, with a window on a screen that isn't there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "poolviz", *arguments],
        env={
            **os.environ,
            "POOLVIZ_HOME": str(home),
            "POOLVIZ_SESSIONS": str(home / "sessions"),
            "QT_QPA_PLATFORM": "offscreen",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to be so"
        threading.Event().wait(0.05)


def samples(home: Path) -> int:
    """Samples in the newest session that the program has written."""
    for path in sorted(home.glob("sessions/2*.poolviz"), reverse=True):
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM samples").fetchone()[0])
    return 0


def log_of(home: Path) -> str:
    """What the program has logged."""
    path = home / "logs" / "poolviz.log"
    return path.read_text(encoding="utf-8") if path.exists() else ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_program_begins_by_itself_and_a_signal_ends_it_cleanly(
    home: Path, number: signal.Signals
) -> None:
    with poolviz(home) as process:
        until(lambda: samples(home) > 20)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == INTERRUPTED
    assert out == ""
    assert not [line for line in err.splitlines() if "propagateSizeHints" not in line]
    until(lambda: not any(each.is_running() for each in family))
    assert not list(home.glob("sessions/*-wal"))
    (path,) = home.glob("sessions/2*.poolviz")
    with open_session(path) as session:
        assert session.summary().samples > 20


def test_a_second_signal_ends_the_program_at_once_and_nothing_is_left(home: Path) -> None:
    with poolviz(home) as process:
        until(lambda: samples(home) > 20)
        family = psutil.Process(process.pid).children(recursive=True)
        engine = next(each for each in family if "engine_child" in " ".join(each.cmdline()))
        engine.suspend()  # so that closing has to wait for it
        process.send_signal(signal.SIGTERM)
        until(lambda: "a signal closes the window" in log_of(home))
        threading.Event().wait(2 * SAME)  # sooner, it would count as the first one
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
        engine.resume()
    assert process.returncode == INTERRUPTED
    assert list(home.glob("sessions/*-wal"))  # it didn't wait for the engine
    assert "Traceback" not in err
    until(lambda: not any(each.is_running() for each in family))
    (path,) = home.glob("sessions/2*.poolviz")
    with open_session(path) as session:
        assert session.summary().samples > 20


def test_a_killed_program_leaves_no_process_and_its_session_can_be_opened(home: Path) -> None:
    with poolviz(home) as process:
        until(lambda: samples(home) > 20)
        family = psutil.Process(process.pid).children(recursive=True)
        assert any(each.name().startswith("postgres") for each in family)
        process.kill()
        process.wait(PATIENCE)
    until(lambda: not any(each.is_running() for each in family))
    (session,) = home.glob("sessions/2*.poolviz")
    with poolviz(home, str(session)) as process:
        until(lambda: log_of(home).count("the window is open") == 2)
        process.terminate()
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == INTERRUPTED
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        (b"no session", ["odd.poolviz"]),
        (b'pool = "sqlalchemy.QuePool"', ["odd.toml"]),
        (b"[limits]\nmaxconn = 3", ["odd.toml"]),
    ],
)
def test_bad_input_is_one_sentence_and_no_server_is_started(
    home: Path, content: bytes, arguments: list[str]
) -> None:
    path = home / arguments[0]
    path.write_bytes(content)
    with poolviz(home, str(path)) as process:
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert len([line for line in err.splitlines() if "propagateSizeHints" not in line]) == 1
    assert not (home / "postgres").exists()
