"""The record that the window shows: of a run that goes on or was recorded before, as a whole or of
one of several pools that ran in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.text import on_one_line
from poolviz.pools.base import Pool
from poolviz.pools.registry import shown_pool
from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.ghost import Ghost
from poolviz.ui.session.notices import Notices, Weight, log_fault, sentence_of
from poolviz.ui.session.outcome import shortcoming
from poolviz.ui.session.worker import Worker

WHOLE = ""  # the name of the run as a whole
_FEW_KEYS, _LONGEST_KEY = 5, 40  # what a sentence names of a session's keys, and their characters


class ShownRecord(QObject):
    """Owns what is shown and the `ghost` that is drawn behind it, and closes each once another is.
    Belongs to the GUI thread; `worker` opens, reads and closes files."""

    changed = Signal()  # to another run
    member_changed = Signal()  # to another member of the same run

    def __init__(self, worker: Worker, notices: Notices, parent: QObject) -> None:
        super().__init__(parent)
        self._worker, self._notices = worker, notices
        self.whole: Recorder | None = None
        self.recorder: Recorder | None = None  # of the run as a whole, or of the chosen member
        self.member = WHOLE
        self.viewing: Path | None = None  # the recorded session that is being looked at
        self.ghost = Ghost(notices, self._close, self)  # what the shown run repeats
        self._trouble = ""  # what `new_trouble` has returned last

    @property
    def members(self) -> tuple[str, ...]:
        """The pools of which one can be shown; none if the run has one only."""
        return self.whole.members if self.whole is not None else ()

    def open(
        self,
        path: Path,
        then: Callable[[Recorder, type[Pool]], None],
        on_failure: Callable[[InputError], None] | None = None,
    ) -> None:
        """Have the worker open a recorded session, which is `then` to show or to close. A failure
        is a notice, or handed to `on_failure`."""

        def failed(error: BaseException) -> None:
            if on_failure is not None and isinstance(error, InputError):
                on_failure(error)
            else:
                self._notices.say("session", sentence_of(error), Weight.BAD)

        def opened(session: tuple[Recorder, type[Pool]]) -> None:
            try:
                then(*session)
            except InputError as error:
                session[0].close()
                failed(error)

        self._worker.do(lambda: _open_session(path), opened, failed)

    def set(self, recorder: Recorder | None, viewing: Path | None = None) -> None:
        """Show a record as a whole: of the recorded session `viewing`, or else of a run."""
        old = self.whole
        self.viewing = viewing
        self.whole = self.recorder = recorder
        self.member = WHOLE
        self.changed.emit()
        if old is not None and old is not self.ghost.recorder:
            self._close(old)

    def leave_session(self) -> None:
        """Go on showing the record of a session, as that of a run that is over."""
        self.viewing = None

    def say_what_it_lacks(self, untaken: Sequence[str]) -> None:
        """Say in notices why the recorded run isn't complete, and which keys of its values can't be
        shown beside the charts."""
        assert self.whole is not None
        assert self.viewing is not None
        words, weight = shortcoming(self.whole)
        if words:
            self._notices.say("run", words, weight)
        if untaken:
            keys = ", ".join(on_one_line(key[:_LONGEST_KEY]) for key in untaken[:_FEW_KEYS])
            if len(untaken) > _FEW_KEYS:
                keys = tr("{keys} and {n} more", keys=keys, n=len(untaken) - _FEW_KEYS)
            sentence = tr(
                "{name} records values that can't be shown beside the charts: {keys}.",
                name=self.viewing.name,
                keys=keys,
            )
            self._notices.say("session", sentence, Weight.WARN)

    def choose(self, member: str) -> None:
        """Show the member of that name, or the whole again."""
        whole = self.whole
        if whole is None or member == self.member:
            return

        def show(recorder: Recorder) -> None:
            if whole is self.whole:  # and not another run meanwhile
                self.recorder, self.member = recorder, member
                self.member_changed.emit()

        def complain(error: BaseException) -> None:
            self._notices.say("member", sentence_of(error), Weight.BAD)
            self.member_changed.emit()  # the choice goes back to what is shown

        if member == WHOLE:
            show(whole)
        else:
            self._worker.do(lambda: whole.member(member), show, complain)

    def is_of(self, paths: Sequence[Path]) -> bool:
        """Return whether one of these files is shown."""
        return self.whole is not None and self.whole.path in paths

    def new_trouble(self) -> str | None:
        """Return what keeps the session from being written, "" once nothing does any more, or None
        if that is the same as in the last call."""
        trouble = self.whole.trouble if self.whole is not None else ""
        if trouble == self._trouble:
            return None
        self._trouble = trouble
        return trouble

    def close(self) -> None:
        """Have the worker close what is shown, after what it has still to do."""
        for recorder in {self.whole, self.ghost.recorder}:  # may be one
            if recorder is not None:
                self._worker.do(recorder.close, failed=log_fault)

    def _close(self, recorder: Recorder) -> None:
        """Close a record that is shown no more, after any export that still reads it."""
        if recorder is not self.whole:
            self._worker.do(recorder.close, failed=log_fault)


def _open_session(path: Path) -> tuple[Recorder, type[Pool]]:
    """Return a recorded session and the pool it ran, whose library may take long to load; no code
    that isn't poolviz' own is imported. InputError where it can't be shown. Called in a worker's
    thread."""
    recorder = Recorder.open(path)
    try:
        if recorder.began is None:
            raise InputError(tr("{path} holds no run that could be shown.", path=path))
        source = recorder.last if recorder.last is not None else recorder.began.scenario
        return recorder, shown_pool(recorder.began.scenario.pool, source.limits)
    except BaseException:
        recorder.close()
        raise
