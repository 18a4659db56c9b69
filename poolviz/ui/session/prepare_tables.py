"""Sees to the tables that a load works on, and says what goes on."""

from __future__ import annotations

from collections.abc import Callable

from poolviz.load.statements import SCHEMA
from poolviz.runs.runner import Run, Runner
from poolviz.ui.session.notices import Notices
from poolviz.ui.session.worker import Inbox, Worker

_TOPIC = "tables"


class TablePreparation:
    """Has tables made while a run goes on. The GUI thread's alone but for `tell`; `run_worker` does
    what blocks."""

    def __init__(self, runner: Runner, run_worker: Worker, inbox: Inbox, notices: Notices) -> None:
        self._runner, self._run_worker = runner, run_worker
        self._inbox, self._notices = inbox, notices

    def tell(self, words: str) -> None:
        """Say how far it has come. Called in the run_worker's thread."""
        sentence = f"Preparing tables: {words}…"
        self._inbox.post(lambda: self._notices.say(_TOPIC, sentence, closable=False))

    def prepare(
        self,
        run: Run,
        scale: int,
        then: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Have tables of that scale there for `run`, and call `then` or `failed`."""

        def done(_: object) -> None:
            self.conclude(run)
            then()

        def gave_up(error: Exception) -> None:
            self.conclude(run)
            failed(error)

        self._run_worker.do(
            lambda: self._runner.prepare_tables(run, scale, self.tell), done, gave_up
        )

    def conclude(self, run: Run) -> None:
        """Say no more of making tables but that they stay on a server that isn't ours."""
        made, run.tables_prepared = run.tables_prepared, False
        if made and not run.target.embedded:
            self._notices.say(
                _TOPIC,
                f"Schema {SCHEMA} was created on {run.target.shown} and stays there until it is "
                "dropped: the menu at the top right can do that.",
            )
        else:
            self._notices.take_back(_TOPIC)
