"""One run from its request to its end: stops, deaths, tables, the server's restart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest

from poolviz.model.errors import PoolvizError
from poolviz.model.messages import ProblemReported, Report, RunEnded
from poolviz.runs.request import RunRequest, check_draft
from poolviz.runs.run import Run
from poolviz.runs.runner import SERVER_LOST, Runner
from poolviz.runs.warnings import RunWarning
from poolviz.scenarios.draft import Draft
from poolviz.servers.dispatch import drop_tables
from poolviz.sessions.file.writer import SessionWriter
from poolviz.sessions.recorder import Recorder
from tests.servers.embedded.test_server import main_pid
from tests.servers.fixtures import PROJECT, ask, open_home, wait_until

GENTLE = {"clients": 4, "statement_time": 0.01, "think_time": 0.02}


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.warnings: list[RunWarning] = []
        self.reports: list[Report] = []

    def progressed(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def warned(self, warning: RunWarning) -> None:
        self.warnings.append(warning)

    def reported(self, run: Run, report: Report) -> None:
        self.reports.append(report)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    with open_home() as home, ExitStack() as records:
        monkeypatch.setenv("POOLVIZ_HOME", str(home))
        with Runner() as runner:
            begin = runner.begin

            def begin_and_close_later(run: Run, session: Path | None = None) -> None:
                begin(run, session)
                assert run.recorder is not None
                records.enter_context(run.recorder)

            monkeypatch.setattr(runner, "begin", begin_and_close_later)
            yield runner


def begun(runner: Runner, dsn: str | None, session: Path | None = None, **draft: object) -> Run:
    """A run that counts."""
    scenario = check_draft(Draft(load=dict(GENTLE), **draft))
    run = Run(scenario, runner.reach(dsn, lambda _: None), Heard())
    runner.begin(run, session)
    wait_until(lambda: operations(run) > 20, "operations are counted")
    return run


def operations(run: Run) -> int:
    assert run.recorder is not None
    return run.recorder.summary().operations


def backends(conninfo: str, run: Run) -> int:
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s"
    with closing(psycopg2.connect(conninfo)) as connection, connection.cursor() as cursor:
        cursor.execute(count, (f"{run.name}%",))
        (found,) = cursor.fetchone() or (-1,)
        return int(found)


def test_a_stop_keeps_everything_and_leaves_nothing(runner: Runner, conninfo: str) -> None:
    run = begun(runner, conninfo)
    run.stop()
    assert run.wait(30)
    assert run.ended is not None
    assert (run.ended.failure, run.ended.open_at_end) == ("", 0)
    assert run.recorder is not None
    assert run.recorder.ended == run.ended
    wait_until(lambda: backends(conninfo, run) == 0, "the server has no connection left")


def test_a_second_stop_ends_the_engine_at_once(runner: Runner, conninfo: str) -> None:
    run = begun(runner, conninfo)
    assert run.engine is not None
    engine = psutil.Process(run.engine.pid)
    for child in (engine, *engine.children(recursive=True)):
        child.suspend()  # so that it can't answer the first
    run.stop()
    run.stop()
    assert run.wait(30)
    assert run.ended is not None
    assert run.ended.failure.startswith("The engine was ended at once")
    assert not engine.is_running()


def test_a_run_that_is_stopped_while_its_tables_are_made_begins_nothing(
    runner: Runner, conninfo: str
) -> None:
    class StopsAtOnce(Heard):
        def progressed(self, sentence: str) -> None:
            super().progressed(sentence)
            run.stop()

    scenario = check_draft(Draft(load={"statement": "read", "scale": 2}))
    target = runner.reach(conninfo, lambda _: None)
    run = Run(scenario, target, StopsAtOnce(), may_create_tables=True)
    drop_tables(conninfo)
    try:
        with pytest.raises(PoolvizError, match="stopped before it began"):
            runner.begin(run)
        tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'poolviz'"
        assert ask(conninfo, tables) == 0
        assert run.engine is None
    finally:
        drop_tables(conninfo)


def test_requests_to_restart_the_server_that_come_meanwhile_are_answered_by_one(
    runner: Runner,
) -> None:
    run = begun(runner, None)
    conninfo = run.target.conninfo
    started = ask(conninfo, "SELECT extract(epoch FROM pg_postmaster_start_time()) * 1000")
    for _ in range(3):
        run.change("restart_server", True)

    def restarted() -> bool:
        try:
            return ask(conninfo, "SELECT count(*) FROM pg_stat_activity") > 0 and (
                ask(conninfo, "SELECT extract(epoch FROM pg_postmaster_start_time()) * 1000")
                > started
            )
        except psycopg2.Error:
            return False

    wait_until(restarted, "the server is back")
    before = operations(run)
    wait_until(lambda: operations(run) > before + 20, "the run goes on")
    run.stop()
    assert run.wait(30)
    assert run.ended is not None
    assert run.ended.failure == ""


def test_a_server_that_does_not_come_back_ends_the_run_with_the_reason(runner: Runner) -> None:
    run = begun(runner, None)
    with closing(psycopg2.connect(run.target.conninfo)) as connection:
        data = ask_text(connection, "SHOW hba_file")
    Path(data).write_text("rubbish\n")
    run.change("restart_server", True)
    assert run.wait(90)
    assert run.ended is not None
    assert "PostgreSQL didn't come back" in run.ended.failure
    assert run.ended.exit_status == 3
    assert run.recorder is not None
    assert run.recorder.ended == run.ended


def ask_text(connection: psycopg2.extensions.connection, question: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(question)
        (answer,) = cursor.fetchone() or ("",)
        return str(answer)


def test_an_engine_that_was_started_early_is_the_one_that_runs(
    runner: Runner, conninfo: str
) -> None:
    runner.warm_up(server=True)
    early = the_engine_of(os.getpid()).pid
    run = begun(runner, conninfo)
    assert run.engine is not None
    assert run.engine.pid == early
    assert runner.reach(None, lambda _: None).embedded  # the one started early
    run.stop()
    assert run.wait(30)


def test_an_engine_that_was_started_early_and_died_is_replaced(
    runner: Runner, conninfo: str
) -> None:
    runner.warm_up()
    assert runner._spare is not None
    runner._spare.process.kill()
    runner._spare.process.wait()
    run = begun(runner, conninfo)
    run.stop()
    assert run.wait(30)
    assert run.ended is not None
    assert run.ended.failure == ""


def test_a_runner_that_is_closed_during_everything_leaves_nothing(conninfo: str) -> None:
    with open_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("POOLVIZ_HOME", str(home))
        runner = Runner()
        runner.warm_up(server=True)
        run = begun(runner, conninfo)
        runner.close()
        assert run.recorder is not None
        run.recorder.close()
        assert run.over
        assert not runner.server_alive
    assert not [thread for thread in threading.enumerate() if "engine" in thread.name]


def test_what_is_in_the_way_of_a_request_is_found_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(PoolvizError, match="no suffix of an export format"):
        RunRequest.of(Draft(), [tmp_path / "a.xyz"])
    request = RunRequest.of(Draft(), [tmp_path / "a.POOLVIZ", tmp_path / "b.poolviz"])
    assert request.session == tmp_path / "a.POOLVIZ"
    assert list(request.exports) == [tmp_path / "b.poolviz"]
    assert request.scenario.duration == 20.0
    changes = [{"at": 30, "pool_size": 3}]
    assert RunRequest.of(Draft(changes=changes)).scenario.duration == 35.0


def test_a_run_whose_embedded_server_is_killed_fails_with_what_was_recorded() -> None:
    with open_home() as home, pytest.MonkeyPatch.context() as patch, Runner() as runner:
        patch.setenv("POOLVIZ_HOME", str(home))
        run = begun(runner, None)
        children = psutil.Process().children(recursive=True)
        [server] = [each for each in children if f"-D {home}" in " ".join(each.cmdline())]
        server.kill()
        wait_until(lambda: runner.wait(run, 0.1), "the run is over")
        assert run.ended is not None and run.recorder is not None
        assert (run.ended.failure, run.ended.exit_status) == (SERVER_LOST, 1)
        with run.recorder as recorder:
            assert recorder.summary().incomplete_reason == SERVER_LOST


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSEGV])
def test_a_command_whose_engine_dies_says_so_and_keeps_the_session(
    conninfo: str, tmp_path: Path, sign: signal.Signals
) -> None:
    session = tmp_path / "kept.poolviz"
    files = ["--out", str(session), "--out", str(tmp_path / "figures.json")]
    command = subprocess.Popen(
        [
            *(sys.executable, "-m", "poolviz", "run", "--dsn", conninfo, "--duration", "60"),
            *("--load", "clients=4", "--json", *files),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    try:
        engine = the_engine_of(command.pid)
        wait_until(lambda: recorded(session) > 20, "the session is being written")
        os.kill(engine.pid, sign)
        out, err = command.communicate(timeout=60)
    finally:
        command.kill()
        command.wait()
    assert command.returncode == 1
    failures = [line for line in err.splitlines() if "The engine was killed by" in line]
    assert len(failures) == 1
    assert sign.name in failures[0]
    printed = json.loads(out)
    assert (printed["complete"], sign.name in printed["incomplete_reason"]) == (False, True)
    assert "Traceback" not in err
    with Recorder.open(session) as recorder:
        assert isinstance(recorder.ended, RunEnded)
        assert sign.name in recorder.ended.failure
        kept = recorder.summary().operations
    assert json.loads((tmp_path / "figures.json").read_text())["operations"] == kept > 0
    assert printed["operations"] == kept


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_ends_a_command_with_its_results(
    conninfo: str, sign: signal.Signals
) -> None:
    arguments = ["run", "--dsn", conninfo, "--duration", "60", "--load", "clients=4", "--json"]
    command = subprocess.Popen(
        [sys.executable, "-m", "poolviz", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        start_new_session=True,
    )
    busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'poolviz-%'"
    try:
        wait_until(lambda: ask(conninfo, busy) > 0, "the load has started")
        os.killpg(command.pid, sign)
        out, err = command.communicate(timeout=60)
    finally:
        command.kill()
        command.wait()
    assert command.returncode == 130
    assert json.loads(out)["connections"]["open_after_close"] == 0
    assert "Traceback" not in err


def the_engine_of(pid: int) -> psutil.Process:
    """The engine's process of a command."""
    found: list[psutil.Process] = []

    def there() -> bool:
        for child in psutil.Process(pid).children():
            with suppress(psutil.Error):  # it has ended meanwhile
                if "engine_child" in " ".join(child.cmdline()):
                    found.append(child)
        return bool(found)

    wait_until(there, "the engine's process is there")
    return found[0]


