"""Guards against real runs while command lines are tried, and the account at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from poolviz.model.errors import ServerError
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.servers.target import Target
from tests.fuzz import promise


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = list(promise.report())
    if lines:
        terminalreporter.section("fuzzing")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def loaded() -> None:
    """Import what commands import when they are first used, which is no part of an input's time."""
    promise.command("schema")
    promise.command("run", "--dsn", "nonsense")


@pytest.fixture
def no_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, loaded: None) -> Iterator[None]:
    """Let no command start a run, a server or a window. What is checked before stays as it is."""
    reach = Runner.reach

    def reach_if_named(
        runner: Runner, dsn: str | None, say: Callable[[str], None], **named: Any
    ) -> Target:
        if dsn is None:
            raise ServerError("There is no server here.")
        return reach(runner, dsn, say, **named)

    def begin(runner: Runner, run: Run, *arguments: Any, **named: Any) -> None:
        raise ServerError("There is no run here.")

    monkeypatch.setattr(Runner, "reach", reach_if_named)
    monkeypatch.setattr(Runner, "begin", begin)
    monkeypatch.setattr(Runner, "warm_up", lambda *arguments, **named: None)
    monkeypatch.setattr("poolviz.system.display.display_problem", lambda: "there is no display")
    monkeypatch.setenv("POOLVIZ_HOME", str(tmp_path))
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGSERVICE", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
