"""The server that poolviz brought along, restarted under a run of the window's model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poolviz.model.sample import MarkKind
from poolviz.runs.engine_process import EngineProcess
from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.draft import Draft
from poolviz.servers.target import Target
from poolviz.sessions.folder import SessionsFolder
from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.controller import Controller, State
from tests.servers.fixtures import wait_until
from tests.ui.running import GENTLE, PATIENCE, servers_home

__all__ = ["servers_home"]


class Bench:
    """A controller, polled as a window's frame timer does."""

    def __init__(self, controller: Controller, qtbot: QtBot) -> None:
        self.controller, self._qtbot = controller, qtbot

    def until(self, condition: Callable[[], bool]) -> None:
        def polled() -> bool:
            self.controller.poll()
            return condition()

        self._qtbot.waitUntil(polled, timeout=PATIENCE)

    def run(self, *changes: dict[str, object]) -> None:
        """Start a gentle run on the embedded server, and see it count."""
        self.controller.plan(complete_draft(Draft(load=dict(GENTLE), changes=list(changes))))
        self.controller.connect_to(None, start=True)
        self.until(lambda: self.operations > 0)

    @property
    def recorder(self) -> Recorder:
        assert self.controller.recorder is not None
        return self.controller.recorder

    @property
    def operations(self) -> int:
        recorder = self.controller.recorder
        return recorder.summary().operations if recorder is not None else 0

    @property
    def errors(self) -> int:
        return sum(self.recorder.summary().errors.values())

    @property
    def target(self) -> Target:
        assert self.controller.target is not None
        return self.controller.target

    @property
    def engine(self) -> EngineProcess:
        run = self.controller._current.run
        assert run is not None
        assert run.engine is not None
        return run.engine

    def postmaster(self) -> psutil.Process:
        with closing(psycopg2.connect(self.target.conninfo, application_name="asks")) as one:
            parent = psutil.Process(one.info.backend_pid).parent()
        assert parent is not None
        return parent


@pytest.fixture
def bench(
    qapp: QApplication,
    qtbot: QtBot,
    tmp_path: Path,
    servers_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    monkeypatch.setenv("POOLVIZ_HOME", str(servers_home))
    with closing(Controller(SessionsFolder(tmp_path / "sessions"))) as controller:
        yield Bench(controller, qtbot)


def test_a_run_goes_on_through_a_restart_of_its_server(bench: Bench) -> None:
    bench.run()
    recorder, target, first = bench.recorder, bench.target, bench.postmaster()
    for _ in range(3):  # requested again while it restarts, it is done once
        bench.engine.change("restart_server", True)
    bench.until(lambda: not first.is_running())
    bench.until(lambda: bench.errors > 0)
    before = bench.operations
    bench.until(lambda: bench.operations > before + 20)
    assert bench.controller.state is State.RUNNING
    assert bench.recorder is recorder
    assert bench.target is target
    assert bench.controller.notices.standing("server") == ""
    assert bench.postmaster().pid != first.pid
    assert {m.key for m in recorder.marks if m.kind is MarkKind.FAULT} == {"restart_server"}


def test_a_run_is_not_running_before_it_is_said_to_have_changed(bench: Bench) -> None:
    controller, seen = bench.controller, list[State]()
    controller.plan(complete_draft(Draft(load=dict(GENTLE))))
    controller.connect_to(None, start=True)
    bench.until(lambda: controller._current.run is not None)
    run = controller._current.run
    assert run is not None
    controller.changed.connect(lambda: seen.append(controller.state))
    wait_until(lambda: run.started, "the load is on")
    assert controller.state is State.STARTING
    bench.until(lambda: controller.state is State.RUNNING)
    assert seen[-1] is State.RUNNING


def test_a_scenario_restarts_its_server_in_the_window_too(bench: Bench) -> None:
    bench.run({"at": 0.5, "restart_server": True})
    bench.until(lambda: bench.errors > 0)
    before = bench.operations
    bench.until(lambda: bench.operations > before + 20)
    assert bench.controller.state is State.RUNNING


def test_a_server_that_does_not_come_back_is_said_with_the_reason(bench: Bench) -> None:
    bench.run()
    hba = Path(psutil.Process(bench.postmaster().pid).cwd()).parent / "pg_hba.conf"
    hba.write_text("rubbish\n")
    bench.engine.change("restart_server", True)
    bench.until(lambda: "didn't come back" in bench.controller.notices.standing("run"))
    bench.until(lambda: bench.controller.state is State.READY)
    recorder = bench.recorder
    bench.controller.start()  # which starts the server anew, with a pg_hba.conf of its own
    bench.until(lambda: bench.recorder is not recorder and bench.operations > 0)


def test_closing_while_the_server_restarts_leaves_nothing(bench: Bench) -> None:
    bench.run()
    first = bench.postmaster()
    bench.engine.change("restart_server", True)
    bench.until(lambda: not first.is_running())
    bench.controller.close()
    assert not bench.controller._runner.server_alive