def recorded(session: Path) -> int:
    """Samples in a session that is being written."""
    try:
        with Recorder.open(session) as recorder:
            return sum(1 for _ in recorder.samples())
    except PoolvizError:
        return 0


def test_a_report_that_cannot_be_recorded_makes_the_run_fail_and_nothing_else(
    runner: Runner, conninfo: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = begun(runner, conninfo)
    assert run.recorder is not None
    add, lost = run.recorder.add, threading.Event()

    def lose_one(report: Report, process: str) -> None:
        if not lost.is_set():
            lost.set()
            raise ZeroDivisionError("a mistake of poolviz")
        add(report, process)

    monkeypatch.setattr(run.recorder, "add", lose_one)
    assert lost.wait(30)
    before = operations(run)
    wait_until(lambda: operations(run) > before + 20, "the run goes on")
    assert isinstance(run._listener, Heard)
    found = [r.sentence for r in run._listener.reports if isinstance(r, ProblemReported)]
    sentence = "A part of the run wasn't recorded: ZeroDivisionError('a mistake of poolviz')."
    assert found == [sentence]
    run.stop()
    assert run.wait(30)
    assert run.ended is not None
    assert (run.ended.failure, run.ended.exit_status) == (sentence, 1)
    assert caplog.text.count("Traceback") == 1


def test_a_listener_that_raises_keeps_the_run_going(
    runner: Runner, conninfo: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Raises(Heard):
        def reported(self, run: Run, report: Report) -> None:
            raise LookupError("a listener's mistake")

    scenario = check_draft(Draft(load=dict(GENTLE), duration=0.5))
    run = Run(scenario, runner.reach(conninfo, lambda _: None), Raises())
    runner.begin(run)
    assert run.wait(30)
    assert run.ended is not None
    assert (run.ended.failure, operations(run) > 0) == ("", True)
    assert "LookupError: a listener's mistake" in caplog.text


def test_a_restart_of_the_server_that_raises_ends_the_run_with_a_sentence(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(runner, None)

    def fail() -> None:
        raise ZeroDivisionError("a mistake of poolviz")

    monkeypatch.setattr(run, "_restart", fail)
    run.change("restart_server", True)
    assert run.wait(60)
    assert run.ended is not None
    assert run.ended.failure.startswith("Restarting the server failed: ZeroDivisionError(")


def test_a_server_that_a_killed_engine_left_silent_goes_on(runner: Runner) -> None:
    run = begun(runner, None)
    main = psutil.Process(main_pid(run.target.conninfo))
    run.change("network_silent", 600.0)
    wait_until(lambda: main.status() == psutil.STATUS_STOPPED, "the server is stopped")
    run.stop()
    run.stop()
    assert run.wait(30)
    runner.end_run()
    assert ask(run.target.conninfo, "SELECT 1") == 1


def test_a_session_keeps_as_much_of_lanes_as_the_user_has_set(
    runner: Runner, conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLVIZ_SESSIONS", str(tmp_path))
    (tmp_path / "limits.json").write_text('{"lanes_bytes": 123456}')
    run = begun(runner, conninfo, tmp_path / "a.poolviz")
    assert run.recorder is not None
    assert isinstance(run.recorder._file, SessionWriter)
    assert run.recorder._file._lanes._bound == 123_456
    run.stop()
    assert run.wait(30)
    (tmp_path / "limits.json").write_text("[")
    run = begun(runner, conninfo, tmp_path / "b.poolviz")
    assert isinstance(run._listener, Heard)
    assert any("set the limits again" in each.sentence for each in run._listener.warnings)
    run.stop()
    assert run.wait(30)
