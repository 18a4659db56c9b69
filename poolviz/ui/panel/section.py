"""What parts the side panel: headings, and folds for what isn't needed every day."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from poolviz.model.parameters import Parameters
from poolviz.ui.panel.row import Row

SPACING = 6  # pixels between two rows


def link_button(text: str, hint: str, name: str) -> QPushButton:
    """A button that looks like a link."""
    link = QPushButton(text)
    link.setProperty("role", "link")
    link.setCursor(Qt.CursorShape.PointingHandCursor)
    link.setToolTip(hint)
    link.setAccessibleName(name)
    return link


class Heading(QWidget):
    """A section's name, and a link that puts its defaults back."""

    reset = Signal()

    def __init__(self, text: str) -> None:
        super().__init__()
        name = QLabel(text.upper())
        name.setProperty("role", "heading")
        self.link = link_button("reset", "Put the defaults of this section back.", f"reset {text}")
        self.link.clicked.connect(self.reset)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 6, 0, 0)
        line.addWidget(name)
        line.addStretch(1)
        line.addWidget(self.link)


class Fold(QWidget):
    """A line that opens and closes what stands below it."""

    toggled = Signal(bool)

    def __init__(self, text: str, *, open: bool, heading: bool = False) -> None:
        super().__init__()
        self._text, self._warn_about_load = text.upper() if heading else text, ""
        self.header = QPushButton()
        self.header.setProperty("role", "foldHeading" if heading else "fold")
        self.header.setCheckable(True)
        self.header.setChecked(open)
        self.header.setCursor(Qt.CursorShape.PointingHandCursor)
        self.header.setAccessibleName(text)
        self.header.toggled.connect(self._turn)
        self.body = QWidget()
        self.body.setVisible(open)
        self._line = QHBoxLayout()
        self._line.addWidget(self.header)
        self._line.addStretch(1)
        self._rows = QVBoxLayout(self.body)
        self._rows.setContentsMargins(0, 2, 0, 4)
        self._rows.setSpacing(SPACING)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 6 if heading else 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._line)
        column.addWidget(self.body)
        self._label()

    def add(self, widget: QWidget) -> None:
        """Put something into the fold, below what is there."""
        self._rows.addWidget(widget)

    def add_link(self, link: QPushButton) -> None:
        """Put a link at the end of the fold's line."""
        self._line.addWidget(link)

    def warning(self, warning: str) -> None:
        """Say in a few words what is inside, for as long as the fold is closed."""
        if warning != self._warn_about_load:
            self._warn_about_load = warning
            self._label()

    def _turn(self, open: bool) -> None:
        self.body.setVisible(open)
        self._label()
        self.toggled.emit(open)

    def _label(self) -> None:
        open = self.header.isChecked()
        warning = f"  ({self._warn_about_load})" if self._warn_about_load and not open else ""
        self.header.setText(f"{'▾' if open else '▸'}  {self._text}{warning}")


class Section(QWidget):
    """The rows of parameters that were declared together, under a heading: the usual ones at once,
    each group of rarer ones in a fold of its own."""

    def __init__(
        self,
        title: str,
        declared: Parameters,
        rows: Mapping[str, Row],
        folded: Callable[[str], Fold],
    ) -> None:
        super().__init__()
        self.declared, self.rows = declared, rows
        self.heading = Heading(title)
        self.folds: dict[str, Fold] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACING)
        column.addWidget(self.heading)
        for row in rows.values():
            group = row.parameter.group
            if not group:
                column.addWidget(row)
                continue
            if group not in self.folds:
                self.folds[group] = folded(group)
            self.folds[group].add(row)
        for fold in self.folds.values():
            column.addWidget(fold)
