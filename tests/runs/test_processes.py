"""A run in several processes: their number, what befalls them, and their sum."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from poolviz.model.messages import ChangeRefused, MarkAdded, ProblemReported, RunEnded, RunStarted
from poolviz.model.sample import MarkKind
from poolviz.runs import common_start
from poolviz.runs.engine_group import EngineGroup
from poolviz.runs.request import check_draft
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.runs.warnings import warnings_before
from poolviz.scenarios.draft import Draft
from poolviz.servers.target import Target
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.report import as_object
from tests.runs.test_runner import Heard, backends, operations, runner
from tests.servers.fixtures import ask, wait_until

__all__ = ["runner"]

GENTLE = {"clients": 2, "statement_time": 0.005, "think_time": 0.03}


def begun(runner: Runner, dsn: str, session: Path | None = None, **draft: object) -> Run:
    """A run in two processes that both count."""
    draft = {"load": dict(GENTLE), "fleet": {"processes": 2}, "limits": {"pool_size": 2}} | draft
    run = Run(check_draft(Draft(**draft)), runner.reach(dsn, lambda _: None), Heard())
    runner.begin(run, session)
    wait_until(lambda: counting(run) == processes(run) == 2, "both processes count")
    return run


def counting(run: Run) -> int:
    """How many processes have counted something."""
    recorder = recorded(run)
    return sum(recorder.member(name).summary().operations > 3 for name in recorder.members)


def recorded(run: Run) -> Recorder:
    assert run.recorder is not None
    return run.recorder


def group(run: Run) -> EngineGroup:
    assert isinstance(run.engine, EngineGroup)
    return run.engine


def processes(run: Run) -> int:
    last = recorded(run).last
    return last.processes if last is not None else 0


def marks(run: Run) -> list[str]:
    return [mark.text for mark in recorded(run).marks]


def ended(run: Run) -> RunEnded:
    run.stop()
    assert run.wait(60)
    assert run.ended is not None
    return run.ended


def heard(run: Run, kind: type) -> list[object]:
    listener = run._listener
    assert isinstance(listener, Heard)
    return [report for report in listener.reports if isinstance(report, kind)]


def test_the_run_is_the_sum_of_its_processes_and_leaves_nothing(
    runner: Runner, conninfo: str
) -> None:
    run = begun(runner, conninfo)
    pids = group(run).pids
    assert len(set(pids)) == 2
    end = ended(run)
    assert (end.failure, end.open_at_end, end.stopped) == ("", 0, True)
    recorder = recorded(run)
    assert set(recorder.members) == {"process 1", "process 2"}
    members = [recorder.member(name).summary() for name in recorder.members]
    whole = recorder.summary()
    assert whole.operations == sum(each.operations for each in members)
    assert whole.connections.opened == sum(each.connections.opened for each in members)
    assert whole.wait_time_s.count == sum(each.wait_time_s.count for each in members)
    assert whole.processes == 2
    wait_until(lambda: backends(conninfo, run) == 0, "the server has no connection left")
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids if os.name == "posix")
    assert len(heard(run, RunStarted)) == 1
    assert len(heard(run, RunEnded)) == 1


@pytest.mark.parametrize(
    "number", [1, 2, *(pytest.param(n, marks=pytest.mark.on_demand) for n in (4, 8))]
)
def test_rows_are_counted_once_for_all(runner: Runner, conninfo: str, number: int) -> None:
    load = GENTLE | {"statement": "read_write"}
    target = runner.reach(conninfo, lambda _: None)
    scenario = check_draft(Draft(load=load, fleet={"processes": number}))
    run = Run(scenario, target, Heard(), may_create_tables=True)
    runner.begin(run)
    wait_until(lambda: counting(run) == number, "all processes count")
    rows = ended(run).rows
    assert rows is not None
    assert rows.found == rows.expected >= recorded(run).summary().operations


def test_their_number_changes_both_ways_and_is_marked(runner: Runner, conninfo: str) -> None:
    run = begun(runner, conninfo)
    run.change("processes", 4)
    wait_until(lambda: processes(run) == 4 and counting(run) == 4, "four processes")
    run.change("processes", 1)
    wait_until(lambda: processes(run) == 1, "one process")
    wait_until(lambda: len(group(run).pids) == 1, "the others have ended")
    assert marks(run) == ["processes 2 → 4", "processes 4 → 1"]
    assert ended(run).failure == ""
    assert [segment.processes for segment in recorded(run).summary().segments[:2]] == [2, 4]


def test_a_limit_changes_in_all_of_them_and_in_those_that_come_later(
    runner: Runner, conninfo: str
) -> None:
    run = begun(runner, conninfo)
    run.change("pool_size", 1)
    wait_until(lambda: "pool_size 2 → 1" in marks(run), "the limit was changed")
    run.change("processes", 3)
    wait_until(lambda: counting(run) == 3, "three processes count")
    ended(run)
    recorder = recorded(run)
    for name in recorder.members:
        last = recorder.member(name).last
        assert last is not None
        assert last.limits["pool_size"] == 1
    assert marks(run).count("pool_size 2 → 1") == 1
    assert len([each for each in heard(run, MarkAdded) if "pool_size" in str(each)]) == 1


def test_a_killed_process_is_replaced_and_its_end_is_no_failure(
    runner: Runner, conninfo: str
) -> None:
    run = begun(runner, conninfo)
    run.change("crash_process", 1)
    wait_until(lambda: len(recorded(run).members) == 3 and processes(run) == 2, "another took over")
    end = ended(run)
    assert end.failure == ""
    [mark] = [mark for mark in recorded(run).marks if mark.kind is MarkKind.FAULT]
    assert mark.key == "crash_process"
    wait_until(lambda: backends(conninfo, run) == 0, "the server has no connection left")


def test_a_process_that_dies_by_itself_is_named_and_the_others_go_on(
    runner: Runner, conninfo: str
) -> None:
    run = begun(runner, conninfo)
    os.kill(group(run).pids[0], signal.SIGKILL)
    wait_until(lambda: processes(run) == 1, "one is left")
    before = operations(run)
    wait_until(lambda: operations(run) > before + 5, "the other goes on")
    [problem] = [each for each in heard(run, ProblemReported) if "process" in each.topic]  # type: ignore[attr-defined]
    assert "process 1 has ended" in str(problem)
    assert "process 1 has ended" in ended(run).failure
    assert not recorded(run).summary().complete


def test_a_deployment_replaces_each_and_has_more_connections_meanwhile(
    runner: Runner, conninfo: str
) -> None:
    run = begun(runner, conninfo)
    run.change("rolling_deploy", 0.5)
    wait_until(lambda: "rolling_deploy over" in marks(run), "the deployment is over")
    wait_until(lambda: processes(run) == 2, "two processes")
    assert len(recorded(run).members) == 4
    assert ended(run).failure == ""
    during = recorded(run).summary().segments[1]
    assert during.processes > 2


def test_what_cannot_be_is_refused_once(runner: Runner, conninfo: str) -> None:
    run = begun(runner, conninfo)
    run.change("processes", 0)
    run.change("pool_size", -7)
    wait_until(lambda: len(heard(run, ChangeRefused)) == 2, "both were refused")
    assert processes(run) == 2
    ended(run)


def test_a_schedule_is_kept_by_all_and_the_run_ends_by_itself(
    runner: Runner, conninfo: str, tmp_path: Path
) -> None:
    changes = [{"at": 0, "pool_size": 1}, {"at": 1.0, "max_overflow": 0, "processes": 3}]
    path = tmp_path / "run.poolviz"
    run = begun(runner, conninfo, path, changes=changes, duration=6.0)
    assert run.wait(90)
    assert run.ended is not None
    assert (run.ended.failure, run.ended.stopped) == ("", False)
    recorder = recorded(run)
    assert recorder.summary().complete
    assert recorder.duration == pytest.approx(6.0, abs=3.0)
    recorder.close()
    with Recorder.open(path) as stored:
        assert stored.summary().operations == recorder.summary().operations
        assert stored.began is not None
        assert stored.began.scenario.fleet == {"processes": 2}
        names = [member["name"] for member in as_object(stored)["members"]]
        assert {"process 1", "process 2"} <= set(names)


def test_a_second_stop_ends_all_of_them_at_once(runner: Runner, conninfo: str) -> None:
    run = begun(runner, conninfo)
    pids = group(run).pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    run.stop()
    run.stop()
    assert run.wait(60)
    assert run.ended is not None
    assert "ended at once" in run.ended.failure
    assert ask(conninfo, "SELECT 1") == 1


def test_a_pool_that_cannot_open_fails_the_run_in_one_sentence(
    runner: Runner, conninfo: str
) -> None:
    scenario = check_draft(
        Draft(pool="psycopg2.SimpleConnectionPool", fleet={"processes": 2}, load=dict(GENTLE))
    )
    target = runner.reach(conninfo, lambda _: None)
    nowhere = type(target)(**{**vars(target), "conninfo": conninfo + " dbname=nowhere"})
    run = Run(scenario, nowhere, Heard())
    runner.begin(run)
    assert run.wait(60)
    assert run.ended is not None
    assert "nowhere" in run.ended.failure
    assert recorded(run).began is None


def test_a_process_that_begins_just_after_a_change_makes_it_too(
    runner: Runner, conninfo: str
) -> None:
    run = begun(runner, conninfo)
    run.change("max_overflow", 0)
    run.change("processes", 3)
    run.change_together({"pool_size": 1, "processes": 4})
    wait_until(lambda: counting(run) == 4, "four processes count")
    ended(run)
    for name in recorded(run).members:
        last = recorded(run).member(name).last
        assert last is not None
        assert (last.limits["max_overflow"], last.limits["pool_size"]) == (0, 1)


def test_a_server_without_room_for_all_of_them_is_said_before_with_what_would_fit() -> None:
    limits, load = {"max_overflow": 10}, {"clients": 20}
    scenario = check_draft(Draft(fleet={"processes": 8}, load=load, limits=limits))
    server = Target("postgresql://h/d", "h/d", "18", max_connections=100, free_connections=97)
    [warning] = [each for each in warnings_before(scenario, server) if each.topic == "connections"]
    assert "8 processes may open 120 connections together" in warning.sentence
    assert "let each open at most 12" in warning.sentence


def test_all_begin_at_one_moment_however_long_one_of_them_takes(
    runner: Runner, conninfo: str
) -> None:
    run = launched(runner, conninfo)
    late = group(run).pids[-1]
    os.kill(late, signal.SIGSTOP)
    # Those of two pools, and the one that watches.
    wait_until(lambda: backends(conninfo, run) >= 3, "the others have opened their pools")
    assert recorded(run).members == ()
    went_on = time.time()
    os.kill(late, signal.SIGCONT)
    wait_until(lambda: len(recorded(run).members) == 3, "all have begun")
    began = [recorded(run).member(name).began for name in recorded(run).members]
    assert all(each is not None and each.started > went_on for each in began)
    assert ended(run).failure == ""


def test_a_process_that_never_begins_does_not_hold_up_the_others(
    runner: Runner, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common_start, "TOGETHER_LIMIT", 1.0)
    run = launched(runner, conninfo)
    late = group(run).pids[-1]
    os.kill(late, signal.SIGSTOP)
    wait_until(lambda: counting(run) == 2, "the others count")
    [problem] = [str(each) for each in heard(run, ProblemReported) if each.topic == "start"]  # type: ignore[attr-defined]
    assert "process 3 had no open pool after 1 s" in problem
    os.kill(late, signal.SIGKILL)
    wait_until(lambda: len(heard(run, ProblemReported)) >= 3, "its end is told")
    end = ended(run)
    assert "killed by SIGKILL" in end.failure
    assert set(recorded(run).members) == {"process 1", "process 2"}


def test_the_server_is_watched_once_and_counts_each_process(runner: Runner, conninfo: str) -> None:
    run = begun(runner, conninfo)
    wait_until(lambda: (view := recorded(run).server) is not None and view.total >= 2, "a view")
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE"
    assert ask(conninfo, f"{count} '{run.name}% monitor'") == 1
    view = recorded(run).server
    assert view is not None
    each = [recorded(run).member(name).server for name in recorded(run).members]
    assert all(one is not None and 0 < one.total <= 2 and one.others for one in each)
    assert view.others == 0
    ended(run)
    figures = recorded(run).summary()
    assert figures.server_backends_max is not None
    assert figures.server_backends_max <= figures.connections.open_max


def launched(runner: Runner, dsn: str) -> Run:
    """A run whose three processes open a connection each, and are being started."""
    pool = "psycopg_pool.ConnectionPool"
    limits = {"min_size": 1, "max_size": 2}
    draft = Draft(pool=pool, limits=limits, load=dict(GENTLE), fleet={"processes": 3})
    run = Run(check_draft(draft), runner.reach(dsn, lambda _: None), Heard())
    runner.begin(run)
    wait_until(lambda: len(group(run).pids) == 3, "three processes are being started")
    return run
