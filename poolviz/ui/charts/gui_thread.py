"""Painting in the application's thread for any other one, with or without a display.

Qt is imported when something is painted first: without its system libraries all else works.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from typing import TYPE_CHECKING, TypeVar

from poolviz.language import tr
from poolviz.model.errors import PoolvizError

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

T = TypeVar("T")

_LIBRARIES = "libegl1 libgl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon0"
_PATIENCE = 20.0  # seconds that a worker waits for the GUI thread to paint
_kept: list[QApplication] = []  # made here if there was none; it must outlive the fonts


def painted(paint: Callable[[], T]) -> T:
    """Return what `paint` returns, called in the application's thread, which may be this one.

    PoolvizError if Qt can't be loaded or the window is too busy to paint.
    """
    application = _application()
    from PySide6.QtCore import QThread, QTimer  # noqa: PLC0415

    if QThread.currentThread() == application.thread():
        return paint()
    answer: Future[T] = Future()

    def reply() -> None:
        try:
            answer.set_result(paint())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            answer.set_exception(error)

    QTimer.singleShot(0, application, reply)
    try:
        return answer.result(_PATIENCE)
    except TooLate:
        raise PoolvizError(tr("The window was too busy to draw the picture: try again.")) from None


def _application() -> QApplication:
    """Return the application of this process; if there is none, a new one without a display."""
    try:
        from PySide6.QtGui import QGuiApplication  # noqa: PLC0415 - its libraries are the missing
        from PySide6.QtWidgets import QApplication  # noqa: PLC0415
    except ImportError as error:
        raise PoolvizError(
            tr(
                "Qt, which draws the picture, can't be loaded ({error}): install its "
                "system libraries, on Debian and Ubuntu with: apt-get install {libraries}",
                error=error,
                libraries=_LIBRARIES,
            )
        ) from None
    application = QGuiApplication.instance()
    if isinstance(application, QApplication):
        return application
    _kept.append(QApplication(["poolviz", "-platform", "offscreen"]))
    return _kept[0]
