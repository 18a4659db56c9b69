"""A box of choices whose text ends in … where there is no room for it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

from poolviz.ui.unexpected import contained

_NARROWEST = 3.5  # times the height of its text: a few letters and the arrow


class ElidedCombo(QComboBox):
    """Shows as much of its choice as there is room for, and may become narrow."""

    def minimumSizeHint(self) -> QSize:
        """Return a size that leaves room to others."""
        hint = super().minimumSizeHint()
        return QSize(
            min(round(_NARROWEST * self.fontMetrics().height()), hint.width()), hint.height()
        )

    @contained()
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the choice, or its beginning."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        field = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideRight, field.width()
        )
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
