"""One run while it goes on: its load, its changes and faults, and its end."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeAlias

from poolviz.engine.client_group import ClientGroup
from poolviz.engine.environment import describe_environment
from poolviz.engine.fault_injector import FaultInjector, RunFaultContext
from poolviz.engine.meter import ConnectionEventBuffer
from poolviz.engine.pool_calls import PoolBlocked
from poolviz.engine.pool_errors import describe_error
from poolviz.engine.pooler_monitor import PoolerMonitor
from poolviz.engine.row_audit import RowAudit
from poolviz.engine.run_time import RunTime
from poolviz.engine.sampler import Sampler
from poolviz.engine.server_monitor import ServerMonitor
from poolviz.engine.server_room import ServerRoom, most_connections
from poolviz.language import tr
from poolviz.load.faults import FAULT_PARAMETERS, FAULTS, FaultConditions
from poolviz.load.settings import check_load, settings_for
from poolviz.model.dialect import dialect_of
from poolviz.model.error_text import sentence_part
from poolviz.model.errors import InputError, ParameterError
from poolviz.model.messages import (
    AddNote,
    ChangeRefused,
    ChangeSetting,
    ChangeTogether,
    EventsTaken,
    MarkAdded,
    ProblemReported,
    Report,
    Rows,
    RunStarted,
    ServerRestarted,
    ServerRestartRequested,
    StartRun,
    StopRun,
)
from poolviz.model.parameters import Parameters, Value, unknown_key
from poolviz.model.sample import TICK, Mark, MarkKind
from poolviz.pools.base import Pool
from poolviz.pools.connections.network import over_network
from poolviz.scenarios.connect import needs_new_run
from poolviz.servers.dispatch import passwords

# Topics of problems.
SERVERS_VIEW, POOLERS_VIEW, OTHER_PROGRAMS = "server's view", "pooler's view", "other programs"
_MOST_WAITING = 200  # reports that wait to be delivered; with more, the sampler skips ticks
_COMPLETE_EVERY = 1.0  # seconds between two looks at whether clients are missing
_Values: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True)
class FailRun:
    """End the run as failed. Sent by a thread of the engine that can't go on."""

    sentence: str


@dataclass(frozen=True)
class FaultOver:
    """A fault that lasts for a time is over. Sent by the thread of the fault."""

    key: str


RunCommand: TypeAlias = (
    ChangeSetting | ChangeTogether | AddNote | ServerRestarted | StopRun | FailRun | FaultOver
)


