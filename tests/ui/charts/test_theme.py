"""Colours, type and style sheet."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from PySide6.QtGui import QColor, QFont, QFontInfo, QFontMetricsF
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from poolviz.system.resources import resource
from poolviz.ui.style.theme import DARK, LIGHT, Theme, stylesheet, system_theme, ui_font

THEMES = [LIGHT, DARK]


@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_is_a_colour(theme: Theme) -> None:
    for field in fields(Theme):
        if field.name != "name":
            assert re.fullmatch("#[0-9a-f]{6}", getattr(theme, field.name)), field.name


@pytest.mark.parametrize("theme", THEMES)
def test_words_can_be_read_on_what_is_under_them(theme: Theme) -> None:
    def luminance(colour: str) -> float:
        parts = [channel / 255 for channel in QColor(colour).getRgb()[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    for ground in (theme.bg, theme.panel, theme.info_bg, theme.warn_bg, theme.bad_bg):
        assert contrast(theme.text, ground) > 7
    assert contrast(theme.muted, theme.panel) > 4.5
    assert contrast(theme.on_accent, theme.accent) > 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_the_style_sheet_is_complete_and_qt_understands_it(
    theme: Theme, qapp: QApplication
) -> None:
    sheet = stylesheet(theme)
    assert "$" not in sheet
    for image in re.findall(r'url\("([^"]+)"\)', sheet):
        assert resource(f"themes/{image.rsplit('/', 1)[1]}").is_file()
    qapp.setStyleSheet(sheet)  # a mistake in it is a warning of Qt's, which fails the test
    qapp.setStyleSheet("")


@pytest.mark.parametrize("theme", THEMES)
def test_images_have_the_themes_colours(theme: Theme) -> None:
    known = {getattr(theme, field.name) for field in fields(Theme)}
    for image in resource("themes").glob(f"*-{theme.name}.svg"):
        used = set(re.findall("#[0-9a-f]{6}", image.read_text()))
        assert used <= known, image.name


def test_figures_are_equally_wide_also_under_the_style_sheet(
    qapp: QApplication, qtbot: QtBot
) -> None:
    for weight in (QFont.Weight.Normal, QFont.Weight.Medium, QFont.Weight.DemiBold):
        metrics = QFontMetricsF(ui_font(13, weight))
        assert metrics.horizontalAdvance("1111") == metrics.horizontalAdvance("0000")
    label = QLabel()
    qtbot.addWidget(label)
    label.setFont(ui_font(13))
    label.setStyleSheet("font-size: 23px; font-weight: 600")
    label.ensurePolished()
    metrics = QFontMetricsF(label.font())
    assert metrics.horizontalAdvance("1111") == metrics.horizontalAdvance("0000")


@pytest.mark.usefixtures("qapp")
def test_the_bundled_face_is_the_one_that_is_used() -> None:
    assert QFontInfo(ui_font(13)).family() == "Inter"
    assert QFontInfo(ui_font(13, QFont.Weight.DemiBold)).weight() == QFont.Weight.DemiBold


@pytest.mark.usefixtures("qapp")
def test_the_systems_theme_is_one_of_the_two() -> None:
    assert system_theme() in THEMES


def test_a_missing_resource_is_told_by_name() -> None:
    with pytest.raises(FileNotFoundError, match=r"resources/nothing\.here"):
        resource("nothing.here")
