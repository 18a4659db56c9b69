"""Sweeps of real pools on a real server: what is measured, recommended, kept and left."""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import closing
from html import escape
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
import psycopg2
import pytest
from PIL import Image
from pypdf import PdfReader

from poolviz.commands.cli import run_command_line
from poolviz.model.errors import InputError, PoolvizError
from poolviz.runs.engine_group import EngineGroup
from poolviz.runs.request import RunRequest
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.scenarios.draft import Draft
from poolviz.servers.dispatch import reach
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.kept_session import Ending, KeptSession
from poolviz.sessions.recorder import Recorder
from poolviz.sizing.advice import Verdict
from poolviz.sizing.api import SizingListener, find_size
from poolviz.sizing.planning import SHORTEST_BUDGET, WATCHERS, SizingRequest
from poolviz.sizing.sizing import sizing_of
from poolviz.sizing.sweep import Progress, Sweep
from poolviz.sizing.swept_limits import Range
from poolviz.sizing.target import Aim
from tests.pools.bench import until
from tests.servers.fixtures import TcpServer, tcp_server

__all__ = ["tcp_server"]

LOAD = {
    "clients": 6,
    "statement": "sleep",
    "statement_time": 0.03,
    "hold_time": 0,
    "think_time": 0.03,
}


def request(conninfo: str, *ranges: Range, **fields: Any) -> SizingRequest:
    aim = fields.pop("aim", Aim())
    draft = Draft(**{"pool": "sqlalchemy.QueuePool", "load": LOAD, "dsn": conninfo, **fields})
    return SizingRequest(
        RunRequest.of(draft), ranges, aim, SHORTEST_BUDGET, frozenset(draft.limits)
    )


def backends(conninfo: str, name: str) -> int:
    """How many connections the server has of a run."""
    with closing(psycopg2.connect(conninfo)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s", (f"{name}%",)
        )
        row = cursor.fetchone()
        assert row is not None
        return int(row[0])


class Listener(SizingListener):
    """Cancels at a visit, and keeps what it heard."""

    def __init__(self, cancel_at: int = 0) -> None:
        self.sweep: Sweep | None = None
        self.seen: list[Progress] = []
        self._cancel_at = cancel_at

    def began(self, sweep: Sweep) -> None:
        self.sweep = sweep

    def measuring(self, progress: Progress) -> None:
        self.seen.append(progress)
        if progress.visit == self._cancel_at:
            assert self.sweep is not None
            self.sweep.cancel()

    @property
    def run(self) -> Run:
        assert self.sweep is not None
        return self.sweep.run


def test_the_sizes_of_a_pool_are_measured_and_one_is_recommended(conninfo: str) -> None:
    listener = Listener()
    with Runner() as runner:
        found = find_size(
            request(conninfo, Range("pool_size", 1, 3), limits={"max_overflow": 0}),
            runner,
            listener,
            keep=False,
        )
    rates = [each.throughput_per_s.value or 0.0 for each in found.points]
    assert [each.sizes for each in found.points] == [(1,), (2,), (3,)]
    # One connection does an operation in 30 ms; six clients could use three at once, on average.
    # A slot of a second or so may have begun with one that was nearly done.
    assert 10 < rates[0] < 37
    assert 1.4 < rates[1] / rates[0] < 2.4
    assert rates[2] > 1.1 * rates[1]
    assert all(len(each.visits) >= 3 for each in found.points)
    assert found.recommended == {"pool_size": 3}
    assert found.complete
    assert found.session is None
    for each in found.points:
        assert each.used_mean <= each.sizes[0] * 1.001
        assert each.server is not None
        assert each.server.sleeping == pytest.approx(each.used_mean, rel=0.3)
    said = {each.sizes: each for each in found.predictions}
    assert said[2,].throughput_per_s == pytest.approx(rates[1], rel=0.1)
    assert json.loads(json.dumps(found.as_object()))["recommended"] == {"pool_size": 3}
    assert backends(conninfo, listener.run.name) == 0


