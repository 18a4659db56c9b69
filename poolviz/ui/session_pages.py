"""The pages of kept sessions in the window: their list, and those that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, Signal

from poolviz.sessions.folder import SessionsFolder
from poolviz.ui.pages import RUN, Pages
from poolviz.ui.session.controller import Controller
from poolviz.ui.style.theme_manager import ThemeManager

if TYPE_CHECKING:
    from poolviz.ui.comparison.page import ComparisonPage
    from poolviz.ui.session_list.page import SessionsPage

LIST = "sessions"  # the name of the page of the list
_COMPARISON = "comparison"


class SessionPages(QObject):
    """Adds both pages to the window's. Each is imported and made when it is first shown."""

    wrote = Signal(str)  # a comparison into a file, in a sentence

    def __init__(self, pages: Pages, controller: Controller, theme_manager: ThemeManager) -> None:
        super().__init__(pages)
        self._pages, self._controller, self._themes = pages, controller, theme_manager
        pages.add(LIST, self._make_list)
        pages.add(_COMPARISON, self._make_comparison)

    @property
    def list(self) -> SessionsPage | None:
        """The page of kept sessions, once it was shown."""
        return cast("SessionsPage | None", self._pages.made(LIST))

    @property
    def comparison(self) -> ComparisonPage | None:
        """The page of sessions that are compared, once it was shown."""
        return cast("ComparisonPage | None", self._pages.made(_COMPARISON))

    def show_list(self, on: bool) -> None:
        """Show the list in place of the charts, or the charts again."""
        self._pages.turn_to(LIST if on else RUN)

    def show_comparison(self, paths: Sequence[Path]) -> None:
        """Compare sessions, on a page in place of the list, to which that page goes back."""
        page = cast("ComparisonPage", self._pages.page(_COMPARISON))
        page.show_sessions(paths)
        self._pages.turn_to(_COMPARISON)
        page.canvas.setFocus()

    def refresh(self) -> None:
        """Read the list again, if it was shown."""
        if self.list is not None:
            self.list.refresh()

    def _make_list(self) -> SessionsPage:
        from poolviz.ui.session_list.page import SessionsPage  # noqa: PLC0415 - for a quick start

        controller, theme = self._controller, self._themes.theme
        folder = SessionsFolder(controller.sessions_folder)
        page = SessionsPage(folder, controller.inbox, controller.notices, theme)
        page.left.connect(lambda: self.show_list(False))
        page.opened.connect(self._open)
        page.run_again.connect(self._run_again)
        page.compared.connect(self.show_comparison)
        page.removed.connect(controller.forget_sessions)
        controller.session_changed.connect(page.refresh)
        controller.changed.connect(page.refresh)
        return page

    def _make_comparison(self) -> ComparisonPage:
        from poolviz.ui.comparison.page import ComparisonPage  # noqa: PLC0415 - as above

        controller = self._controller
        page = ComparisonPage(controller.inbox, controller.notices, self._themes.theme)
        page.left.connect(lambda: self.show_list(True))
        page.wrote.connect(self.wrote)
        return page

    def _open(self, path: Path) -> None:
        """Show a session of the list; that of the run that goes on is shown already."""
        recorder = self._controller.recorder
        if not self._controller.busy or recorder is None or recorder.path != path:
            self._controller.view_session(path)
        self.show_list(False)

    def _run_again(self, path: Path) -> None:
        self._controller.run_again(path)
        self.show_list(False)
