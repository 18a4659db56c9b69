"""The page of sessions: search, table, what can be done with those selected, and the limits.

Everything that touches the folder is done by a worker of the page's own, in the order in which it
was asked for. The folder is looked at every two seconds while the page is shown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from PySide6.QtCore import QItemSelectionModel, QMetaMethod, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import tr, trn
from poolviz.model.errors import InputError
from poolviz.sessions.file.label import LONGEST_NOTE, LabelChanges
from poolviz.sessions.folder import SessionsFolder
from poolviz.sessions.kept_session import Ending, KeptSession
from poolviz.sessions.limits import SessionLimits, shown_size
from poolviz.ui.elided_label import ElidedLabel
from poolviz.ui.leavable_page import LeavablePage
from poolviz.ui.question import Question
from poolviz.ui.session.notices import Notices, Weight, sentence_of
from poolviz.ui.session.worker import Inbox, Worker
from poolviz.ui.session_list.contents import FolderContents, Preview, preview_of
from poolviz.ui.session_list.limits_bar import LimitsBar
from poolviz.ui.session_list.model import (
    SESSION_ROLE,
    Column,
    SearchedSessions,
    SessionsModel,
    shown,
)
from poolviz.ui.session_list.table import SessionTable
from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

WORKER = "session list worker"
_LOOK = 2000  # milliseconds between two looks at the folder
_PATIENCE = 5.0  # seconds that closing waits for what is being read
_TOPIC = "sessions"  # of notices
_FEW = 3  # sessions that a sentence names


@dataclass(frozen=True)
class _Read:
    """What a look at the folder found: sessions, None if nothing has changed, and the limits, or
    the sentence that says why they can't be read."""

    sessions: list[KeptSession] | None
    limits: SessionLimits | None
    trouble: str = ""


