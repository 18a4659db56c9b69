"""The choice of theme, palette and text size, and applying them to the application."""

from __future__ import annotations

from PySide6.QtCore import QObject, QSettings, Signal
from PySide6.QtWidgets import QApplication

from poolviz.ui.settings import HIGH_CONTRAST, PALETTE, RATES, TEXT_SIZE, THEME, TIMES, Settings
from poolviz.ui.style.colours import DARK_CONTRAST, LIGHT_CONTRAST
from poolviz.ui.style.theme import (
    DARK,
    LIGHT,
    Theme,
    palette,
    scale_texts,
    stylesheet,
    system_theme,
    ui_font,
)
from poolviz.ui.style.units import use_units

CHOICES = THEME.choices
_BASE = 13  # pixels of ordinary text
_CONTRAST = {LIGHT.name: LIGHT_CONTRAST, DARK.name: DARK_CONTRAST}


class ThemeManager(QObject):
    """Applies the chosen theme to the application. `changed` is emitted after each change.

    `preferences` has what is chosen, and everything else that the user prefers.
    """

    changed = Signal(object)  # the Theme

    def __init__(self, application: QApplication, settings: QSettings) -> None:
        super().__init__(application)
        self._application = application
        self.preferences = Settings(settings, self)
        application.setStyle("Fusion")
        application.styleHints().colorSchemeChanged.connect(self._follow)
        self.preferences.changed.connect(self._take)
        self.theme = self._wanted()
        self._apply()

    @property
    def choice(self) -> str:
        """`system`, `light` or `dark`."""
        return str(self.preferences.value(THEME))

    def choose(self, choice: str) -> None:
        """Choose `system`, `light` or `dark`, and store the choice."""
        self.preferences.put(THEME, choice)

    def _take(self, key: str) -> None:
        if key in (TEXT_SIZE.key, TIMES.key, RATES.key):
            self._apply()
            self.changed.emit(self.theme)
        else:
            self._follow()

    def _follow(self) -> None:
        if self._wanted() is not self.theme:
            self.theme = self._wanted()
            self._apply()
            self.changed.emit(self.theme)

    def _wanted(self) -> Theme:
        theme = {"light": LIGHT, "dark": DARK}.get(self.choice) or system_theme()
        contrast = self.preferences.value(PALETTE) == HIGH_CONTRAST
        return _CONTRAST[theme.name] if contrast else theme

    def _apply(self) -> None:
        use_units(str(self.preferences.value(TIMES)), str(self.preferences.value(RATES)))
        scale_texts(self.preferences.number(TEXT_SIZE) / 100)
        self._application.setFont(ui_font(_BASE))
        self._application.setPalette(palette(self.theme))
        self._application.setStyleSheet(stylesheet(self.theme))
