"""The page 'Find the right size': settings, progress, charts, the answer, and what if."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import number, tr
from poolviz.model.errors import PoolvizError
from poolviz.model.parameters import Value
from poolviz.sizing.charts import SizeChart, size_charts
from poolviz.sizing.planning import limits_to_use
from poolviz.sizing.sizing import Sizing
from poolviz.ui.leavable_page import LeavablePage
from poolviz.ui.session.controller import Controller
from poolviz.ui.session.notices import Weight, sentence_of
from poolviz.ui.session.size_finder import TRIAL_SECONDS, Phase
from poolviz.ui.sizing.settings_form import SettingsForm, plain_box
from poolviz.ui.sizing.size_chart_view import SizeChartView
from poolviz.ui.sizing.what_if import Prediction, WhatIf, predict, trial_of
from poolviz.ui.sizing.wording import chosen, facts, heads, rows, size_of
from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

_CHARTS = 3
_WIDE = 300  # pixels that a chart needs beside another one
_MOST_ROWS = 10  # of the table that are shown without scrolling it
_TOPIC = "sizing"


class SizingPage(LeavablePage):
    """Shows the controller's `sizes`. Belongs to the GUI thread; the charts' curves are computed by
    the file worker."""

    point_opened = Signal(object)  # a Point of the sizing, whose run is to be shown

    def __init__(self, controller: Controller, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("sizing")
        self.setProperty("topic", "sizing")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._controller, self._sizes = controller, controller.sizes
        self._drawing = self._stale = False
        self._columns = 0
        self.back = QPushButton(tr("Back to the charts"))
        self.form = SettingsForm(controller, theme)
        self.bar, self.state = QProgressBar(), QLabel()
        self.pause, self.cancel = QPushButton(tr("Pause")), QPushButton(tr("Cancel"))
        self.sentence, self.facts = QLabel(), QLabel()
        self.use = QPushButton(tr("Use this size"))
        self.processes, self._measured_processes = QSpinBox(), 1
        self.views = tuple(SizeChartView(theme) for _ in range(_CHARTS))
        self.table = QTableWidget()
        self.open_button = QPushButton(tr("Show its run"))
        self.what_if = WhatIf()
        self._lay_out()
        self._connect()
        self._show_answer()
        self._show_state()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        for view in self.views:
            view.set_theme(theme)

    @contained()
    def showEvent(self, event: QShowEvent) -> None:
        """Follow the window's pool and load."""
        super().showEvent(event)
        self.form.refresh()

    @contained()
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put as many charts beside one another as there is room for."""
        super().resizeEvent(event)
        self._place_charts()

    @contained()
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter shows the run of the point that is chosen in the table."""
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and self.table.hasFocus():
            self._open_row()
        else:
            super().keyPressEvent(event)

    # Construction

    def _lay_out(self) -> None:
        title, about = QLabel(tr("Find the right size")), QLabel(
            tr("Measures the load at one size of the pool after the other, and says which to take.")
        )  # fmt: skip
        title.setProperty("role", "title")
        about.setProperty("role", "note")
        about.setWordWrap(True)
        head = QHBoxLayout()
        head.setSpacing(10)
        head.addWidget(title)
        head.addWidget(about, 1)
        head.addWidget(self.back)
        content = QWidget()
        self._column = QVBoxLayout(content)
        self._column.setContentsMargins(0, 0, 8, 0)
        self._column.setSpacing(10)
        self._column.addWidget(self.form)
        self._column.addWidget(self._progress())
        self._answer = self._answer_part()
        self._column.addWidget(self._answer)
        self._column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(content)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 10)
        column.setSpacing(9)
        column.addLayout(head)
        column.addWidget(scroll, 1)

    def _progress(self) -> QWidget:
        """Return how far the sweep is, with what pauses and ends it."""
        self._going = QWidget()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 1000)
        self.bar.setAccessibleName(tr("Progress of the measurement"))
        self.state.setWordWrap(True)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.state, 1)
        row.addWidget(self.pause)
        row.addWidget(self.cancel)
        column = QVBoxLayout(self._going)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.bar)
        column.addLayout(row)
        return self._going

    def _answer_part(self) -> QWidget:
        part = QWidget()
        self.sentence.setWordWrap(True)
        self.sentence.setProperty("role", "name")
        self.facts.setWordWrap(True)
        self.facts.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.use.setProperty("primary", "true")
        self.processes.setRange(1, 10_000)
        plain_box(self.processes, 72)
        self.processes.setAccessibleName(tr("Processes with such a pool"))
        row = QHBoxLayout()
        row.setSpacing(10)
        row.addWidget(self.use)
        row.addWidget(QLabel(tr("Processes with such a pool")))
        row.addWidget(self.processes)
        row.addStretch(1)
        self._charts = QGridLayout()
        self._charts.setSpacing(10)
        for view in self.views:
            view.setMinimumHeight(230)
        self.table.setAccessibleName(tr("Measured sizes"))
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        what_if = QLabel(tr("What if").upper())
        what_if.setProperty("role", "heading")
        below = QHBoxLayout()
        below.addWidget(self.open_button)
        below.addStretch(1)
        column = QVBoxLayout(part)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(10)
        for widget in (self.sentence, self.facts):
            column.addWidget(widget)
        column.addLayout(row)
        column.addLayout(self._charts)
        column.addWidget(self.table)
        column.addLayout(below)
        column.addWidget(what_if)
        column.addWidget(self.what_if)
        return part

    def _connect(self) -> None:
        self.back.clicked.connect(self.left)
        self.form.wanted.connect(self._controller.find_size)
        self.pause.clicked.connect(self._pause)
        self.cancel.clicked.connect(self._sizes.cancel)
        self.use.clicked.connect(self._use)
        self.processes.valueChanged.connect(self._show_facts)
        self.table.itemSelectionChanged.connect(self._select_row)
        self.table.doubleClicked.connect(self._open_row)
        self.open_button.clicked.connect(self._open_row)
        for view in self.views:
            view.selected.connect(self._select)
            view.opened.connect(self._open)
        self.what_if.changed.connect(lambda _load: self._draw())
        self.what_if.trial_wanted.connect(self._try)
        self._sizes.changed.connect(self._show_state)
        self._sizes.answered.connect(self._show_answer)

    def _place_charts(self) -> None:
        columns = min(max((self.width() - 48) // _WIDE, 1), _CHARTS)
        if columns != self._columns:
            self._columns = columns
            for place, view in enumerate(self.views):
                self._charts.addWidget(view, place // columns, place % columns)

    # What is shown

    def _show_state(self) -> None:
        sizes = self._sizes
        phase, progress = sizes.phase, sizes.progress
        self.form.setVisible(not sizes.busy)
        self._going.setVisible(sizes.busy)
        self.pause.setVisible(phase in (Phase.MEASURING, Phase.PAUSED))
        self.pause.setText(tr("Go on") if phase is Phase.PAUSED else tr("Pause"))
        self.cancel.setEnabled(phase is not Phase.ENDING)
        self.cancel.setText(tr("Stop") if phase is Phase.TRYING else tr("Cancel"))
        share = 0.0
        if progress is not None and sizes.trial is None:
            share = min(progress.done_s / progress.budget_s, 1.0)
        self.bar.setValue(round(share * 1000))
        self.state.setText(self._sentence_on_state())
        self.use.setEnabled(not sizes.busy)
        self.what_if.show_trial(sizes.trial, busy=sizes.busy)
        self.form.refresh()

    def _sentence_on_state(self) -> str:
        progress = self._sizes.progress
        match self._sizes.phase:
            case Phase.STARTING:
                return tr("The run begins…")
            case Phase.PAUSED:
                return tr("Paused: the load is stopped. The size that was measured comes again.")
            case Phase.TRYING:
                return tr("The load is tried for {seconds:g} s.", seconds=TRIAL_SECONDS)
            case Phase.ENDING:
                return tr("The run ends…")
            case Phase.MEASURING if progress is not None:
                return tr(
                    "Size {size}, measurement {visit}, about {left} s left.",
                    size=" × ".join(map(str, progress.sizes)),
                    visit=progress.visit,
                    left=number(max(progress.budget_s - progress.done_s, 0.0), ".0f"),
                )
        return ""

    def _show_answer(self) -> None:
        sizing = self._sizes.sizing
        self._answer.setVisible(sizing is not None)
        self.what_if.show_sizing(sizing)  # which has everything drawn
        if sizing is None:
            return
        preliminary = self._sizes.busy and self._sizes.trial is None
        said = sizing.sentence
        self.sentence.setText(tr("So far: {answer}", answer=said) if preliminary else said)
        if sizing.processes != self._measured_processes:
            self._measured_processes = sizing.processes
            self.processes.setValue(sizing.processes)
        self.use.setVisible(sizing.recommended is not None)
        self._show_facts()
        self._fill_table(sizing)

    def _show_facts(self) -> None:
        sizing = self._sizes.sizing
        if sizing is not None:
            self.facts.setText("\n".join(facts(sizing, self.processes.value())))

    def _fill_table(self, sizing: Sizing) -> None:
        table, best = self.table, chosen(sizing)
        selected = table.currentRow()
        table.blockSignals(True)
        table.setColumnCount(len(heads(sizing)))
        table.setHorizontalHeaderLabels(list(heads(sizing)))
        table.setRowCount(len(sizing.points))
        for row, (point, cells) in enumerate(zip(sizing.points, rows(sizing), strict=True)):
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                if point is best:
                    font = item.font()
                    font.setBold(True)
                    item.setFont(font)
                    item.setToolTip(tr("recommended: {size}", size=size_of(point)))
                table.setItem(row, column, item)
        table.resizeColumnsToContents()
        if 0 <= selected < table.rowCount():
            table.selectRow(selected)
        table.blockSignals(False)
        shown = min(table.rowCount(), _MOST_ROWS)
        height = table.horizontalHeader().sizeHint().height() + 6
        height += sum(table.rowHeight(row) for row in range(shown))
        table.setFixedHeight(height + table.horizontalScrollBar().sizeHint().height())
        self._select_row()

    def _draw(self) -> None:
        """Have the charts and the prediction computed, unless that is being done."""
        sizing, load = self._sizes.sizing, self.what_if.load
        if sizing is None:
            return
        if self._drawing:
            self._stale = True
            return
        self._drawing, self._stale = True, False

        def compute() -> tuple[tuple[SizeChart, ...], Prediction | None]:
            try:
                prediction = predict(sizing, load)
            except ValueError:
                return size_charts(sizing), None
            other = None if load.is_of(sizing) else load.model(sizing)
            return size_charts(sizing, other), prediction

        def failed(error: BaseException) -> None:
            self._drawing = False
            self._controller.notices.say(_TOPIC, sentence_of(error), Weight.WARN)

        self._controller.file_worker.do(compute, self._show_drawn, failed)

    def _show_drawn(self, drawn: tuple[tuple[SizeChart, ...], Prediction | None]) -> None:
        charts, prediction = drawn
        self._drawing = False
        for place, view in enumerate(self.views):
            view.show_chart(charts[place] if place < len(charts) else None)
            view.setVisible(place < len(charts))
        self.what_if.show_prediction(prediction)
        self.what_if.show_trial(self._sizes.trial, busy=self._sizes.busy)
        if self._stale:
            self._draw()

    # What can be done

    def _pause(self) -> None:
        if self._sizes.phase is Phase.PAUSED:
            self._sizes.go_on()
        else:
            self._sizes.pause()

    def _select_row(self) -> None:
        row = self.table.currentRow()
        point = row if row >= 0 and self.table.selectionModel().hasSelection() else None
        self.open_button.setEnabled(point is not None)
        for view in self.views:
            view.select(point)

    def _select(self, point: int) -> None:
        self.table.selectRow(point)

    def _open_row(self) -> None:
        if self.table.currentRow() >= 0:
            self._open(self.table.currentRow())

    def _open(self, number: int) -> None:
        sizing = self._sizes.sizing
        if sizing is not None and number < len(sizing.points):
            self.point_opened.emit(sizing.points[number])

    def _limits(self, sizing: Sizing, sizes: tuple[int, ...]) -> dict[str, Value] | None:
        """Return what has to change of the window's limits; None where they are another pool's."""
        controller = self._controller
        if sizing.pool != controller.pool.id:
            sentence = tr("This is a size of {pool}: choose that pool first.", pool=sizing.pool)
            controller.notices.say(_TOPIC, sentence, Weight.WARN, passing=True)
            return None
        point = next(each for each in sizing.points if each.sizes == sizes)
        try:
            now = {k: v for k, v in controller.values.items() if k in controller.pool.limits}
            return limits_to_use(*(controller.pool, now, sizing.limits, sizes, point.connections))
        except PoolvizError as error:
            controller.notices.say(_TOPIC, str(error), Weight.WARN)
            return None

    def _use(self) -> None:
        """Have the recommended limits in force."""
        sizing = self._sizes.sizing
        if sizing is None or sizing.recommendation.sizes is None:
            return
        limits = self._limits(sizing, sizing.recommendation.sizes)
        if limits is None:
            return
        size = ", ".join(f"{key} = {value}" for key, value in (sizing.recommended or {}).items())
        running = self._controller.busy
        self._controller.use_limits(limits, tr("recommended: {size}", size=size))
        said = (
            tr("{size} is set in the run that goes on.", size=size)
            if running
            else tr("{size} is set for the next run.", size=size)
        )
        self._controller.notices.say(_TOPIC, said, passing=True)

    def _try(self, prediction: Prediction) -> None:
        sizing = self._sizes.sizing
        if sizing is None or self._sizes.busy:
            return
        limits = self._limits(sizing, prediction.sizes)
        if limits is not None:
            scenario = self._controller.scenario
            everything = {**scenario.limits, **limits}
            self._controller.find_size(
                trial_of(prediction, sizing, scenario, everything, TRIAL_SECONDS)
            )
