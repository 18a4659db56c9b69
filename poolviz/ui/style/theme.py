"""Fonts, palette and style sheet of the two themes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
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
    "plain_fonts",
    "scale_texts",
    "stylesheet",
    "system_theme",
    "text_room",
    "ui_font",
]

_scale = [1.0]  # of texts on the screen; exports are made by processes that leave it as it is
_SIZES = re.compile(r"((?:font-size|min-height): )(\d+)px")
_plain: list[bool] = []  # an entry for each block of `plain_fonts`
_FAMILY = "Inter"
_FACES = ("Inter-Regular.ttf", "Inter-Medium.ttf", "Inter-SemiBold.ttf")
_LOADED = "poolviz fonts loaded"  # a property of the application, with which the fonts are unloaded


def system_theme() -> Theme:
    """Return the theme that matches the desktop's."""
    scheme = QGuiApplication.styleHints().colorScheme()
    return DARK if scheme == Qt.ColorScheme.Dark else LIGHT


def load_fonts() -> None:
    """Load the bundled font Inter, once for each application."""
    application = QGuiApplication.instance()
    if application is None or application.property(_LOADED):
        return
    for face in _FACES:
        QFontDatabase.addApplicationFont(str(resource(f"fonts/{face}")))
    application.setProperty(_LOADED, True)


def ui_font(px: float, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """Return Inter in `px` pixels, rounded as Qt needs it, with figures of equal width."""
    load_fonts()
    font = QFont(_FAMILY)
    font.setPixelSize(max(1, round(px * (1.0 if _plain else _scale[0]))))
    font.setWeight(weight)
    if _plain:
        font.setFeature(QFont.Tag("calt"), 0)
    else:
        font.setFeature(QFont.Tag("tnum"), 1)
        font.setFeature(QFont.Tag("cv05"), 1)  # an l that differs from I
    return font


def scale_texts(factor: float) -> None:
    """Have fonts and style sheets that are made from now on be so many times as large."""
    _scale[0] = factor


def text_room() -> float:
    """Return how many times the usual room texts need now; smaller ones leave it as it is."""
    return 1.0 if _plain else max(_scale[0], 1.0)


@contextmanager
def plain_fonts() -> Iterator[None]:
    """Have `ui_font` return fonts without features in this block. GUI thread only.

    In SVG and PDF, Qt loses the text of characters that a feature draws in another form.
    """
    _plain.append(True)
    try:
        yield
    finally:
        _plain.pop()


def palette(theme: Theme) -> QPalette:
    """Return the palette: what the style sheet doesn't cover, such as selections and links."""
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
    """Return the application's style sheet: `resources/themes/window.qss` in the theme's colours.

    Its selectors are object names and the properties `role`, `level` and `primary`.
    """
    sheet = Template(resource("themes/window.qss").read_text(encoding="utf-8"))
    text = sheet.substitute(asdict(theme), images=resource("themes").as_posix())
    return _SIZES.sub(lambda size: f"{size[1]}{round(int(size[2]) * _scale[0])}px", text)
