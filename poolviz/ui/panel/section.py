"""The parts of the side panel: headings, and folds for what isn't needed every day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from poolviz.language import tr
from poolviz.model.parameters import Parameter, Parameters
from poolviz.ui.panel.row import Row

SPACING = 4  # pixels between two rows


def link_button(text: str, hint: str, name: str) -> QPushButton:
    """Return a button that looks like a link."""
    link = QPushButton(text)
    link.setProperty("role", "link")
    link.setCursor(Qt.CursorShape.PointingHandCursor)
    link.setToolTip(hint)
    link.setAccessibleName(name)
    return link


class Heading(QWidget):
    """A section's name, and a link that resets its values to the defaults."""

    reset = Signal()

    def __init__(self, text: str) -> None:
        super().__init__()
        name = QLabel(text.upper())
        name.setProperty("role", "heading")
        self.link = link_button(
            tr("reset"), tr("Reset this section to its defaults."), tr("reset {words}", words=text)
        )
        self.link.clicked.connect(self.reset)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 6, 0, 0)
        line.addWidget(name)
        line.addStretch(1)
        line.addWidget(self.link)


class Fold(QWidget):
    """A line that opens and closes what is below it."""

    toggled = Signal(bool)
    opening = Signal()  # emitted before the contents are shown

    def __init__(self, text: str, *, open: bool, heading: bool = False) -> None:
        super().__init__()
        self._text, self._summary = text.upper() if heading else text, ""
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
        """Add a widget below those that are there."""
        self._rows.addWidget(widget)

    def add_link(self, link: QPushButton) -> None:
        """Add a link at the end of the fold's line."""
        self._line.addWidget(link)

    def summarise(self, summary: str) -> None:
        """Show a few words about the contents while the fold is closed."""
        if summary != self._summary:
            self._summary = summary
            self._label()

    def _turn(self, open: bool) -> None:
        if open:
            self.opening.emit()
        self.body.setVisible(open)
        self._label()
        self.toggled.emit(open)

    def _label(self) -> None:
        open = self.header.isChecked()
        summary = f"  ({self._summary})" if self._summary and not open else ""
        self.header.setText(f"{'▾' if open else '▸'}  {self._text}{summary}")


class Section(QWidget):
    """The rows of parameters that were declared together, under a heading.

    The usual rows are made at once; each group of rarer ones is in a fold of its own, whose rows
    are made by `row_of` when it is first opened or one of them is asked for.
    """

    filled = Signal()  # a fold has got its rows

    def __init__(
        self,
        title: str,
        declared: Parameters,
        row_of: Callable[[Parameter], Row],
        fold_of: Callable[[str], Fold],
    ) -> None:
        super().__init__()
        self.declared, self._row_of = declared, row_of
        self.made: dict[str, Row] = {}  # the rows that were made
        self.heading = Heading(title)
        self.folds: dict[str, Fold] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACING)
        column.addWidget(self.heading)
        for key, parameter in declared.items():
            if not parameter.group:
                self.made[key] = row_of(parameter)
                column.addWidget(self.made[key])
            elif parameter.group not in self.folds:
                self.folds[parameter.group] = fold_of(parameter.group)
        for group, fold in self.folds.items():
            column.addWidget(fold)
            if fold.header.isChecked():
                self._fill(group)
            fold.opening.connect(partial(self._fill, group))

    def row(self, key: str) -> Row:
        """Return the row of a parameter, made now if it wasn't yet."""
        if key not in self.made:
            self._fill(self.declared[key].group)
        return self.made[key]

    def _fill(self, group: str) -> None:
        rows = {
            key: self._row_of(parameter)
            for key, parameter in self.declared.items()
            if parameter.group == group and key not in self.made
        }
        if not rows:
            return
        for row in rows.values():
            self.folds[group].add(row)
        self.made |= rows
        self.filled.emit()


class Rows(Mapping[str, Row]):
    """The row of each parameter of some sections, by key; one that is looked up is made."""

    def __init__(self, sections: tuple[Section, ...]) -> None:
        self._sections = {key: section for section in sections for key in section.declared}

    def __getitem__(self, key: str) -> Row:
        return self._sections[key].row(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sections)

    def __len__(self) -> int:
        return len(self._sections)
