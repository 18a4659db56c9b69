"""What a sweep is to try: limits and their ranges, the target, the time and the seed."""

from __future__ import annotations

import msgspec
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import tr, trn
from poolviz.model.errors import ParameterError, PoolvizError
from poolviz.model.parameters import Count
from poolviz.model.scenario import Scenario
from poolviz.pools.base import Pool
from poolviz.runs.request import RunRequest
from poolviz.servers.target import Target
from poolviz.sessions.sweep_record import KeptNote
from poolviz.sizing.notes import sentence
from poolviz.sizing.planning import (
    DEFAULT_BUDGET,
    SHORTEST_BUDGET,
    SizingRequest,
    most_of_use,
    planned,
)
from poolviz.sizing.sweep import affordable
from poolviz.sizing.swept_limits import Range, overflow_limits, size_limit
from poolviz.sizing.target import Aim
from poolviz.ui.session.controller import Controller
from poolviz.ui.style.theme import Theme

_LONGEST_BUDGET = 3600
_MOST_SEED = 2**31 - 1
_NONE = ""


class RangeRow(QWidget):
    """A limit that is swept, and from where to where."""

    edited = Signal()

    def __init__(self, name: str, optional: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.limit, self.low, self.high = QComboBox(), QSpinBox(), QSpinBox()
        self.limit.setAccessibleName(name)
        self.limit.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.limit.setMinimumWidth(150)
        self.low.setAccessibleName(tr("{name}: from", name=name))
        self.high.setAccessibleName(tr("{name}: to", name=name))
        self._optional = optional
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.limit)
        self._to = QLabel(tr("to"))
        for box in (self.low, self.high):
            plain_box(box, 72)
            box.valueChanged.connect(self.edited)
        row.addWidget(self.low)
        row.addWidget(self._to)
        row.addWidget(self.high)
        row.addStretch(1)
        self.limit.currentIndexChanged.connect(self._show_bounds)
        self._pool: type[Pool] | None = None

    @property
    def key(self) -> str:
        """The limit that is chosen; "" for none."""
        return str(self.limit.currentData() or _NONE)

    @property
    def range(self) -> Range | None:
        """What is to be swept; None for nothing. InputError if the range has nothing in it."""
        return Range.of(self.key, self.low.value(), self.high.value()) if self.key else None

    def show_pool(self, pool: type[Pool], key: str, low: int, high: int) -> None:
        """Offer the limits of a pool, and choose one of them with a range."""
        self._pool = pool
        self.limit.blockSignals(True)
        self.limit.clear()
        if self._optional:
            self.limit.addItem(tr("no second limit"), _NONE)
        for each, limit in pool.limits.items():
            if isinstance(limit, Count):
                self.limit.addItem(each, each)
        self.limit.setCurrentIndex(max(self.limit.findData(key), 0))
        self.limit.blockSignals(False)
        self._show_bounds()
        if self.key:
            self.low.setValue(low)
            self.high.setValue(high)

    def _show_bounds(self) -> None:
        for part in (self.low, self._to, self.high):
            part.setVisible(bool(self.key))
        if self.key and self._pool is not None:
            limit = self._pool.limits[self.key]
            assert isinstance(limit, Count)
            least, most = int(limit.minimum), int(min(limit.maximum, 10_000))
            for box in (self.low, self.high):
                box.setRange(least, most)
        self.edited.emit()


