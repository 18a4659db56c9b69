"""Carries out a round, and checks what must hold after it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path

import psutil
import psycopg2
import tomli_w

from poolviz.load.faults import FAULTS
from poolviz.model.errors import PoolvizError
from poolviz.model.messages import Report
from poolviz.model.sample import Sample
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.runs.warnings import RunWarning
from tests.belongings import belongings
from tests.chaos import invariants
from tests.chaos.attack import carried_out
from tests.chaos.invariants import await_true, demand, open_whole
from tests.chaos.plan import Attack, Kind, Leg, Plan, Violence

MARK = "POOLVIZ_CHAOS"
_START_LIMIT = 60.0  # seconds; a first start makes a database
_END_LIMIT = 45.0  # seconds for a program to end that was told to, or whose run is over
_QUIET = 1.3  # seconds without clients until the server's view, taken once a second, shows it
_KILLS = {Violence.KILL, Violence.KILL_ALL_BUT_SERVER}
_SIGNALS = {Violence.TERM, Violence.INT, Violence.HUP, Violence.TWICE}
_ABRUPT = {*_KILLS, Violence.TWICE, Violence.KILL_ENGINE}  # after which connections may be open
_UNDOES = {"restart_server", "kill_backend", "kill_all_backends"}  # what may undo or hide commits


class Room:
    """The folder and the servers of a whole run of chaos. Rounds follow each other in it."""

    def __init__(self, folder: Path, servers: Mapping[str, str]) -> None:
        self.folder, self.servers = folder, servers
        self.home = folder / "home"
        self.mark = f"chaos-{os.getpid()}-{time.time_ns()}"
        os.environ |= {MARK: self.mark, "POOLVIZ_HOME": str(self.home)}
        # What was there before, such as the MariaDB that serves all rounds.
        self.allowed = {os.getpid()} | {
            each.pid for each in psutil.Process().children(recursive=True)
        }

    def carry_out(self, plan: Plan) -> None:
        """Carry out one round. Raises Broken where an invariant doesn't hold."""
        before = belongings()
        sessions = self.folder / "sessions"
        sessions.mkdir()
        try:
            if plan.kind is Kind.RUNNER:
                _run_through_runner(plan, sessions, self.servers)
            elif plan.kind is Kind.WINDOW:
                self._run_window(plan)
            else:
                self._run_command(plan, sessions)
        finally:
            shutil.rmtree(sessions)
        # The folder of the round's own files is as temporary as any other.
        invariants.check_nothing_left(before, self.home, self.mark, self.allowed)

    def end(self) -> None:
        """Kill what a broken round left."""
        for process in invariants.marked_processes(self.mark, self.allowed):
            process.kill()

    def _run_command(self, plan: Plan, sessions: Path) -> None:
        [leg] = plan.legs
        scenario = self.folder / "scenario.toml"
        scenario.write_text(tomli_w.dumps(leg.toml()), encoding="utf-8")
        disk = _small_disk(sessions, plan.room) if plan.kind is Kind.FULL_DISK else nullcontext()
        with disk as limit:
            path = sessions / "run.poolviz"
            words = ["run", str(scenario), "--json", "--out", str(path)]
            if leg.server is not None:
                words += ["--dsn", self.servers[leg.server], "--create-tables"]
            with _Program([sys.executable, "-m", "poolviz", *words], self.folder) as program:
                attacked = self._attack_command(plan, program, path, limit)
                status, output = program.end(_END_LIMIT)
            _check_status(plan, status, output, begun=attacked is None or attacked.begun)
            if plan.kind is Kind.FULL_DISK:
                _check_what_fitted(path, output)
            else:
                _check_sessions([path], plan, attacked)

    def _attack_command(
        self, plan: Plan, program: _Program, path: Path, limit: int | None
    ) -> _Attacked | None:
        """Carry the plan's attack out at its moment, if the program isn't over by then."""
        attack = plan.attack
        if attack is not None and attack.early:
            program.wait(attack.at)
        else:
            await_true(lambda: path.exists() or program.over, "no session file", _START_LIMIT)
            if limit is not None and not program.over:
                resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (limit, limit))
            if attack is not None:
                program.wait(attack.at)
        if attack is None or program.over:
            return None
        begun = path.exists()
        with carried_out(attack, program.pid) as moment:
            program.wait(_END_LIMIT if attack.what in _KILLS else attack.lasts)
        return _Attacked(moment, begun)

    def _run_window(self, plan: Plan) -> None:
        folder = self.home / "sessions"
        shutil.rmtree(folder, ignore_errors=True)
        legs = self.folder / "legs.json"
        legs.write_text(json.dumps([leg.toml() for leg in plan.legs]), encoding="utf-8")
        command = [sys.executable, "-m", "tests.chaos.window", str(legs)]
        attacked = None
        with _Program(command, self.folder) as program:
            await_true(
                lambda: any(folder.glob("*.poolviz")) or program.over, "no session", _START_LIMIT
            )
            if plan.attack is not None:
                program.wait(plan.attack.at)
            if plan.attack is not None and not program.over:
                with carried_out(plan.attack, program.pid) as moment:
                    program.wait(plan.attack.lasts)
                attacked = _Attacked(moment, begun=True)
            status, output = program.end(_END_LIMIT + sum(leg.duration for leg in plan.legs))
        _check_status(plan, status, output, begun=True)
        paths = sorted(folder.glob("*.poolviz"))
        demand(paths or (attacked and not attacked.begun), f"there is no session:\n{output}")
        _check_sessions(paths, plan, attacked)
        shutil.rmtree(folder, ignore_errors=True)