class Run:
    """One run, from its open pool to its end. Used by the control thread only.

    Commands that arrive while it goes on are taken from `commands`; reports go to `reports`. Once
    `end` was called, `open_at_end` is the number of connections that were left open, and `rows`
    is what clients added, if that was counted. `stopped` says that a StopRun ended it.
    """

    def __init__(
        self,
        *,
        start: StartRun,
        kind: type[Pool],
        client_group: ClientGroup[Any],
        connections: ConnectionEventBuffer,
        commands: queue.SimpleQueue[RunCommand],
        reports: queue.SimpleQueue[Report],
        run_time: RunTime,
    ) -> None:
        scenario = start.scenario
        self._run_time = run_time
        self._scenario, self._kind, self._client_group = scenario, kind, client_group
        self._conninfo, self._own_server = start.conninfo, start.own_server
        self._commands, self._reports = commands, reports
        self._dialect = dialect_of(start.conninfo)
        self._settings = settings_for(kind)
        self._limits, self._load = dict(scenario.limits), dict(scenario.load)
        # Those in force; others have their default here.
        self._faults = FAULT_PARAMETERS.defaults()
        self._resize_failed = False
        self.open_at_end = 0
        self.rows: Rows | None = None
        self.stopped = False
        context = RunFaultContext(
            start.conninfo,
            start.application_name,
            connect_faults=connections.connect_faults,
            client_faults=client_group.client_faults,
            own_server=start.own_server,
            set_stuck=client_group.set_stuck,
            request_restart=lambda: reports.put(ServerRestartRequested()),
        )
        self._fault_injector = FaultInjector(
            context, self._report_problem, lambda key: commands.put(FaultOver(key))
        )
        self._row_audit = RowAudit(
            start.conninfo, lambda sentence: self._report_problem("rows", sentence)
        )
        reports.put(
            RunStarted(time.time(), scenario, describe_environment(kind, start.environment))
        )
        self._server_monitor = ServerMonitor(
            start.conninfo,
            start.application_name,
            lambda sentence: self._report_problem(SERVERS_VIEW, sentence),
            watch=not start.together,
        )
        self._pooler_monitor = PoolerMonitor(
            start.pooler,
            start.conninfo,
            lambda sentence: self._report_problem(POOLERS_VIEW, sentence),
        )
        room = ServerRoom(lambda sentence: self._report_problem(OTHER_PROGRAMS, sentence))

        def emit(report: EventsTaken) -> None:
            reports.put(report)
            if not start.pooler:  # which opens fewer connections than the pool
                room.see(report.sample.server, most_connections(report.sample))

        self._sampler = Sampler(
            kind=kind,
            connections=connections,
            client_group=client_group,
            server_monitor=self._server_monitor,
            pooler_monitor=self._pooler_monitor,
            emit=emit,
            ready=lambda: reports.qsize() < _MOST_WAITING,
            on_failure=lambda error: commands.put(
                FailRun(
                    tr(
                        "The run was ended because no sample could be taken: {error}.",
                        error=sentence_part(error, passwords(start.conninfo)),
                    )
                )
            ),
            on_no_counts=lambda sentence: self._report_problem("counts", sentence),
        )
        self._sampler.start(self._limits, self._load)

    def run(self) -> str:
        """Apply the load, then every change when it is due or asked for, until the run's end.

        Return why the run failed, in a sentence; "" if it came to its end or was stopped.
        """
        schedule: dict[float, dict[str, Value]] = {}
        for change in self._scenario.changes:
            schedule.setdefault(change.at, {})[change.key] = change.value
        due = sorted(schedule)
        end = self._scenario.duration
        if end is not None:
            self._run_time.end_in(end - self._sampler.now())
        if due and due[0] == 0:
            self._change(schedule[due.pop(0)])  # before the first client starts
        self._row_audit.start(self._load)
        self._client_group.set_load(self._load)
        while True:
            if due and due[0] <= self._sampler.now():
                self._change(schedule[due.pop(0)])  # however late, every one before the end
                continue
            if end is not None and self._sampler.now() >= end:
                return ""
            self._report_findings()
            if self._client_group.incomplete:
                self._client_group.complete()
            if self._client_group.varies:
                self._client_group.follow_shape()
            try:
                command = self._commands.get(
                    timeout=self._seconds_until([*due[:1], *([end] if end else [])])
                )
            except queue.Empty:
                continue
            match command:
                case StopRun():
                    self.stopped = True
                    return ""
                case FailRun(sentence):
                    return sentence
                case AddNote(text):
                    self._mark(self._sampler.now(), MarkKind.NOTE, text)
                case ChangeSetting(key, value):
                    self._change({key: value})
                case ChangeTogether(values):
                    self._change(values)
                case ServerRestarted():
                    self._fault_injector.server_restarted()
                case FaultOver(key):
                    self._end_fault(key)

    def end(self) -> None:
        """Stop the faults, the clients, the pool, the sampler and the server monitor."""
        with ExitStack() as steps:  # each is taken, in reverse order, even if another raises
            steps.callback(self._pooler_monitor.close, timeout=1.0)
            steps.callback(self._server_monitor.close, timeout=1.0)
            steps.callback(self._finish_audit)
            steps.callback(self._finish_sampling)
            steps.callback(self._report_findings)
            steps.callback(self._client_group.close)
            steps.callback(self._client_group.stop, self._server_monitor.cancel_statements)
            steps.callback(self._fault_injector.close)
            steps.callback(self._sampler.end_load)

    def _report_findings(self) -> None:
        for sentence in self._client_group.take_findings():
            self._report_problem(f"measurement: {sentence[:60]}", sentence)

    def _finish_sampling(self) -> None:
        self.open_at_end = self._sampler.stop()

    def _finish_audit(self) -> None:
        self.rows = self._row_audit.finish(self._client_group.committed())

    def _seconds_until(self, moments: list[float]) -> float:
        """Return how long to wait for a command, at most until the first of `moments`, or until
        clients may be missing."""
        soon = max(min(moments) - self._sampler.now(), 0.0) if moments else _COMPLETE_EVERY
        return min(soon, TICK if self._client_group.varies else _COMPLETE_EVERY)

    def _change(self, changes: _Values) -> None:
        """Apply changes of one moment: they share a segment, and each has its mark."""
        old = {**self._limits, **self._load, **self._faults}
        try:
            limits, load, faults = self._allowed(changes)
        except InputError as error:
            self._refuse(changes, old, str(error))
            return
        faults = self._startable(faults, old)
        in_force = self._faults | {
            key: v for key, v in faults.items() if FAULTS[key].standing or self._begins(key, v)
        }
        same = (limits, load, in_force) == (self._limits, self._load, self._faults)
        if same and not any(self._happens(key, value) for key, value in faults.items()):
            at = self._sampler.now()
        else:
            self._faults = in_force
            at = self._begin_segment(limits, load)
        if limits != self._limits:
            self._resize(limits)
        self._limits = limits
        if load != self._load:
            self._load = load
            self._row_audit.start(load)
            self._client_group.set_load(load)
        for declared, values in ((self._kind.limits, limits), (self._settings, load)):
            self._mark_changes(at, declared, {k: v for k, v in values.items() if k in changes}, old)
        for key, value in faults.items():
            self._inject(at, key, value, old)

    def _allowed(self, changes: _Values) -> tuple[dict[str, Value], dict[str, Value], _Values]:
        """Return the limits and the load with `changes`, and the faults among them.

        Raises InputError if one isn't allowed.
        """
        groups = (self._kind.limits, self._settings, FAULT_PARAMETERS)
        parts: list[dict[str, Value]] = [{}, {}, {}]
        for key, value in changes.items():
            place = next((i for i, declared in enumerate(groups) if key in declared), None)
            if place is None:
                arguments = self._kind.connect_arguments(self._dialect)
                if key in arguments:
                    raise ParameterError(key, needs_new_run(arguments))
                raise unknown_key(key, *groups)
            parts[place][key] = value
        limits = self._kind.limits.changed(self._limits, parts[0])
        load = self._settings.changed(self._load, parts[1])
        if load != self._load:
            check_load(load, self._dialect)
        faults = {key: FAULT_PARAMETERS[key].check(value) for key, value in parts[2].items()}
        conditions = FaultConditions(
            self._dialect, self._own_server, self._kind, load, over_network(self._conninfo)
        )
        for key, value in faults.items():
            reason = FAULTS[key].reason(conditions)
            if reason and value != FAULT_PARAMETERS[key].default:
                raise InputError(reason)
        return limits, load, faults

    def _startable(self, faults: _Values, old: _Values) -> _Values:
        """Return the faults that can be injected now, and refuse the others."""
        refused = {
            key: why_not
            for key, value in faults.items()
            if self._happens(key, value) and (why_not := self._fault_injector.why_not(key))
        }
        for key, why_not in refused.items():
            self._refuse([key], old, why_not)
        return {key: value for key, value in faults.items() if key not in refused}

    @staticmethod
    def _happens(key: str, value: Value) -> bool:
        """Return whether that is a fault which is injected now, rather than set or ended."""
        return not FAULTS[key].standing and value != FAULT_PARAMETERS[key].default

    @staticmethod
    def _begins(key: str, value: Value) -> bool:
        """Return whether that is the beginning of a fault which lasts for a time."""
        return FAULTS[key].lasts and value != FAULT_PARAMETERS[key].default

    def _begin_segment(self, limits: _Values, load: _Values) -> float:
        """Begin a segment, and return when, in seconds since the run began."""
        default = FAULT_PARAMETERS.defaults()
        in_force = {key: v for key, v in self._faults.items() if v != default[key]}
        return self._sampler.begin_segment(limits, load, in_force)

    def _end_fault(self, key: str) -> None:
        """Begin the segment after a fault that lasted for a time."""
        before, default = self._faults[key], FAULT_PARAMETERS[key].default
        if before == default:
            return
        self._faults = self._faults | {key: default}
        at = self._begin_segment(self._limits, self._load)
        self._mark(at, MarkKind.FAULT, f"{key} over", key=key, old=before, new=default)

    def _inject(self, at: float, key: str, value: Value, old: _Values) -> None:
        """Start a fault, or end a standing one."""
        declared = FAULT_PARAMETERS[key]
        if FAULTS[key].standing:
            if value != old[key]:
                self._fault_injector.inject(key, value)
                self._mark_changes(at, FAULT_PARAMETERS, {key: value}, old, MarkKind.FAULT)
            return
        why_not = self._fault_injector.inject(key, value)
        if why_not:
            self._refuse([key], old, why_not)
            if FAULTS[key].lasts:
                self._commands.put(FaultOver(key))
        elif value != declared.default:
            self._mark(at, MarkKind.FAULT, declared.phrase(value), key=key, new=value)

    def _resize(self, limits: _Values) -> None:
        """Apply limits to the pool. If it can't connect as they require, the run goes on."""
        try:
            self._client_group.resize(limits)
        except PoolBlocked:
            raise  # until the end of the run: no further change could be made
        except BaseException as error:  # noqa: BLE001 - each pool and driver has its own
            self._resize_failed = True
            self._report_problem("resize", str(describe_error(error, self._conninfo)))
        else:
            if self._resize_failed:
                self._resize_failed = False
                self._report_problem("resize", "")

    def _refuse(self, keys: Iterable[str], old: _Values, why: str) -> None:
        for key in keys:
            self._reports.put(ChangeRefused(key, old.get(key, 0), why))

    def _mark_changes(
        self,
        at: float,
        declared: Parameters,
        values: _Values,
        old: _Values,
        kind: MarkKind = MarkKind.CHANGE,
    ) -> None:
        for key, value in values.items():
            if value != old[key]:
                show = declared[key].show
                text = f"{key} {show(old[key])} → {show(value)}"
                self._mark(at, kind, text, key=key, old=old[key], new=value)

    def _mark(
        self,
        t: float,
        kind: MarkKind,
        text: str,
        *,
        key: str | None = None,
        old: Value | None = None,
        new: Value | None = None,
    ) -> None:
        self._reports.put(MarkAdded(Mark(t=t, kind=kind, text=text, key=key, old=old, new=new)))

    def _report_problem(self, topic: str, sentence: str) -> None:
        """Report a problem, or with an empty sentence that it is over. Called from any thread."""
        self._reports.put(ProblemReported(topic, sentence))
