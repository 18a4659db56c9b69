"""The page 'Find the right size' in the window: made when it is first shown, and left for a run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject

from poolviz.language import tr
from poolviz.sizing.points import Point
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.pages import RUN, Pages
from poolviz.ui.session.controller import Controller
from poolviz.ui.session.notices import Weight
from poolviz.ui.style.theme_manager import ThemeManager

if TYPE_CHECKING:
    from poolviz.ui.sizing.page import SizingPage

SIZES = "sizes"  # the name of the page


class SizePages(QObject):
    """Adds the page to the window's. `charts` show the run of a size."""

    def __init__(
        self,
        pages: Pages,
        controller: Controller,
        theme_manager: ThemeManager,
        charts: ChartsWidget,
    ) -> None:
        super().__init__(pages)
        self._pages, self._controller, self._themes = pages, controller, theme_manager
        self._charts = charts
        pages.add(SIZES, self._make)
        controller.sizes.opened.connect(lambda: self.show(True))

    @property
    def page(self) -> SizingPage | None:
        """The page, once it was shown."""
        return cast("SizingPage | None", self._pages.made(SIZES))

    @property
    def holds(self) -> bool:
        """Whether the page stays although another run is shown: it is about that."""
        return self._controller.sizes.busy and self._pages.name == SIZES

    def show(self, on: bool) -> None:
        """Show the page in place of the charts, or the charts again."""
        self._pages.turn_to(SIZES if on else RUN)
        if on and self.page is not None:
            page = self.page
            (page.form.first.limit if page.form.isVisible() else page.pause).setFocus()

    def _make(self) -> SizingPage:
        from poolviz.ui.sizing.page import SizingPage  # noqa: PLC0415 - for a quick start

        page = SizingPage(self._controller, self._themes.theme)
        page.left.connect(lambda: self.show(False))
        page.point_opened.connect(self._open)
        return page

    def _open(self, point: Point) -> None:
        """Show when a size was measured, in the charts of its run."""
        controller = self._controller
        sizing = controller.sizes.sizing
        path = None if sizing is None or sizing.session is None else Path(sizing.session)
        shown = controller.recorder
        if shown is not None and shown.sweep is not None and (path is None or shown.path == path):
            self._reveal(point)
        elif path is not None and not controller.busy:
            controller.sizes.stay_in_run()
            controller.view_session(path, then=partial(self._reveal, point))
        else:
            sentence = (
                tr("Stop the run that goes on first.")
                if controller.busy
                else tr("The run in which this size was measured wasn't kept.")
            )
            controller.notices.say("sizing", sentence, Weight.WARN, passing=True)

    def _reveal(self, point: Point) -> None:
        self.show(False)
        begin, end = point.visits[0]
        self._charts.show_part(begin, end)
        self._charts.highlight(point.visits)