class _Attacked:
    """When a program was attacked, and whether its run had begun by then."""

    def __init__(self, moment: float, begun: bool) -> None:
        self.moment, self.begun = moment, begun


class _Program:
    """A program in a process of its own. Its output is kept; it is killed with the block."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._output = folder / "output"
        self._stream = self._output.open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._stream,
            stderr=self._stream,
            env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
        )
        self.pid = self._process.pid

    @property
    def over(self) -> bool:
        return self._process.poll() is not None

    def wait(self, seconds: float) -> None:
        """Wait so long, or until it has ended."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def end(self, limit: float) -> tuple[int, str]:
        """Return its status and its output, once it has ended."""
        self.wait(limit)
        demand(self.over, f"the program doesn't end within {limit:g} s:\n{self._said()}")
        return self._process.returncode, self._said()

    def _said(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> _Program:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._stream.close()
        self._output.unlink()


@contextmanager
def _small_disk(folder: Path, room: int) -> Iterator[int | None]:
    """Make `folder` a disk of `room` bytes, or yield that size as a limit for each file where no
    disk can be made."""
    mounted = os.geteuid() == 0 and sys.platform == "linux"
    if mounted:
        size = max(room, 65_536)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield None if mounted else room
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def _check_status(plan: Plan, status: int, output: str, *, begun: bool) -> None:
    what = plan.attack.what if plan.attack else None
    said = f"status {status} after {what}:\n{output[-3000:]}"
    trace = output.find("Traceback")
    demand(trace < 0, f"status {status} after {what}, with a traceback:\n{output[trace:][:3000]}")
    allowed = {0, 1, 3, 99}
    if what in _KILLS:
        allowed |= {-9}
    if what in _SIGNALS:
        allowed |= {130, 129, 143}
        if not begun or what is Violence.TWICE:  # Python itself started, or the second ends at once
            allowed |= {-15, -2, -1}
    if plan.kind is Kind.FULL_DISK:
        allowed |= {2}
    demand(status in allowed, f"an unexpected {said}")


def _check_sessions(paths: list[Path], plan: Plan, attacked: _Attacked | None) -> None:
    what = plan.attack.what if plan.attack else None
    for number, path in enumerate(paths):
        leg = plan.legs[min(number, len(plan.legs) - 1)]
        if not path.exists():
            demand(attacked and not attacked.begun, "there is no session")
            continue
        try:
            with open_whole(path) as (session, samples):
                last = number == len(paths) - 1
                killed = what in _KILLS and attacked is not None and last
                if killed and samples:
                    invariants.check_recorded_until(session, samples, attacked.moment)
                if samples:
                    invariants.check_limits(session.scenario.pool, samples)
                calm = attacked is None and not _undone(leg)
                if what not in _ABRUPT and samples:
                    invariants.check_end(session, samples)
                    invariants.check_rows(session.scenario.pool, session.summary().rows, exact=calm)
        except PoolvizError as error:
            demand(attacked and time.time() - attacked.moment < 60 and _is_empty(path), str(error))


def _is_empty(path: Path) -> bool:
    """Return whether the session says itself that it holds no run."""
    return path.stat().st_size < 100_000


def _check_what_fitted(path: Path, output: str) -> None:
    """A session for which there wasn't enough room can be opened, or it was said that there is
    none."""
    try:
        with open_whole(path):
            pass
    except PoolvizError as error:
        demand(output.strip(), f"nothing is said, and the session can't be opened: {error}")


def _undone(leg: Leg) -> bool:
    """Return whether the leg's own faults may undo commits, or hide whether they were made."""
    return any(change.key in _UNDOES for change in leg.scenario.changes)


class _Listener:
    """Hears of a run, and keeps nothing."""

    def progressed(self, sentence: str) -> None: ...
    def warned(self, warning: RunWarning) -> None: ...
    def reported(self, run: Run, report: Report) -> None: ...


def _run_through_runner(plan: Plan, sessions: Path, servers: Mapping[str, str]) -> None:
    with Runner() as runner:
        for number, leg in enumerate(plan.legs):
            last = number == len(plan.legs) - 1
            attack = plan.attack if last else None
            path = sessions / f"{number}.poolviz"
            _run_leg(runner, leg, attack, path, servers)


def _run_leg(
    runner: Runner, leg: Leg, attack: Attack | None, path: Path, servers: Mapping[str, str]
) -> None:
    dsn = servers[leg.server] if leg.server is not None else None
    target = runner.reach(dsn, lambda _: None)
    run = Run(leg.scenario, target, _Listener(), may_create_tables=True)
    runner.begin(run, path)
    assert run.recorder is not None
    with closing(run.recorder), ExitStack() as attacked:
        await_true(lambda: run.started or run.over, "the run doesn't begin", _START_LIMIT)
        if attack is not None:
            run.wait(attack.at)
            attacked.enter_context(carried_out(attack, os.getpid()))
        run.wait(max(leg.duration - 0.2 - (attack.at if attack else 0), 0))
        broken = attack is not None and attack.what is not Violence.FREEZE_SERVER
        quiet = None if broken or run.over else _quiet_moment(run)
        run.stop()
        demand(run.wait(_END_LIMIT), "the run doesn't end")
        attacked.close()
        assert run.ended is not None
        runner.end_run()
        samples = list(run.recorder.samples())
    if attack is None or attack.what not in (Violence.KILL_ENGINE, Violence.FREEZE_ENGINE):
        demand(run.ended.open_at_end == 0, f"{run.ended.open_at_end} connections open at the end")
    if attack is None and not _undone(leg):
        invariants.check_rows(leg.scenario.pool, run.ended.rows, exact=True)
    with open_whole(path) as (_, recorded):
        demand(len(recorded) == len(samples), "the session has other samples than the recorder")
    invariants.check_limits(leg.scenario.pool, samples)
    if quiet is not None:
        faulty = any(change.key in FAULTS for change in leg.scenario.changes)
        invariants.check_agreement(quiet, with_server=attack is None and not faulty)
    if dsn is None and runner.server_alive:
        await_true(
            lambda: _backends(target.conninfo, run.name) == 0, "backends of the run are left"
        )


def _quiet_moment(run: Run) -> Sample | None:
    """Return a sample of a time without clients, if the run gets there before it ends."""
    run.change("clients", 0)
    run.change("arrivals", "closed")
    assert run.recorder is not None
    run.wait(_QUIET)
    if run.over:
        return None
    samples = list(run.recorder.samples())[-8:]
    still = samples and all(
        each.clients == 0 and each.pending.high == 0 and each.opened == each.closed == 0
        and each.used.low == each.used.high
        for each in samples
    )  # fmt: skip
    return samples[-1] if still else None


def _backends(conninfo: str, name: str) -> int:
    with closing(psycopg2.connect(conninfo, application_name="chaos asks")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s",
                (f"{name}%",),
            )
            [[found]] = cursor.fetchall()
            return int(found)
