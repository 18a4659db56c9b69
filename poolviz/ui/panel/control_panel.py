"""The side panel: a row for each limit of the pool and each setting of the load, and the faults."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from PySide6.QtCore import QPoint, QSettings, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication, QFrame, QPushButton, QScrollArea, QVBoxLayout, QWidget

from poolviz.language import tr, tr_noop
from poolviz.load.fleet import FLEET
from poolviz.load.settings import settings_for
from poolviz.model.parameters import Parameter, Parameters, Value
from poolviz.pools.base import Pool
from poolviz.ui.panel.collected_bar import CollectedBar
from poolviz.ui.panel.editors import row_for
from poolviz.ui.panel.fault_panel import FaultPanel
from poolviz.ui.panel.row import Row
from poolviz.ui.panel.section import SPACING, Fold, Rows, Section, link_button
from poolviz.ui.style.theme import Theme, text_room

WIDTH = 284  # pixels at the usual size of texts
_LOWEST = 18  # pixels of an editor within its frame, at the usual size of texts
_WIDEST = 416  # pixels: the charts need the rest of a small window
_MARGIN = 14  # pixels, wider than a scroll bar
_FAULTS = tr_noop("Faults")


class ControlPanel(QFrame):
    """A row for each limit and setting, in sections and folds. Emits the values that are requested.

    A row that has no effect with the other values that are requested is hidden. `settings` remember
    which folds are open.
    """

    committed = Signal(dict)
    injected = Signal(str, object)  # a fault's key and amount
    mistaken = Signal(str)
    explained = Signal(str)  # the topic of the help that is asked for

    def __init__(
        self, theme: Theme, settings: QSettings | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("side")
        self._theme, self._settings = theme, settings
        self._pool: type[Pool] | None = None
        self.arguments = Parameters(tr("connect argument"))  # that are shown
        self._locked = ""
        self._open: dict[str, bool] = {}  # whether a fold is open, once it was opened or closed
        self._declared: dict[str, Parameter] = {}
        self._values: tuple[Any, ...] = ({}, None, None)  # as last shown
        self._shown: dict[str, bool] = {}  # whether the row of each parameter is shown
        self.faults = FaultPanel(theme, WIDTH - 2 * _MARGIN)
        self.faults.injected.connect(self.injected)
        self.faults.mistaken.connect(self.mistaken)
        self.faults.explained.connect(self.explained)
        self._take_room()
        nothing = Parameters("")
        self._pool_section = self._section(tr("Pool"), nothing, badges=True)
        self._load_section = self._section(tr("Load"), nothing, badges=False)
        self.rows = Rows((self._pool_section, self._load_section))
        self.collected = CollectedBar()
        self._content = QWidget()
        self._scroll = self._scrolled(self._content)
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.setSpacing(0)
        around.addWidget(self.collected)
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
        """The links that reset a section."""
        return self._pool_section.heading.link, self._load_section.heading.link

    @property
    def folds(self) -> dict[str, Fold]:
        """The folds by name."""
        return {
            **self._pool_section.folds,
            **self._load_section.folds,
            _FAULTS: self._fault_fold,
        }

    def set_pool(self, pool: type[Pool], arguments: Parameters | None = None) -> None:
        """Show the limits of a pool, the `arguments` that its driver connects with, folded away,
        and the settings of the load that it takes."""
        load = settings_for(pool)
        self._pool, settings = pool, Parameters(load.noun, *load.values(), *FLEET.values())
        self.arguments = Parameters(tr("connect argument")) if arguments is None else arguments
        about_pool = Parameters(pool.limits.noun, *pool.limits.values(), *self.arguments.values())
        self.setUpdatesEnabled(False)
        self._pool_section = self._replaced(self._pool_section, tr("Pool"), about_pool, badges=True)
        if self._load_section.declared != settings:
            self._load_section = self._replaced(
                self._load_section, tr("Load"), settings, badges=False
            )
        self.rows = Rows(self._sections)
        self._declared = {**about_pool, **settings}
        self._shown = {}
        self.show_values({**about_pool.defaults(), **settings.defaults()}, None, None)
        self.setUpdatesEnabled(True)

    def show_values(
        self,
        requested: Mapping[str, Value],
        in_force: Mapping[str, Value] | None,
        draining: tuple[str, int] | None,
    ) -> None:
        """Show the values requested and, beside those that aren't yet, the values in force.

        `draining` is a limit that was lowered below the number of open connections, and that
        number.
        """
        self._values = requested, in_force, draining
        for key, row in self._made.items():
            note = ""
            if draining is not None and draining[0] == key:
                note = tr("draining {draining}", draining=draining[1])
            elif in_force is not None and in_force.get(key, requested[key]) != requested[key]:
                note = tr("still {show}", show=row.parameter.shown(in_force[key]))
            row.show_value(requested[key], note)
            row.set_reason(self._locked or self._reason(row.parameter))
        self._set_stops(requested)
        self._arrange({key: self._matters(each, requested) for key, each in self._declared.items()})
        self._summarise_folds(requested)

    def show_faults(self, standing: Mapping[str, Value], reasons: Mapping[str, str]) -> None:
        """Show the faults that are on, and why some, or all, can't be injected now."""
        self.faults.show_faults(standing, reasons)
        on = len(self.faults.standing)
        self._fault_fold.summarise(tr("{on} on", on=on) if on else "")
        self.end_faults.setVisible(bool(on))

    def lock(self, reason: str) -> None:
        """Disable every row and let it say why, from the next `show_values` on; "" enables them."""
        self._locked = reason

    def reveal(self, key: str) -> QWidget | None:
        """Open the fold of a limit, a setting or a fault, scroll to it, and return what it is set
        or injected with; None if there is nothing for that key now."""
        found: QWidget | None
        if key in self._declared:
            row, group = self.rows[key], self._declared[key].group
            found = row if self._shown.get(key) else None
            fold = self.folds.get(group)
        else:
            found = self.faults.rows.get(key) or self.faults.buttons.get(key)
            fold = self._fault_fold
        if found is None:
            return None
        if fold is not None:
            fold.header.setChecked(True)
        self._settle()
        self._scroll.ensureWidgetVisible(found, 0, 40)
        return found

    def set_theme(self, theme: Theme) -> None:
        """Paint in other colours."""
        self._theme = theme
        self._take_room()
        self.faults.set_theme(theme)
        for row in self._made.values():
            row.set_theme(theme)

    def _take_room(self) -> None:
        """Be wider, and have higher editors, where texts are larger."""
        room = text_room()
        self.setFixedWidth(min(round(WIDTH * room), _WIDEST))
        # Lower than elsewhere, so that the usual rows fit into a new window.
        low = f"min-height: {round(_LOWEST * room)}px"
        sheet = f"QAbstractSpinBox, QComboBox, QLineEdit {{ {low}; }}"
        if sheet != self.styleSheet():
            self.setStyleSheet(sheet)

    # Construction

    @property
    def _sections(self) -> tuple[Section, Section]:
        return self._pool_section, self._load_section

    @property
    def _made(self) -> dict[str, Row]:
        """The rows that were made; those of folds never opened weren't."""
        return self._pool_section.made | self._load_section.made

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
        section = Section(title, declared, partial(self._row, badges), self._fold)
        section.heading.reset.connect(lambda: self._reset(declared))
        section.filled.connect(self._show_new_rows)
        return section

    def _replaced(self, old: Section, title: str, declared: Parameters, *, badges: bool) -> Section:
        new = self._section(title, declared, badges=badges)
        self._column.replaceWidget(old, new)
        new.show()  # otherwise Qt shows it later, and the panel flickers
        old.hide()
        old.deleteLater()
        return new

    def _row(self, badges: bool, parameter: Parameter) -> Row:
        label = parameter.key if badges else tr(parameter.key.replace("_", " "))
        badge = tr(parameter.effect.value) if badges else ""
        row = row_for(parameter, label, badge, self._theme)
        row.committed.connect(lambda key, value: self.committed.emit({key: value}))
        row.mistaken.connect(self.mistaken)
        row.explained.connect(self.explained)
        return row

    def _fold(self, name: str, *, heading: bool = False) -> Fold:
        stored, setting = False, f"panel/{name}"
        if self._settings is not None:
            stored = bool(self._settings.value(setting, False, type=bool))
        fold = Fold(tr(name), open=self._open.get(name, stored), heading=heading)

        def keep(open: bool) -> None:
            self._open[name] = open
            if self._settings is not None:
                self._settings.setValue(setting, open)
            if open:
                QTimer.singleShot(0, fold, lambda: self._reveal(fold))

        fold.toggled.connect(keep)
        return fold

    def _make_fault_fold(self) -> Fold:
        fold = self._fold(_FAULTS, heading=True)
        fold.add(self.faults)
        self.end_faults = link_button(
            tr("end"), tr("End the faults that are on."), tr("end faults")
        )
        self.end_faults.clicked.connect(self.faults.end)
        self.end_faults.hide()
        fold.add_link(self.end_faults)
        return fold

    def _reset(self, declared: Parameters) -> None:
        if not self._locked:
            self.committed.emit(declared.defaults())

    def _show_new_rows(self) -> None:
        """Show the last values in the rows of a fold that is opened for the first time."""
        if self._declared:
            self._shown = {}
            self.show_values(*self._values)

    # Display

    def _reason(self, parameter: Parameter) -> str:
        """Return why the pool doesn't use a parameter; "" if it does."""
        assert self._pool is not None
        title = self._pool.title
        if parameter.key == "on_exhausted" and self._pool.waits:
            return tr("{title} makes callers wait itself, so clients don't have to.", title=title)
        if parameter.bounds is not None and len({*parameter.bounds}) == 1:
            return tr("{title} gives a client one connection, however often it asks.", title=title)
        return ""

    def _matters(self, parameter: Parameter, requested: Mapping[str, Value]) -> bool:
        """Return whether a parameter has an effect with the other values that are requested."""
        if parameter.only_when is None:
            return True
        key, values = parameter.only_when
        above = self._declared[key]
        return (
            requested[key] in values and not self._reason(above) and self._matters(above, requested)
        )

    def _arrange(self, wanted: Mapping[str, bool]) -> None:
        """Show these rows and hide the others at once. The row with the focus doesn't move."""
        changed = [key for key, shown in wanted.items() if self._shown.get(key) is not shown]
        if not changed:
            return
        self._shown = dict(wanted)
        anchor, view, top = self._in_focus(), self._scroll.viewport(), QPoint()
        before = anchor.mapTo(view, top).y() if anchor is not None else 0
        self.setUpdatesEnabled(False)
        made = self._made
        for key in changed:
            if key in made:
                made[key].setVisible(wanted[key])
        self._settle()
        if anchor is not None:
            scroll = self._scroll.verticalScrollBar()
            scroll.setValue(scroll.value() + anchor.mapTo(view, top).y() - before)
        self.setUpdatesEnabled(True)

    def _settle(self) -> None:
        """Lay out every row now: Qt would take several turns of the event loop, visibly."""
        content, view = self._content, self._scroll.viewport()
        folds = [fold for section in self._sections for fold in section.folds.values()]
        for part in (*(fold.body for fold in folds), *folds, *self._sections, content):
            layout = part.layout()
            assert layout is not None
            layout.invalidate()
            layout.activate()
        content.resize(content.width(), max(view.height(), content.minimumSizeHint().height()))

    def _make_room(self, _low: int, high: int) -> None:
        """Keep the rows as wide beside a scroll bar as without one."""
        bar = self._scroll.verticalScrollBar().sizeHint().width() if high else 0
        self._column.setContentsMargins(_MARGIN, 4, _MARGIN - bar, 8)

    def _reveal(self, fold: Fold) -> None:
        """Scroll a fold that was opened into view: all of it, or as much as there is room for."""
        self._settle()
        self._scroll.ensureWidgetVisible(fold.body, 0, 0)
        self._scroll.ensureWidgetVisible(fold.header, 0, 0)

    def _in_focus(self) -> Row | None:
        widget = QApplication.focusWidget()
        while widget is not None and not isinstance(widget, Row):
            widget = widget.parentWidget()
        return widget if widget in self._made.values() else None

    def _summarise_folds(self, requested: Mapping[str, Value]) -> None:
        """Let closed folds say how many values in them are not the default."""
        for section in self._sections:
            changed = [
                parameter.group
                for key, parameter in section.declared.items()
                if self._shown[key] and requested[key] != parameter.default
            ]
            for name, fold in section.folds.items():
                count = changed.count(name)
                fold.summarise(tr("{count} changed", count=count) if count else "")

    def _set_stops(self, requested: Mapping[str, Value]) -> None:
        """Stop each slider at the value of the parameter that bounds it."""
        for key, row in self._made.items():
            floor = row.parameter.at_least
            ceilings = [
                float(requested[other])
                for other, parameter in self._declared.items()
                if parameter.at_least == key
            ]
            row.set_stops(
                None if floor is None else float(requested[floor]), min(ceilings, default=None)
            )
