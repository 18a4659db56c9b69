"""Runs a scenario: one pool, its clients, the meter, and the changes of limits as they come.

Threads: `control` makes the pool, changes limits and clients, and ends the run; `sampler` takes
a sample each tick; `reporter` hands reports on, so that nobody who counts or controls ever waits
for a pipe; the observer asks the server; and each client is a thread. Samples are taken under
one small lock, since control takes one too, at the moment of a change.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import psycopg2

from poolviz.engine import facts
from poolviz.engine.crew import Crew, ThreadCrew
from poolviz.engine.meter import ConnectionDoor
from poolviz.engine.observer import Observer
from poolviz.engine.sampler import Sampler
from poolviz.engine.tasks import TaskCrew
from poolviz.load.settings import SETTINGS
from poolviz.model.dialect import MYSQL, POSTGRESQL, dialect_of
from poolviz.model.errors import InputError, PoolvizError
from poolviz.model.messages import (
    Alter,
    Began,
    Begin,
    Ended,
    Halt,
    Marked,
    Note,
    Refused,
    Report,
    Trouble,
)
from poolviz.model.parameters import Value
from poolviz.model.sample import Mark, MarkKind
from poolviz.model.scenario import Scenario, unknown_key
from poolviz.pools import pool_class
from poolviz.pools.base import Pool, TaskPool, ThreadPool
from poolviz.servers.failures import describe_failure
from poolviz.servers.target import mysql, with_application_name

_NOBODY_LISTENS = 200  # reports waiting: the sampler lets ticks pass until they are taken


class Engine:
    """One run. `on_report` is called from the reporter's thread, in order; Ended comes last."""

    def __init__(self, begin: Begin, on_report: Callable[[Report], None]) -> None:
        self._begin = begin
        self._on_report = on_report
        self._commands: queue.SimpleQueue[Alter | Note | Halt] = queue.SimpleQueue()
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._control, name="control", daemon=True),
            threading.Thread(target=self._report, name="reporter", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def alter(self, key: str, value: Value) -> None:
        """Change a limit or a setting of the load; a Marked or a Refused comes."""
        self._commands.put(Alter(key, value))

    def note(self, text: str) -> None:
        """Put a note on the timeline, now."""
        self._commands.put(Note(text))

    def halt(self) -> None:
        """End the run; Ended comes within two seconds."""
        self._commands.put(Halt())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over and everything is reported; False if it isn't by then."""
        until = None if timeout is None else perf_counter() + timeout
        for thread in self._threads:
            thread.join(None if until is None else max(until - perf_counter(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _report(self) -> None:
        while True:
            report = self._reports.get()
            self._on_report(report)
            if isinstance(report, Ended):
                return

    def _control(self) -> None:
        begin = self._begin
        door = ConnectionDoor()
        try:
            kind = pool_class(begin.scenario.pool)
            conninfo = with_application_name(begin.conninfo, begin.application_name)
            crew = _crew_of(kind, conninfo, door, begin.scenario)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises ends as a sentence
            told = _told(error, begin.conninfo)
            self._reports.put(Ended(0, str(told), told.exit_status))
            return
        observer = Observer(begin.conninfo, begin.application_name, self._tell_of_server)
        run = _Run(
            begin=begin,
            kind=kind,
            crew=crew,
            door=door,
            observer=observer,
            reports=self._reports,
        )
        failure = ""
        try:
            run.live(self._commands)
        except Exception as error:
            failure = f"The engine failed, which is a fault of poolviz: {error!r}."
            raise
        finally:
            self._reports.put(Ended(run.end(), failure, 1 if failure else 0))

    def _tell_of_server(self, sentence: str) -> None:
        self._reports.put(Trouble("server's view", sentence))


def _crew_of(
    kind: type[Pool], conninfo: str, door: ConnectionDoor, scenario: Scenario
) -> Crew[Any]:
    """The pool of a scenario, and a crew of the kind of clients it is made for."""
    if issubclass(kind, TaskPool):
        return TaskCrew(kind, conninfo, door, scenario.limits, scenario.seed)
    if issubclass(kind, ThreadPool):
        return ThreadCrew(kind, conninfo, door, scenario.limits, scenario.seed)
    raise TypeError(f"{kind.id} is neither a ThreadPool nor a TaskPool")


def _told(error: Exception, conninfo: str) -> PoolvizError:
    """What went wrong with a pool, as a sentence."""
    if isinstance(error, PoolvizError):
        return error
    if isinstance(error, psycopg2.Error):
        return describe_failure(error, conninfo)
    dialect = dialect_of(conninfo)
    if dialect == POSTGRESQL and (hasattr(error, "sqlstate") or isinstance(error, OSError)):
        # Another driver's, with the server's words or the system's, which are known by libpq's.
        return describe_failure(psycopg2.OperationalError(str(error)), conninfo)
    told = mysql().describe(error, conninfo) if dialect == MYSQL else None
    return told or PoolvizError(f"The pool raised {type(error).__name__}: {error}".strip())


class _Run:
    """What lives as long as the load does. Used by the control thread alone."""

    def __init__(
        self,
        *,
        begin: Begin,
        kind: type[Pool],
        crew: Crew[Any],
        door: ConnectionDoor,
        observer: Observer,
        reports: queue.SimpleQueue[Report],
    ) -> None:
        scenario = begin.scenario
        self._conninfo = begin.conninfo
        self._scenario, self._kind, self._crew = scenario, kind, crew
        self._reports, self._observer = reports, observer
        self._limits, self._load = dict(scenario.limits), dict(scenario.load)
        reports.put(Began(time.time(), scenario, facts.gather(kind, begin.facts)))
        self._sampler = Sampler(
            kind=kind,
            door=door,
            crew=crew,
            observer=observer,
            emit=reports.put,
            listened_to=lambda: reports.qsize() < _NOBODY_LISTENS,
        )
        self._sampler.start(self._limits, self._load)
        self._resize_failed = False

    def live(self, commands: queue.SimpleQueue[Alter | Note | Halt]) -> None:
        """Put the load on, and do what is scheduled or asked for, until the end."""
        self._crew.work_as(self._load)
        agenda: dict[float, dict[str, Value]] = {}
        for change in self._scenario.changes:
            agenda.setdefault(change.at, {})[change.key] = change.value
        due = sorted(agenda)
        end = self._scenario.duration
        while True:
            moments = [*due[:1], *([end] if end is not None else [])]
            try:
                command = commands.get(timeout=self._until(min(moments)) if moments else None)
            except queue.Empty:
                if due and (end is None or due[0] <= end):
                    self._alter(agenda[due.pop(0)])
                    continue
                return
            if isinstance(command, Halt):
                return
            if isinstance(command, Note):
                self._mark(self._sampler.now(), MarkKind.NOTE, command.text)
            else:
                self._alter({command.key: command.value})

    def end(self) -> int:
        """Stop clients, pool, sampler and observer; how many connections were left open."""
        self._crew.dismiss(self._observer.cancel_statements)
        self._crew.close()
        left_open = self._sampler.stop()
        self._observer.close(timeout=1.0)
        return left_open

    def _until(self, moment: float) -> float:
        return max(moment - self._sampler.now(), 0)

    def _alter(self, changes: Mapping[str, Value]) -> None:
        """Apply changes that belong together: one cut in the record, a mark for each."""
        old = {**self._limits, **self._load}
        try:
            for key in changes:
                if key not in old:
                    raise unknown_key(key, self._kind.limits, SETTINGS)
            limits = self._kind.limits.changed(
                self._limits, {k: v for k, v in changes.items() if k in self._limits}
            )
            load = SETTINGS.changed(
                self._load, {k: v for k, v in changes.items() if k in self._load}
            )
        except InputError as error:
            self._refuse(changes, old, str(error))
            return
        at = self._sampler.begin_segment(limits, load)
        if limits != self._limits:
            self._resize(limits)
        self._limits = limits
        if load != self._load:
            self._load = load
            self._crew.work_as(load)
        for key, value in {**limits, **load}.items():
            if key in changes and value != old[key]:
                parameter = self._kind.limits.get(key) or SETTINGS[key]
                text = f"{key} {parameter.show(old[key])}→{parameter.show(value)}"
                self._mark(at, MarkKind.CHANGE, text, key=key, old=old[key], new=value)

    def _resize(self, limits: Mapping[str, Value]) -> None:
        """Have the pool follow; where it can't, because it can't connect, the run goes on."""
        try:
            self._crew.resize(limits)
        except Exception as error:  # noqa: BLE001 - connecting fails in every driver's own way
            self._resize_failed = True
            self._reports.put(Trouble("resize", str(_told(error, self._conninfo))))
        else:
            if self._resize_failed:
                self._resize_failed = False
                self._reports.put(Trouble("resize", ""))

    def _refuse(self, changes: Mapping[str, Value], old: Mapping[str, Value], why: str) -> None:
        for key in changes:
            self._reports.put(Refused(key, old.get(key, 0), why))

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
        self._reports.put(Marked(Mark(t=t, kind=kind, text=text, key=key, old=old, new=new)))
