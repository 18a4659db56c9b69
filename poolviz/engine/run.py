"""What lives as long as the load does: the changes and faults of one run, as they come."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping
from typing import Any

from poolviz.engine.client_group import ClientGroup
from poolviz.engine.environment import describe_environment
from poolviz.engine.fault_injector import FaultInjector, RunFaultContext
from poolviz.engine.meter import ConnectionEventBuffer
from poolviz.engine.row_audit import RowAudit
from poolviz.engine.sampler import Sampler
from poolviz.engine.server_monitor import ServerMonitor
from poolviz.load.faults import FAULT_PARAMETERS, FAULTS, FaultConditions
from poolviz.load.settings import check_load, settings_for
from poolviz.model.dialect import dialect_of
from poolviz.model.errors import InputError, PoolvizError
from poolviz.model.messages import (
    AddNote,
    ChangeRefused,
    ChangeSetting,
    MarkAdded,
    ProblemReported,
    Report,
    Rows,
    RunStarted,
    ServerRestartRequested,
    StartRun,
    StopRun,
)
from poolviz.model.parameters import Parameters, Value, unknown_key
from poolviz.model.sample import TICK, Mark, MarkKind
from poolviz.pools.base import Pool
from poolviz.servers import dispatch

_NOBODY_LISTENS = 200  # reports waiting: the sampler lets ticks pass until they are taken
_Values = Mapping[str, Value]


class Run:
    """One run, from the pool's being there to its end. Used by the control thread alone."""

    def __init__(
        self,
        *,
        begin: StartRun,
        kind: type[Pool],
        group: ClientGroup[Any],
        counter: ConnectionEventBuffer,
        server_monitor: ServerMonitor,
        reports: queue.SimpleQueue[Report],
    ) -> None:
        scenario = begin.scenario
        self._begin, self._kind, self._group = begin, kind, group
        self._reports, self._server_monitor = reports, server_monitor
        self._dialect = dialect_of(begin.conninfo)
        self._settings = settings_for(kind)
        self._limits, self._load = dict(scenario.limits), dict(scenario.load)
        self._faults = FAULT_PARAMETERS.defaults()  # of which only those that stand ever differ
        context = RunFaultContext(
            begin.conninfo,
            begin.application_name,
            connect_faults=counter.connect_faults,
            client_faults=group.client_faults,
            set_stuck=group.set_stuck,
            ask_owner=lambda: reports.put(ServerRestartRequested()),
        )
        self._fault_injector = FaultInjector(
            context, lambda key, why: reports.put(ProblemReported(key, why))
        )
        reports.put(
            RunStarted(time.time(), scenario, describe_environment(kind, begin.environment))
        )
        self._sampler = Sampler(
            kind=kind,
            counter=counter,
            group=group,
            server_monitor=server_monitor,
            emit=reports.put,
            listened_to=lambda: reports.qsize() < _NOBODY_LISTENS,
        )
        self._sampler.start(self._limits, self._load)
        self._resize_failed = False
        self._row_audit = RowAudit(
            begin.conninfo, lambda why: reports.put(ProblemReported("rows", why))
        )
        self.rows: Rows | None = None  # what was added and what is there, once the run has ended

    def live(self, commands: queue.SimpleQueue[ChangeSetting | AddNote | StopRun]) -> None:
        """Put the load on, and do what is scheduled or asked for, until the end."""
        schedule: dict[float, dict[str, Value]] = {}
        for change in self._begin.scenario.changes:
            schedule.setdefault(change.at, {})[change.key] = change.value
        due = sorted(schedule)
        end = self._begin.scenario.duration
        if due and due[0] == 0:
            self._alter(schedule[due.pop(0)])  # before the first client is at work
        self._row_audit.open(self._load)
        self._group.set_load(self._load)
        while True:
            if due and due[0] <= self._sampler.now():
                self._alter(schedule[due.pop(0)])  # late or not, each is made before the end
                continue
            if end is not None and self._sampler.now() >= end:
                return
            if self._group.varies:
                self._group.follow_shape()
            try:
                command = commands.get(timeout=self._patience([*due[:1], *([end] if end else [])]))
            except queue.Empty:
                continue
            if isinstance(command, StopRun):
                return
            if isinstance(command, AddNote):
                self._mark(self._sampler.now(), MarkKind.NOTE, command.text)
            else:
                self._alter({command.key: command.value})

    def end(self) -> int:
        """Stop faults, clients, pool, sampler and server_monitor; how many connections were left
        open."""
        self._fault_injector.close()
        self._group.stop(self._server_monitor.cancel_statements)
        self._group.close()
        left_open = self._sampler.stop()
        self.rows = self._row_audit.close(self._group.committed())
        self._server_monitor.close(timeout=1.0)
        return left_open

    def _patience(self, moments: list[float]) -> float | None:
        """Seconds until there is something to do unasked; None where that is never."""
        soon = max(min(moments) - self._sampler.now(), 0.0) if moments else None
        if not self._group.varies:
            return soon
        return TICK if soon is None else min(soon, TICK)

    def _alter(self, changes: _Values) -> None:
        """Apply changes that belong together: one cut in the record, a mark for each."""
        old = {**self._limits, **self._load, **self._faults}
        try:
            limits, load, faults = self._allowed(changes)
        except InputError as error:
            self._refuse(changes, old, str(error))
            return
        standing = {key: v for key, v in faults.items() if FAULTS[key].standing}
        same = (limits, load) == (self._limits, self._load)
        if same and all(self._faults[key] == value for key, value in standing.items()):
            at = self._sampler.now()
        else:
            self._faults |= standing
            default = FAULT_PARAMETERS.defaults()
            stand = {key: v for key, v in self._faults.items() if v != default[key]}
            at = self._sampler.begin_segment(limits, load, stand)
        if limits != self._limits:
            self._resize(limits)
        self._limits = limits
        if load != self._load:
            self._load = load
            self._row_audit.open(load)
            self._group.set_load(load)
        for declared, values in ((self._kind.limits, limits), (self._settings, load)):
            self._mark_changes(at, declared, {k: v for k, v in values.items() if k in changes}, old)
        for key, value in faults.items():
            self._inject(at, key, value, old)

    def _allowed(self, changes: _Values) -> tuple[dict[str, Value], dict[str, Value], _Values]:
        """The limits and the load as they would then be, and the faults among `changes`;
        InputError where something isn't allowed."""
        groups = (self._kind.limits, self._settings, FAULT_PARAMETERS)
        parts: list[dict[str, Value]] = [{}, {}, {}]
        for key, value in changes.items():
            place = next((i for i, declared in enumerate(groups) if key in declared), None)
            if place is None:
                raise unknown_key(key, *groups)
            parts[place][key] = value
        limits = self._kind.limits.changed(self._limits, parts[0])
        load = self._settings.changed(self._load, parts[1])
        if load != self._load:
            check_load(load, self._dialect)
        faults = {key: FAULT_PARAMETERS[key].check(value) for key, value in parts[2].items()}
        conditions = FaultConditions(self._dialect, self._begin.own_server, self._kind, load)
        for key, value in faults.items():
            reason = FAULTS[key].reason(conditions)
            if reason and value != FAULT_PARAMETERS[key].default:
                raise InputError(reason)
        return limits, load, faults

    def _inject(self, at: float, key: str, value: Value, old: _Values) -> None:
        """Begin with a fault, or end one that stands."""
        declared = FAULT_PARAMETERS[key]
        if FAULTS[key].standing:
            if value != old[key]:
                self._fault_injector.inject(key, value)
                self._mark_changes(at, FAULT_PARAMETERS, {key: value}, old, MarkKind.FAULT)
            return
        why_not = self._fault_injector.inject(key, value)
        if why_not:
            self._refuse([key], old, why_not)
        elif value != declared.default:
            self._mark(at, MarkKind.FAULT, declared.phrase(value), key=key, new=value)

    def _resize(self, limits: _Values) -> None:
        """Have the pool follow; where it can't, because it can't connect, the run goes on."""
        try:
            self._group.resize(limits)
        except Exception as error:  # noqa: BLE001 - connecting fails in every driver's own way
            self._resize_failed = True
            self._reports.put(ProblemReported("resize", str(told(error, self._begin.conninfo))))
        else:
            if self._resize_failed:
                self._resize_failed = False
                self._reports.put(ProblemReported("resize", ""))

    def _refuse(self, keys: Mapping[str, Value] | list[str], old: _Values, why: str) -> None:
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
                text = f"{key} {show(old[key])}→{show(value)}"
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


def told(error: Exception, conninfo: str) -> PoolvizError:
    """What went wrong with a pool, as a sentence."""
    if isinstance(error, PoolvizError):
        return error
    described = dispatch.describe_error(error, conninfo)
    return described or PoolvizError(f"The pool raised {type(error).__name__}: {error}".strip())
