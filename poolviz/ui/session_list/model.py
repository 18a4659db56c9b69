"""The table of sessions: what each cell shows, how it is sorted and searched."""

from __future__ import annotations

from enum import IntEnum
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)

from poolviz.language import for_search, is_found, tr, tr_noop
from poolviz.model.server_name import server_in_words
from poolviz.sessions.kept_session import Ending, KeptSession
from poolviz.sessions.limits import shown_size
from poolviz.ui.charts.axes import lasting
from poolviz.ui.session_list.contents import Preview

SESSION_ROLE = Qt.ItemDataRole.UserRole
SORT_ROLE = Qt.ItemDataRole.UserRole + 1

Index = QModelIndex | QPersistentModelIndex


class Column(IntEnum):
    """The columns of the table."""

    PICTURE = 0
    SESSION = 1
    STARTED = 2
    LENGTH = 3
    SIZE = 4
    ENDING = 5


_TITLES = {
    Column.PICTURE: "",
    Column.SESSION: tr_noop("Session"),
    Column.STARTED: tr_noop("Started"),
    Column.LENGTH: tr_noop("Length"),
    Column.SIZE: tr_noop("Size"),
    Column.ENDING: tr_noop("Ended"),
}
_RIGHT = (Column.LENGTH, Column.SIZE)


class SessionsModel(QAbstractTableModel):
    """The sessions of the folder, the newest first, each in one row."""

    renamed = Signal(object, str)  # the Path of a session whose name was typed, and that name
    preview_wanted = Signal(object)  # a KeptSession whose picture is to be drawn

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.sessions: list[KeptSession] = []
        self._previews: dict[Path, tuple[KeptSession, Preview | None]] = {}
        self._wanted: set[Path] = set()

    def show_sessions(self, sessions: list[KeptSession]) -> None:
        """Show these sessions. Rows that stay keep their place, selection and picture."""
        paths = [each.path for each in sessions]
        if paths == [each.path for each in self.sessions]:
            self.sessions = sessions
            if sessions:
                self.dataChanged.emit(
                    self.index(0, 0), self.index(len(sessions) - 1, len(Column) - 1)
                )
            return
        self.beginResetModel()
        self.sessions = sessions
        self.endResetModel()
        for path in self._previews.keys() - set(paths):
            del self._previews[path]

    def take_preview(self, session: KeptSession, preview: Preview | None) -> None:
        """Show the picture of a session."""
        self._wanted.discard(session.path)
        self._previews[session.path] = session, preview
        for row, each in enumerate(self.sessions):
            if each.path == session.path:
                cell = self.index(row, Column.PICTURE)
                self.dataChanged.emit(cell, cell)

    def preview(self, session: KeptSession) -> Preview | None:
        """Return the picture of a session; None while there is none. It is asked for when it is
        first wanted, and again when the session has changed."""
        path = session.path
        found = self._previews.get(path)
        fresh = found is not None and (found[0].size, found[0].duration_s) == (
            session.size,
            session.duration_s,
        )
        readable = session.ending not in (Ending.RECORDING, Ending.UNREADABLE)
        if readable and not fresh and path not in self._wanted:
            self._wanted.add(path)
            self.preview_wanted.emit(session)
        return found[1] if found is not None else None

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt declares it
        """Return the number of sessions."""
        return 0 if parent.isValid() else len(self.sessions)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - likewise
        """Return the number of columns."""
        return 0 if parent.isValid() else len(Column)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the title of a column."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return tr(_TITLES[Column(section)])
        if role == Qt.ItemDataRole.TextAlignmentRole and section in _RIGHT:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Return what can be done with a cell: names can be edited, but not while recording."""
        flags = super().flags(index)
        if index.isValid() and index.column() == Column.SESSION:
            ending = self.sessions[index.row()].ending
            if ending not in (Ending.RECORDING, Ending.UNREADABLE):
                flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows, sorts by, or edits."""
        if not index.isValid():
            return None
        session, column = self.sessions[index.row()], Column(index.column())
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return shown(session, column)
            case Qt.ItemDataRole.EditRole if column is Column.SESSION:
                return session.label.name
            case Qt.ItemDataRole.ToolTipRole:
                return about(session)
            case Qt.ItemDataRole.TextAlignmentRole if column in _RIGHT:
                return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            case _ if role == SESSION_ROLE:
                return session
            case _ if role == SORT_ROLE:
                return _sorted_by(session, column)
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Have a session renamed; the row shows it once that is done."""
        session = self.sessions[index.row()]
        name = str(value).strip()
        if role != Qt.ItemDataRole.EditRole or name == session.label.name:
            return False
        self.renamed.emit(session.path, name)
        return True


class SearchedSessions(QSortFilterProxyModel):
    """The sessions that match what was typed, each word of it in any of their texts."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._words: list[str] = []
        self.setSortRole(SORT_ROLE)
        self.setDynamicSortFilter(True)

    def search(self, text: str) -> None:
        """Show only sessions that match."""
        self._words = for_search(text).split()
        self.invalidate()

    def filterAcceptsRow(self, row: int, parent: Index) -> bool:
        """Return whether a row matches."""
        model = self.sourceModel()
        assert isinstance(model, SessionsModel)
        session = model.sessions[row]
        texts = (
            *(session.label.name, session.label.note, session.pool),
            server_in_words(session.server),
            *(session.path.name, *(shown(session, column) for column in Column)),
        )
        text = for_search("\n".join(texts))
        return all(is_found(word, text) for word in self._words)


def shown(session: KeptSession, column: Column) -> str:
    """Return the text of a cell."""
    match column:
        case Column.PICTURE:
            return ""
        case Column.SESSION:
            return session.label.name or session.pool or session.path.name
        case Column.STARTED:
            started = session.started
            return "" if started is None else f"{started.astimezone():%Y-%m-%d %H:%M}"
        case Column.LENGTH:
            return "" if session.started is None else lasting(session.duration_s)
        case Column.SIZE:
            return shown_size(session.size)
        case Column.ENDING:
            if session.ending is Ending.KILLED:
                return tr("killed: ends at {duration_s:,.1f} s", duration_s=session.duration_s)
            return tr(session.ending.value)


def details(session: KeptSession) -> str:
    """Return the second line of a session: what its name doesn't say."""
    if session.ending is Ending.UNREADABLE:
        # Its name stands above, and its path would leave no room for the reason.
        sentence = session.sentence.replace(str(session.path), tr("the file"))
        return f"{sentence[:1].upper()}{sentence[1:]}"
    words = [
        tr("sizing") if session.swept else "",
        session.pool if session.label.name else "",
        session.processes_in_words,
        server_in_words(session.server),
        tr("kept") if session.label.keep else "",
        session.label.note.replace("\n", " "),
        session.sentence,
    ]
    return " · ".join(filter(None, words))


def about(session: KeptSession) -> str:
    """Return all that is known of a session, as rich text, which Qt wraps in a tooltip."""
    measures = " · ".join(filter(None, map(partial(shown, session), _RIGHT)))
    lines = [session.path.name, shown(session, Column.SESSION), details(session), measures]
    return "".join(f"<p>{escape(line)}</p>" for line in dict.fromkeys(filter(None, lines)))


def _sorted_by(session: KeptSession, column: Column) -> Any:
    match column:
        case Column.STARTED | Column.PICTURE:
            return session.started.timestamp() if session.started is not None else 0.0
        case Column.LENGTH:
            return session.duration_s
        case Column.SIZE:
            return session.size
        case _:
            return shown(session, column).casefold()