def test_a_cancelled_sweep_leaves_a_whole_session_and_a_free_server(
    conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLVIZ_SESSIONS", str(tmp_path))
    listener = Listener(cancel_at=3)
    with Runner() as runner:
        found = find_size(request(conninfo, Range("pool_size", 1, 6)), runner, listener)
    assert not found.complete
    assert len(listener.seen) == 3
    assert sum(len(each.visits) for each in found.points) == 2
    assert found.session is not None
    assert KeptSession.of(Path(found.session)).ending is Ending.STOPPED
    with Recorder.open(Path(found.session)) as recorder:
        assert recorder.ended is not None
        assert recorder.summary().complete
        # What it measured is answered from again.
        again = sizing_of(recorder)
    assert again == found
    assert backends(conninfo, listener.run.name) == 0


def test_a_sweep_that_is_cancelled_before_it_measures_leaves_no_broken_session(
    conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLVIZ_SESSIONS", str(tmp_path))

    class AtOnce(Listener):
        def began(self, sweep: Sweep) -> None:
            super().began(sweep)
            sweep.cancel()

    listener = AtOnce()
    with Runner() as runner, pytest.raises(PoolvizError, match="Nothing was measured"):
        find_size(request(conninfo, Range("pool_size", 1, 3)), runner, listener)
    for path in tmp_path.glob("*.poolviz"):
        assert KeptSession.of(path).ending is Ending.STOPPED
    assert backends(conninfo, listener.run.name) == 0


def test_a_finished_sweep_is_done_and_exported_with_its_answer(
    conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLVIZ_SESSIONS", str(tmp_path))
    open_load = {**LOAD, "arrivals": "open", "rate": 200.0, "clients": 64}
    with Runner() as runner:
        found = find_size(
            request(
                conninfo, Range("pool_size", 1, 10), load=open_load, limits={"max_overflow": 0}
            ),
            runner,
            Listener(),
        )
    assert found.complete and found.session is not None
    kept = KeptSession.of(Path(found.session))
    assert (kept.swept, kept.ending) == (True, Ending.DONE)
    # One connection can't serve as many requests as arrive. What is left of them doesn't make those
    # of the next size wait, although it would take seconds to serve them beside these.
    most = found.points[-1]
    assert most.wait_p50_s.value is not None and most.wait_p50_s.value < most.use_mean_s
    with Recorder.open(Path(found.session)) as recorder:
        for suffix in ("html", "png", "svg", "pdf"):
            exporter_for(tmp_path / f"x.{suffix}").export(recorder, tmp_path / f"x.{suffix}")
        run_alone = exporter_for(tmp_path / "run.svg").of_charts(["wait"])
        run_alone.export(recorder, tmp_path / "run.svg")
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "chart-size-throughput" in page and "chart-throughput" in page
    assert escape(found.sentence, quote=False) in page
    title = "How large sqlalchemy.QueuePool should be"
    assert title in (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert title not in (tmp_path / "run.svg").read_text(encoding="utf-8")
    assert title in " ".join(PdfReader(tmp_path / "x.pdf").pages[0].extract_text().split())
    with Image.open(tmp_path / "x.png") as image:
        assert image.size[0] == 2560


def test_a_sweep_whose_engine_is_killed_answers_from_what_it_measured(conninfo: str) -> None:
    class Killer(Listener):
        def measuring(self, progress: Progress) -> None:
            super().measuring(progress)
            if progress.visit == 3:
                psutil.Process(self.run.engine.pid).kill()  # type: ignore[union-attr]

    listener = Killer()
    with Runner() as runner:
        found = find_size(request(conninfo, Range("pool_size", 1, 4)), runner, listener, keep=False)
    assert not found.complete
    assert sum(len(each.visits) for each in found.points) == 2
    assert any(note.startswith("The sweep ended early: ") for note in found.notes)
    # A backend of a killed process ends once its statement does.
    until(lambda: backends(conninfo, listener.run.name) == 0, "the connections to be gone")


def test_two_limits_are_swept_as_a_grid_until_it_is_cancelled(conninfo: str) -> None:
    listener = Listener(cancel_at=5)
    wanted = request(conninfo, Range("pool_size", 1, 2), Range("max_overflow", 0, 1))
    with Runner() as runner:
        found = find_size(wanted, runner, listener, keep=False)
    assert found.limits == ("pool_size", "max_overflow")
    assert {each.sizes: each.connections for each in found.points} == {
        (1, 0): 1,
        (1, 1): 2,
        (2, 0): 2,
        (2, 1): 3,
    }


def test_no_size_is_tried_at_which_clients_could_wait_for_one_another_for_ever(
    conninfo: str,
) -> None:
    listener = Listener(cancel_at=2)
    load = {**LOAD, "clients": 3, "checkouts": 2}
    with Runner() as runner:
        found = find_size(request(conninfo, load=load), runner, listener, keep=False)
    assert found.lower_bound == 4
    assert min(each.sizes[0] for each in listener.seen) >= 4
    assert any("wait for one another" in note for note in found.notes)


def test_a_missed_target_is_said_with_the_reason(conninfo: str) -> None:
    aim = Aim.parse("throughput > 100000")
    with Runner() as runner:
        found = find_size(
            request(conninfo, Range("pool_size", 1, 2), aim=aim),
            runner,
            Listener(cancel_at=3),
            keep=False,
        )
    assert found.recommendation.verdict is Verdict.TARGET_MISSED
    assert found.recommended is None
    assert "No size meets throughput > 100000" in found.sentence


def test_a_range_beyond_what_the_server_has_is_shortened_or_refused(conninfo: str) -> None:
    with Runner() as runner, pytest.raises(InputError, match="no room for this sweep"):
        find_size(request(conninfo, Range("pool_size", 9000, 9900)), runner, Listener(), keep=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--limit", "pool_size=9..2"], "from a lower to a higher"),
        (["--limit", "pool_timeout=1..3"], "not a whole number"),
        (["--limit", "pool_sise=1..3"], "pool_size"),
        (["--target", "wait_p95 < soon"], "--target"),
        (["--target", "pending_max > 3"], "a figure of a size"),
        (["--pool", "sqlalchemy.NullPool"], "no size to find"),
        (["--budget", "3"], "at least 15 s"),
        (["--budget", "soon"], "it takes a time"),
        (["--out", "answer.docx"], ".html"),
        (["--measured"], "the session (.poolviz) of a sweep"),
        (["nothing.poolviz", "--measured", "--pool", "asyncpg.Pool"], "--pool says what"),
        (["--limit", "pool_size=0..0"], "from a lower to a higher"),
        (["--limit", "pool_size=0..3"], "pool_size"),
        (["--limit", "pool_size=1..99999999999999999999"], "pool_size"),
        (["--limit", "pool_size=1..3", "--limit", "pool_size=2..4"], "pool_size is given twice"),
        (["--limit", "pool_size=1..3", "--limit", "pool_size=2"], "pool_size is given twice"),
        (["--limit", "pool_size=-3..3"], "pool_size"),
        (["--limit", "pool_size=1.5..3"], "pool_size"),
        (["--limit", "=1..3"], "limit"),
        (["--pool", "sqlalchemy.StaticPool"], "no size to find"),
        (["--budget", "inf"], "it takes a time"),
        (["--budget", "-5"], "--budget"),
        (["--budget", "1"], "at least 15 s"),
    ],
)
def test_a_mistake_is_one_sentence(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["size", *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1


class Pauser(Listener):
    """Pauses at the second visit, until the load has stopped, and goes on then."""

    def __init__(self) -> None:
        super().__init__()
        self.idle_backends: set[int] = set()
        self._waiter: threading.Thread | None = None

    def measuring(self, progress: Progress) -> None:
        super().measuring(progress)
        if progress.visit == 2 and self._waiter is None:
            assert self.sweep is not None
            self.sweep.pause()
            self._waiter = threading.Thread(target=self._go_on)
            self._waiter.start()

    def _go_on(self) -> None:
        sweep = self.sweep
        assert sweep is not None and sweep.run.recorder is not None
        recorder, limit = sweep.run.recorder, monotonic() + 60
        while monotonic() < limit and not sweep.run.over:
            last = recorder.last
            if sweep.idle and last is not None and last.load["clients"] == 0:
                self.idle_backends.add(last.used.last)
                break
            sleep(0.02)
        sweep.go_on()

    def join(self) -> None:
        assert self._waiter is not None
        self._waiter.join(60)


def test_a_pause_stops_the_load_and_costs_no_measurement(conninfo: str) -> None:
    listener = Pauser()
    with Runner() as runner:
        found = find_size(
            request(conninfo, Range("pool_size", 1, 2), limits={"max_overflow": 0}),
            runner,
            listener,
            keep=False,
        )
    listener.join()
    assert listener.idle_backends, "the load was never without clients"
    assert found.complete
    assert [each.sizes for each in found.points] == [(1,), (2,)]
    assert all(len(each.visits) >= 3 for each in found.points)
    # No visit has a part of the pause in it: none is longer than what was meant.
    recorder = listener.run.recorder
    assert recorder is not None
    changes = [mark for mark in recorder.marks if mark.key == "clients"]
    assert [mark.new for mark in changes] == [0, 6]
    stopped, again = (mark.t for mark in changes)
    for point in found.points:
        assert all(end <= stopped or begin >= again for begin, end in point.visits)


def test_the_size_of_each_of_several_processes_that_share_the_server(
    tcp_server: TcpServer,
) -> None:
    free = reach(tcp_server.dsn()).free_connections
    assert free is not None
    load = LOAD | {"clients": 12, "think_time": 0.0, "statement_time": 0.02}
    wanted = request(tcp_server.dsn(), load=load, fleet={"processes": 2})
    listener = Listener()
    with Runner() as runner:
        found = find_size(wanted, runner, listener, keep=False)
    most = (free - WATCHERS) // 2
    assert max(point.sizes[0] for point in found.points) == most < 12
    assert all(point.errors == 0 for point in found.points)
    assert found.processes == 2
    # Each of them is saturated at every size: what is in use is all that one may have.
    for point in found.points:
        assert point.connections == point.sizes[0]
        assert 0.6 * point.connections < point.used_mean <= point.connections
    budget = found.budget
    assert budget is not None
    assert budget.together == 2 * budget.connections <= free
    assert f"{budget.connections} connections each and {budget.together} together" in found.sentence
    assert f"of {free} that are free" in found.sentence
    assert any("2 processes of each size" in note for note in found.notes)
    assert any("for the sweep of 2 processes" in note for note in found.notes)


def test_a_sweep_ends_with_a_process_that_ends(conninfo: str) -> None:
    class Killing(Listener):
        def measuring(self, progress: Progress) -> None:
            super().measuring(progress)
            if progress.visit == 2:
                engine = self.run.engine
                assert isinstance(engine, EngineGroup)
                os.kill(engine.pids[-1], signal.SIGKILL)

    wanted = request(conninfo, Range("pool_size", 1, 2), fleet={"processes": 2})
    with Runner() as runner:
        found = find_size(wanted, runner, Killing(), keep=False)
    assert not found.complete
    assert "One of the processes has ended" in found.notes[0]


def test_the_command_sizes_processes(conninfo: str, capsys: pytest.CaptureFixture[str]) -> None:
    limits = [*("--limit", "pool_size=1..2"), *("--limit", "max_overflow=0")]
    options = ["--dsn", conninfo, "--processes", "2", "--budget", "15", "--no-keep", "--json"]
    load = [f"--load={key}={value}" for key, value in LOAD.items()]
    assert run_command_line(["size", *limits, *options, *load, "--quiet"]) in (0, 1)
    printed = json.loads(capsys.readouterr().out)
    assert printed["processes"] == 2
    assert printed["budget"]["together"] == 2 * printed["budget"]["connections"]