class SettingsForm(QWidget):
    """Says what is to be swept, what that takes, and what is wrong with it, while it is typed."""

    wanted = Signal(object)  # a SizingRequest

    def __init__(self, controller: Controller, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller, self._theme = controller, theme
        self._shown: tuple[object, ...] = ()
        self.request: SizingRequest | None = None
        self.first = RangeRow(tr("Limit"), optional=False)
        self.second = RangeRow(tr("Second limit"), optional=True)
        self.target = QLineEdit()
        self.target.setPlaceholderText("wait_p95 < 20ms")
        self.target.setAccessibleName(tr("Target"))
        self.target.setClearButtonEnabled(True)
        self.target.setMaximumWidth(340)
        self.budget, self.seed = QSpinBox(), QSpinBox()
        self.budget.setRange(int(SHORTEST_BUDGET), _LONGEST_BUDGET)
        self.budget.setSuffix(" s")
        self.budget.setValue(int(DEFAULT_BUDGET))
        self.budget.setAccessibleName(tr("Time to measure"))
        self.seed.setRange(0, _MOST_SEED)
        self.seed.setValue(1)
        self.seed.setAccessibleName(tr("Seed"))
        for box in (self.budget, self.seed):
            plain_box(box, 84)
            box.valueChanged.connect(self._check)
        self.mistake, self.what = QLabel(), QLabel()
        self.mistake.setProperty("role", "bad")
        self.what.setProperty("role", "note")
        for label in (self.mistake, self.what):
            label.setWordWrap(True)
        self.start = QPushButton(tr("Start measuring"))
        self.start.setProperty("primary", "true")
        self._lay_out()
        for row in (self.first, self.second):
            row.edited.connect(self._check)
        self.target.textChanged.connect(self._check)
        self.target.returnPressed.connect(self._start)
        self.start.clicked.connect(self._start)
        controller.changed.connect(self.refresh)
        controller.values_changed.connect(self.refresh)

    def refresh(self) -> None:
        """Follow the window's pool, load and server."""
        if not self.isVisible():
            return
        pool, scenario = self._controller.pool, self._controller.scenario
        bound = most_of_use(scenario)
        shown = (pool.id, dict(pool.limits), bound)
        if shown != self._shown and not self._controller.sizes.busy:
            self._shown = shown
            try:
                key = size_limit(pool, scenario.limits)
            except PoolvizError:
                key = next((k for k, v in pool.limits.items() if isinstance(v, Count)), _NONE)
            self.first.show_pool(pool, key, 1, bound)
            self.second.show_pool(pool, _NONE, 0, 0)
        self._check()

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(8)
        time_row = QWidget()
        times = QHBoxLayout(time_row)
        times.setContentsMargins(0, 0, 0, 0)
        times.setSpacing(8)
        for each in (self.budget, QLabel(tr("Seed")), self.seed):
            times.addWidget(each)
        times.addStretch(1)
        for row, (name, part) in enumerate(
            (
                (tr("Limit"), self.first),
                (tr("Second limit"), self.second),
                (tr("Target"), self.target),
                (tr("Time to measure"), time_row),
            )
        ):
            grid.addWidget(QLabel(name), row, 0)
            grid.addWidget(part, row, 1)
        grid.setColumnStretch(1, 1)
        begin = QHBoxLayout()
        begin.setSpacing(12)
        begin.addWidget(self.start)
        begin.addWidget(self.what, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(grid)
        column.addWidget(self.mistake)
        column.addLayout(begin)

    def _check(self) -> None:
        """Say what will be done, or what keeps it from being done."""
        self.request = None
        mistake, what = "", ""
        try:
            self.request = self._request()
        except ParameterError as error:
            mistake = error.problem
        except PoolvizError as error:
            mistake = str(error)
        else:
            target = self._controller.target
            if target is None:
                what = tr("The server is reached first.")
            else:
                try:
                    what = _what(self.request, target)
                except PoolvizError as error:
                    mistake, self.request = str(error), None
        self.mistake.setText(mistake)
        self.mistake.setVisible(bool(mistake))
        self.what.setText(what)
        self.start.setEnabled(self.request is not None)

    def _request(self) -> SizingRequest:
        """Return what is set. PoolvizError where something is wrong with it."""
        controller = self._controller
        scenario, pool = controller.scenario, controller.pool
        found = [each for each in (self.first.range, self.second.range) if each is not None]
        keys = [each.key for each in found]
        limits = dict(scenario.limits)
        notes: list[KeptNote] = []
        if found and keys[0] == _size_limit(pool, scenario):
            # One figure says the size, as on the command line.
            more = overflow_limits(pool, keys[0], limits)
            more = [key for key in more if key not in keys and limits[key]]
            limits |= dict.fromkeys(more, 0)
            notes += [KeptNote("no_overflow", {"key": each, "size": keys[0]}) for each in more]
        scenario = msgspec.structs.replace(
            scenario, seed=self.seed.value(), limits=limits, replays="", watch={}, title=""
        )
        texts = [each.strip() for each in self.target.text().split(" and ")]
        return SizingRequest(
            RunRequest(scenario, controller.dsn),
            tuple(found),
            Aim.parse(*filter(None, texts)),
            float(self.budget.value()),
            frozenset(limits),
            tuple(notes),
        )

    def _start(self) -> None:
        if self.request is not None and not self._controller.sizes.busy:
            self.wanted.emit(self.request)


def plain_box(box: QSpinBox, width: int) -> None:
    """Give a box of numbers the looks of those of the side panel, which have no arrows."""
    box.lineEdit().setTextMargins(8, 0, 8, 0)
    box.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    box.setFixedWidth(width)


def _size_limit(pool: type[Pool], scenario: Scenario) -> str:
    try:
        return size_limit(pool, scenario.limits)
    except PoolvizError:
        return _NONE


def _what(wanted: SizingRequest, target: Target) -> str:
    """Return what a sweep will do on this server. InputError where it has no room for it."""
    plan = planned(wanted, target)
    parts = [
        trn(
            "{n} size, at least three times each, on {server}: about {minutes:.1f} minutes.",
            "{n} sizes, at least three times each, on {server}: about {minutes:.1f} minutes.",
            len(affordable(plan.ranges, wanted.budget)),
            server=target.in_words,
            minutes=wanted.budget / 60,
        )
    ]
    if target.free_connections is None:
        parts.append(tr("Up to {n} connections are opened.", n=plan.connections))
    else:
        parts.append(
            tr(
                "Up to {n} of the {free} connections that are free are used.",
                n=plan.connections,
                free=target.free_connections,
            )
        )
    parts += [text for note in plan.notes if (text := sentence(note)) is not None]
    return " ".join(parts)