class SessionsPage(LeavablePage):
    """Lists the sessions of a folder. Belongs to the GUI thread; `close_worker` ends its worker."""

    opened = Signal(object)  # the Path of a session to show
    run_again = Signal(object)  # the Path of a session to run again with other limits
    compared = Signal(object)  # the Paths of two sessions or more, the oldest first
    removed = Signal(object)  # the Paths of sessions that are gone

    def __init__(
        self,
        folder: SessionsFolder,
        inbox: Inbox,
        notices: Notices,
        theme: Theme,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("sessions")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._folder, self._notices = folder, notices
        self._contents = FolderContents(folder)
        self._worker = Worker(WORKER, inbox)
        self._closed = False
        self._reading = False
        self._unread = True  # the folder was never read
        self._pictures: deque[KeptSession] = deque()  # to be drawn, those wanted last first
        self._noted: KeptSession | None = None  # the session whose note and mark are shown
        self.model = SessionsModel(self)
        self.shown = SearchedSessions(self)
        self.shown.setSourceModel(self.model)
        self.table = SessionTable(self.model, self.shown, theme, self)
        self.search, self.total = QLineEdit(), QLabel()
        self.note, self.keep, self.file = QLineEdit(), QCheckBox(tr("Keep")), ElidedLabel()
        self.open_button = QPushButton(tr("Open"))
        self.again_button = QPushButton(tr("Run again with…"))
        self.compare_button = QPushButton(tr("Compare"))
        self.rename_button = QPushButton(tr("Rename"))
        self.delete_button = QPushButton(tr("Delete"))
        self.limits_bar = LimitsBar(self)
        self._empty, self._empty_note = QLabel(), QLabel()
        self._timer = QTimer(self, interval=_LOOK)
        self._lay_out()
        self._connect()
        self._show_selection()

    # What others call

    @property
    def selected(self) -> list[KeptSession]:
        """The sessions that are selected, in the order of the table."""
        rows = sorted(index.row() for index in self.table.selectionModel().selectedRows())
        return [self.shown.index(row, 0).data(SESSION_ROLE) for row in rows]

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.table.set_theme(theme)

    def refresh(self) -> None:
        """Look at the folder, unless that is being done; nothing while the page is hidden."""
        if self._reading or self._closed or not self.isVisible():
            return
        self._reading = True
        self._worker.do(self._read, self._take, self._fail_to_read)

    def close_worker(self) -> None:
        """End the worker, once it has done what changes the folder. Blocks for a moment."""
        self._closed = True
        self._timer.stop()
        self._pictures.clear()
        self._worker.close(_PATIENCE)

    @contained()
    def showEvent(self, event: QShowEvent) -> None:
        """Look at the folder, now and from time to time."""
        super().showEvent(event)
        compared = QMetaMethod.fromSignal(self.compared)
        self.compare_button.setVisible(self.isSignalConnected(compared))  # someone compares them
        self._timer.start()
        self.refresh()

    @contained()
    def hideEvent(self, event: QHideEvent) -> None:
        """Look no more, and draw no more pictures."""
        super().hideEvent(event)
        self._save_note()
        self._timer.stop()

    # Construction

    def _lay_out(self) -> None:
        title = QLabel(tr("Sessions"))
        title.setProperty("role", "title")
        self.total.setProperty("role", "note")
        self.search.setPlaceholderText(tr("Search (Ctrl+F)"))
        self.search.setAccessibleName(tr("Search sessions"))
        self.search.setClearButtonEnabled(True)
        self.search.setMaximumWidth(260)
        close = QPushButton(tr("Back to the charts"))
        close.clicked.connect(self.left)
        head = _row(title, self.total, None, self.search, close)
        empty = QWidget()
        column = QVBoxLayout(empty)
        column.addStretch(1)
        self._empty.setProperty("role", "name")
        self._empty_note.setProperty("role", "note")
        for label in (self._empty, self._empty_note):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setWordWrap(True)
            column.addWidget(label)
        column.addStretch(1)
        middle = QWidget()
        self._stack = QStackedLayout(middle)
        self._stack.addWidget(self.table)
        self._stack.addWidget(empty)
        self.note.setPlaceholderText(tr("Note"))
        self.note.setAccessibleName(tr("Note about the session"))
        self.note.setMaxLength(LONGEST_NOTE)
        self.keep.setToolTip(tr("Never remove it by age or size."))
        self.file.setProperty("role", "note")
        self.open_button.setProperty("primary", "true")
        for button in self._buttons:
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 10)
        column.setSpacing(9)
        column.addLayout(head)
        column.addWidget(middle, 1)
        self._below = QWidget()  # what concerns the selected sessions
        below = QVBoxLayout(self._below)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(9)
        below.addLayout(_row(self.note, self.keep))
        buttons = _row(*self._buttons)
        buttons.addWidget(self.file, 1)
        below.addLayout(buttons)
        column.addWidget(self._below)
        column.addWidget(self.limits_bar)

    @property
    def _buttons(self) -> tuple[QPushButton, ...]:
        return (
            *(self.open_button, self.again_button, self.compare_button),
            *(self.rename_button, self.delete_button),
        )

    def _connect(self) -> None:
        self._timer.timeout.connect(self.refresh)
        self.search.textChanged.connect(self._search)
        self.search.returnPressed.connect(self._leave_search)
        self.model.renamed.connect(lambda path, name: self._relabel(path, name=name))
        self.model.preview_wanted.connect(self._want_picture)
        self.model.modelReset.connect(self._show_contents)
        self.table.selectionModel().selectionChanged.connect(self._show_selection)
        self.table.doubleClicked.connect(self._open)
        self.table.open_pressed.connect(self._open)
        self.table.rename_pressed.connect(self._rename)
        self.table.delete_pressed.connect(self._delete)
        self.open_button.clicked.connect(self._open)
        self.again_button.clicked.connect(self._run_again)
        self.compare_button.clicked.connect(self._compare)
        self.rename_button.clicked.connect(self._rename)
        self.delete_button.clicked.connect(self._delete)
        self.note.editingFinished.connect(self._save_note)
        self.keep.clicked.connect(self._save_mark)
        self.limits_bar.chosen.connect(self._set_limits)
        self.limits_bar.mistaken.connect(self._complain)
        find = QShortcut(QKeySequence.StandardKey.Find, self)
        find.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        find.activated.connect(self._find)

    # The folder, by the worker

    def _read(self) -> _Read:
        sessions = self._contents.read()
        try:
            return _Read(sessions, self._folder.limits())
        except InputError as error:
            return _Read(sessions, None, str(error))

    def _take(self, read: _Read) -> None:
        self._reading = False
        if self._closed:
            return
        typing = self.focusWidget()
        if read.limits is not None and not (typing and self.limits_bar.isAncestorOf(typing)):
            self.limits_bar.show_limits(read.limits)
        self.limits_bar.setToolTip(read.trouble)
        if read.sessions is not None:
            chosen = {each.path for each in self.selected}
            first, self._unread = self._unread, False
            self.model.show_sessions(read.sessions)
            self._show_contents()
            self._select(chosen)
            if first and self.shown.rowCount():
                self.table.selectRow(0)
            if first:
                (self.table if self.shown.rowCount() else self).setFocus()
            self._show_selection()

    def _fail_to_read(self, error: BaseException) -> None:
        self._reading = False
        self._notices.say(_TOPIC, sentence_of(error), Weight.BAD)

    def _do(self, work: Callable[[], object]) -> None:
        """Have the worker change the folder, and look at it then; a failure is a notice."""

        def failed(error: BaseException) -> None:
            self._notices.say(_TOPIC, sentence_of(error), Weight.WARN)
            self._look_again()

        self._worker.do(work, lambda _: self._look_again(), failed)

    def _look_again(self) -> None:
        self._reading = False  # a look that is under way may have seen what was before
        self.refresh()

    def _want_picture(self, session: KeptSession) -> None:
        if self._closed:
            return
        self._pictures.append(session)
        self._worker.do(self._draw_next, self._take_picture)

    def _draw_next(self) -> tuple[KeptSession, Preview | None] | None:
        """Read the picture that was wanted last. Called by the worker."""
        try:
            session = self._pictures.pop()
        except IndexError:
            return None  # the page is being closed
        return session, preview_of(session)

    def _take_picture(self, found: tuple[KeptSession, Preview | None] | None) -> None:
        if found is not None:
            self.model.take_preview(*found)

    # What is shown

    def _show_contents(self) -> None:
        """Show how many sessions there are, or what an empty folder means."""
        sessions = self.model.sessions
        many = trn("{n:,} session", "{n:,} sessions", len(sessions))
        self.total.setText(f"{many}, {shown_size(sum(each.size for each in sessions))}")
        if not sessions:
            self._empty.setText(tr("No sessions yet"))
            self._empty_note.setText(
                tr(
                    "Press Start: every run is kept here, in the window and by `poolviz "
                    "run`.\n{folder}",
                    folder=self._folder.folder,
                )
            )
        else:
            self._empty.setText(tr("No session matches"))
            self._empty_note.setText(tr("Names, notes, pools, servers and dates are searched."))
        nothing = not self._unread and self.shown.rowCount() == 0
        self._stack.setCurrentIndex(1 if nothing else 0)
        self._below.setVisible(bool(sessions) or self._unread)
        self.search.setVisible(bool(sessions) or self._unread)

    def _select(self, paths: set[Path]) -> None:
        """Select these sessions again, after the table was filled anew."""
        selection = self.table.selectionModel()
        how = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        if {each.path for each in self.selected} == paths:
            return
        selection.clearSelection()
        for row in range(self.shown.rowCount()):
            index = self.shown.index(row, 0)
            if index.data(SESSION_ROLE).path in paths:
                selection.select(index, how)

    def _show_selection(self) -> None:
        """Enable what can be done with the selected sessions, and show the note of one."""
        chosen = self.selected
        one = chosen[0] if len(chosen) == 1 else None
        readable = [each for each in chosen if each.ending is not Ending.UNREADABLE]
        still = [each for each in readable if each.ending is not Ending.RECORDING]
        self.open_button.setEnabled(one is not None and one in readable)
        self.again_button.setEnabled(one is not None and one in still)
        self.rename_button.setEnabled(one is not None and one in still)
        self.compare_button.setEnabled(len(chosen) > 1 and chosen == still)
        recording = any(each.ending is Ending.RECORDING for each in chosen)
        self.delete_button.setEnabled(bool(chosen) and not recording)
        self.delete_button.setToolTip(tr("Stop its run first.") if recording else "")
        self.compare_button.setToolTip(
            "" if len(chosen) > 1 else tr("Select two sessions or more, with Ctrl or Shift.")
        )
        self._show_label(one if one in still else None)
        self.file.setText("" if one is None else one.path.name)
        self.file.setToolTip("" if one is None else str(one.path))

    def _show_label(self, session: KeptSession | None) -> None:
        before = self._noted
        if before is not None and session is not None and before.path == session.path:
            if before.label == session.label:
                return  # what is being typed stays
        else:
            self._save_note()
        self._noted = session
        self.note.setEnabled(session is not None)
        self.keep.setEnabled(session is not None)
        self.note.setText(session.label.note if session is not None else "")
        self.keep.setChecked(session is not None and session.label.keep)

    def _search(self, text: str) -> None:
        self.shown.search(text)
        self._show_contents()
        if self.shown.rowCount() and not self.selected:
            self.table.selectRow(0)
        self._show_selection()

    def _find(self) -> None:
        self.search.setFocus()
        self.search.selectAll()

    def _leave_search(self) -> None:
        if self.shown.rowCount():
            if not self.selected:
                self.table.selectRow(0)
            self.table.setFocus()

    # What can be done

    def _open(self) -> None:
        if self.open_button.isEnabled():
            self.opened.emit(self.selected[0].path)

    def _run_again(self) -> None:
        self.run_again.emit(self.selected[0].path)

    def _compare(self) -> None:
        self.compared.emit(sorted(each.path for each in self.selected))

    def _rename(self) -> None:
        if self.rename_button.isEnabled():
            row = self.table.selectionModel().selectedRows()[0].row()
            cell = self.shown.index(row, Column.SESSION)
            self.table.setCurrentIndex(cell)
            self.table.edit(cell)

    def _relabel(self, path: Path, **changes: Unpack[LabelChanges]) -> None:
        self._do(lambda: self._folder.relabel(path, **changes))

    def _save_note(self) -> None:
        session, text = self._noted, self.note.text().strip()
        if session is not None and text != session.label.note.replace("\n", " "):
            self._noted = None
            self._relabel(session.path, note=text)

    def _save_mark(self) -> None:
        if self._noted is not None:
            self._relabel(self._noted.path, keep=self.keep.isChecked())

    def _set_limits(self, limits: SessionLimits) -> None:
        self._do(lambda: self._folder.set_limits(limits))

    def _delete(self) -> None:
        """Ask once, and remove what is selected."""
        chosen = self.selected
        if not chosen or not self.delete_button.isEnabled():
            if any(each.ending is Ending.RECORDING for each in chosen):
                self._complain(
                    tr("A session that is being recorded can't be deleted: stop its run.")
                )
            return
        names = ", ".join(shown(each, Column.SESSION) for each in chosen[:_FEW])
        if len(chosen) > _FEW:
            names = tr("{names} and {n:,} more", names=names, n=len(chosen) - _FEW)
        size = shown_size(sum(each.size for each in chosen))
        question = Question(
            tr("Delete sessions"),
            trn("Delete this session?", "Delete {n:,} sessions?", len(chosen)),
            tr("{names}: {size} that can't be brought back.", names=names, size=size),
            tr("Delete"),
            self,
        )
        question.accepted.connect(lambda: self._remove([each.path for each in chosen]))
        question.open()

    def _remove(self, paths: Sequence[Path]) -> None:
        self._worker.do(
            lambda: self._folder.delete_all(paths), self._tell_removed, self._fail_to_read
        )

    def _tell_removed(self, found: tuple[list[Path], list[InputError]]) -> None:
        gone, errors = found
        if errors:
            deleted = trn("{n:,} session was deleted.", "{n:,} sessions were deleted.", len(gone))
            more = len(errors) - _FEW
            sentences = [deleted, *map(str, errors[:_FEW])]
            sentences += [tr("And {n:,} more.", n=more)] if more > 0 else []
            self._notices.say(_TOPIC, " ".join(sentences), Weight.WARN)
        else:
            self._notices.take_back(_TOPIC)
        if gone:
            self.removed.emit(gone)
        self._look_again()

    def _complain(self, sentence: str) -> None:
        self._notices.say(_TOPIC, sentence, Weight.WARN, passing=True)


def _row(*widgets: QWidget | None) -> QHBoxLayout:
    """Return widgets side by side; None is room between them."""
    row = QHBoxLayout()
    row.setSpacing(8)
    for widget in widgets:
        if widget is None:
            row.addStretch(1)
        else:
            row.addWidget(widget)
    return row
