"""The table of sessions: its columns and keys."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from poolviz.language import tr
from poolviz.ui.session_list.delegate import PICTURE, ROW, SessionDelegate
from poolviz.ui.session_list.model import Column, SearchedSessions, SessionsModel
from poolviz.ui.style.tables import show_as_rows
from poolviz.ui.style.theme import Theme, text_room
from poolviz.ui.unexpected import contained

_WIDTHS = {
    Column.PICTURE: PICTURE.width() + 18,
    Column.STARTED: 148,
    Column.LENGTH: 88,
    Column.SIZE: 74,
    Column.ENDING: 142,
}
_LEAST = {Column.SIZE: 770, Column.LENGTH: 690}  # widths of the table from which they are shown


class SessionTable(QTableView):
    """The table of sessions. It says which of its own keys were pressed."""

    open_pressed = Signal()
    rename_pressed = Signal()
    delete_pressed = Signal()

    def __init__(
        self, model: SessionsModel, shown: SearchedSessions, theme: Theme, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._delegate = SessionDelegate(model, theme, self)
        self.setModel(shown)
        self.setItemDelegate(self._delegate)
        self.setAccessibleName(tr("Sessions"))
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        show_as_rows(self, ROW)
        columns = self.horizontalHeader()
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setMinimumSectionSize(40)
        for column in _WIDTHS:
            columns.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
        columns.setSectionResizeMode(Column.SESSION, QHeaderView.ResizeMode.Stretch)
        self.setSortingEnabled(True)
        self.sortByColumn(Column.STARTED, Qt.SortOrder.DescendingOrder)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._delegate.theme = theme
        self.viewport().update()
        self._fit_columns()

    @contained()
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave out columns for which a narrow table has no room; the tooltip has them too."""
        super().resizeEvent(event)
        self._fit_columns()

    def _fit_columns(self) -> None:
        room, columns = text_room(), self.horizontalHeader()
        for column, least in _LEAST.items():
            self.setColumnHidden(column, self.width() < least * room)
        for column, width in _WIDTHS.items():
            wanted = max(round(width * room), columns.sectionSizeHint(column))
            columns.resizeSection(column, width if column is Column.PICTURE else wanted)

    @contained()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens, F2 renames, Delete deletes; but not while a name is typed, which lets keys
        through."""
        if self.state() is QAbstractItemView.State.EditingState:
            return
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                self.open_pressed.emit()
            case Qt.Key.Key_F2:
                self.rename_pressed.emit()
            case Qt.Key.Key_Delete | Qt.Key.Key_Backspace:
                self.delete_pressed.emit()
            case Qt.Key.Key_Escape:
                event.ignore()  # the page's
            case _:
                super().keyPressEvent(event)
