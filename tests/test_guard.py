"""The guard of tests/conftest.py: what a test leaves behind is found, named, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.servers.fixtures import PROJECT

_CONFTEST = """
import tests.conftest
from tests.conftest import _nothing_is_left_behind, _threads_know_their_origin, conninfo, server
tests.conftest.PATIENCE = 0.3
"""
_TESTS = """
import multiprocessing, subprocess, sys, threading
import psycopg2, pytest

kept = []

@pytest.fixture(scope="module", autouse=True)
def end():
    yield
    for thing in kept:
        thing()

def test_tidy(conninfo):
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
"""


def test_what_a_test_leaves_behind_is_found_and_named(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "test_leaks.py").write_text(_TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rE", str(tmp_path)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT), "COLUMNS": "400"},
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("left behind: ")]
    assert len(said) == 3, done.stdout + done.stderr
    thread, process, connection = said
    assert "thread 'lost'" in thread and "test_leaks.py:24" in thread
    assert "input()" in process
    assert "poolviz lost" in connection
    assert "4 passed, 3 errors" in done.stdout
