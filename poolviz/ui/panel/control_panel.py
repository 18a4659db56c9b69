"""The side panel: a row for each limit of the pool and each setting of the load, and the faults."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QPoint, QSettings, Qt, Signal
from PySide6.QtWidgets import QApplication, QFrame, QPushButton, QScrollArea, QVBoxLayout, QWidget

from poolviz.load.settings import settings_for
from poolviz.model.parameters import Parameter, Parameters, Value
from poolviz.pools.base import Pool
from poolviz.ui.panel.editors import row_for
from poolviz.ui.panel.fault_panel import FaultPanel
from poolviz.ui.panel.row import Row
from poolviz.ui.panel.section import SPACING, Fold, Section, link_button
from poolviz.ui.style.theme import Theme

WIDTH = 284
_MARGIN = 14  # wider than a scroll bar
_FAULTS = "Faults"


class ControlPanel(QFrame):
    """Every row, in sections and folds. Emits what is requested for; shows what it is told.

    A row that does nothing under what else is requested for is hidden. `settings` remember which
    folds are open.
    """

    committed = Signal(dict)
    injected = Signal(str, object)  # a fault's key and amount
    mistaken = Signal(str)

    def __init__(
        self, theme: Theme, settings: QSettings | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("side")
        self.setFixedWidth(WIDTH)
        # Lower than elsewhere, so that the usual rows fit the window as it opens.
        self.setStyleSheet("QAbstractSpinBox, QComboBox, QLineEdit { min-height: 18px; }")
        self._theme, self._settings = theme, settings
        self._pool: type[Pool] | None = None
        self._locked = ""
        self._open: dict[str, bool] = {}  # the folds that were opened or closed
        self.rows: dict[str, Row] = {}
        self._shown: dict[str, bool] = {}  # which of them are, and which are hidden
        self.faults = FaultPanel(theme)
        self.faults.injected.connect(self.injected)
        self.faults.mistaken.connect(self.mistaken)
        nothing = Parameters("")
        self._pool_section = self._section("Pool", nothing, badges=True)
        self._load_section = self._section("Load", nothing, badges=False)
        self._content = QWidget()
        self._scroll = self._scrolled(self._content)
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(self._scroll)
        self._column = QVBoxLayout(self._content)
        self._column.setSpacing(SPACING)
        self._scroll.verticalScrollBar().rangeChanged.connect(self._make_room)
        self._make_room(0, 0)
        self._column.addWidget(self._pool_section)
        self._column.addWidget(self._load_section)
        self._fault_fold = self._make_fault_fold()
        self._column.addWidget(self._fault_fold)
        self._column.addStretch(1)

    @property
    def pool(self) -> type[Pool] | None:
        """The pool whose limits are shown."""
        return self._pool

    @property
    def links(self) -> tuple[QPushButton, QPushButton]:
        """What resets a section."""
        return self._pool_section.heading.link, self._load_section.heading.link

    @property
    def folds(self) -> dict[str, Fold]:
        """What can be opened and closed."""
        return {
            **self._pool_section.folds,
            **self._load_section.folds,
            _FAULTS: self._fault_fold,
        }

    def set_pool(self, pool: type[Pool]) -> None:
        """Show the limits of another pool."""
        self._pool, settings = pool, settings_for(pool)
        self.setUpdatesEnabled(False)
        self._pool_section = self._replaced(self._pool_section, "Pool", pool.limits, badges=True)
        if self._load_section.declared != settings:
            self._load_section = self._replaced(self._load_section, "Load", settings, badges=False)
        sections = (self._pool_section, self._load_section)
        self.rows = {key: row for section in sections for key, row in section.rows.items()}
        self._shown = {}
        self.show_values({**pool.limits.defaults(), **settings.defaults()}, None, None)
        self.setUpdatesEnabled(True)

    def show_values(
        self,
        requested: Mapping[str, Value],
        in_force: Mapping[str, Value] | None,
        draining: tuple[str, int] | None,
    ) -> None:
        """What is requested for, what is in force, and the limit that connections still drain
        to."""
        for key, row in self.rows.items():
            note = ""
            if draining is not None and draining[0] == key:
                note = f"draining {draining[1]}"
            elif in_force is not None and in_force.get(key, requested[key]) != requested[key]:
                note = f"still {row.parameter.show(in_force[key])}"
            row.show_value(requested[key], note)
            row.set_reason(self._locked or self._reason(row.parameter))
        self._set_stops(requested)
        self._arrange(
            {key: self._matters(row.parameter, requested) for key, row in self.rows.items()}
        )
        self._remark_folds(requested)

    def show_faults(self, standing: Mapping[str, Value], reasons: Mapping[str, str]) -> None:
        """The faults that stand, and why some, or all of them, can't be had."""
        self.faults.show_faults(standing, reasons)
        there = len(self.faults.standing)
        self._fault_fold.warning(f"{there} on" if there else "")
        self.end_faults.setVisible(bool(there))

    def lock(self, reason: str) -> None:
        """Grey every row out and say why; an empty reason brings them back."""
        self._locked = reason

    def set_theme(self, theme: Theme) -> None:
        """Paint in other colours."""
        self._theme = theme
        self.faults.set_theme(theme)
        for row in self.rows.values():
            row.set_theme(theme)

    # Putting together

    def _scrolled(self, content: QWidget) -> QScrollArea:
        content.setObjectName("sideContent")
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(content)
        return scroll

    def _section(self, title: str, declared: Parameters, *, badges: bool) -> Section:
        rows = {key: self._row(key, parameter, badges) for key, parameter in declared.items()}
        section = Section(title, declared, rows, self._fold)
        section.heading.reset.connect(lambda: self._reset(declared))
        return section

    def _replaced(self, old: Section, title: str, declared: Parameters, *, badges: bool) -> Section:
        new = self._section(title, declared, badges=badges)
        self._column.replaceWidget(old, new)
        new.show()  # else it would come in a later turn, and be seen to
        old.hide()
        old.deleteLater()
        return new

    def _row(self, key: str, parameter: Parameter, badges: bool) -> Row:
        label = key if badges else key.replace("_", " ")
        badge = parameter.effect.value if badges else ""
        row = row_for(parameter, label, badge, self._theme)
        row.committed.connect(lambda key, value: self.committed.emit({key: value}))
        row.mistaken.connect(self.mistaken)
        return row

    def _fold(self, name: str, *, heading: bool = False) -> Fold:
        stored, setting = False, f"panel/{name}"
        if self._settings is not None:
            stored = bool(self._settings.value(setting, False, type=bool))
        fold = Fold(name, open=self._open.get(name, stored), heading=heading)

        def keep(open: bool) -> None:
            self._open[name] = open
            if self._settings is not None:
                self._settings.setValue(setting, open)

        fold.toggled.connect(keep)
        return fold

    def _make_fault_fold(self) -> Fold:
        fold = self._fold(_FAULTS, heading=True)
        fold.add(self.faults)
        self.end_faults = link_button("end", "Put an end to the faults that stand.", "end faults")
        self.end_faults.clicked.connect(self.faults.end)
        self.end_faults.hide()
        fold.add_link(self.end_faults)
        return fold

    def _reset(self, declared: Parameters) -> None:
        if not self._locked:
            self.committed.emit(declared.defaults())

    # What is shown

    def _reason(self, parameter: Parameter) -> str:
        """Why the pool has no use for a parameter; empty where it has."""
        assert self._pool is not None
        title = self._pool.title
        if parameter.key == "on_exhausted" and self._pool.waits:
            return f"{title} lets callers wait by itself, so its clients needn't."
        if parameter.bounds is not None and len({*parameter.bounds}) == 1:
            return f"{title} gives a client the one connection, however often it asks."
        return ""

    def _matters(self, parameter: Parameter, requested: Mapping[str, Value]) -> bool:
        """Whether a parameter does something under what else is requested for."""
        if parameter.only_when is None:
            return True
        key, values = parameter.only_when
        above = self.rows[key].parameter
        return (
            requested[key] in values and not self._reason(above) and self._matters(above, requested)
        )

    def _arrange(self, wanted: Mapping[str, bool]) -> None:
        """Show these rows and hide the others, at once; who has the focus stays where it is."""
        changed = [key for key, shown in wanted.items() if self._shown.get(key) is not shown]
        if not changed:
            return
        self._shown = dict(wanted)
        anchor, view, top = self._in_focus(), self._scroll.viewport(), QPoint()
        before = anchor.mapTo(view, top).y() if anchor is not None else 0
        self.setUpdatesEnabled(False)
        for key in changed:
            self.rows[key].setVisible(wanted[key])
        self._settle()
        if anchor is not None:
            scroll = self._scroll.verticalScrollBar()
            scroll.setValue(scroll.value() + anchor.mapTo(view, top).y() - before)
        self.setUpdatesEnabled(True)

    def _settle(self) -> None:
        """Have every row in its place now: by itself that takes several turns, and is seen."""
        content, view = self._content, self._scroll.viewport()
        sections = (self._pool_section, self._load_section)
        folds = [fold for section in sections for fold in section.folds.values()]
        for part in (*(fold.body for fold in folds), *folds, *sections, content):
            layout = part.layout()
            assert layout is not None
            layout.invalidate()
            layout.activate()
        content.resize(content.width(), max(view.height(), content.minimumSizeHint().height()))

    def _make_room(self, _low: int, high: int) -> None:
        """Let rows be as wide beside a scroll bar as without one."""
        bar = self._scroll.verticalScrollBar().sizeHint().width() if high else 0
        self._column.setContentsMargins(_MARGIN, 4, _MARGIN - bar, 8)

    def _in_focus(self) -> Row | None:
        widget = QApplication.focusWidget()
        while widget is not None and not isinstance(widget, Row):
            widget = widget.parentWidget()
        return widget if widget in self.rows.values() else None

    def _remark_folds(self, requested: Mapping[str, Value]) -> None:
        """Say how many values other than the default a closed fold keeps out of sight."""
        for section in (self._pool_section, self._load_section):
            changed = [
                row.parameter.group
                for key, row in section.rows.items()
                if self._shown[key] and requested[key] != row.parameter.default
            ]
            for name, fold in section.folds.items():
                count = changed.count(name)
                fold.warning(f"{count} changed" if count else "")

    def _set_stops(self, requested: Mapping[str, Value]) -> None:
        """A slider stops where its neighbour's value is."""
        for key, row in self.rows.items():
            floor = row.parameter.at_least
            ceilings = [
                float(requested[other])
                for other, neighbour in self.rows.items()
                if neighbour.parameter.at_least == key
            ]
            row.set_stops(
                None if floor is None else float(requested[floor]), min(ceilings, default=None)
            )
