"""The page of the run that is shown: errors, members, charts with their cards, holders, figures."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QSettings, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from poolviz.ui.cards.cards import Cards
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.charts.choice import ChartChoice
from poolviz.ui.errors_panel import ErrorsPanel
from poolviz.ui.figures_panel import FiguresPanel
from poolviz.ui.holders.panel import HoldersPanel
from poolviz.ui.member_choice import MemberChoice
from poolviz.ui.session.controller import Controller
from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

_DIVIDED = "window/parts"
_DIVISION = [560, 200, 280]  # of charts, holders and figures, until the user divides otherwise


class RunPage(QWidget):
    """Makes and lays out its parts. How they are divided is kept in `settings`."""

    def __init__(
        self,
        controller: Controller,
        theme: Theme,
        settings: QSettings,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self.charts = ChartsWidget(theme, choice=ChartChoice(settings))
        self.errors = ErrorsPanel()
        self.members = MemberChoice()
        self.holders = HoldersPanel(
            *(self.charts, settings, controller.file_worker),
            live=lambda: controller.busy and controller.viewing is None,
        )
        self.errors.who.clicked.connect(lambda: self.holders.choose(True))
        self.figures = FiguresPanel(theme, settings)
        self.cards = Cards(controller.evaluation, self.charts, controller.notices, self)
        self.divider = QSplitter(Qt.Orientation.Vertical)
        charts = QWidget()
        above = QVBoxLayout(charts)
        above.setContentsMargins(0, 0, 0, 0)
        above.setSpacing(0)
        above.addWidget(self.charts, 1)
        above.addWidget(self.cards.ribbon)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.errors)
        column.addWidget(self.members)
        self.divider.addWidget(charts)
        self.divider.addWidget(self.holders)
        self.divider.addWidget(self.figures)
        self.divider.setChildrenCollapsible(False)
        self.divider.setSizes(_DIVISION)
        divided = settings.value(_DIVIDED)
        if isinstance(divided, QByteArray):  # the file may say anything
            self.divider.restoreState(divided)
        column.addWidget(self.divider, 1)

    @contained()
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the open card within the page."""
        super().resizeEvent(event)
        self.cards.place()

    def set_theme(self, theme: Theme) -> None:
        """Paint in other colours."""
        for part in (self.charts, self.figures):
            with contained():
                part.set_theme(theme)

    def store_division(self) -> None:
        """Keep how the page is divided."""
        self._settings.setValue(_DIVIDED, self.divider.saveState())
