"""Every text of the window is whole in the smallest window, in both languages and in larger texts.

The widgets are found in the window itself, so that a new one is tested without a word here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import (
    QAbstractScrollArea,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QStyle,
    QStyleOptionButton,
    QStyleOptionComboBox,
    QWidget,
)
from pytestqt.qtbot import QtBot

from poolviz.language import use_language
from poolviz.ui.cards.ribbon import CardRibbon
from poolviz.ui.elided_button import ElidedButton
from poolviz.ui.elided_combo import ElidedCombo
from poolviz.ui.elided_label import ElidedLabel
from poolviz.ui.settings import TEXT_SIZE
from poolviz.ui.style.theme import scale_texts
from poolviz.ui.window import Window
from tests.ui.running import open_window, servers_home, until
from tests.ui.test_accessibility import SMALLEST, called

__all__ = ["servers_home"]

RECORDED = Path(__file__).parents[1] / "sessions" / "data" / "format-2.poolviz"
ELIDED = (ElidedButton, ElidedCombo, ElidedLabel)  # end in … on purpose: only their height counts


@pytest.fixture(params=["en", "es"])
def small_window(
    request: pytest.FixtureRequest,
    qapp: QApplication,
    tmp_path: Path,
    servers_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Window]:
    monkeypatch.setenv("POOLVIZ_HOME", str(servers_home))
    use_language(request.param)
    try:
        with open_window(qapp, tmp_path) as opened:
            opened.resize(SMALLEST)
            yield opened
            opened.theme_manager.preferences.reset()
    finally:
        use_language("en")
        scale_texts(1.0)


def test_every_text_is_whole_in_the_smallest_window(
    small_window: Window, qtbot: QtBot, tmp_path: Path
) -> None:
    window = small_window
    recorded = Path(shutil.copy(RECORDED, tmp_path))
    cut: list[str] = []
    for percent in (100, 150):
        window.theme_manager.preferences.put(TEXT_SIZE, percent)
        for fold in window.panel.folds.values():
            fold.header.setChecked(True)
        cut += cut_texts(window, f"window at {percent} %")
        window.dialogs.show_preferences()
        until(qtbot, lambda: shown_dialogs(window) != [])
        [dialog] = shown_dialogs(window)
        cut += cut_texts(dialog, f"preferences at {percent} %")
        dialog.close()
        until(qtbot, lambda: shown_dialogs(window) == [])
    window.controller.view_session(recorded)  # its figures fill the tiles and the panel
    until(qtbot, lambda: window.controller.viewing == recorded)
    until(qtbot, lambda: window.figures.isVisible() and bool(window.figures.text))
    until(qtbot, lambda: window.tiles.throughput.figure != "–")
    window.figures.dismiss.show()
    cut += cut_texts(window, "session at 150 %")
    assert window.size() == SMALLEST
    assert not cut, "\n".join(cut)


def shown_dialogs(window: Window) -> list[QDialog]:
    return [each for each in window.findChildren(QDialog) if each.isVisible()]


def cut_texts(root: QWidget, where: str) -> list[str]:
    """Say which texts in a window or dialog have too little room, once it is laid out."""
    for _ in range(5):
        QApplication.processEvents()
    found = []
    for widget in root.findChildren(QWidget):
        if not widget.isVisible() or widget.window() is not root or widget.size().isEmpty():
            continue
        room = room_and_need(widget)
        if room is None:
            continue
        have, need = room
        if isinstance(widget, ELIDED):
            need.setWidth(0)
        if need.width() > have.width() + 1 or need.height() > have.height() + 1:
            found.append(f"{where}: {called(widget)}: {have.toTuple()} of {need.toTuple()}")
        elif not is_within(widget, root):
            found.append(f"{where}: {called(widget)} stands outside of what holds it")
    return found


def room_and_need(widget: QWidget) -> tuple[QSize, QSize] | None:
    """The room for a widget's text, and what its text needs; None for one without a text."""
    metrics, style = widget.fontMetrics(), widget.style()
    if isinstance(widget, QLabel):
        if not widget.text():
            return None
        if widget.wordWrap():
            return widget.size(), QSize(0, widget.heightForWidth(widget.width()))
        return widget.size(), widget.sizeHint()
    if isinstance(widget, QPushButton) and widget.text():
        button = QStyleOptionButton()
        widget.initStyleOption(button)
        have = style.subElementRect(QStyle.SubElement.SE_PushButtonContents, button, widget)
        text = metrics.size(Qt.TextFlag.TextShowMnemonic, widget.text())
        icon = 0 if widget.icon().isNull() else widget.iconSize().width() + 4
        return have.size(), QSize(text.width() + icon, metrics.height())
    if isinstance(widget, QCheckBox | QRadioButton):
        return widget.size(), widget.sizeHint()
    if isinstance(widget, QComboBox):
        combo = QStyleOptionComboBox()
        widget.initStyleOption(combo)
        part = QStyle.SubControl.SC_ComboBoxEditField
        have = style.subControlRect(QStyle.ComplexControl.CC_ComboBox, combo, part, widget)
        need = QSize(metrics.horizontalAdvance(widget.currentText()), metrics.height())
        return have.size(), need
    if isinstance(widget, QAbstractSpinBox):
        [line] = widget.findChildren(QLineEdit)
        margins = line.textMargins()
        beside = margins.left() + margins.right() + 2  # and the cursor
        need = QSize(metrics.horizontalAdvance(line.text()), metrics.height())
        return line.size() - QSize(beside, 0), need
    return None


def is_within(widget: QWidget, root: QWidget) -> bool:
    """Whether nothing that holds a widget cuts it. What is scrolled may be above or below."""
    around = widget.parentWidget()
    while around is not None:
        place = QRect(widget.mapTo(around, QPoint()), widget.size())
        area = around.parentWidget()
        if isinstance(area, QAbstractScrollArea) and area.viewport() is around:
            if isinstance(area, CardRibbon):  # scrolled sideways
                return place.top() >= 0 and place.bottom() < around.height()
            return place.left() >= 0 and place.right() < around.width()
        if not around.rect().contains(place):
            return False
        if around is root:
            return True
        around = around.parentWidget()
    return True
