"""The choice of a theme, and applying it to the application."""

from __future__ import annotations

from PySide6.QtCore import QObject, QSettings, Signal
from PySide6.QtWidgets import QApplication

from poolviz.ui.style.theme import DARK, LIGHT, Theme, palette, stylesheet, system_theme, ui_font

CHOICES = ("system", "light", "dark")
_KEY = "theme"
_BASE = 13  # pixels of ordinary text


class ThemeManager(QObject):
    """Applies the chosen theme to the application. `changed` is emitted after each change."""

    changed = Signal(object)  # the Theme

    def __init__(self, application: QApplication, settings: QSettings) -> None:
        super().__init__(application)
        self._application, self._settings = application, settings
        chosen = str(settings.value(_KEY, "system"))
        self.choice = chosen if chosen in CHOICES else "system"
        application.setStyle("Fusion")
        application.setFont(ui_font(_BASE))
        application.styleHints().colorSchemeChanged.connect(self._desktop_changed)
        self.theme = self._wanted()
        self._apply()

    def choose(self, choice: str) -> None:
        """Choose `system`, `light` or `dark`, and store the choice."""
        self.choice = choice
        self._settings.setValue(_KEY, choice)
        self._follow()

    def _desktop_changed(self) -> None:
        self._follow()

    def _follow(self) -> None:
        if self._wanted() is not self.theme:
            self.theme = self._wanted()
            self._apply()
            self.changed.emit(self.theme)

    def _wanted(self) -> Theme:
        return {"light": LIGHT, "dark": DARK}.get(self.choice) or system_theme()

    def _apply(self) -> None:
        self._application.setPalette(palette(self.theme))
        self._application.setStyleSheet(stylesheet(self.theme))
