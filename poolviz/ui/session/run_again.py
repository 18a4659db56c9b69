"""A session that the window is to run again, with a pool, limits and load that may be others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.parameters import Value
from poolviz.model.scenario import Scenario
from poolviz.model.server_name import server_in_words
from poolviz.pools.base import Pool
from poolviz.pools.registry import is_built_in, shown_pool
from poolviz.runs.repetition import Replay
from poolviz.runs.request import check_draft
from poolviz.scenarios.draft import Draft
from poolviz.servers.target import Target
from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.notices import Notices, Weight, sentence_of
from poolviz.ui.session.requested_settings import RequestedSettings
from poolviz.ui.session.worker import Worker

Learn = Callable[[Sequence[str], Callable[[None], None], Callable[[BaseException], None]], object]
TOPIC = "again"  # of notices


@dataclass(frozen=True)
class _Prepared:
    """The scenario that repeats a session, and sentences on what of it is left out."""

    scenario: Scenario
    left_out: list[str]


class RunAgain(QObject):
    """What Start repeats, while `replay` isn't None. Belongs to the GUI thread.

    `learn` finds out about a pool that isn't poolviz' own, whose file is imported only then.
    """

    def __init__(
        self,
        requested: RequestedSettings,
        notices: Notices,
        worker: Worker,
        learn: Learn,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._requested, self._notices = requested, notices
        self._worker, self._learn = worker, learn
        self.replay: Replay | None = None

    def replay_of(self, recorder: Recorder) -> Replay | None:
        """Return what repeats a recorded session, and request its values; None where that can't be
        done, which a notice says."""
        began = recorder.began
        assert began is not None
        scenario = began.scenario
        name = tr("The last run") if recorder.path is None else recorder.path.name
        try:
            replay = Replay.of(name, began, recorder.marks, recorder.duration, recorder.members)
            pool = shown_pool(scenario.pool, scenario.limits)
            self._requested.take_recorded(pool, scenario.limits, scenario.load, scenario.connect)
            self._requested.take_fleet(scenario.fleet)
        except InputError as error:
            self._notices.say("session", str(error), Weight.BAD)
            return None
        return replay

    def take(self, replay: Replay) -> None:
        """Repeat a session from the next Start on, and say so."""
        self.replay = replay
        sentence = tr(
            "Start runs {name} again, with every change and fault at its time. Choose the pool, "
            "its "
            "limits, the load and the server first.",
            name=replay.name,
        )
        if replay.server:
            recorded = tr("It was recorded on {server}.", server=server_in_words(replay.server))
            sentence = f"{sentence} {recorded}"
        self._notices.say(
            TOPIC,
            sentence,
            remedy=tr("Cancel"),
            act=self.forget,
            closable=False,
        )

    def forget(self) -> None:
        """Repeat nothing."""
        self.replay = None
        self._notices.take_back(TOPIC)

    def limits_for(self, pool: type[Pool]) -> dict[str, Value] | None:
        """Return the limits of another pool, those of the same name as in the session; None where
        no session is repeated or they don't go together."""
        if self.replay is None:
            return None
        recorded = self.replay.began.scenario.limits
        shared = {
            key: value
            for key, value in recorded.items()
            if key in pool.limits and pool.limits[key].takes(value)
        }
        try:
            return pool.limits.complete(shared)
        except InputError:
            return None

    def prepare(self, target: Target, then: Callable[[Scenario, list[str]], None]) -> None:
        """Make the scenario that repeats the session on `target` with what is requested, and call
        `then` with it; a notice says why it can't be made."""
        replay = self.replay
        assert replay is not None
        requested = self._requested
        draft = replay.draft.with_fields(
            pool=requested.pool.id, dsn=None if target.embedded else target.conninfo
        )
        wanted = requested.scenario()

        def prepared(found: _Prepared) -> None:
            if self.replay is replay:  # it wasn't given up meanwhile
                then(found.scenario, found.left_out)

        def failed(error: BaseException) -> None:
            self._notices.say("scenario", sentence_of(error), Weight.BAD)

        def fit(_: None = None) -> None:
            self._worker.do(lambda: _fitted(replay, draft, wanted), prepared, failed)

        if is_built_in(draft.pool):
            fit()
        else:
            self._learn([draft.pool], fit, failed)


def _fitted(replay: Replay, draft: Draft, wanted: Scenario) -> _Prepared:
    """Return the scenario of a replay with the pool, limits and load of `wanted`. InputError with
    every mistake. Called in a worker's thread."""
    chosen = draft.with_fields(
        limits=dict(wanted.limits),
        load=dict(wanted.load),
        connect=dict(wanted.connect),
        fleet=dict(wanted.fleet),
    )
    fitted, left_out = replay.fitted(chosen)
    return _Prepared(check_draft(fitted), left_out)
