"""The faults of the run that goes on: which are in force, and which can be injected."""

from __future__ import annotations

from collections.abc import Mapping

from poolviz.language import tr, tr_noop
from poolviz.load.faults import FAULTS, FaultConditions
from poolviz.model.dialect import dialect_of
from poolviz.model.parameters import Value
from poolviz.pools.connections.network import over_network
from poolviz.pools.registry import pool_class
from poolviz.runs.run import Run

_NO_RUN = tr_noop("Faults happen during a run: start one.")


class ActiveFaults:
    """Faults as the window shows them. They can't be undone, and end with the run. Belongs to the
    GUI thread."""

    def __init__(self) -> None:
        self.standing: dict[str, Value] = {}
        self._run: Run | None = None

    def begin(self, run: Run | None) -> None:
        """Follow another run, or none; no fault is in force yet."""
        self._run, self.standing = run, {}

    def reasons(self, load: Mapping[str, Value]) -> dict[str, str]:
        """Return, by key, why faults can't be injected now under that load; keys of those that
        can are missing."""
        run = self._run
        if run is None or not run.started or run.ended is not None or run.stop_asked:
            return dict.fromkeys(FAULTS, tr(_NO_RUN))
        target, pool = run.target, pool_class(run.scenario.pool)
        dialect, network = dialect_of(target.conninfo), over_network(target.conninfo)
        conditions = FaultConditions(
            dialect, target.embedded, pool, load, network, processes=bool(run.scenario.fleet)
        )
        reasons = {key: fault.reason(conditions) for key, fault in FAULTS.items()}
        return {key: reason for key, reason in reasons.items() if reason}

    def inject(self, key: str, value: Value) -> None:
        """Inject a fault, or end one that is in force; nothing without a run."""
        if self._run is not None:
            self._run.change(key, value)
            self.settle(key, value)

    def settle(self, key: str, value: Value) -> None:
        """Note what is in force, or soon will be; keys that are no faults are ignored."""
        if key in FAULTS and FAULTS[key].standing:
            self.standing[key] = value
