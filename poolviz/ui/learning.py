"""What the window teaches: the first tour, the page of presets, and their lessons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, QSettings
from PySide6.QtWidgets import QWidget

from poolviz.model.lesson import Lesson
from poolviz.model.scenario import Scenario
from poolviz.sessions.recorder import Recorder
from poolviz.ui.dialogs.open_file import FileOpener
from poolviz.ui.lessons.bar import LessonBar
from poolviz.ui.lessons.lesson_run import LessonRun
from poolviz.ui.pages import RUN, Pages
from poolviz.ui.session.controller import Controller, State
from poolviz.ui.style.theme_manager import ThemeManager
from poolviz.ui.tour.bar import TourBar
from poolviz.ui.tour.highlight import Highlight
from poolviz.ui.tour.tour import Tour

if TYPE_CHECKING:
    from poolviz.ui.lessons.gallery import PresetsPage

PRESETS = "presets"  # the name of the page


class Learning(QObject):
    """Owns tour and lesson, with their bars, and shows one of them at a time.

    `target` returns the widget that a step of the tour names, None where there is none now.
    """

    def __init__(
        self,
        controller: Controller,
        settings: QSettings,
        themes: ThemeManager,
        *,
        pages: Pages,
        file_opener: FileOpener,
        target: Callable[[str], QWidget | None],
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._controller, self._themes = controller, themes
        self._pages, self._file_opener, self._target = pages, file_opener, target
        self.tour = Tour(controller, settings, self)
        self.lesson = LessonRun(controller, self)
        self.tour_bar, self.lesson_bar = TourBar(self.tour), LessonBar(self.lesson)
        self.highlight = Highlight(window, themes.theme)
        pages.add(PRESETS, self._make_page)
        for bar in (self.tour_bar, self.lesson_bar):
            bar.presets_wanted.connect(self.show_presets)
        file_opener.lesson_opened.connect(self._open_lesson)
        self.tour.changed.connect(self._point)
        controller.changed.connect(self._judge)

    def judge(self, _recorder: Recorder | None) -> None:
        """Go on with tour and lesson if what they wait for has come. Called a few times a
        second."""
        self._judge()

    def offer_tour(self) -> None:
        """Begin the tour, or go on with it, unless something else is to be seen in the run, or it
        was left."""
        controller = self._controller
        elsewhere = self.lesson.on or controller.viewing is not None or controller.scenario.watch
        if controller.state is State.RUNNING and not elsewhere and not controller.pool.one_client:
            self.tour.offer()

    def begin_tour(self) -> None:
        """Begin the tour anew."""
        self.lesson.leave()
        self._pages.turn_to(RUN)
        self.tour.begin()

    def show_presets(self) -> None:
        """Show the page of presets in place of the charts."""
        self._pages.turn_to(PRESETS)
        cast("PresetsPage", self._pages.page(PRESETS)).search.setFocus()

    def run_preset(self, path: Path) -> None:
        """Run a preset at once, without its lesson."""
        self.lesson.leave()
        self._pages.turn_to(RUN)
        self._file_opener.open(path, lesson=False)

    def _make_page(self) -> QWidget:
        from poolviz.ui.lessons.gallery import PresetsPage  # noqa: PLC0415 - for a quick start

        page = PresetsPage(self._controller.notices, self._themes.theme)
        page.left.connect(lambda: self._pages.turn_to(RUN))
        page.predict_wanted.connect(self._file_opener.open)
        page.run_wanted.connect(self.run_preset)
        return page

    def _open_lesson(self, lesson: Lesson, scenario: Scenario, dsn: str | None) -> None:
        self.tour.leave()
        self._pages.turn_to(RUN)
        self.lesson.open(lesson, scenario, dsn)

    def _judge(self) -> None:
        self.tour.judge()
        self.lesson.judge()

    def _point(self) -> None:
        """Put the frame around what the tour's step is done with."""
        self.highlight.point_at(self._target(self.tour.target) if self.tour.on else None)
