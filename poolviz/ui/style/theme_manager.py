"""The theme that is in use: the desktop's, light or dark, and the application painted in it."""

from __future__ import annotations

from PySide6.QtCore import QObject, QSettings, Signal
from PySide6.QtWidgets import QApplication

from poolviz.ui.style.theme import DARK, LIGHT, Theme, palette, stylesheet, system_theme, ui_font

CHOICES = ("system", "light", "dark")
_KEY = "theme"
_BASE = 13  # pixels of ordinary words


class ThemeManager(QObject):
    """Paints the application; tells when the theme is another."""

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
        self._paint()

    def choose(self, choice: str) -> None:
        """`system`, `light` or `dark`, kept for the next time."""
        self.choice = choice
        self._settings.setValue(_KEY, choice)
        self._follow()

    def _desktop_changed(self) -> None:
        self._follow()

    def _follow(self) -> None:
        if self._wanted() is not self.theme:
            self.theme = self._wanted()
            self._paint()
            self.changed.emit(self.theme)

    def _wanted(self) -> Theme:
        return {"light": LIGHT, "dark": DARK}.get(self.choice) or system_theme()

    def _paint(self) -> None:
        self._application.setPalette(palette(self.theme))
        self._application.setStyleSheet(stylesheet(self.theme))
