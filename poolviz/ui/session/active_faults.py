"""The faults of the run that goes on: which stand, which can be had, and having one happen."""

from __future__ import annotations

from collections.abc import Mapping

from poolviz.load.faults import FAULTS, FaultConditions
from poolviz.model.dialect import dialect_of
from poolviz.model.parameters import Value
from poolviz.pools.registry import pool_class
from poolviz.runs.runner import Run

_NO_RUN = "Faults happen while a run goes on: start one."


class ActiveFaults:
    """Faults as the window has them. They are not undone, and end with the run. The GUI thread's
    alone."""

    def __init__(self) -> None:
        self.standing: dict[str, Value] = {}
        self._run: Run | None = None

    def begin(self, run: Run | None) -> None:
        """Another run, or none: nothing is wrong yet."""
        self._run, self.standing = run, {}

    def reasons(self, load: Mapping[str, Value]) -> dict[str, str]:
        """Why faults can't be had just now, under that load, by key; those missing can."""
        run = self._run
        if run is None or not run.began or run.ended or run.stop_asked:
            return dict.fromkeys(FAULTS, _NO_RUN)
        target, pool = run.target, pool_class(run.scenario.pool)
        place = FaultConditions(dialect_of(target.conninfo), target.embedded, pool, load)
        reasons = {key: fault.reason(place) for key, fault in FAULTS.items()}
        return {key: reason for key, reason in reasons.items() if reason}

    def inject(self, key: str, value: Value) -> None:
        """Have a fault happen, or put an end to one that stands; nothing where no run goes on."""
        run = self._run
        if run is not None and run.link is not None:
            run.link.change(key, value)
            self.settle(key, value)

    def settle(self, key: str, value: Value) -> None:
        """Follow what is so, or soon will be; keys that are no faults are passed over."""
        if key in FAULTS and FAULTS[key].standing:
            self.standing[key] = value
