"""What has failed in the session that is shown: each kind of error with what it says."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QSizePolicy, QWidget

from poolviz.language import number, tr, trn
from poolviz.sessions.error_details import ErrorDetails
from poolviz.sessions.recorder import Recorder
from poolviz.ui.elided_button import ElidedButton
from poolviz.ui.elided_label import ElidedLabel
from poolviz.ui.help_places import set_topic

_MOST = 3  # kinds that are shown, the most frequent ones
_TITLE = 120  # pixels from which on the name of a kind is elided


class ErrorsPanel(QFrame):
    """A line for each of the most frequent kinds of errors and timeouts; hidden without any.

    It stays until another session is shown, so that it moves the charts once. The tooltip has every
    kind, and the context menu copies them all.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("errors")
        self.setAccessibleName(tr("Errors"))
        set_topic(self, "errors")
        self._kinds: list[ErrorDetails] = []
        self._lines: list[tuple[QLabel, QLabel, ElidedLabel]] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(14, 5, 14, 6)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(2, 1)
        self._more = QLabel(self)
        self._more.setProperty("role", "note")
        self.who = ElidedButton(tr("Who holds the connections?"), self)
        self.who.setProperty("role", "link")
        self.who.setToolTip(tr("Show a lane for each connection, and the longest holders (W)."))
        self.who.hide()
        self._grid.addWidget(self.who, 0, 3)
        copy = QAction(tr("Copy"), self)
        copy.triggered.connect(lambda: QGuiApplication.clipboard().setText(self.text))
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.hide()

    @property
    def text(self) -> str:
        """Every kind, one a line."""
        return "\n".join(
            f"{number(kind.count)} × {kind.title}{_of(kind)}, {kind.first_said}"
            f"{'; ' + kind.latest_said if kind.latest_said else ''}"
            for kind in self._kinds
        )

    def refresh(self, recorder: Recorder | None) -> None:
        """Show what has failed in the session of `recorder` until now."""
        found = recorder.error_details() if recorder is not None else []
        kinds = sorted(found, key=lambda kind: (-kind.count, kind.first_s))
        if kinds == self._kinds:
            return
        self._kinds = kinds
        for place, kind in enumerate(kinds[:_MOST]):
            self._show(place, kind)
        for line in self._lines[len(kinds) :]:
            for label in line:
                label.hide()
        left = len(kinds) - _MOST
        self._more.setText(trn("and {n} more kind", "and {n} more kinds", left))
        self._more.setVisible(left > 0)
        self.who.setVisible(any(kind.timeout for kind in kinds))
        self.setToolTip(self.text)
        self.setVisible(bool(kinds))

    def _show(self, place: int, kind: ErrorDetails) -> None:
        if place == len(self._lines):
            self._lines.append(self._new_line(place))
        count, name, message = self._lines[place]
        count.setText(f"{number(kind.count)} ×")
        name.setText(f"{kind.title}{_of(kind)}")
        message.setText(kind.first_said)
        for label in (count, name, message):
            label.show()

    def _new_line(self, place: int) -> tuple[QLabel, QLabel, ElidedLabel]:
        count, name, message = QLabel(), ElidedLabel(narrowest=_TITLE), ElidedLabel()
        count.setProperty("role", "bad")
        count.setAlignment(Qt.AlignmentFlag.AlignRight)
        name.setProperty("role", "name")
        message.setProperty("role", "note")
        for column, label in enumerate((count, name, message)):
            label.setTextFormat(Qt.TextFormat.PlainText)
            self._grid.addWidget(label, place, column)
        self._grid.removeWidget(self._more)
        self._grid.addWidget(self._more, place + 1, 1, 1, 2)
        return count, name, message


def _of(kind: ErrorDetails) -> str:
    return " (timeout)" if kind.timeout else ""
