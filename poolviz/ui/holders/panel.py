"""Who holds the connections, below the chart of lanes."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSettings, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from poolviz.language import tr
from poolviz.sessions.holds import Hold
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.axes import clock
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.elided_label import ElidedLabel
from poolviz.ui.help_places import set_topic
from poolviz.ui.holders.finder import Found, HoldersFinder
from poolviz.ui.holders.table import HoldersTable
from poolviz.ui.session.worker import Worker

_WANTED = "holders/shown"  # a setting
_STATEMENT = 40  # characters


class HoldersPanel(QFrame):
    """The table of holders, which is there with the chart of lanes until it is hidden. The hold
    that is chosen is outlined there."""

    folded = Signal(bool)  # it was hidden, or shown

    def __init__(
        self,
        charts: ChartsWidget,
        settings: QSettings,
        worker: Worker,
        live: Callable[[], bool],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("holders")
        self.setAccessibleName(tr("Who holds the connections"))
        set_topic(self, "lanes")
        self._charts, self._settings = charts, settings
        self._recorder: Recorder | None = None
        self.finder = HoldersFinder(charts, worker, live, self)
        self.title, self.note = QLabel(tr("Who holds the connections")), ElidedLabel()
        self.fold, self.table = QPushButton("✕"), HoldersTable(self)
        self._lay_out()
        self.finder.found.connect(self._show_found)
        self.fold.clicked.connect(lambda: self.choose(False))
        self.table.chosen.connect(charts.mark_hold)
        self.table.picked.connect(lambda: charts.scroll_to("lanes"))
        self.table.shown.connect(self._reveal)
        self.table.left.connect(lambda: charts.setFocus(Qt.FocusReason.ShortcutFocusReason))
        charts.frame_changed.connect(self._follow)
        charts.choice.changed.connect(self._show)
        self.hide()

    @property
    def wanted(self) -> bool:
        """Whether the user wants the table where lanes are shown."""
        return bool(self._settings.value(_WANTED, True, type=bool))

    def choose(self, shown: bool) -> None:
        """Show the table and the lanes, now and from now on, and give it the focus; or hide it."""
        self._settings.setValue(_WANTED, shown)
        if shown and not self._charts.shows_lanes:
            self._charts.expand(None)
            if not self._charts.shows_lanes:
                self._charts.choice.toggle("lanes")
        focused = self.isAncestorOf(self.window().focusWidget() or self._charts)
        self._show()
        if shown and self.isVisible():
            self._charts.scroll_to("lanes")
            self.table.setFocus(Qt.FocusReason.ShortcutFocusReason)
        elif focused:
            self._charts.setFocus(Qt.FocusReason.OtherFocusReason)

    def refresh(self, recorder: Recorder | None) -> None:
        """Show who holds connections in a record, if the table is visible."""
        if recorder is not self._recorder:
            self._recorder = recorder
            self.table.clear_choice()
        self._show()
        if not self.isHidden():
            self.finder.find(recorder)

    def _follow(self) -> None:
        """Note that the charts show another part, or other charts."""
        self._show()
        if not self.isHidden():
            self.finder.find_soon()

    def _show(self) -> None:
        visible = self.wanted and self._charts.shows_lanes
        if visible is self.isHidden():
            self.setVisible(visible)
            self.folded.emit(not visible)
            if visible:
                self.finder.find(self._recorder)
            else:
                self.table.clear_choice()

    def _reveal(self, hold: Hold) -> None:
        self._charts.reveal(hold.since)

    def _show_found(self, found: Found) -> None:
        recorder, over = self._recorder, found.to is not None
        last = recorder.last if recorder is not None else None
        statement = str(last.load.get("statement", ""))[:_STATEMENT] if last is not None else ""
        self.table.show_holds(found.holds, statement, over=over)
        self.note.setText(found.problem or self._said(found))
        self.note.setToolTip(found.problem)

    def _said(self, found: Found) -> str:
        """Return what the rows are."""
        recorder, number = self._recorder, len(found.holds)
        if recorder is None:
            return tr("Start a run to see them.")
        if found.to is not None:
            part = {"begin": clock(found.at), "end": clock(found.to)}
            if not number:
                return tr("nobody from {begin} to {end}, as far as recorded", **part)
            return tr("the longest from {begin} to {end}", **part)
        if not number:
            return tr("nobody at the moment")
        return tr("{n} now, the longest first", n=number)

    def _lay_out(self) -> None:
        self.title.setProperty("role", "name")
        self.note.setProperty("role", "note")
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.fold.setFlat(True)
        self.fold.setFixedWidth(28)
        self.fold.setProperty("role", "close")
        self.fold.setToolTip(tr("Hide who holds the connections (W)"))
        self.fold.setAccessibleName(tr("Hide who holds the connections"))
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self.title)
        row.addWidget(self.note, 1)
        row.addWidget(self.fold)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 4, 8, 4)
        column.setSpacing(2)
        column.addLayout(row)
        column.addWidget(self.table, 1)
        self.setMinimumHeight(110)
