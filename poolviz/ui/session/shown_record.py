"""The record that the window shows: a run as a whole, or one of several pools that ran in it."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.notices import Notices, Weight, sentence_of
from poolviz.ui.session.worker import Worker

WHOLE = ""  # the name of the run as a whole


class ShownRecord(QObject):
    """What is shown of the record that `set` gave. Belongs to the GUI thread; `worker` reads a
    member from the file, which may take a moment."""

    changed = Signal()  # to another run
    member_changed = Signal()  # to another member of the same run

    def __init__(self, worker: Worker, notices: Notices, parent: QObject) -> None:
        super().__init__(parent)
        self._worker, self._notices = worker, notices
        self._whole: Recorder | None = None
        self.recorder: Recorder | None = None
        self.member = WHOLE

    @property
    def members(self) -> tuple[str, ...]:
        """The pools of which one can be shown; none if the run has one only."""
        return self._whole.members if self._whole is not None else ()

    def set(self, recorder: Recorder | None) -> None:
        """Show a record as a whole."""
        self._whole = self.recorder = recorder
        self.member = WHOLE
        self.changed.emit()

    def choose(self, member: str) -> None:
        """Show the member of that name, or the whole again."""
        whole = self._whole
        if whole is None or member == self.member:
            return

        def show(recorder: Recorder) -> None:
            if whole is self._whole:  # and not another run meanwhile
                self.recorder, self.member = recorder, member
                self.member_changed.emit()

        def complain(error: BaseException) -> None:
            self._notices.say("member", sentence_of(error), Weight.BAD)
            self.member_changed.emit()  # the choice goes back to what is shown

        if member == WHOLE:
            show(whole)
        else:
            self._worker.do(lambda: whole.member(member), show, complain)
