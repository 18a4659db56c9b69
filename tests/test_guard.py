"""The guard of tests/conftest.py: what a test leaves behind is found, named, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.servers.fixtures import PROJECT

_CONFTEST = """
import tests.conftest
from tests.conftest import (
    _nothing_is_left_behind, _own_temporary_folder, _threads_know_their_origin, conninfo, server
)
tests.conftest.PATIENCE = 0.3
"""
_TESTS = """
import ctypes, multiprocessing, os, pathlib, socket, subprocess, sys, tempfile, threading
import psycopg2, pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

kept = []

@pytest.fixture(scope="module", autouse=True)
def end():
    yield
    for thing in kept:
        thing()

def test_tidy(conninfo, qapp):
    widget = QWidget()
    timer = QTimer(widget)
    timer.start(1000)
    widget.show()
    widget.deleteLater()
    with tempfile.TemporaryFile(), socket.create_server(("127.0.0.1", 0)):
        pass
    looped = [open(os.devnull)]
    looped.append(looped)
    looped[0].close()
    psycopg2.connect(conninfo, application_name="poolviz tidy").close()
    thread = threading.Thread(target=print)
    thread.start()
    child = multiprocessing.get_context("spawn").Process(target=print)
    child.start()
    child.join()
    thread.join()

def test_thread():
    event = threading.Event()
    threading.Thread(target=event.wait, name="lost").start()
    kept.append(event.set)

def test_process():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    kept.append(child.communicate)

def test_connection(conninfo):
    kept.append(psycopg2.connect(conninfo, application_name="poolviz lost").close)

def test_socket():
    kept.append(socket.create_server(("127.0.0.1", 0)).close)

def test_file_descriptor(tmp_path):
    kept.append((tmp_path / "lost file").open("w").close)

def test_segment():
    libc = ctypes.CDLL(None)
    segment = libc.shmget(0, 4321, 0o1600)
    kept.append(lambda: libc.shmctl(segment, 0, None))

def test_shared_memory():
    shared = pathlib.Path(f"/dev/shm/lost-{os.getpid()}")
    shared.touch()
    kept.append(shared.unlink)

def test_temporary_file():
    kept.append(pathlib.Path(tempfile.mkdtemp(prefix="lost-")).rmdir)

def test_widget(qapp):
    widget = QWidget(windowTitle="lost widget")
    kept.append(widget.deleteLater)

def test_timer(qapp):
    timer = QTimer(interval=12345)
    timer.start()
    kept.append(timer.stop)
"""


def test_what_a_test_leaves_behind_is_found_and_named(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "test_leaks.py").write_text(_TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rE"]
    command += ["-p", "no:randomly", "--basetemp", str(tmp_path / "pytest"), str(tmp_path)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": str(PROJECT), "COLUMNS": "400", "QT_QPA_PLATFORM": "offscreen"},
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("left behind: ")]
    words = {
        "thread": ["thread 'lost'", "test_leaks.py:"],
        "process": ["process", "input()"],
        "connection": ["server connection", "poolviz lost"],
        "socket": ["socket", "127.0.0.1", "LISTEN"],
        "file descriptor": ["file descriptor", "lost file"],
        "segment": ["shared memory", "4321 bytes"],
        "shared memory": ["shared memory: /dev/shm/lost-"],
        "temporary file": ["temporary folder", "lost-"],
        "widget": ["widget QWidget (lost widget)"],
        "timer": ["timer of nobody, every 12345 ms"],
    }
    assert len(said) == len(words), done.stdout + done.stderr
    for line, (kind, expected) in zip(said, words.items(), strict=True):
        assert all(word in line for word in expected), (kind, line)
        named = line.count(";") + 1
        assert named == 1 or kind in ("process", "connection"), line  # those have a descriptor too
    assert f"{len(words) + 1} passed, {len(words)} errors" in done.stdout
