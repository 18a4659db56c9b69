"""The side panel: a row for each limit of the pool and each setting of the load."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from poolviz.load.settings import settings_for
from poolviz.model.parameters import Parameter, Parameters, Value
from poolviz.pools.base import Pool
from poolviz.ui.row import Row, make_row
from poolviz.ui.theme import Theme

WIDTH = 284


class Heading(QWidget):
    """A section's name, and a link that puts its defaults back."""

    reset = Signal()

    def __init__(self, text: str) -> None:
        super().__init__()
        name = QLabel(text.upper())
        name.setProperty("role", "heading")
        self.link = link = QPushButton("reset")
        link.setProperty("role", "link")
        link.setCursor(Qt.CursorShape.PointingHandCursor)
        link.setToolTip("Put the defaults of this section back.")
        link.setAccessibleName(f"reset {text}")
        link.clicked.connect(self.reset)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 6, 0, 0)
        line.addWidget(name)
        line.addStretch(1)
        line.addWidget(link)


class ControlPanel(QFrame):
    """Every row, in two sections. Emits what is asked for; shows what it is told."""

    committed = Signal(dict)
    mistaken = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("side")
        self.setFixedWidth(WIDTH)
        # Lower than elsewhere, so that every row fits the window as it opens.
        self.setStyleSheet("QAbstractSpinBox, QComboBox { min-height: 18px; }")
        self._theme = theme
        self._pool: type[Pool] | None = None
        self._locked = ""
        self.rows: dict[str, Row] = {}
        self.links: list[QPushButton] = []  # that reset a section
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(self._scroll)

    @property
    def pool(self) -> type[Pool] | None:
        """The pool whose limits are shown."""
        return self._pool

    def set_pool(self, pool: type[Pool]) -> None:
        """Show the limits of another pool."""
        self._pool, settings = pool, settings_for(pool)
        self.rows, self.links = {}, []
        content = QWidget()
        content.setObjectName("sideContent")
        column = QVBoxLayout(content)
        column.setContentsMargins(14, 4, 14, 8)
        column.setSpacing(6)
        self._add_section(column, "Pool", pool.limits, badges=True)
        self._add_section(column, "Load", settings, badges=False)
        column.addStretch(1)
        self._scroll.setWidget(content)  # which deletes the last pool's
        self.show_values({**pool.limits.defaults(), **settings.defaults()}, None, None)

    def show_values(
        self,
        asked: Mapping[str, Value],
        in_force: Mapping[str, Value] | None,
        draining: tuple[str, int] | None,
    ) -> None:
        """What is asked for, what is in force, and the limit that connections still drain to."""
        for key, row in self.rows.items():
            note = ""
            if draining is not None and draining[0] == key:
                note = f"draining {draining[1]}"
            elif in_force is not None and in_force.get(key, asked[key]) != asked[key]:
                note = f"still {row.parameter.show(in_force[key])}"
            row.show_value(asked[key], note)
            row.set_reason(self._locked or self._reason(row.parameter, asked))
        self._set_stops(asked)

    def lock(self, reason: str) -> None:
        """Grey every row out and say why; an empty reason brings them back."""
        self._locked = reason

    def set_theme(self, theme: Theme) -> None:
        """Paint in other colours."""
        self._theme = theme
        for row in self.rows.values():
            row.set_theme(theme)

    def _add_section(
        self, column: QVBoxLayout, title: str, declared: Parameters, *, badges: bool
    ) -> None:
        heading = Heading(title)
        heading.reset.connect(lambda: self._reset(declared))
        column.addWidget(heading)
        self.links.append(heading.link)
        for key, parameter in declared.items():
            label = key if badges else key.replace("_", " ")
            badge = parameter.effect.value if badges else ""
            row = make_row(parameter, label, badge, self._theme)
            row.setObjectName(key)
            row.committed.connect(lambda key, value: self.committed.emit({key: value}))
            row.mistaken.connect(self.mistaken)
            column.addWidget(row)
            self.rows[key] = row

    def _reset(self, declared: Parameters) -> None:
        if not self._locked:
            self.committed.emit(declared.defaults())

    def _reason(self, parameter: Parameter, asked: Mapping[str, Value]) -> str:
        """Why a parameter does nothing just now; empty where it does."""
        assert self._pool is not None
        if parameter.key == "on_exhausted" and self._pool.waits:
            return f"{self._pool.title} lets callers wait by itself, so its clients needn't."
        if parameter.only_when is None:
            return ""
        key, values = parameter.only_when
        above = self._reason(self.rows[key].parameter, asked)
        if above or asked[key] in values:
            return above
        return f"Does something only when {key.replace('_', ' ')} is {' or '.join(values)}."

    def _set_stops(self, asked: Mapping[str, Value]) -> None:
        """A slider stops where its neighbour's value is."""
        for key, row in self.rows.items():
            floor = row.parameter.at_least
            ceilings = [
                float(asked[other])
                for other, neighbour in self.rows.items()
                if neighbour.parameter.at_least == key
            ]
            row.set_stops(
                None if floor is None else float(asked[floor]), min(ceilings, default=None)
            )
