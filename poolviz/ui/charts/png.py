"""The charts of a session as a PNG image, with or without a display.

Qt is imported when the first image is painted: without its system libraries all else works.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from pathlib import Path
from typing import TYPE_CHECKING

from poolviz.model.errors import PoolvizError
from poolviz.sessions.recorder import Recorder
from poolviz.ui.style.colours import LIGHT, Theme

if TYPE_CHECKING:
    from PySide6.QtGui import QImage
    from PySide6.QtWidgets import QApplication

_LIBRARIES = "libegl1 libgl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon0"
_PATIENCE = 20.0  # seconds that a worker waits for the GUI thread to paint
_DOTS = 7559  # a metre: 192 an inch, twice the usual
_SHORTEST = 0.1  # seconds
_kept: list[QApplication] = []  # made here if there was none; it must outlive the fonts


def write(recorder: Recorder, paths: Sequence[Path]) -> None:
    """Write the charts of the whole session to the one path, as an export format does."""
    paths[0].write_bytes(png(recorder))


def png(
    recorder: Recorder, theme: Theme = LIGHT, *, start: float = 0.0, end: float | None = None
) -> bytes:
    """Return the charts of a session from `start` to `end` (seconds; None: its end) as PNG.

    May be called from any thread: the application's thread paints, the caller's encodes.
    PoolvizError if Qt can't be loaded or the window is too busy to paint.
    """
    end = recorder.duration if end is None else end
    return _as_png(_painted(recorder, theme, start, max(end, start + _SHORTEST)))


def _painted(recorder: Recorder, theme: Theme, start: float, end: float) -> QImage:
    """Return the image, painted in the application's thread."""
    application = _application()
    from PySide6.QtCore import QThread, QTimer  # noqa: PLC0415

    from poolviz.ui.charts.image import SessionImage  # noqa: PLC0415

    def paint() -> QImage:
        return SessionImage(recorder, theme).paint(start, end)

    if QThread.currentThread() == application.thread():
        return paint()
    answer: Future[QImage] = Future()

    def reply() -> None:
        try:
            answer.set_result(paint())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            answer.set_exception(error)

    QTimer.singleShot(0, application, reply)
    try:
        return answer.result(_PATIENCE)
    except TooLate:
        raise PoolvizError("The window was too busy to draw the picture: try again.") from None


def _application() -> QApplication:
    """Return the application of this process; if there is none, a new one without a display."""
    try:
        from PySide6.QtGui import QGuiApplication  # noqa: PLC0415 - its libraries are the missing
        from PySide6.QtWidgets import QApplication  # noqa: PLC0415
    except ImportError as error:
        raise PoolvizError(
            f"Qt, which draws the picture, can't be loaded ({error}): install its system "
            f"libraries, on Debian and Ubuntu with: apt-get install {_LIBRARIES}"
        ) from None
    application = QGuiApplication.instance()
    if isinstance(application, QApplication):
        return application
    _kept.append(QApplication(["poolviz", "-platform", "offscreen"]))
    return _kept[0]


def _as_png(image: QImage) -> bytes:
    from PySide6.QtCore import QBuffer, QIODevice  # noqa: PLC0415

    image.setDotsPerMeterX(_DOTS)
    image.setDotsPerMeterY(_DOTS)
    image.setText("Software", "poolviz")
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if not image.save(buffer, "PNG"):  # type: ignore[call-overload]
        raise PoolvizError("Qt could not encode the picture as PNG.")
    return bytes(buffer.data().data())
