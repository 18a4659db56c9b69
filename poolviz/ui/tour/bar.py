"""The tour's bar above the charts: what was seen, what to do now, and how to skip or leave."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from poolviz.language import tr
from poolviz.ui.guide_bar import GuideBar
from poolviz.ui.tour.steps import STEPS
from poolviz.ui.tour.tour import Tour

_HEIGHT = 92  # pixels at least, so that another step doesn't move the charts


class TourBar(GuideBar):
    """Shows a tour while it is on."""

    def __init__(self, tour: Tour, parent: QWidget | None = None) -> None:
        super().__init__("tour", tr("First tour"), parent)
        self._tour = tour
        self.setMinimumHeight(_HEIGHT)
        self.before, self.text = self.add_text("good"), self.add_text()
        self.presets_button = self.add_button(tr("Presets"), primary=True)
        self.skip_button = self.add_button(tr("Skip"))
        self.leave_button = self.add_button(tr("Leave the tour"))
        self.skip_button.clicked.connect(tour.skip)
        self.leave_button.clicked.connect(tour.leave)
        self.presets_button.clicked.connect(self.presets_wanted)
        tour.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        tour = self._tour
        step = tour.step
        if step is not None:
            title = tr(
                "{number} of {count}: {title}",
                number=tour.number + 1,
                count=len(STEPS),
                title=tr(step.title),
            )
        else:
            title = tr("The tour is over")
        self.title.setText(title)
        self.show_text(self.before, f"✓ {tour.shown}" if tour.shown else "")
        self.show_text(self.text, tour.text)
        self.skip_button.setVisible(step is not None)
        self.presets_button.setVisible(tour.finished)
        self.leave_button.setText(tr("Leave the tour") if step is not None else tr("Close"))
        self.setVisible(tour.on)
