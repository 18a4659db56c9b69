"""What the user requests of limits and load: taken, checked, warned about, and sent to the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from PySide6.QtCore import QObject, Signal

from poolviz.language import tr
from poolviz.model.dialect import dialect_of
from poolviz.model.errors import InputError
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.pools.registry import pool_class
from poolviz.ui.session.current_run import CurrentRun
from poolviz.ui.session.in_force import InForce
from poolviz.ui.session.load_validator import LoadValidator
from poolviz.ui.session.notices import Notices, Weight
from poolviz.ui.session.requested_settings import RequestedSettings, Step
from poolviz.ui.session.server_choice import ServerChoice
from poolviz.ui.session.shown_record import ShownRecord
from poolviz.ui.session.warnings import Warnings
from poolviz.ui.session.worker import Worker


class Requests(QObject):
    """The scenario that Start runs, and what is changed in it or in the run that goes on. Belongs
    to the GUI thread; `file_worker` reads the files that a load names.

    `start_again` ends the run and begins another one.
    """

    changed = Signal()  # other values are requested

    def __init__(
        self,
        requested: RequestedSettings,
        *,
        current: CurrentRun,
        shown: ShownRecord,
        in_force: InForce,
        server: ServerChoice,
        warnings: Warnings,
        notices: Notices,
        file_worker: Worker,
        start_again: Callable[[], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._requested, self._current, self._shown = requested, current, shown
        self._in_force, self._server = in_force, server
        self._warnings, self._notices = warnings, notices
        self._start_again = start_again
        self._since: int | None = None  # changes that were there when collecting began
        self.plan: Scenario | None = None  # a scenario as it was written, until it is altered
        self.validator = LoadValidator(file_worker, self._validated)

    @property
    def scenario(self) -> Scenario:
        """What Start runs: a scenario that was taken over, until it is altered, or else what is
        requested."""
        return self.plan or self._requested.scenario()

    def take(self, scenario: Scenario) -> None:
        """Request what a scenario says, its changes and duration included."""
        self.forget_collected()
        self._requested.take_pool(pool_class(scenario.pool), scenario.limits, scenario.connect)
        self._requested.take_load(scenario.load)
        self._requested.take_fleet(scenario.fleet)
        self._requested.pooler_mode = scenario.pooler_mode
        self.plan = scenario

    def take_arguments(self, connect: Mapping[str, Value]) -> None:
        """Add to a scenario that was taken over the connect arguments that a DSN names."""
        if connect and self.plan is not None:
            given = {**connect, **self.plan.connect}
            self.plan = msgspec.structs.replace(self.plan, connect=given)

    def change(self, changes: Mapping[str, Value]) -> None:
        """Request other values; a notice reports a mistake, which changes nothing. What can't be
        carried out yet stays requested, and a notice says why."""
        if self._shown.viewing is not None:
            return
        try:
            self._note(self._requested.change(changes))
        except InputError as error:
            self._notices.say("value", str(error), Weight.WARN, passing=True)
            self.changed.emit()

    @property
    def collecting(self) -> bool:
        """What is requested waits until it is applied as one change."""
        return self._since is not None

    @property
    def collected(self) -> int:
        """How many changes wait."""
        return 0 if self._since is None else self._requested.changes - self._since

    def collect(self) -> None:
        """Have what is requested from now on wait for `apply` or `cancel`."""
        if self._since is None and self._shown.viewing is None:
            self._since = self._requested.changes
        self.changed.emit()

    def apply(self) -> None:
        """Make the changes that wait as one, which is also undone as one."""
        since, self._since = self._since, None
        if since is not None:
            self._requested.join_changes(since)
            self._in_force.note_change()
        self.show()

    def cancel(self) -> None:
        """Take back the changes that wait."""
        since, self._since = self._since, None
        while since is not None and self._requested.changes > since:
            self._requested.drop()
        self.show()

    def forget_collected(self) -> None:
        """Collect no more: other values were taken over as a whole."""
        self._since = None

    def undo(self) -> None:
        """Take the last change back, or say why that can't be done."""
        if self._may(
            self.collected > 0 if self.collecting else self._requested.can_undo,
            tr("There is no change to undo."),
        ):
            self._note(self._requested.undo())

    def redo(self) -> None:
        """Make the last undone change again, or say why that can't be done."""
        if self._may(self._requested.can_redo, tr("There is no undone change to make again.")):
            self._note(self._requested.redo())

    def _may(self, possible: bool, otherwise: str) -> bool:
        """Return whether values can be changed so; say it if they can't."""
        if self._shown.viewing is not None:
            otherwise = tr("The values of a recorded session can't be changed.")
        elif possible:
            return True
        self._notices.say("undo", otherwise, passing=True)
        return False

    def show(self) -> None:
        """Show other requested values, and have the run follow them as far as it can."""
        self.changed.emit()
        self.validate()

    def validate(self) -> None:
        """Check whether what is requested can be carried out. The files that a session names are
        read only once it is run."""
        if self._shown.viewing is not None:
            self._warnings.take_back()
            return
        self.validator.validate(
            dict(self._requested.load),
            dialect_of(self._server.dsn or ""),
            names_a_file=self._requested.names_a_file,
        )

    def _note(self, steps: list[Step]) -> None:
        if steps:
            self._in_force.note_change()
            self.plan = None
        self.show()

    def _validated(self) -> None:
        if self._shown.viewing is not None:
            return  # what was validated is no longer shown
        self._warnings.show_changed_arguments(self._in_force.changed_arguments, self._start_again)
        if not self.collecting:
            self._current.change_to(self._requested.values)
        mistake, busy = self.validator.mistake, self._current.busy
        self._warnings.show(self._requested.pool, self.scenario, mistake, busy=busy)
