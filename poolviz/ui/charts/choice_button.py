"""The button below the charts, in whose menu they are chosen."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from poolviz.language import tr
from poolviz.ui.style.icons import icon
from poolviz.ui.style.theme import Theme


class ChoiceButton(QPushButton):
    """Opens the menu of charts; hidden until it has one."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setGeometry(4, 4, 32, 24)
        self.setToolTip(tr("Which charts are shown"))
        self.setAccessibleName(tr("Charts that are shown"))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setStyleSheet(
            "QPushButton { padding: 0; } QPushButton::menu-indicator { image: none; width: 0; }"
        )
        self.set_theme(theme)
        self.hide()

    def open_menu(self, menu: QMenu) -> None:
        """Have a menu, and be visible."""
        self.setMenu(menu)
        self.show()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.setIcon(icon("charts", theme.text))
