"""A button whose text ends in … where there is no room for it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import (
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QStylePainter,
    QWidget,
)

from poolviz.ui.unexpected import contained

_NARROWEST = 110  # pixels, unless another width is asked for


class ElidedButton(QPushButton):
    """Shows as much of its text as there is room for. It is `narrowest` pixels wide at least."""

    def __init__(
        self, text: str, parent: QWidget | None = None, *, narrowest: int = _NARROWEST
    ) -> None:
        super().__init__(text, parent)
        self._narrowest = narrowest
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        """Return a size that leaves room to others."""
        hint = self.sizeHint()
        return QSize(min(hint.width(), self._narrowest), hint.height())

    @contained()
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the text, or its beginning."""
        option = QStyleOptionButton()
        self.initStyleOption(option)
        lacking = self.sizeHint().width() - self.width()
        if lacking > 0:
            metrics, end = self.fontMetrics(), Qt.TextElideMode.ElideRight
            room = metrics.horizontalAdvance(option.text) - lacking
            option.text = metrics.elidedText(option.text, end, room)
        QStylePainter(self).drawControl(QStyle.ControlElement.CE_PushButton, option)
