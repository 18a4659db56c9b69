"""tests/parallel.py on tests of its own: what is looked at twice, and what decides."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.servers.fixtures import PROJECT

_BESIDE = "'PYTEST_XDIST_WORKER' in os.environ"
_LIST = "== failed beside others, passed alone: look at these"


def run(folder: Path, tests: str, *options: str) -> tuple[int, str]:
    """Run `tests` by the command; return its exit status and what it printed."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(f"import os, pytest\nBESIDE = {_BESIDE}\n{tests}")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.parallel", "--processes", "1", *options, "."],
        check=False,
        cwd=folder,
        env=kept | {"PYTHONPATH": str(PROJECT), "PYTEST_DEBUG_TEMPROOT": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def passed_alone(output: str) -> list[str]:
    """Return the tests that are named in the list."""
    _, found, rest = output.partition(f"{_LIST}\n")
    return [line for line in rest.splitlines() if "::" in line] if found else []


def test_what_passes_alone_is_listed_and_fails_nothing(tmp_path: Path) -> None:
    tests = """
@pytest.mark.parametrize("case", ["a case: of [words]", "b"])
def test_impatient(case):
    assert not BESIDE or case == "b"

@pytest.fixture
def untidy():
    yield
    assert not BESIDE

def test_untidy(untidy):
    pass
"""
    written = tmp_path / "list"
    status, output = run(tmp_path, tests, "--list", str(written))
    assert status == 0, output
    listed = sorted(passed_alone(output))
    assert listed == ["test_it.py::test_impatient[a case: of [words]]", "test_it.py::test_untidy"]
    assert sorted(written.read_text().splitlines()) == sorted([_LIST, *listed])


def test_what_fails_alone_too_fails_the_command(tmp_path: Path) -> None:
    tests = """
import pathlib, random

def test_wrong():
    assert False

def test_drawn():
    pathlib.Path(f"drawn-{BESIDE}").write_text(str(random.random()))
    assert not BESIDE
"""
    status, output = run(tmp_path, tests)
    assert status == 1
    assert passed_alone(output) == ["test_it.py::test_drawn"]
    # Chance is the same both times, and so are the examples of hypothesis.
    assert (tmp_path / "drawn-True").read_text() == (tmp_path / "drawn-False").read_text()


def test_many_failures_are_not_looked_at_again(tmp_path: Path) -> None:
    tests = """
@pytest.mark.parametrize("case", range(6))
def test_impatient(case):
    assert not BESIDE
"""
    status, output = run(tmp_path, tests)
    assert status == 1
    assert "No second look: 6 tests failed, more than 5." in output
    assert passed_alone(output) == []


CRASH = """
def test_crash():
    if BESIDE or ALONE:
        os.abort()

@pytest.mark.parametrize("case", ["[x y]", "z"])
def test_left(case):
    open(f"left-{case}", "a").write("once ")
    LEFT
"""


IN_ORDER = ("--randomly-dont-reorganize",)


def crash(left: str, *, alone: bool = False) -> str:
    """A test that crashes beside others, or `alone` too, and those that its process has left."""
    return CRASH.replace("ALONE", str(alone)).replace("LEFT", left)


def test_what_a_crashed_process_has_left_is_run(tmp_path: Path) -> None:
    status, output = run(tmp_path, crash("pass"), *IN_ORDER)
    assert status == 0, output
    assert passed_alone(output) == ["test_it.py::test_crash"]
    assert (tmp_path / "left-[x y]").read_text() == (tmp_path / "left-z").read_text() == "once "


def test_what_a_crashed_process_has_left_may_fail(tmp_path: Path) -> None:
    status, output = run(tmp_path, crash("assert case == 'z'"), *IN_ORDER)
    assert status == 1, output
    assert passed_alone(output) == ["test_it.py::test_crash"]


def test_a_crash_of_what_is_left_is_not_looked_at_again(tmp_path: Path) -> None:
    left = "if BESIDE and case == 'z': os.abort()"
    status, output = run(tmp_path, crash(left), *IN_ORDER)
    assert status == 1
    assert "No second look: the process crashed during test_it.py::test_left[z]." in output
    status, output = run(tmp_path, crash("pass", alone=True), *IN_ORDER)
    assert status != 0, output
    assert "test_it.py::test_crash" not in passed_alone(output)


def test_what_cannot_be_collected_fails_the_command(tmp_path: Path) -> None:
    status, output = run(tmp_path, "if BESIDE:\n    raise ImportError\ndef test_it(): pass\n")
    assert status != 0, output
    assert passed_alone(output) == []


def test_coverage_is_judged_though_what_failed_passes_alone(tmp_path: Path) -> None:
    status, output = run(tmp_path, "def test_it(): assert not BESIDE\n", "--coverage-floor", "50")
    assert passed_alone(output) == ["test_it.py::test_it"]
    assert status != 0
