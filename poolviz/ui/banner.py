"""The lines over the charts that say what is the matter and what can be done about it."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from poolviz.ui.session.notices import Notice, Weight

_HEIGHT = 37  # whether or not there is a button
_PASSING = 6000  # milliseconds that a passing notice stays
_SIGNS = {Weight.INFO: "ℹ", Weight.WARN: "▲", Weight.BAD: "●"}
_ORDER = (Weight.BAD, Weight.WARN, Weight.INFO)
_MOST = 3  # lines at once: what matters less waits


class Line(QFrame):
    """One notice. Another on the same topic takes its place without a flicker."""

    def __init__(self, notice: Notice) -> None:
        super().__init__()
        self.setObjectName("banner")
        self._sign, self._words, self.button = QLabel(), QLabel(), QPushButton()
        self._heading = QLabel()
        self._heading.setProperty("role", "name")
        self._heading.setTextFormat(Qt.TextFormat.PlainText)
        self._sign.setProperty("role", "icon")
        self._words.setWordWrap(True)
        self._words.setTextFormat(Qt.TextFormat.PlainText)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.close_button = close = QPushButton("✕")
        close.setFlat(True)
        close.setFixedWidth(28)
        close.setStyleSheet("padding:0; border:none")
        close.setToolTip("Dismiss")
        close.setAccessibleName("stop")
        self.setMinimumHeight(_HEIGHT)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 5, 8, 5)
        row.setSpacing(9)
        row.addWidget(self._sign)
        row.addWidget(self._heading)
        row.addWidget(self._words, 1)
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
        """What it is about, where that is said."""
        return self._heading.text()

    def show_notice(self, notice: Notice) -> None:
        """Say this instead."""
        self.notice = notice
        self._sign.setText(_SIGNS[notice.weight])
        if self._words.text() != notice.sentence:
            self._words.setText(notice.sentence)
        self._heading.setText(notice.heading)
        self._heading.setVisible(bool(notice.heading))
        self.button.setText(notice.remedy)
        self.button.setVisible(bool(notice.remedy))
        self.close_button.setVisible(notice.closable)
        if self.property("level") != notice.weight.value:
            self.setProperty("level", notice.weight.value)
            for part in (self, self._sign):
                part.style().unpolish(part)
                part.style().polish(part)

    def _act(self) -> None:
        if self.notice.act is not None:
            self.notice.act()


class Banner(QWidget):
    """The notices that stand, the gravest first, one line each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: dict[str, Line] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.hide()

    @property
    def sentences(self) -> dict[str, str]:
        """What is being said, by topic."""
        return {topic: line.text for topic, line in self._lines.items()}

    def line(self, topic: str) -> Line | None:
        """The line of a topic."""
        return self._lines.get(topic)

    def say(self, notice: Notice) -> None:
        """Show a notice, in place of what was said on its topic before."""
        line = self._lines.get(notice.topic)
        if line is None:
            line = self._lines[notice.topic] = Line(notice)
            line.close_button.clicked.connect(lambda: self.take_back(notice.topic))
        else:
            line.show_notice(notice)
        if notice.passing:
            QTimer.singleShot(_PASSING, line, lambda: self._pass(notice))
        self._arrange()

    def take_back(self, topic: str) -> None:
        """Say no more on a topic."""
        line = self._lines.pop(topic, None)
        if line is not None:
            self._column.removeWidget(line)
            line.hide()
            line.deleteLater()
            self._arrange()

    def _pass(self, notice: Notice) -> None:
        line = self._lines.get(notice.topic)
        if line is not None and line.notice is notice:
            self.take_back(notice.topic)

    def _arrange(self) -> None:
        lines = sorted(self._lines.values(), key=lambda line: _ORDER.index(line.notice.weight))
        for place, line in enumerate(lines):
            self._column.removeWidget(line)
            self._column.insertWidget(place, line)
            line.setVisible(place < _MOST)
        self.setVisible(bool(lines))
