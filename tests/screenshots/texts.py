"""The texts that a window shows: what it paints, and what it says of itself to a pointer that rests
and to a screen reader."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from PySide6.QtCore import QBuffer, QIODevice, QPoint
from PySide6.QtGui import QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QApplication, QComboBox, QLineEdit, QMenu, QWidget

_TEXT = "{http://www.w3.org/2000/svg}text"


def texts() -> Iterator[tuple[str, str]]:
    """Yield each text of the windows, dialogs and menus that are open, and where it stands."""
    for top in QApplication.topLevelWidgets():
        if not top.isVisible():
            continue
        for text in painted(top):
            yield f"painted in {type(top).__name__}", text
        for widget in (top, *top.findChildren(QWidget)):
            # A part that isn't shown here has a state of its own.
            if widget.isVisible():
                yield from _said(widget)


def painted(widget: QWidget) -> list[str]:
    """Return the texts that a widget and those in it paint."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(widget.size())
    painter = QPainter(generator)
    widget.render(painter, QPoint())
    painter.end()
    root = ElementTree.fromstring(bytes(buffer.data().data()))
    return [text for each in root.iter(_TEXT) if (text := "".join(each.itertext()).strip())]


def _said(widget: QWidget) -> Iterator[tuple[str, str]]:
    place = f"{type(widget).__name__} {widget.objectName()}".strip()
    found = [widget.toolTip(), widget.accessibleName(), widget.accessibleDescription()]
    found += [widget.statusTip(), widget.whatsThis(), widget.windowTitle()]
    if isinstance(widget, QLineEdit):
        found.append(widget.placeholderText())
    if isinstance(widget, QComboBox):
        found += [widget.itemText(index) for index in range(widget.count())]
    actions = widget.actions() if isinstance(widget, QMenu) else []
    for action in actions:
        found += [action.text().replace("&", ""), action.toolTip()]
    yield from ((place, text) for text in found if text)
