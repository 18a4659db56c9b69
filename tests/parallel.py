"""Run tests side by side, and those that failed once more, with nothing beside them.

    python -m tests.parallel --processes 3 --coverage-floor 92 tests/ui

A test that fails among others and passes alone is either impatient on a busy machine, or relies on
what another test left behind: it is mended, and named at the end until it is. What fails alone too
fails the command. So do many failures, and tests that can't be collected: those aren't looked at
twice. A test during which its process crashed has failed, and those that were left to that process
are run side by side once more, where another crash fails the command. Coverage is that of all but
the second look.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest

FEW = 5  # failures that are looked at again


class Failures:
    """A plugin of pytest that keeps the names of the tests that failed."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.crashed: list[str] = []  # those of `names` during which their process ended
        self._collected: dict[str, None] = {}
        self._over: set[str] = set()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._collected |= dict.fromkeys(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.nodeid not in self.names:
            self.names.append(report.nodeid)
        if report.failed and report.when not in ("setup", "call", "teardown"):
            self.crashed.append(report.nodeid)  # reported by xdist in the place of the test
        if report.when == "teardown" or report.nodeid in self.crashed:
            self._over.add(report.nodeid)

    @property
    def left(self) -> list[str]:
        """The tests that weren't run to their end, because no process was left for them."""
        return [name for name in self._collected if name not in self._over]


@click.command(
    help="Run tests side by side, and those that failed again, alone.",
    context_settings={"ignore_unknown_options": True},
)
@click.option("--processes", default=3, show_default=True, help="How many tests run at once.")
@click.option("--coverage-floor", type=float, help="Measure coverage; fail below so many per cent.")
@click.option("--rest", is_flag=True, help="These are what a crash has left: no second time.")
@click.option("--list", "listed", type=click.Path(path_type=Path), help="Write the list there too.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(
    *,
    processes: int,
    coverage_floor: float | None,
    rest: bool,
    listed: Path | None,
    arguments: tuple[str, ...],
) -> None:
    """Run both, and exit with 1 if something failed."""
    with tempfile.TemporaryDirectory(prefix="pv-") as folder:
        cache = Path(folder)
        # The seed decides the examples of hypothesis: both runs see the same.
        both = [*arguments, "-o", f"cache_dir={cache}", f"--randomly-seed={random.getrandbits(32)}"]
        beside = ["--numprocesses", str(processes), "--dist", "loadfile", "--durations=10"]
        beside.append("--max-worker-restart=0")  # a crash ends the run
        if coverage_floor is not None:
            beside += ["--cov=poolviz", "--cov-report="]
        failures = Failures()
        status = pytest.main([*both, *beside], plugins=[failures])
        left = 0
        if failures.crashed and not rest:
            left = _run_left(failures.left, cache, processes, coverage_floor is not None)
        covered = coverage_floor is None or _is_covered(coverage_floor)
        if status == pytest.ExitCode.TESTS_FAILED and _few(failures, rest=rest):
            status = _again(both, failures, cache, listed)
        status = status or left
    sys.exit(status if covered else status or 1)


def _is_covered(floor: float) -> bool:
    """Print the coverage; return whether it reaches `floor`."""
    command = [sys.executable, "-m", "coverage", "report", "--skip-covered"]
    return subprocess.run([*command, f"--fail-under={floor}"], check=False).returncode == 0


def _run_left(names: list[str], cache: Path, processes: int, covered: bool) -> int:
    """Run the tests that a crashed process has left, if any; return the status."""
    if not names:
        return 0
    print(f"\n== {len(names)} tests that a crashed process has left", flush=True)
    (cache / "left").write_text("".join(f"{name}\n" for name in names))
    command = [sys.executable, "-m", "tests.parallel", "--rest", "--processes", str(processes)]
    coverage = ["--cov=poolviz", "--cov-report=", "--cov-append"] if covered else []
    return subprocess.run([*command, *coverage, f"@{cache / 'left'}"], check=False).returncode


def _few(failures: Failures, *, rest: bool) -> bool:
    """Return whether to look again; say why not."""
    why = ""
    if failures.crashed and rest:
        why = f"the process crashed during {', '.join(failures.crashed)}"
    elif len(failures.names) > FEW:
        why = f"{len(failures.names)} tests failed, more than {FEW}"
    if why:
        print(f"No second look: {why}.", flush=True)
    return not why and bool(failures.names)


def _again(both: list[str], failures: Failures, cache: Path, listed: Path | None) -> int:
    """Run what failed with nothing beside it, list what passed, and return pytest's status."""
    print("\n== again, alone", *failures.names, sep="\n", flush=True)
    alone = ["-p", "no:xdist", "--last-failed", "--last-failed-no-failures", "none"]
    command = [sys.executable, "-m", "pytest", *both, *alone]
    status = subprocess.run(command, check=False).returncode
    remaining = json.loads((cache / "v/cache/lastfailed").read_text())
    if passed := [name for name in failures.names if name not in remaining]:
        lines = ["== failed beside others, passed alone: look at these", *passed]
        text = "".join(f"{line}\n" for line in lines)
        print(f"\n{text}", end="", flush=True)
        if listed is not None:
            listed.write_text(text)
    return status


if __name__ == "__main__":
    main()
