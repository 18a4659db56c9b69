"""What the window shows beside the side panel: the run's charts, or a page in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QStackedWidget, QWidget

from poolviz.ui.style.theme import Theme
from poolviz.ui.unexpected import contained

RUN = "run"  # the name of the page that is there from the start


class _Closable(Protocol):
    def close_worker(self) -> None:
        """End the page's worker."""


class Pages(QStackedWidget):
    """Pages by name, each made when it is first shown. The run's is `RUN`. One that needs more room
    than there is, as with large texts in a small window, is scrolled.

    A page with a method `set_theme` is painted in other colours by it, and one with `close_worker`
    is closed by it.
    """

    turned = Signal(str)  # to the page of that name

    def __init__(self, run: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._makers: dict[str, Callable[[], QWidget]] = {}
        self._made: dict[str, QWidget] = {}
        self._areas: dict[str, QScrollArea] = {}
        self._take(RUN, run)

    @property
    def name(self) -> str:
        """The page that is shown."""
        shown = self.currentWidget()
        return next(name for name, area in self._areas.items() if area is shown)

    @property
    def shown(self) -> QWidget:
        """The page that is shown."""
        return self._made[self.name]

    def add(self, name: str, make: Callable[[], QWidget]) -> None:
        """Have a page of that name, made by `make` when it is first shown."""
        self._makers[name] = make

    def page(self, name: str) -> QWidget:
        """Return a page, made if it wasn't yet."""
        if name not in self._made:
            self._take(name, self._makers[name]())
        return self._made[name]

    def _take(self, name: str, page: QWidget) -> None:
        area = self._areas[name] = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setAccessibleName(page.accessibleName())
        area.setWidget(page)
        self._made[name] = page
        self.addWidget(area)

    def made(self, name: str) -> QWidget | None:
        """Return a page if it was made."""
        return self._made.get(name)

    def turn_to(self, name: str) -> None:
        """Show a page in place of the others."""
        changed = self.name != name
        self.page(name)
        self.setCurrentWidget(self._areas[name])
        if changed:
            self.turned.emit(name)

    def set_theme(self, theme: Theme) -> None:
        """Paint the pages that were made in other colours."""
        for page in self._made.values():
            set_theme = getattr(page, "set_theme", None)
            if set_theme is not None:
                with contained():
                    set_theme(theme)

    def close_workers(self) -> None:
        """End what the pages that were made have going on."""
        for page in self._made.values():
            if hasattr(page, "close_worker"):
                with contained():
                    cast(_Closable, page).close_worker()
