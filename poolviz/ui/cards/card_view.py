"""One card over the charts: what a change did, by the figures before and after it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import tr
from poolviz.sessions.cards import Card
from poolviz.ui.cards.wording import counted, lines
from poolviz.ui.unexpected import contained

_WIDTH = 330  # pixels at least
_INSET = 14  # pixels from the edge of the charts


class CardView(QFrame):
    """Lies over its parent, beside the mark it belongs to. Escape and its button close it."""

    closed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._charts = parent
        self.setObjectName("card")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.card: Card | None = None
        self._title, self._when, self._counted = QLabel(), QLabel(), QLabel()
        self.close_button = QPushButton("✕")
        self._grid = QGridLayout()
        self._content, self._scroll = QWidget(), QScrollArea()
        self._labels: list[tuple[QLabel, QLabel, QLabel]] = []
        self._lay_out()
        self.close_button.clicked.connect(self.closed)
        self.hide()

    @property
    def text(self) -> str:
        """All that is shown, one line each."""
        rows = [" ".join(label.text() for label in row if label.text()) for row in self._labels]
        shown = [self._title.text(), self._when.text(), *rows, self._counted.text()]
        return "\n".join(part for part in shown if part)

    def show_card(self, card: Card | None, x: float = 0.0) -> None:
        """Show a card beside the mark at `x` of the parent; None shows none."""
        self.card = card
        if card is None:
            self.hide()
            return
        self._title.setText(card.title)
        self._when.setText(tr("at {seconds:.1f} s", seconds=card.at_s))
        self._counted.setText(counted(card))
        found = lines(card)
        while len(self._labels) < len(found):
            self._labels.append(self._new_row())
        for row in self._labels[len(found) :]:
            for label in row:
                label.clear()
                label.hide()
        for row, line in zip(self._labels, found, strict=False):
            for label, text in zip(row, (line.name, line.values, line.change), strict=True):
                label.setText(text)
                label.show()
            _set_role(row[2], line.role)
        self.setAccessibleName(card.sentence)
        self._fit()
        self._place(x)
        self.show()
        self.raise_()

    @contained()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close the card by Escape, scroll it by arrows."""
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        elif event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            QApplication.sendEvent(self._scroll.verticalScrollBar(), event)
        else:
            super().keyPressEvent(event)

    def _fit(self) -> None:
        """Take the room that the texts need, as far as the charts have it; what is higher is
        scrolled."""
        room = self._charts.size() - QSize(2 * _INSET, _INSET)
        rows = self._rows_width(wrapped=False)
        if rows > room.width():
            rows = self._rows_width(wrapped=True)
        width = max(min(max(_WIDTH, rows), room.width()), 0)
        frame = 2 * self.frameWidth()
        height = self._content.heightForWidth(width - frame) + frame
        if height > room.height():
            bar = self._scroll.verticalScrollBar().sizeHint().width()
            height = self._content.heightForWidth(width - frame - bar) + frame
        self.setFixedSize(width, max(min(height, room.height()), 0))

    def _rows_width(self, *, wrapped: bool) -> int:
        """Have values and their changes in one line or in several, and return what they need."""
        for _, *labels in self._labels:
            for label in labels:
                label.setWordWrap(wrapped)
        return self._grid.sizeHint().width() + 2 * _INSET

    def _place(self, x: float) -> None:
        """Lie right of the mark, or left of it where that has more room."""
        parent = self._charts
        left = round(x) + 8
        if left + self.width() > parent.width() - _INSET:
            left = round(x) - self.width() - 8
        left = min(max(left, _INSET), max(parent.width() - self.width() - _INSET, 0))
        self.move(left, min(52, max(parent.height() - self.height() - _INSET, 0)))

    def _lay_out(self) -> None:
        for label in (self._title, self._counted):
            label.setWordWrap(True)
        for label in (self._title, self._when, self._counted):
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._title.setProperty("role", "name")
        self._when.setProperty("role", "note")
        self._counted.setProperty("role", "note")
        self.close_button.setFlat(True)
        self.close_button.setFixedWidth(24)
        self.close_button.setProperty("role", "close")
        self.close_button.setToolTip(tr("Close the card (Esc)"))
        self.close_button.setAccessibleName(tr("Close the card"))
        head = QHBoxLayout()
        head.addWidget(self._title, 1)
        head.addWidget(self._when)
        head.addWidget(self.close_button)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnStretch(2, 1)
        column = QVBoxLayout(self._content)
        column.setContentsMargins(14, 8, 8, 10)
        column.setSpacing(5)
        column.addLayout(head)
        column.addLayout(self._grid)
        column.addWidget(self._counted)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setAccessibleName(tr("What changes did"))
        self._scroll.setWidget(self._content)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._scroll)

    def _new_row(self) -> tuple[QLabel, QLabel, QLabel]:
        place = len(self._labels)
        row = QLabel(), QLabel(), QLabel()
        for number, label in enumerate(row):
            label.setTextFormat(Qt.TextFormat.PlainText)
            self._grid.addWidget(label, place, number)
        row[0].setProperty("role", "note")
        return row


def _set_role(label: QLabel, role: str) -> None:
    if (label.property("role") or "") != role:
        label.setProperty("role", role)
        label.style().unpolish(label)
        label.style().polish(label)
