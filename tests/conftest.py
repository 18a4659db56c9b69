"""What holds for every test: a real server on demand, and nothing left behind."""

from __future__ import annotations

import logging
import os
import sys
import sysconfig
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from poolviz.system import logs
from tests.belongings import belongings, beyond
from tests.servers.fixtures import conninfo, server
from tests.servers.mysql_server import mysql_url

__all__ = ["conninfo", "mysql_url", "server"]

os.environ["POOLVIZ_LANGUAGE"] = "en"  # tests read English, whatever the machine's language is
# Tests start many processes, and without bytecode each compiles what it imports, which takes longer
# than all else that it does. Where none may lie beside the sources, it lies in this folder.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
# How long an example takes says more of the machine, and of what it imports, than of poolviz.
hypothesis.settings.register_profile(
    "poolviz", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("poolviz")
PATIENCE = 20.0  # seconds for what a test started to end, before it counts as left behind


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


@pytest.fixture(scope="session", autouse=True)
def _own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give this process and its children a folder of temporary files that no other process uses,
    removed at the end. Its name is short, because paths of sockets are bounded."""
    tmp_path_factory.getbasetemp()  # pytest's own lies where it always does
    with tempfile.TemporaryDirectory(prefix="pv-") as folder, pytest.MonkeyPatch.context() as patch:
        Path(folder).chmod(0o711)  # root's embedded server runs under another account
        patch.setitem(os.environ, "TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_sessions_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the sessions of this process and its children out of the user's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POOLVIZ_SESSIONS", str(tmp_path_factory.mktemp("sessions")))
        yield


@pytest.fixture(autouse=True)
def _libpq_is_told_nothing() -> Iterator[None]:
    """Remove what a pool of a user's own, which a run makes in a process of its own, told libpq by
    the environment of this one."""
    yield
    for name in [each for each in os.environ if each.startswith("PG") or each == "DATABASE_URL"]:
        del os.environ[name]


@pytest.fixture(autouse=True)
def _logging_is_as_before(_nothing_is_left_behind: None) -> Iterator[None]:
    """End the log that a command in this process set up. It ends before the guard looks."""
    poolviz = logging.getLogger("poolviz")
    level, settings = poolviz.level, logs._State.settings
    yield
    if logs._State.handler is not None:
        poolviz.removeHandler(logs._State.handler)
        logs._State.handler.close()
    logs._State.handler, logs._State.settings = None, settings
    poolviz.setLevel(level)


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves behind a thread, a child process, a connection, a file descriptor,
    shared memory, a temporary file, a window or a timer of Qt.

    What lives longer by design (the session's server, an application of Qt) belongs to a fixture
    of a wider scope, and was there before this one looked.
    """
    running = request.getfixturevalue("server") if "server" in request.fixturenames else None
    before = belongings(running)
    yield
    deadline = time.monotonic() + PATIENCE
    while left := beyond(before, running):
        if time.monotonic() > deadline:
            pytest.fail("left behind: " + "; ".join(left), pytrace=False)
        threading.Event().wait(0.02)
