"""Runs for tests: a real engine on a real pool and server, and everything it reported."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from poolviz.engine.engine import Engine
from poolviz.load.settings import SETTINGS
from poolviz.model.messages import ChangeRefused, MarkAdded, Report, RunEnded, SampleTaken, StartRun
from poolviz.model.sample import Mark, Sample
from poolviz.model.scenario import Change, Scenario
from poolviz.pools.registry import load_pool
from poolviz.runs.engine_process import EngineProcess

PATIENCE = 50.0  # seconds for what comes about in far less; under the 60 of long statements
QUEUE_POOL = "sqlalchemy.QueuePool"
PSYCOPG2 = "psycopg2.ThreadedConnectionPool"
QUICK = {"statement_time": 0.001, "hold_time": 0, "think_time": 0.002}


def scenario(pool: str = QUEUE_POOL, **said: Any) -> Scenario:
    """A scenario of `pool`; limits, settings of the load and its other fields by their names."""
    limits, load, rest = {}, dict(QUICK), {}
    for key, value in said.items():
        if key in SETTINGS:
            load[key] = value
        elif key in load_pool(pool).limits:
            limits[key] = value
        else:
            rest[key] = value
    return Scenario(
        pool=pool,
        limits=load_pool(pool).limits.complete(limits),
        load=SETTINGS.complete(load),
        **rest,
    )


def changes(*written: tuple[float, str, Any]) -> tuple[Change, ...]:
    return tuple(Change(*change) for change in written)


class Heard:
    """Everything that a run reported, and a way to wait for what it will report."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self._news = threading.Condition()

    def __call__(self, report: Report) -> None:
        with self._news:
            self.reports.append(report)
            self._news.notify_all()

    def until(self, condition: Callable[[Heard], Any], what: str) -> Any:
        with self._news:
            value = self._news.wait_for(lambda: condition(self), PATIENCE)
        assert value, f"not within {PATIENCE:.0f} s: {what}"
        return value

    def of(self, kind: type[Any]) -> list[Any]:
        return [report for report in self.reports if isinstance(report, kind)]

    @property
    def samples(self) -> list[Sample]:
        return [report.sample for report in self.of(SampleTaken)]

    @property
    def marks(self) -> list[Mark]:
        return [report.mark for report in self.of(MarkAdded)]

    @property
    def refused(self) -> list[ChangeRefused]:
        return self.of(ChangeRefused)

    @property
    def ended(self) -> RunEnded | None:
        return next(iter(self.of(RunEnded)), None)

    def operations(self) -> int:
        return sum(sample.operations for sample in self.samples)


@contextmanager
def running(
    kind: type[Engine] | type[EngineProcess],
    conninfo: str,
    what: Scenario,
    name: str = "poolviz test",
) -> Iterator[tuple[Any, Heard]]:
    """A run, stopped and over when the block is left."""
    heard = Heard()
    run = kind(StartRun(what, conninfo, name), heard)
    try:
        yield run, heard
    finally:
        run.stop()
        assert run.wait(PATIENCE), "the run didn't end"
    assert isinstance(heard.reports[-1], RunEnded)
