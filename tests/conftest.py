"""What holds for every test: a real server on demand, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

import psutil
import psycopg2
import pytest

from poolviz.servers.embedded.server import EmbeddedServer
from tests.servers.fixtures import conninfo, server
from tests.servers.mysql_server import mysql_url

__all__ = ["conninfo", "mysql_url", "server"]

LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
PATIENCE = 5.0  # seconds for what a test started to end, before it counts as left behind


@dataclass
class Belongings:
    """What exists at a moment: by identity, with words to name each."""

    threads: dict[int, str] = field(default_factory=dict)
    processes: dict[tuple[int, float], str] = field(default_factory=dict)
    backends: dict[int, str] = field(default_factory=dict)

    def beyond(self, earlier: Belongings) -> list[str]:
        """The names of those that weren't there earlier."""
        return [
            name
            for now, then in (
                (self.threads, earlier.threads),
                (self.processes, earlier.processes),
                (self.backends, earlier.backends),
            )
            for key, name in now.items()
            if key not in then
        ]


def _threads() -> dict[int, str]:
    found = {}
    for thread in threading.enumerate():
        # A dummy stands for a thread that Python didn't start, and can stay after its end.
        if not isinstance(thread, threading._DummyThread):
            where = getattr(thread, "_started_at", "a place unknown")
            found[id(thread)] = f"thread {thread.name!r}, started at {where}"
    return found


def _processes() -> dict[tuple[int, float], str]:
    multiprocessing.active_children()  # reaps those that ended
    found = {}
    for process in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            command = process.cmdline() or [process.name()]
            # Python's own helper of spawned children, which lasts as long as this process.
            if not any("resource_tracker" in part for part in command):
                name = f"process {process.pid} ({process.status()}): {' '.join(command)[:200]}"
                found[process.pid, process.create_time()] = name
    return found


def _backends(running: EmbeddedServer | None) -> dict[int, str]:
    """Connections of poolviz to the session's server, if that runs."""
    if running is None or not running.alive:
        return {}
    with closing(psycopg2.connect(running.conninfo, application_name="guard")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid, application_name, state, query FROM pg_stat_activity"
                " WHERE application_name LIKE 'poolviz%%'"
            )
            return {row[0]: f"server connection {row}" for row in cursor.fetchall()}


def _belongings(running: EmbeddedServer | None) -> Belongings:
    return Belongings(_threads(), _processes(), _backends(running))


@pytest.fixture(scope="session", autouse=True)
def _threads_know_their_origin() -> Iterator[None]:
    """Let every thread remember who started it, so that one left behind can be traced."""
    start = threading.Thread.start

    def remembering_start(thread: threading.Thread) -> None:
        frames = traceback.extract_stack(sys._getframe(1))
        ours = [f for f in frames if not f.filename.startswith(LIBRARIES)]
        names = [f"{frame.filename}:{frame.lineno}" for frame in reversed(ours[-3:])]
        thread._started_at = " < ".join(names)
        start(thread)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", remembering_start)
        yield


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, a child process or a connection behind.

    What lives longer by design (the session's server, an application of Qt) belongs to a fixture
    of a wider scope, and was there before this one looked.
    """
    running = request.getfixturevalue("server") if "server" in request.fixturenames else None
    before = _belongings(running)
    yield
    deadline = time.monotonic() + PATIENCE
    while left := _belongings(running).beyond(before):
        if time.monotonic() > deadline:
            pytest.fail("left behind: " + "; ".join(left), pytrace=False)
        threading.Event().wait(0.02)
