"""What is in force in the run that goes on, to be shown beside what is requested."""

from __future__ import annotations

from time import monotonic

from poolviz.load.fleet import FLEET
from poolviz.model.parameters import Value
from poolviz.model.sample import Sample
from poolviz.runs.engine_process import EngineProcess
from poolviz.ui.session.current_run import CurrentRun
from poolviz.ui.session.pending_changes import draining
from poolviz.ui.session.requested_settings import RequestedSettings
from poolviz.ui.session.shown_record import ShownRecord

_SETTLED = 0.5  # seconds after which a change that isn't in force yet is worth showing


class InForce:
    """What the newest sample of the run says of limits and load. Belongs to the GUI thread."""

    def __init__(
        self, current: CurrentRun, shown: ShownRecord, requested: RequestedSettings
    ) -> None:
        self._current, self._shown, self._requested = current, shown, requested
        self._altered = 0.0

    def note_change(self) -> None:
        """Note that something else is requested from now on."""
        self._altered = monotonic()

    @property
    def sample(self) -> Sample | None:
        """The newest sample of the run that goes on, if it is the one that is shown."""
        run, record = self._current.run, self._shown.whole
        live = self._current.busy and run is not None and run.recorder is record
        return record.last if live and record is not None else None

    @property
    def values(self) -> dict[str, Value] | None:
        """The limits, the load and the connect arguments; None where that isn't worth comparing
        with what is requested."""
        last = self.sample
        if last is None or monotonic() - self._altered < _SETTLED:
            return None
        return {**last.limits, **last.load, **self.connect}

    @property
    def connect(self) -> dict[str, Value]:
        """The connect arguments of the run that goes on."""
        run = self._current.run
        given = run.scenario.connect if run is not None else {}
        return {**self._requested.arguments.defaults(), **given}

    @property
    def changed_arguments(self) -> list[str]:
        """The connect arguments that are requested and wait for the next run, and the number of
        processes where the run that goes on can have one only."""
        if not self._current.busy:
            return []
        values, given, run = self._requested.values, self.connect, self._current.run
        changed = [key for key in self._requested.arguments if values[key] != given[key]]
        if run is None or run.scenario.fleet:
            return changed
        return changed + [key for key, one in FLEET.defaults().items() if values[key] != one]

    @property
    def draining(self) -> tuple[str, int] | None:
        """The limit that was lowered below what is still open, and how many are."""
        last, record = self.sample, self._shown.whole
        if last is None or record is None:
            return None
        return draining(self._requested.pool, last, record.marks)

    @property
    def engine_pid(self) -> int | None:
        """The process that the run lives in; None where it has several, or none."""
        run = self._current.run
        engine = None if run is None else run.engine
        return engine.pid if isinstance(engine, EngineProcess) else None
