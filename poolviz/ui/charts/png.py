"""The charts of a session as a PNG image, with or without a display.

Qt is imported when the first image is painted: without its system libraries all else works.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poolviz.language import tr
from poolviz.model.errors import PoolvizError
from poolviz.sessions.derived import part_of
from poolviz.sessions.export.exporter import USUAL
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.gui_thread import painted
from poolviz.ui.style.colours import LIGHT, Theme

if TYPE_CHECKING:
    from PySide6.QtGui import QImage

_DOTS = 7559  # a metre: 192 an inch, twice the usual
_SHORTEST = 0.1  # seconds


def write(recorder: Recorder, paths: Sequence[Path], charts: Sequence[str] = USUAL) -> None:
    """Write the charts of the whole session, or some of them, to the one path, as an export format
    does."""
    start, end = part_of(recorder)
    paths[0].write_bytes(png(recorder, start=start, end=end, charts=charts))


def png(
    recorder: Recorder,
    theme: Theme = LIGHT,
    *,
    start: float = 0.0,
    end: float | None = None,
    charts: Sequence[str] = USUAL,
) -> bytes:
    """Return the charts of a session from `start` to `end` (seconds; None: its end) as PNG.

    May be called from any thread: the application's thread paints, the caller's encodes.
    PoolvizError if Qt can't be loaded or the window is too busy to paint.
    """
    end = recorder.duration if end is None else end
    last = max(end, start + _SHORTEST)

    def paint() -> QImage:
        from poolviz.ui.charts.image import SessionImage  # noqa: PLC0415

        return SessionImage(recorder, theme, charts=charts).paint(start, last)

    return as_png(painted(paint))


def as_png(image: QImage) -> bytes:
    """Return a picture at 192 dots an inch as PNG. PoolvizError if Qt can't encode it."""
    from PySide6.QtCore import QBuffer, QIODevice  # noqa: PLC0415

    image.setDotsPerMeterX(_DOTS)
    image.setDotsPerMeterY(_DOTS)
    image.setText("Software", "poolviz")
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if not image.save(buffer, "PNG"):  # type: ignore[call-overload]
        raise PoolvizError(tr("Qt could not encode the picture as PNG."))
    return bytes(buffer.data().data())
