"""The engines of a run with several processes, each with a pool and clients of its own.

They do what one engine does: the same load on the same pool, changed at the same moments. Which
processes there are, and when all of them change or end, is decided here, by one thread. What each
of them reports is passed on with its name.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter, time
from typing import TypeAlias

import msgspec

from poolviz.engine.row_audit import RowAudit
from poolviz.language import tr
from poolviz.load.faults import FAULT_PARAMETERS, FAULTS
from poolviz.load.faults.processes import ProcessFault
from poolviz.load.fleet import FLEET, PROCESSES
from poolviz.model.errors import ParameterError
from poolviz.model.messages import (
    CLOCK,
    WORKER,
    ChangeRefused,
    MarkAdded,
    PoolOpened,
    ProblemReported,
    Report,
    RunEnded,
    RunStarted,
    SampleTaken,
    ServerRestartRequested,
    StartRun,
)
from poolviz.model.parameters import Value
from poolviz.model.sample import LOST, Mark, MarkKind
from poolviz.runs.common_start import CommonStart, start_limit
from poolviz.runs.deployment import Deployment
from poolviz.runs.engine_process import CLOSE_LIMIT
from poolviz.runs.engine_source import EngineSource, LocalEngines, MemberEngine
from poolviz.runs.group_view import GroupView
from poolviz.runs.shared_scenario import SharedScenario, of_server

_DEPLOY = "rolling_deploy"
_logger = logging.getLogger(__name__)


@dataclass
class _Process:
    """A process of the run, from its start until its RunEnded."""

    name: str
    application_name: str
    engine: MemberEngine
    open: bool = False  # its pool is, and it waits to be told to begin
    began: bool = False
    started: float = 0.0  # Unix time
    newest: float = 0.0  # the end of its newest sample, likewise
    leaving: bool = False  # it was stopped or killed, as planned


@dataclass(frozen=True)
class _Heard:
    """A report of the process `name`."""

    name: str
    report: Report


@dataclass(frozen=True)
class _Found:
    """A problem of the run as a whole."""

    topic: str
    sentence: str


@dataclass(frozen=True)
class _Note:
    text: str


@dataclass(frozen=True)
class _Stop:
    pass


@dataclass(frozen=True)
class _Restarted:
    pass


_Event: TypeAlias = _Heard | _Found | _Note | _Stop | _Restarted | dict[str, Value]


class EngineGroup:
    """Several processes that run one scenario, as `EngineProcess` runs it in one.

    `on_report` is called by this object's own thread, for every report in order, with the name of
    the process that it is of, or "" for one of the run as a whole, and whether whoever follows the
    run is to hear of it: what every process says is heard once. The last one is the RunEnded of
    the whole, which says what failed. Other methods may be called from any thread, but for those
    of `Processes`, which its own thread calls.
    """

    def __init__(
        self,
        start: StartRun,
        on_report: Callable[[Report, str, bool], None],
        source: EngineSource | None = None,
    ) -> None:
        self._start, self._on_report = start, on_report
        self._source = source or LocalEngines(start.scenario.pool)
        self._scenario = start.scenario
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._engines: tuple[MemberEngine, ...] = ()  # all of them; replaced, never changed
        self._killed = False
        # What follows belongs to the thread.
        self._members: dict[str, _Process] = {}  # those that haven't ended, the oldest first
        self._wanted = int(start.scenario.fleet[PROCESSES])
        self._number = 0  # of the newest one
        self._common_start = CommonStart(lambda words: self._say_problem("start", words))
        self._let_begin: tuple[float, float] | None = None  # when, by both clocks
        self._began_at: float | None = None
        self._started = 0.0  # likewise, as Unix time
        self._stopping = self._stopped = False
        self._shared = SharedScenario(start.scenario)
        self._problems: dict[str, dict[str, str]] = {}  # by topic, of each process
        self._deployment: Deployment | None = None
        self._overlap = 0.0  # of the newest deployment, in seconds
        self._failure, self._exit_status, self._open = "", 0, 0
        self._committed: int | None = 0
        self._audit = RowAudit(start.conninfo, lambda words: self._say_problem("rows", words))
        self._server = GroupView(start, lambda *found: self._events.put(_Found(*found)))
        self._thread = threading.Thread(target=self._control, name="processes", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """The RunEnded of the whole hasn't been reported yet."""
        return self._thread.is_alive()

    @property
    def pids(self) -> tuple[int, ...]:
        """The ids of the processes that were started here and haven't ended."""
        return tuple(engine.pid for engine in self._engines if engine.running and engine.pid)

    def change(self, key: str, value: Value) -> None:
        """Change a limit, a setting of the load or the number of processes, or inject a fault."""
        self._events.put({key: value})

    def change_together(self, values: Mapping[str, Value]) -> None:
        """Make several changes at one moment, which share a segment."""
        self._events.put(dict(values))

    def add_note(self, text: str) -> None:
        """Put a note on the timeline, now."""
        self._events.put(_Note(text))

    def server_restarted(self) -> None:
        """Say that the server was restarted, as a process had asked."""
        self._events.put(_Restarted())

    def stop(self) -> None:
        """End the run. RunEnded comes within a few seconds."""
        self._events.put(_Stop())

    def kill(self) -> None:
        """End all processes at once, whatever they are doing. RunEnded follows."""
        self._killed = True
        self._events.put(_Stop())
        for engine in self._engines:
            engine.kill()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until RunEnded was reported; False if it wasn't by then."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def close(self) -> None:
        """End the run and all processes. Blocks for a few seconds at most."""
        self.stop()
        self._thread.join(CLOSE_LIMIT)
        if self._thread.is_alive():
            _logger.error("the processes didn't end")
            for engine in self._engines:
                engine.kill()

    def _control(self) -> None:
        """Follow what happens until all processes have ended."""
        try:
            self._audit.start(self._scenario.load)
            self._add(self._wanted)
            while self._members:
                self._begin_together()
                self._make_due_changes()
                try:
                    event = self._events.get(timeout=self._seconds_until_due())
                except queue.Empty:
                    continue
                self._follow(event)
        except Exception as error:
            _logger.exception("the processes can't be followed")
            self._fail(tr("A fault of poolviz itself ended the run: {error!r}.", error=error), 1)
            for member in self._members.values():
                member.engine.kill()
        finally:
            self._source.discard()
            self._server.close()
        rows = None if self._committed is None else self._audit.finish(self._committed)
        ended = RunEnded(self._open, self._failure, self._exit_status, rows, self._stopped)
        self._deliver(ended)

    def _follow(self, event: _Event) -> None:
        match event:
            case _Heard(name, report):
                self._hear(self._members[name], report)
            case _Found(topic, sentence):
                self._say_problem(topic, sentence)
            case _Note(text):
                self._mark(MarkKind.NOTE, text)
            case _Restarted():
                for member in self._members.values():
                    member.engine.server_restarted()
            case _Stop():
                self._stopped = self._stopped or not self._stopping
                self._stop_all()
            case dict():
                self._change(event)

    # What the processes report.

    def _hear(self, member: _Process, report: Report) -> None:
        """Pass on a report of a process."""
        leads = member is self._leader()
        match report:
            case PoolOpened():
                member.open = True
            case RunStarted():
                self._begin(member, report)
            case SampleTaken(sample):
                at = member.newest = member.started + sample.t
                sample = self._server.completed(member.application_name, sample, at)
                if leads:
                    self._shared.newest = sample
                self._deliver(SampleTaken(sample), member.name, heard=False)
            case MarkAdded():
                self._deliver(report, member.name, heard=leads)
            case ProblemReported(topic, sentence):
                self._problem(member, topic, sentence)
            case ChangeRefused() | ServerRestartRequested():
                if leads:  # the others say the same
                    self._deliver(report)
            case RunEnded():
                self._end(member, report)
            case _:
                pass

    def _begin_together(self) -> None:
        """Have processes begin whose pool is open, unless they wait for others."""
        members = self._members.values()
        opened = [member for member in members if member.open]
        missing = [member.name for member in members if not (member.open or member.began)]
        if self._common_start.is_over(opened=bool(opened), missing=missing):
            for member in opened:
                member.open = False
                self._let_begin = self._let_begin or (perf_counter(), time())
                member.engine.begin_load()

    def _begin(self, member: _Process, began: RunStarted) -> None:
        member.began, member.started = True, began.started
        self._common_start.arrive(member.name)
        seed, limits, load = began.scenario.seed, began.scenario.limits, began.scenario.load
        if self._began_at is None:
            # Which of them was the first isn't known here: their reports take their time.
            self._began_at, self._started = self._let_begin or (perf_counter(), began.started)
            facts = {**began.environment, **self._source.facts}
            for of_one in (WORKER, CLOCK):
                facts.pop(of_one, None)
            self._deliver(RunStarted(self._started, self._scenario, facts))
        own = msgspec.structs.replace(self._scenario, seed=seed, limits=limits, load=load)
        self._deliver(msgspec.structs.replace(began, scenario=own), member.name, heard=False)
        if self._deployment is not None:
            self._deployment.begun(member.name, self._now())
            self._go_on_replacing()

    def _end(self, member: _Process, ended: RunEnded) -> None:
        """Count a process out, and have another one take its place where it was killed."""
        del self._members[member.name]
        self._server.forget(member.application_name)
        self._common_start.arrive(member.name)
        for topic in [topic for topic, said in self._problems.items() if member.name in said]:
            self._problem(member, topic, "")
        planned = member.leaving or self._stopping
        killed = planned and bool(ended.failure)
        if ended.rows is not None and self._committed is not None:
            self._committed += ended.rows.expected
        elif killed or not member.began or ended.failure:
            self._committed = None  # what it has committed can't be known
        if planned:
            # It ended when it was to: nothing of it is missing.
            failure = "" if not self._killed else ended.failure
            ended = msgspec.structs.replace(ended, failure=failure, stopped=self._stopped)
        else:
            self._lose(member, ended)
        self._open += 0 if killed else ended.open_at_end
        self._deliver(msgspec.structs.replace(ended, rows=None), member.name, heard=False)
        if self._killed:
            self._fail(ended.failure, 1)
        if self._deployment is not None:
            self._deployment.ended(member.name, failed=not (member.began or member.leaving))
            self._go_on_replacing()
        self._balance()

    def _lose(self, member: _Process, ended: RunEnded) -> None:
        """Note that a process ended although it should have gone on. The others go on."""
        why = ended.failure or tr("It ended by itself.")
        sentence = tr("{name} has ended: {why}", name=member.name, why=why)
        self._fail(sentence if member.began else why, ended.exit_status or 1)
        self._wanted -= 1
        self._say_problem(member.name, sentence)
        if member.began and self._began_at is not None:
            since = min(max(member.newest - self._started, 0.0), self._now())
            self._mark(MarkKind.NOTE, f"{member.name} lost", LOST, since, member.name)

    def _problem(self, member: _Process, topic: str, sentence: str) -> None:
        """Report a problem of a process, or that the last one that had it is over it."""
        said = self._problems.setdefault(topic, {})
        said.pop(member.name, None)
        if sentence:
            said[member.name] = tr("{name}: {sentence}", name=member.name, sentence=sentence)
        newest = next(reversed(said.values()), "")
        self._say_problem(topic, newest)

    def _say_problem(self, topic: str, sentence: str) -> None:
        self._deliver(ProblemReported(topic, sentence))

    def _fail(self, failure: str, exit_status: int) -> None:
        if not self._failure:
            self._failure, self._exit_status = failure, exit_status

    def _deliver(self, report: Report, name: str = "", *, heard: bool = True) -> None:
        try:
            self._on_report(report, name, heard)
        except Exception:
            _logger.exception("a report of the processes was not taken")

    # What changes.

    def _change(self, values: Mapping[str, Value]) -> None:
        """Carry out changes of one moment: those of the processes here, others in each of them."""
        others: dict[str, Value] = {}
        for key, value in values.items():
            fault = FAULTS.get(key)
            if key == PROCESSES:
                self._want(value)
            elif fault is not None and issubclass(fault, ProcessFault):
                self._carry_out(fault(), value)
            else:
                others[key] = value
        if not others:
            return
        self._shared.request(others)
        leader = self._leader()
        shared = {key: value for key, value in others.items() if not of_server(key)}
        for member in self._members.values():
            mine = others if member is leader else shared
            if mine and not member.leaving:
                member.engine.change_together(mine)
        self._audit_rows(others)

    def _audit_rows(self, changes: Mapping[str, Value]) -> None:
        """Count the rows of the table, if clients add to it from now on."""
        load = self._shared.load
        self._audit.start(load | {key: value for key, value in changes.items() if key in load})

    def _want(self, value: Value) -> None:
        """Have another number of processes: the youngest ones end first."""
        try:
            wanted = int(FLEET[PROCESSES].check(value))
        except ParameterError as error:
            self._deliver(ChangeRefused(PROCESSES, self._wanted, str(error)))
            return
        old, self._wanted = self._wanted, wanted
        if wanted == old or self._stopping:
            return
        self._mark(MarkKind.CHANGE, f"{PROCESSES} {old} → {wanted}", PROCESSES, old, wanted)
        self._balance()

    def _balance(self) -> None:
        """Have as many processes as are wanted, besides one that is to take another's place."""
        if self._stopping:
            return
        besides = set[str]() if self._deployment is None else self._deployment.besides
        staying = [member for member in self._staying() if member.name not in besides]
        for member in staying[self._wanted :]:
            self._end_process(member)
        self._add(self._wanted - len(staying))

    def _carry_out(self, fault: ProcessFault, value: Value) -> None:
        key, declared = fault.parameter.key, fault.parameter
        try:
            value = declared.check(value)
        except ParameterError as error:
            self._deliver(ChangeRefused(key, declared.default, str(error)))
            return
        if value == declared.default or self._stopping:
            return
        if fault.lasts and self._deployment is not None:
            reason = tr("The processes are being replaced already.")
            self._deliver(ChangeRefused(key, declared.default, reason))
            return
        self._mark(MarkKind.FAULT, declared.phrase(value), key, None, value)
        fault.carry_out(self, value)

    def crash(self, number: int) -> None:
        """Kill the oldest processes. Called by the group's own thread."""
        for member in self._staying()[:number]:
            member.leaving = True
            member.engine.kill()

    def replace_all(self, overlap: float) -> None:
        """Begin to replace one process after the other. Called by the group's own thread."""
        self._overlap = overlap
        self._deployment = Deployment((member.name for member in self._staying()), overlap)
        self._go_on_replacing()

    def _go_on_replacing(self) -> None:
        """Start the next new process, end the old ones whose time is over, or all of it."""
        deployment = self._deployment
        if deployment is None or self._stopping:
            return
        if deployment.next():
            deployment.newcomer = self._add(1)[0]
        for name in deployment.take_due(self._now()):
            self._end_process(self._members[name])
        if deployment.over:
            self._deployment = None
            old, new = self._overlap, FAULT_PARAMETERS[_DEPLOY].default
            self._mark(MarkKind.FAULT, f"{_DEPLOY} over", _DEPLOY, old, new)

    def _add(self, number: int) -> list[str]:
        """Start processes; return their names. All are being started before one is told to run."""
        added = range(max(number, 0) if not self._stopping else 0)
        for _ in added:
            self._source.prepare()
        limit = start_limit(len(added))
        return [self._start_next(limit) for _ in added]

    def _start_next(self, limit: float) -> str:
        self._number += 1
        name = f"process {self._number}"
        application_name = f"{self._start.application_name}-{self._number}"
        start = msgspec.structs.replace(
            self._start,
            scenario=self._shared.of_process(self._number, at_start=self._began_at is None),
            application_name=application_name,
            together=True,
            pooler="",  # which is asked here, once for all
        )
        engine = self._source.start(start, partial(self._queue, name), limit)
        self._members[name] = _Process(name, application_name, engine)
        self._engines = (*(each for each in self._engines if each.running), engine)
        if self._killed:
            engine.kill()
        return name

    def _queue(self, name: str, report: Report) -> None:
        """Take a report of a process, in the thread that reads it."""
        self._events.put(_Heard(name, report))

    def _end_process(self, member: _Process) -> None:
        member.leaving = True
        member.engine.stop()

    def _stop_all(self) -> None:
        self._stopping = True
        for member in self._members.values():
            member.engine.stop()

    # Which processes there are, and what time it is.

    def _leader(self) -> _Process | None:
        """Return the oldest process that goes on."""
        return next(iter(self._staying()), None) or next(iter(self._members.values()), None)

    def _staying(self) -> list[_Process]:
        return [member for member in self._members.values() if not member.leaving]

    def _mark(
        self,
        kind: MarkKind,
        text: str,
        key: str | None = None,
        old: Value | None = None,
        new: Value | None = None,
    ) -> None:
        mark = Mark(t=self._now(), kind=kind, text=text, key=key, old=old, new=new)
        self._deliver(MarkAdded(mark))

    def _now(self) -> float:
        """Return the seconds since the run began."""
        return 0.0 if self._began_at is None else perf_counter() - self._began_at

    def _make_due_changes(self) -> None:
        """Make the changes of the scenario that are due, and end the run when it is over."""
        if self._began_at is None or self._stopping:
            return
        for changes in self._shared.take_due(self._now()):
            self._change(changes)
        if self._shared.is_over(self._now()):
            self._stop_all()
        self._go_on_replacing()

    def _seconds_until_due(self) -> float | None:
        if self._common_start.seconds_left is not None:
            return self._common_start.seconds_left
        if self._began_at is None or self._stopping:
            return None
        due = self._shared.next_moment()
        if self._deployment is not None and self._deployment.next_end is not None:
            due = min(due, self._deployment.next_end)
        return max(due - self._now(), 0.0) if due < math.inf else None
