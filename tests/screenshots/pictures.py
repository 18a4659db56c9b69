"""Take the pictures of one scale and one language: started by `python -m tests.screenshots`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from time import monotonic, sleep

from PySide6.QtCore import QPoint, QSettings
from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtWidgets import QApplication, QWidget

from poolviz.sessions.folder import SessionsFolder
from poolviz.ui.session.controller import Controller
from poolviz.ui.settings import TEXT_SIZE
from poolviz.ui.style.theme_manager import ThemeManager
from poolviz.ui.window import Window
from tests.screenshots.states import STATES, Stand
from tests.servers.fixtures import open_home
from tests.ui.whole_texts import cut_texts

_SETTLED = 0.4  # seconds for layout, figures and a frame after a change of size or theme
_LONGEST = 60.0  # seconds to wait for a state


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.screenshots.pictures")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--state", action="append", default=[])
    parser.add_argument("--size", action="append", required=True)
    parser.add_argument("--theme", action="append", required=True)
    parser.add_argument("--text-size", type=int, default=100)
    asked = parser.parse_args()
    states = asked.state or list(STATES)
    if unknown := set(states) - set(STATES):
        parser.error(f"no state {', '.join(sorted(unknown))}: there are {', '.join(STATES)}")
    sizes = [tuple(int(part) for part in size.split("x")) for size in asked.size]
    failed: list[str] = []
    cut: list[str] = []
    with ExitStack() as stack:
        home = stack.enter_context(open_home())
        os.environ["POOLVIZ_HOME"] = str(home)
        os.environ["POOLVIZ_SESSIONS"] = str(home / "sessions")
        application = QApplication(["poolviz"])
        for state in states:
            with (
                tempfile.TemporaryDirectory() as settings,
                closing(
                    Photographer(application, Path(settings), home / "sessions", asked.text_size)
                ) as photographer,
            ):
                try:
                    with STATES[state](photographer.stand):
                        cut += photographer.take(asked.folder / state, sizes, asked.theme)
                except Exception as error:  # noqa: BLE001 - the other states are still to be taken
                    failed.append(state)
                    traceback.print_exception(error)
    for line in dict.fromkeys(cut):
        sys.stderr.write(f"cut: {line}\n")
    if failed:
        sys.stderr.write(f"not taken: {', '.join(failed)}\n")
    return 1 if failed or cut else 0


class Photographer:
    """A window of its own for one state, and the pictures that are taken of it."""

    def __init__(
        self, application: QApplication, settings: Path, sessions: Path, text_size: int
    ) -> None:
        self._application = application
        self._settings = QSettings(str(settings / "settings.ini"), QSettings.Format.IniFormat)
        self._settings.setValue("tour/over", True)  # it has a state of its own
        if text_size != TEXT_SIZE.default:
            self._settings.setValue(TEXT_SIZE.key, text_size)
        self._text_size = text_size
        self._themes = ThemeManager(application, self._settings)
        self.window = Window(Controller(SessionsFolder(sessions)), self._themes, self._settings)
        self.window.show()
        self.stand = Stand(self.window, self.wait)

    def close(self) -> None:
        self.window.close()
        self.window.deleteLater()
        self._spin(0.05)

    def wait(self, condition: Callable[[], bool], what: str = "the state") -> None:
        """Wait until something is so. TimeoutError if it isn't within a minute."""
        end = monotonic() + _LONGEST
        while not condition():
            if monotonic() > end:
                raise TimeoutError(what)
            self._spin(0.02)

    def take(self, folder: Path, sizes: list[tuple[int, ...]], themes: list[str]) -> list[str]:
        """Take the pictures of a state, and return which texts are cut in it."""
        cut: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        scale, language = (
            os.environ.get(name, "") for name in ("QT_SCALE_FACTOR", "POOLVIZ_LANGUAGE")
        )
        for theme in themes:
            self._themes.choose(theme)
            for width, height in sizes:
                self.window.resize(width, height)
                self._spin(_SETTLED)
                sized = "" if self._text_size == TEXT_SIZE.default else f"-{self._text_size}"
                name = f"{language}-{theme}-{width}x{height}{sized}@{scale}"
                self._picture().save(str(folder / f"{name}.png"))
                for shown in (self.window, *self._over()):
                    cut += cut_texts(shown, f"{folder.name}/{name}")
        return cut

    def _picture(self) -> QPixmap:
        """Return the window with its dialogs and menus over it."""
        picture = self.window.grab()
        painter = QPainter(picture)
        for widget in self._over():
            at = self._place(widget)
            painter.drawPixmap(at, widget.grab())
            painter.setPen(QColor("grey"))
            painter.drawRect(at.x() - 1, at.y() - 1, widget.width() + 1, widget.height() + 1)
        painter.end()
        return picture

    def _over(self) -> list[QWidget]:
        """Dialogs and menus."""
        shown = [each for each in self._application.topLevelWidgets() if each.isVisible()]
        return [each for each in shown if each is not self.window]

    def _place(self, widget: QWidget) -> QPoint:
        """Where a window over this one is: as the platform has placed it, but not beyond."""
        window = self.window
        at = widget.mapToGlobal(QPoint(0, 0)) - window.mapToGlobal(QPoint(0, 0))
        return QPoint(
            max(0, min(at.x(), window.width() - widget.width())),
            max(0, min(at.y(), window.height() - widget.height())),
        )

    def _spin(self, seconds: float) -> None:
        end = monotonic() + seconds
        while monotonic() < end:
            self._application.processEvents()
            sleep(0.005)


if __name__ == "__main__":
    sys.exit(main())
