"""The page of a comparison: charts of sessions over one axis, or the table of what differs.

Sessions are read, compared and exported by a worker of the page's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QApplication,
    QButtonGroup,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QPushButton,
    QStackedLayout,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import tr, tr_noop
from poolviz.sessions.comparison import START, Compared, ComparedPart, common_marks, name_of
from poolviz.sessions.comparison_files import SUFFIXES, cell, write_file
from poolviz.sessions.differences import Outcome
from poolviz.sessions.differences_in_words import NAMES
from poolviz.sessions.recorder import Recorder
from poolviz.ui.comparison.canvas import ComparisonCanvas
from poolviz.ui.comparison.overlay_charts import OverlayCharts
from poolviz.ui.leavable_page import LeavablePage
from poolviz.ui.session.notices import Notices, Weight, sentence_of
from poolviz.ui.session.worker import Inbox, Worker
from poolviz.ui.style.colours import SESSIONS
from poolviz.ui.style.theme import Theme

WORKER = "comparison worker"
_PATIENCE = 5.0  # seconds that closing waits for what is being read
_TOPIC = "comparison"  # of notices
_START = tr_noop("Aligned at the start")
_LABELS = {
    ".html": tr_noop("Report as HTML"),
    ".png": tr_noop("Charts as PNG"),
    ".svg": tr_noop("Charts as SVG"),
    ".pdf": tr_noop("Charts as PDF"),
    ".csv": tr_noop("Figures as CSV"),
    ".json": tr_noop("Figures as JSON"),
    ".md": tr_noop("Tables as Markdown"),
}


class ComparisonPage(LeavablePage):
    """Compares sessions. Belongs to the GUI thread; `close_worker` ends its worker."""

    wrote = Signal(str)  # a sentence on a file

    def __init__(
        self, inbox: Inbox, notices: Notices, theme: Theme, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("comparison")
        self._notices, self._theme = notices, theme
        self._worker = Worker(WORKER, inbox)
        self._closed = False
        self._recorders: list[Recorder] = []
        self._wanted: tuple[tuple[Path, ...], str] = ((), START)
        self.compared: Compared | None = None
        self.back = QPushButton(tr("Back to the sessions"))
        self.title, self.sentences = QLabel(), QLabel()
        self.align, self.part = QComboBox(), QComboBox()
        self.charts_button, self.figures_button = (
            QPushButton(tr("Charts")),
            QPushButton(tr("Figures")),
        )
        self.export, self.formats = QPushButton(tr("Export")), QMenu(self)
        self.canvas, self.table = ComparisonCanvas(theme), QTableWidget()
        self._shown = QStackedLayout()
        self._lay_out()
        self._connect()
        self._show_comparison(None)

    def show_sessions(self, paths: Sequence[Path], align: str = START) -> None:
        """Compare these sessions, the first of which is the baseline."""
        self._wanted = (tuple(paths), align)
        wanted = self._wanted
        self.title.setText(tr("Reading the sessions…"))
        self._notices.take_back(_TOPIC)

        def work() -> tuple[list[Recorder], Compared]:
            recorders: list[Recorder] = []
            try:
                for path in wanted[0]:
                    recorders.append(Recorder.open(path))
                named = list(zip(map(name_of, wanted[0]), recorders, strict=True))
                compared = Compared.of(named, align)
                assert compared.comparison  # made here, since it reads every sample
            except BaseException:
                _close(recorders)
                raise
            return recorders, compared

        def then(read: tuple[list[Recorder], Compared]) -> None:
            recorders, compared = read
            if self._closed or wanted != self._wanted:  # others were asked for since
                _close(recorders)
                return
            before, self._recorders = self._recorders, recorders
            self._show_comparison(compared)
            self._worker.do(lambda: _close(before))

        def failed(error: BaseException) -> None:
            if wanted == self._wanted:
                self._notices.say(_TOPIC, sentence_of(error), Weight.BAD)
                self._show_comparison(self.compared)

        self._worker.do(work, then, failed)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self.canvas.set_theme(theme)
        self._show_part()
        self._show_title()

    def close_worker(self) -> None:
        """End the worker and close the sessions. Blocks for a moment."""
        self._closed = True
        self._worker.close(_PATIENCE, QApplication.processEvents)  # a picture needs this thread
        _close(self._recorders)

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setSpacing(8)
        switch = QButtonGroup(self)
        for button in (self.charts_button, self.figures_button):
            button.setCheckable(True)
            switch.addButton(button)
        self.charts_button.setChecked(True)
        self.align.setAccessibleName(tr("Where the sessions are aligned"))
        self.part.setAccessibleName(tr("The part that is compared"))
        self.export.setMenu(self.formats)
        self.title.setTextFormat(Qt.TextFormat.RichText)
        self.title.setWordWrap(True)
        bar.addWidget(self.back)
        bar.addStretch(1)
        for widget in (self.align, self.charts_button, self.figures_button, self.export):
            bar.addWidget(widget)
        self.sentences.setWordWrap(True)
        self.sentences.setTextFormat(Qt.TextFormat.PlainText)
        self.sentences.setProperty("role", "note")
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.table.setShowGrid(False)
        self.table.setAccessibleName(tr("Figures of the sessions"))
        self.table.verticalHeader().setDefaultSectionSize(34)
        self.table.setCornerButtonEnabled(False)
        for box in (self.align, self.part):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        figures = QWidget()
        column = QVBoxLayout(figures)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.part, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.table, 1)
        self._shown.addWidget(self.canvas)
        self._shown.addWidget(figures)
        page = QVBoxLayout(self)
        page.setContentsMargins(12, 10, 12, 10)
        page.addLayout(bar)
        page.addWidget(self.title)
        page.addWidget(self.sentences)
        page.addLayout(self._shown, 1)

    def _connect(self) -> None:
        self.back.clicked.connect(self.left)
        self.charts_button.clicked.connect(lambda: self._shown.setCurrentIndex(0))
        self.figures_button.clicked.connect(lambda: self._shown.setCurrentIndex(1))
        self.align.activated.connect(lambda _: self._align())
        self.part.currentIndexChanged.connect(lambda _: self._show_part())
        for suffix in sorted(SUFFIXES, key=list(_LABELS).index):
            action = self.formats.addAction(f"{tr(_LABELS[suffix])}…")
            action.triggered.connect(lambda _=False, suffix=suffix: self._ask_where(suffix))

    def _align(self) -> None:
        paths, before = self._wanted
        align = self.align.currentData()
        if align != before:
            self.show_sessions(paths, align)

    def _show_comparison(self, compared: Compared | None) -> None:
        self.compared = compared
        for widget in (self.align, self.export, self.part):
            widget.setEnabled(compared is not None)
        charts = None if compared is None else OverlayCharts(compared, self._theme)
        self.canvas.show_overlays(charts)
        self.align.clear()
        self.part.clear()
        if compared is not None:
            self.align.addItem(tr(_START), START)
            for key in common_marks(compared.recorders):
                self.align.addItem(tr("Aligned at {key}", key=key), key)
            self.align.setCurrentIndex(max(self.align.findData(compared.align), 0))
            self._wanted = (self._wanted[0], compared.align)
            self.part.addItems([part.title for part in compared.comparison.parts])
        self._show_title()
        self._show_part()

    def _show_title(self) -> None:
        if self.compared is None:
            self.title.setText("")
            self.sentences.setText("")
            return
        comparison = self.compared.comparison
        self.title.setText(
            "&nbsp;&nbsp;".join(
                f'<span style="color:{getattr(self._theme, colour)}">●</span> {_escaped(name)}'
                for name, colour in zip(self.compared.names, SESSIONS, strict=False)
            )
        )
        whole = comparison.parts[0]
        words = [f"{side.name}: {side.sentence}." for side in whole.sides if side.sentence]
        notes = [f"{each.name}: {each.note}" for each in comparison.sessions if each.note]
        lines = (" ".join(words), " ".join([*notes, *comparison.notes]))
        self.sentences.setText("\n".join(filter(None, lines)))
        self.sentences.setToolTip(comparison.method)

    def _show_part(self) -> None:
        self.table.clear()
        parts = self.compared.comparison.parts if self.compared is not None else []
        if not 0 <= self.part.currentIndex() < len(parts):
            self.table.setRowCount(0)
            return
        part = parts[self.part.currentIndex()]
        names = list(NAMES)
        self.table.setColumnCount(len(part.sides))
        self.table.setRowCount(len(names))
        self.table.setHorizontalHeaderLabels([side.name for side in part.sides])
        self.table.setVerticalHeaderLabels([tr(NAMES[name]) for name in names])
        for row, name in enumerate(names):
            for column in range(len(part.sides)):
                self.table.setItem(row, column, self._item(part, column, name))
        stretch = QHeaderView.ResizeMode.Stretch
        self.table.horizontalHeader().setSectionResizeMode(stretch)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)

    def _item(self, part: ComparedPart, column: int, name: str) -> QTableWidgetItem:
        side = part.sides[column]
        item = QTableWidgetItem(cell(side, name))
        item.setToolTip(item.text())
        outcomes = [each.outcome for each in side.differences if each.figure == name]
        if Outcome.CLEAR in outcomes:
            font = item.font()
            font.setBold(True)
            item.setFont(font)
        return item

    def _ask_where(self, suffix: str) -> None:
        compared = self.compared
        if compared is None:
            return
        label = tr(_LABELS[suffix])
        dialog = QFileDialog(self.window(), label)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(f"{label} (*{suffix})")
        dialog.setDefaultSuffix(suffix.removeprefix("."))
        dialog.selectFile(f"comparison{suffix}")
        dialog.fileSelected.connect(lambda chosen: self.write(compared, Path(chosen)))
        dialog.open()

    def write(self, compared: Compared, path: Path) -> None:
        """Have a comparison written to `path`, in the format of its suffix."""

        def failed(error: BaseException) -> None:
            self._notices.say(_TOPIC, sentence_of(error), Weight.BAD)

        self.wrote.emit(tr("Writing {file}…", file=path.name))
        self._worker.do(
            lambda: write_file(compared, path),
            lambda _: self.wrote.emit(
                tr("Wrote {file} to {parent}", file=path.name, parent=path.parent)
            ),
            failed,
        )


def _close(recorders: Sequence[Recorder]) -> None:
    for recorder in recorders:
        recorder.close()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
