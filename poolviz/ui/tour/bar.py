"""The tour's bar above the charts: what was seen, what to do now, and how to skip or leave."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
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
from poolviz.ui.tour.steps import STEPS
from poolviz.ui.tour.tour import Tour

_HEIGHT = 92  # pixels at least, so that another step doesn't move the charts


class TourBar(QFrame):
    """Shows a tour while it is on. It stands in the window's layout, and covers nothing."""

    presets_wanted = Signal()

    def __init__(self, tour: Tour, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tour = tour
        self.setObjectName("tour")
        self.setAccessibleName(tr("First tour"))
        self.setMinimumHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.title, self.before, self.text = QLabel(), QLabel(), QLabel()
        self.title.setProperty("role", "name")
        self.before.setProperty("role", "good")
        for label in (self.before, self.text):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.skip_button = QPushButton(tr("Skip"))
        self.leave_button = QPushButton(tr("Leave the tour"))
        self.presets_button = QPushButton(tr("Presets"))
        self.presets_button.setProperty("primary", "true")
        words = QVBoxLayout()
        words.setSpacing(3)
        for label in (self.title, self.before, self.text):
            words.addWidget(label)
        words.addStretch(1)
        buttons = QVBoxLayout()
        buttons.setSpacing(6)
        for button in (self.presets_button, self.skip_button, self.leave_button):
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            buttons.addWidget(button)
        buttons.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 8, 12, 8)
        row.setSpacing(14)
        row.addLayout(words, 1)
        row.addLayout(buttons)
        self.skip_button.clicked.connect(tour.skip)
        self.leave_button.clicked.connect(tour.leave)
        self.presets_button.clicked.connect(self.presets_wanted)
        tour.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        tour = self._tour
        step = tour.step
        if step is not None:
            self.title.setText(
                tr(
                    "{number} of {count}: {title}",
                    number=tour.number + 1,
                    count=len(STEPS),
                    title=tr(step.title),
                )
            )
        else:
            self.title.setText(tr("The tour is over"))
        self.before.setText(f"✓ {tour.shown}" if tour.shown else "")
        self.before.setVisible(bool(tour.shown))
        self.text.setText(tour.text)
        self.skip_button.setVisible(step is not None)
        self.presets_button.setVisible(tour.finished)
        self.leave_button.setText(tr("Leave the tour") if step is not None else tr("Close"))
        self.setVisible(tour.on)
