"""What is begun once a server was reached, and which run is drawn behind it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from poolviz.model.scenario import Scenario
from poolviz.servers.target import Target
from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.current_run import CurrentRun
from poolviz.ui.session.ghost import Ghost
from poolviz.ui.session.requests import Requests
from poolviz.ui.session.run_again import RunAgain
from poolviz.ui.session.shown_record import ShownRecord
from poolviz.ui.session.size_finder import SizeFinder


class RunStart:
    """Begins runs: of what is requested, or again of a session. Behind the run is drawn what it
    repeats, or the run before on another pool. Belongs to the GUI thread."""

    def __init__(
        self,
        requests: Requests,
        current: CurrentRun,
        again: RunAgain,
        shown: ShownRecord,
        *,
        sizes: SizeFinder,
        closed: Callable[[], bool],
    ) -> None:
        self._requests, self._current, self._again = requests, current, again
        self._shown, self._sizes, self._closed = shown, sizes, closed
        self._before: Recorder | None = None  # the run that is shown, when its pool was left

    @property
    def _ghost(self) -> Ghost:
        return self._shown.ghost

    def leave_pool(self) -> None:
        """Note that another pool is chosen: the run that is shown stays, behind the next one."""
        if self._shown.viewing is None and self._shown.whole is not None:
            self._before = self._shown.whole

    def forget(self) -> None:
        """Draw no run before behind the next one."""
        self._before = None

    def begin(self, target: Target) -> None:
        """Begin a run on a server that was reached: a sweep of sizes, if that is wanted."""
        if self._sizes.begin(target):
            return
        if self._again.replay is not None:
            self._again.prepare(target, partial(self._begin_again, target))
            return
        scenario = self._requests.scenario
        if not scenario.replays:
            self._ghost.show(self._run_before(scenario))
        if self._requests.plan is not None:
            self._requests.take(scenario)
            self._requests.changed.emit()
        self._current.begin(scenario, target)
        self._ghost.describe(scenario.replays)

    def _run_before(self, scenario: Scenario) -> Recorder | None:
        """Return the record that is shown if it is of a run on the pool that was chosen before."""
        before, self._before = self._before, None
        if before is None or before is not self._shown.whole or before.began is None:
            return None
        return before if before.began.scenario.pool != scenario.pool else None

    def _begin_again(self, target: Target, scenario: Scenario, left_out: list[str]) -> None:
        """Repeat the session that is shown, and draw it behind the run."""
        if self._current.busy or self._closed():
            return
        self._again.forget()
        self._requests.plan = scenario
        self._ghost.show(self._shown.whole)
        self._current.begin(scenario, target)
        self._ghost.describe(scenario.replays, left_out)
