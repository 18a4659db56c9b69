"""The notices above the charts: what is wrong, and what can be done about it."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import tr
from poolviz.ui.session.notices import Notice, Weight
from poolviz.ui.style.theme import text_room
from poolviz.ui.unexpected import contained

_HEIGHT = 37  # pixels, with or without a button
_WORDS = 260  # pixels beside the button at the usual size of texts, at least
_PASSING = 6000  # milliseconds that a passing notice is shown
_ICONS = {Weight.INFO: "ℹ", Weight.WARN: "▲", Weight.BAD: "●"}
_ORDER = (Weight.BAD, Weight.WARN, Weight.INFO)
_MOST = 3  # lines shown at once, the most severe


class Line(QFrame):
    """One notice. Another one on the same topic replaces it without flickering."""

    def __init__(self, notice: Notice) -> None:
        super().__init__()
        self.setObjectName("banner")
        self._icon, self._words, self.button = QLabel(), QLabel(), QPushButton()
        self._heading = QLabel()
        self._heading.setProperty("role", "name")
        self._heading.setWordWrap(True)
        self._heading.setTextFormat(Qt.TextFormat.PlainText)
        self._icon.setProperty("role", "icon")
        self._words.setWordWrap(True)
        self._words.setTextFormat(Qt.TextFormat.PlainText)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.close_button = close = QPushButton("✕")
        close.setFlat(True)
        close.setFixedWidth(28)
        close.setProperty("role", "close")
        close.setToolTip(tr("Dismiss"))
        close.setAccessibleName(tr("Dismiss"))
        self.setMinimumHeight(_HEIGHT)
        # A child, so that it ends with the line and the window.
        self.shown_long_enough = QTimer(self, singleShot=True, interval=_PASSING)
        self._row, self._below = row, below = QHBoxLayout(), QHBoxLayout()
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 5, 8, 5)
        column.setSpacing(0)
        column.addLayout(row)
        column.addLayout(below)
        row.setSpacing(9)
        below.addStretch(1)
        row.addWidget(self._icon)
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(self._heading)
        words.addWidget(self._words)
        row.addLayout(words, 1)
        row.addWidget(self.button)
        row.addWidget(close)
        self.button.clicked.connect(self._act)
        self.show_notice(notice)

    @property
    def text(self) -> str:
        """The sentence shown."""
        return self._words.text()

    @property
    def heading(self) -> str:
        """What the sentence is about; "" if that isn't shown."""
        return self._heading.text()

    def show_notice(self, notice: Notice) -> None:
        """Show `notice` in this line."""
        self.notice = notice
        if notice.passing:
            self.shown_long_enough.start()
        else:
            self.shown_long_enough.stop()
        self._icon.setText(_ICONS[notice.weight])
        if self._words.text() != notice.sentence:
            self._words.setText(notice.sentence)
        self._heading.setText(notice.heading)
        self._heading.setVisible(bool(notice.heading))
        self.button.setText(notice.remedy)
        self.button.setVisible(bool(notice.remedy))
        self.close_button.setVisible(notice.closable)
        if self.property("level") != notice.weight.value:
            self.setProperty("level", notice.weight.value)
            for part in (self, self._icon):
                part.style().unpolish(part)
                part.style().polish(part)

    @contained()
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Have the button below the words where it would leave them too little room."""
        super().resizeEvent(event)
        narrow = event.size().width() - self.button.sizeHint().width() < _WORDS * text_room()
        if narrow != (self._below.indexOf(self.button) >= 0):
            old, new = (self._row, self._below) if narrow else (self._below, self._row)
            old.removeWidget(self.button)
            new.insertWidget(1 if narrow else self._row.indexOf(self.close_button), self.button)

    def _act(self) -> None:
        if self.notice.act is not None:
            self.notice.act()


class Banner(QWidget):
    """The present notices, one line each, the most severe first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: dict[str, Line] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.hide()

    @property
    def sentences(self) -> dict[str, str]:
        """The sentences shown, by topic."""
        return {topic: line.text for topic, line in self._lines.items()}

    def line(self, topic: str) -> Line | None:
        """Return the line of a topic, if there is one."""
        return self._lines.get(topic)

    def say(self, notice: Notice) -> None:
        """Show a notice instead of the one on its topic that is shown now."""
        line = self._lines.get(notice.topic)
        if line is None:
            line = self._lines[notice.topic] = Line(notice)
            for dismissed in (line.close_button.clicked, line.shown_long_enough.timeout):
                dismissed.connect(lambda: self.take_back(notice.topic))
        else:
            line.show_notice(notice)
        self._arrange()

    def take_back(self, topic: str) -> None:
        """Remove the notice on a topic."""
        line = self._lines.pop(topic, None)
        if line is not None:
            self._column.removeWidget(line)
            line.hide()
            line.deleteLater()
            self._arrange()

    def _arrange(self) -> None:
        lines = sorted(self._lines.values(), key=lambda line: _ORDER.index(line.notice.weight))
        for place, line in enumerate(lines):
            self._column.removeWidget(line)
            self._column.insertWidget(place, line)
            line.setVisible(place < _MOST)
        self.setVisible(bool(lines))
