"""One scenario in several processes: what each of them runs, and what changes in all at once."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from poolviz.load.faults import FAULT_PARAMETERS, FAULTS
from poolviz.load.faults.processes import ProcessFault
from poolviz.load.fleet import PROCESSES
from poolviz.model.parameters import Value
from poolviz.model.sample import Sample
from poolviz.model.scenario import Change, Scenario


class SharedScenario:
    """What the processes run, by `scenario` and by the newest sample of one of them.

    Changes at a time above zero, and the end, are those of the run as a whole: a process that
    begins later would make them too late. Used by the thread that owns the processes.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self.newest: Sample | None = None  # of the oldest process, which says what is in force
        self._requested: dict[str, Value] = {}  # changes that last, which may not be in it yet
        moments: dict[float, dict[str, Value]] = {}
        for change in scenario.changes:
            if change.at or of_processes(change.key):
                moments.setdefault(change.at, {})[change.key] = change.value
        self._moments = sorted(moments.items(), key=lambda moment: moment[0])

    def is_over(self, now: float) -> bool:
        """Return whether the run has taken its time, at `now` seconds."""
        return now >= (self._scenario.duration or math.inf)

    def take_due(self, now: float) -> list[dict[str, Value]]:
        """Return the changes that are due at `now` seconds, those of each moment together."""
        due = []
        while self._moments and self._moments[0][0] <= now:
            due.append(self._moments.pop(0)[1])
        return due

    def request(self, changes: Mapping[str, Value]) -> None:
        """Note changes that every process is told to make now, and those that begin later too."""
        passing = {key for key in changes if key in FAULTS and not FAULTS[key].standing}
        self._requested |= {key: value for key, value in changes.items() if key not in passing}

    def next_moment(self) -> float:
        """Return when something is due next, in seconds; infinity for never."""
        moments = [at for at, _ in self._moments[:1]]
        return min(*moments, self._scenario.duration or math.inf, math.inf)

    def of_process(self, number: int, *, at_start: bool) -> Scenario:
        """Return what the process of that number runs, from 1 on, until it is stopped: what is in
        force, or, `at_start` of the run, what the scenario begins with."""
        if at_start:
            changes = [
                change
                for change in self._scenario.changes
                if not change.at and not of_processes(change.key)
                if number == 1 or not of_server(change.key)
            ]
        else:
            values = self._standing_faults() | self._requested
            changes = [Change(0.0, key, value) for key, value in values.items()]
        return msgspec.structs.replace(
            self._scenario,
            limits=dict(self._scenario.limits if self.newest is None else self.newest.limits),
            load=self.load,
            changes=tuple(changes),
            duration=None,
            seed=self._scenario.seed + number - 1,
        )

    @property
    def load(self) -> dict[str, Value]:
        """The load that is in force."""
        return dict(self._scenario.load if self.newest is None else self.newest.load)

    def _standing_faults(self) -> dict[str, Value]:
        faults = {} if self.newest is None else self.newest.faults
        return {
            key: value
            for key, value in faults.items()
            if key in FAULTS and FAULTS[key].standing and value != FAULT_PARAMETERS[key].default
        }


def of_processes(key: str) -> bool:
    """Return whether a change concerns which processes there are."""
    fault = FAULTS.get(key)
    return key == PROCESSES or (fault is not None and issubclass(fault, ProcessFault))


def of_server(key: str) -> bool:
    """Return whether a change is a fault of the server, which one process alone injects."""
    return key in FAULTS and FAULTS[key].of_server
