"""The look: colours, type and style sheet, light and dark."""

from __future__ import annotations

from dataclasses import asdict
from string import Template

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette

from poolviz.system.resources import resource
from poolviz.ui.style.colours import DARK, LIGHT, Theme

__all__ = [
    "DARK",
    "LIGHT",
    "Theme",
    "load_fonts",
    "palette",
    "stylesheet",
    "system_theme",
    "ui_font",
]

_FAMILY = "Inter"
_FACES = ("Inter-Regular.ttf", "Inter-Medium.ttf", "Inter-SemiBold.ttf")
_LOADED = "poolviz fonts loaded"  # kept on the application: fonts go when it goes


def system_theme() -> Theme:
    """The theme that the desktop asks for."""
    scheme = QGuiApplication.styleHints().colorScheme()
    return DARK if scheme == Qt.ColorScheme.Dark else LIGHT


def load_fonts() -> None:
    """Make the bundled Inter known to Qt, once for each application."""
    application = QGuiApplication.instance()
    if application is None or application.property(_LOADED):
        return
    for face in _FACES:
        QFontDatabase.addApplicationFont(str(resource(f"fonts/{face}")))
    application.setProperty(_LOADED, True)


def ui_font(px: float, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """Inter at `px` pixels (whole ones: Qt knows no others), all its figures equally wide."""
    load_fonts()
    font = QFont(_FAMILY)
    font.setPixelSize(round(px))
    font.setWeight(weight)
    font.setFeature(QFont.Tag("tnum"), 1)
    font.setFeature(QFont.Tag("cv05"), 1)  # an l that is no I
    return font


def palette(theme: Theme) -> QPalette:
    """What Qt paints by itself (selections, placeholders, links) in the theme's colours."""
    colours = QPalette()
    for role, colour in (
        (QPalette.ColorRole.Window, theme.bg),
        (QPalette.ColorRole.WindowText, theme.text),
        (QPalette.ColorRole.Base, theme.panel),
        (QPalette.ColorRole.AlternateBase, theme.hover),
        (QPalette.ColorRole.Text, theme.text),
        (QPalette.ColorRole.PlaceholderText, theme.faint),
        (QPalette.ColorRole.Button, theme.panel),
        (QPalette.ColorRole.ButtonText, theme.text),
        (QPalette.ColorRole.ToolTipBase, theme.panel),
        (QPalette.ColorRole.ToolTipText, theme.text),
        (QPalette.ColorRole.Highlight, theme.accent),
        (QPalette.ColorRole.HighlightedText, theme.on_accent),
        (QPalette.ColorRole.Link, theme.accent),
        (QPalette.ColorRole.Mid, theme.line),
    ):
        colours.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        colours.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.faint))
    return colours


def stylesheet(theme: Theme) -> str:
    """The style sheet of the whole application.

    `resources/themes/window.qss` with the theme's colours put in; what a widget is, it says
    by its object name or its `role`, `level` and `primary` properties.
    """
    sheet = Template(resource("themes/window.qss").read_text(encoding="utf-8"))
    return sheet.substitute(asdict(theme), images=resource("themes").as_posix())
