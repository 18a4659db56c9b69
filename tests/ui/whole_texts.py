"""Which texts of a window or a dialog have too little room."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import (
    QAbstractScrollArea,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QStyle,
    QStyleOptionButton,
    QStyleOptionComboBox,
    QToolButton,
    QWidget,
)

from poolviz.ui.cards.ribbon import CardRibbon
from poolviz.ui.elided_button import ElidedButton
from poolviz.ui.elided_combo import ElidedCombo
from poolviz.ui.elided_label import ElidedLabel

SMALLEST = QSize(900, 560)
ELIDED = (ElidedButton, ElidedCombo, ElidedLabel)  # end in … on purpose: only their height counts


def called(widget: QWidget) -> str:
    text = getattr(widget, "text", lambda: "")()
    own = widget.accessibleName() or text or widget.objectName() or widget.toolTip()
    return f"{type(widget).__name__} {str(own)[:60]!r}"


def cut_texts(root: QWidget, where: str) -> list[str]:
    """Say which texts in a window or dialog have too little room, once it is laid out."""
    for _ in range(5):
        QApplication.processEvents()
    found = []
    for widget in root.findChildren(QWidget):
        if not widget.isVisible() or widget.window() is not root or widget.size().isEmpty():
            continue
        if isinstance(widget, QHeaderView) and not isinstance(root, QFileDialog):  # Qt's own
            found += [f"{where}: {words}" for words in cut_headings(widget)]
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
        lines = 1 + widget.text().count("\n")
        icon = 0 if widget.icon().isNull() else widget.iconSize().width() + 4
        return have.size(), QSize(text.width() + icon, lines * metrics.height())
    if isinstance(widget, QToolButton) and widget.text():
        words = QSize(metrics.horizontalAdvance(widget.text().replace("&", "")), metrics.height())
        return widget.size(), words
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


def cut_headings(header: QHeaderView) -> list[str]:
    """Say which headings of a table's columns are cut."""
    sideways = header.orientation() is Qt.Orientation.Horizontal
    elided = header.textElideMode() is not Qt.TextElideMode.ElideNone  # on purpose
    if not sideways or elided or header.model() is None:
        return []
    cut = []
    for section in range(header.count()):
        need, have = header.sectionSizeHint(section), header.sectionSize(section)
        if not header.isSectionHidden(section) and need > have + 1:
            words = header.model().headerData(section, header.orientation())
            cut.append(f"heading {words!r}: {have} of {need}")
    return cut


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
