"""The charts of a session as SVG and PDF: lines that stay sharp, and text that can be selected.

The application's thread paints, into memory; the caller's writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from xml.etree import ElementTree

from poolviz.model.text import on_one_line
from poolviz.sessions.derived import part_of
from poolviz.sessions.export.exporter import USUAL
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.gui_thread import painted
from poolviz.ui.style.colours import LIGHT

if TYPE_CHECKING:
    from PySide6.QtCore import QSizeF
    from PySide6.QtGui import QPaintDevice

_SHORTEST = 0.1  # seconds
_SVG = "http://www.w3.org/2000/svg"
_NO_XML = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_DPI = 96  # a pixel of the image is one of these


def write_svg(recorder: Recorder, paths: Sequence[Path], charts: Sequence[str] = USUAL) -> None:
    """Write the charts of the whole session, or some of them, as SVG, as an export format does."""
    paths[0].write_bytes(painted(lambda: as_svg(lambda: _image(recorder, charts))))


def write_pdf(recorder: Recorder, paths: Sequence[Path], charts: Sequence[str] = USUAL) -> None:
    """Write the charts of the whole session, or some of them, as a PDF of one page, as an export
    format does."""
    paths[0].write_bytes(painted(lambda: as_pdf(lambda: _image(recorder, charts))))


class Painting(Protocol):
    """What is painted as lines and text. `title` is that of the document."""

    @property
    def title(self) -> str:
        """The title."""

    def render(self, device: QPaintDevice) -> None:
        """Paint it on a device that has its size."""


def _image(recorder: Recorder, charts: Sequence[str]) -> tuple[Painting, QSizeF]:
    from poolviz.ui.charts.image import SessionImage  # noqa: PLC0415 - loads Qt

    image = SessionImage(recorder, LIGHT, scale=1, charts=charts)
    start, end = part_of(recorder)
    return image, image.show(start, max(end, start + _SHORTEST))


def as_svg(make: Callable[[], tuple[Painting, QSizeF]]) -> bytes:
    """Return what `make` makes, with its size in pixels, as SVG. GUI thread only."""
    from PySide6.QtCore import QBuffer, QRectF  # noqa: PLC0415
    from PySide6.QtSvg import QSvgGenerator  # noqa: PLC0415

    from poolviz.ui.style.theme import plain_fonts  # noqa: PLC0415

    buffer, generator = QBuffer(), QSvgGenerator()
    with plain_fonts():
        image, size = make()
        generator.setOutputDevice(buffer)
        generator.setResolution(_DPI)
        generator.setSize(size.toSize())
        generator.setViewBox(QRectF(0, 0, size.width(), size.height()))
        generator.setTitle(on_one_line(image.title))
        generator.setDescription("Made by poolviz")
        image.render(generator)
        return _fitted(bytes(buffer.data().data()))


def _fitted(svg: bytes) -> bytes:
    """Return the SVG with the length of each text in it, so that it has the same room wherever
    Inter isn't installed, and without characters that XML doesn't have."""
    from PySide6.QtGui import QFont, QFontMetricsF  # noqa: PLC0415

    from poolviz.ui.style.theme import ui_font  # noqa: PLC0415

    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(_NO_XML.sub(b"", svg))
    for text in root.iter(f"{{{_SVG}}}text"):
        weight = QFont.Weight(int(text.get("font-weight", "400")))
        metrics = QFontMetricsF(ui_font(float(text.get("font-size", "12")), weight))
        text.set("textLength", f"{metrics.horizontalAdvance((text.text or '').rstrip()):.1f}")
        text.set("lengthAdjust", "spacingAndGlyphs")
        text.set("font-family", "Inter, sans-serif")
    found: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return found


def as_pdf(make: Callable[[], tuple[Painting, QSizeF]]) -> bytes:
    """Return what `make` makes, with its size in pixels, as a PDF of one page. GUI thread only."""
    from PySide6.QtCore import QBuffer, QIODevice, QMarginsF  # noqa: PLC0415
    from PySide6.QtGui import QPageSize, QPdfWriter  # noqa: PLC0415

    from poolviz.ui.style.theme import plain_fonts  # noqa: PLC0415

    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    with plain_fonts():
        image, size = make()
        writer = QPdfWriter(buffer)
        writer.setResolution(_DPI)
        writer.setPageSize(QPageSize(size * 72 / _DPI, QPageSize.Unit.Point, "poolviz"))
        writer.setPageMargins(QMarginsF(0, 0, 0, 0))
        writer.setTitle(on_one_line(image.title))
        writer.setCreator("poolviz")
        image.render(writer)
    return bytes(buffer.data().data())
