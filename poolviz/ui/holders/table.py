"""The table of holders: a row for each hold, the longest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, TypeAlias

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from poolviz.language import tr, tr_noop
from poolviz.model.lanes import State
from poolviz.model.text import on_one_line
from poolviz.sessions.holds import Hold
from poolviz.ui.charts.axes import clock
from poolviz.ui.style.tables import show_as_rows
from poolviz.ui.style.units import time_with_unit
from poolviz.ui.unexpected import contained

_ROW = 22  # pixels
_INDEX = QModelIndex()
_DOING = {
    State.WORKING: tr_noop("executes statements"),
    State.HELD: tr_noop("holds it without work"),
    State.IN_TRANSACTION: tr_noop("has left a transaction open"),
    State.LEAKED: tr_noop("has leaked it"),
}
_DID = {
    State.WORKING: tr_noop("executed statements"),
    State.HELD: tr_noop("held it without work"),
    State.IN_TRANSACTION: tr_noop("left a transaction open"),
    State.LEAKED: tr_noop("leaked it"),
}


_Key: TypeAlias = tuple[str, int, int, float]


class Column(IntEnum):
    """The columns, from the left."""

    MEMBER = 0
    CLIENT = 1
    CONNECTION = 2
    TIME = 3
    SINCE = 4
    DOING = 5


_HEADS = {
    Column.MEMBER: tr_noop("Pool"),
    Column.CLIENT: tr_noop("Client"),
    Column.CONNECTION: tr_noop("Connection"),
    Column.TIME: tr_noop("Held for"),
    Column.SINCE: tr_noop("Since"),
    Column.DOING: tr_noop("What it does"),
}
_WHAT_IT_DID = tr_noop("What it did most of the time")


class HoldersModel(QAbstractTableModel):
    """Holds as rows: of now, or of a time that is over."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.holds: tuple[Hold, ...] = ()
        self._over, self._statement = False, ""

    def show_holds(self, holds: Sequence[Hold], statement: str, *, over: bool) -> None:
        """Show these. `statement` is what clients execute."""
        before, now = len(self.holds), len(holds)
        if over != self._over:
            self._over = over
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(Column) - 1)
        self._statement = statement
        if now > before:
            self.beginInsertRows(_INDEX, before, now - 1)
        elif now < before:
            self.beginRemoveRows(_INDEX, now, before - 1)
        self.holds = tuple(holds)
        if now > before:
            self.endInsertRows()
        elif now < before:
            self.endRemoveRows()
        if now:
            self.dataChanged.emit(self.index(0, 0), self.index(now - 1, len(Column) - 1))

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _INDEX) -> int:
        """Return how many holds there are."""
        return 0 if parent.isValid() else len(self.holds)

    def columnCount(self, parent: QModelIndex | QPersistentModelIndex = _INDEX) -> int:
        """Return how many columns there are."""
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Return the name of a column."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        over = self._over and section == Column.DOING
        return tr(_WHAT_IT_DID if over else _HEADS[Column(section)])

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = 0) -> Any:
        """Return the text of a cell, or for screen readers and as a tooltip the whole row."""
        if not index.isValid() or index.row() >= len(self.holds):
            return None
        hold = self.holds[index.row()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(index.column())
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return self.sentence(hold)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        match Column(index.column()):
            case Column.MEMBER:
                return on_one_line(hold.member)
            case Column.CLIENT:
                return str(hold.client)
            case Column.CONNECTION:
                return str(hold.connection) if hold.connection >= 0 else "?"
            case Column.TIME:
                return time_with_unit(hold.seconds)
            case Column.SINCE:
                return clock(hold.since, 0.1)
            case Column.DOING:
                return self._doing(hold)

    def sentence(self, hold: Hold) -> str:
        """Return a hold in words."""
        connection = tr("connection {n}", n=hold.connection) if hold.connection >= 0 else ""
        said = tr(
            "client {client}: {connection} for {time}, since {since}: {doing}",
            client=hold.client,
            connection=connection or tr("a connection"),
            time=time_with_unit(hold.seconds),
            since=clock(hold.since, 0.1),
            doing=self._doing(hold),
        )
        if not hold.member:
            return said
        return tr("{member}: {text}", member=on_one_line(hold.member), text=said)

    def _doing(self, hold: Hold) -> str:
        state = hold.mostly if self._over else hold.state
        if hold.state is State.LEAKED:
            state = State.LEAKED
        text = tr((_DID if self._over else _DOING)[state])
        if state is State.WORKING and self._statement:
            return tr("{doing} ({statement})", doing=text, statement=self._statement)
        return text


def _alignment(column: int) -> Qt.AlignmentFlag:
    words = column in (Column.MEMBER, Column.DOING)
    side = Qt.AlignmentFlag.AlignLeft if words else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter


class HoldersTable(QTableView):
    """The table. A hold that is chosen stays chosen while rows come and go."""

    chosen = Signal(object)  # the Hold, with what is known of it now, or None
    picked = Signal()  # a hold was chosen by the user
    shown = Signal(object)  # the Hold whose begin is to be shown, by Return or a double click
    left = Signal()  # by Escape

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows = HoldersModel(self)
        self._key: _Key | None = None  # of the hold that is chosen
        self._filling = False
        self.setModel(self.rows)
        self.setAccessibleName(tr("Who holds the connections"))
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        show_as_rows(self, max(_ROW, self.fontMetrics().height() + 6))
        columns = self.horizontalHeader()
        columns.setTextElideMode(Qt.TextElideMode.ElideRight)
        columns.setMinimumSectionSize(54)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        columns.setSectionResizeMode(Column.DOING, QHeaderView.ResizeMode.Stretch)
        self.selectionModel().currentRowChanged.connect(self._choose)
        self.doubleClicked.connect(lambda index: self.shown.emit(self.rows.holds[index.row()]))

    def show_holds(self, holds: Sequence[Hold], statement: str, *, over: bool) -> None:
        """Show these, the longest first, with their pools if they are of several."""
        self.setColumnHidden(Column.MEMBER, not any(hold.member for hold in holds))
        self._keep(lambda: self.rows.show_holds(holds, statement, over=over))

    def clear_choice(self) -> None:
        """Choose no hold."""
        self._key = None
        self._keep(lambda: None)

    def _keep(self, fill: Callable[[], None]) -> None:
        """Change the rows, and have the same hold chosen as before, if it is still there."""
        self._filling = True
        fill()
        keys = [_key(hold) for hold in self.rows.holds]
        row = keys.index(self._key) if self._key in keys else -1
        if row < 0:
            self._key = None
            self.clearSelection()
            self.setCurrentIndex(_INDEX)
        elif row != self.currentIndex().row() or not self.selectionModel().hasSelection():
            self.selectRow(row)
        self._filling = False
        self.chosen.emit(self.rows.holds[row] if row >= 0 else None)

    def _choose(self, current: QModelIndex, _before: QModelIndex) -> None:
        if self._filling:
            return
        hold = self.rows.holds[current.row()] if current.isValid() else None
        self._key = _key(hold) if hold is not None else None
        self.chosen.emit(hold)
        if hold is not None:
            self.picked.emit()

    @contained()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return shows when a hold began, Escape chooses none and leaves the table."""
        row = self.currentIndex().row()
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter if row >= 0:
                self.shown.emit(self.rows.holds[row])
            case Qt.Key.Key_Escape:
                self.clear_choice()
                self.left.emit()
            case _:
                super().keyPressEvent(event)


def _key(hold: Hold) -> _Key:
    """Return what tells a hold from others. What is known of its begin may differ by some µs."""
    return hold.member, hold.lane, hold.client, round(hold.since, 3)
