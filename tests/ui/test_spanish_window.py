"""Each state of the window in Spanish: nothing that is painted, said by a tooltip or told to a
screen reader is English."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poolviz.language import use_language
from poolviz.ui.language import apply_language
from poolviz.ui.window import Window
from tests.language import catalogues
from tests.language.english import english_in
from tests.screenshots.states import STATES, Stand
from tests.screenshots.texts import texts
from tests.ui.running import servers_home, until, window

__all__ = ["servers_home", "window"]


# Those that need no run; the others take minutes.
QUICK = (
    *("nothing_yet", "server_dialog", "pool_menu", "window_menu", "chart_menu", "preset_menu"),
    *("presets_and_lessons", "help_dialog", "preferences", "own_pool"),
)
SLOW = tuple(name for name in STATES if name not in QUICK)
# Values as files and commands have them, and names of topics: the same in each language.
TYPED = {"open", "closed", "connections", "language", "errors"}


@pytest.fixture(autouse=True)
def _spanish(qapp: QApplication, tmp_path: Path) -> Iterator[None]:
    settings = QSettings(str(tmp_path / "spanish.ini"), QSettings.Format.IniFormat)
    settings.setValue("language", "es")
    apply_language(qapp, settings, chosen=True)  # Qt's own texts too
    yield
    use_language("en")
    apply_language(qapp, QSettings(str(tmp_path / "none.ini"), QSettings.Format.IniFormat))


@pytest.fixture(scope="module")
def english() -> set[str]:
    """The English texts that are something else in Spanish, whatever their length."""
    found, spanish = set(), set()
    for area in catalogues.AREAS:
        for message in catalogues.read("es", area):
            found |= {message.id} if isinstance(message.id, str) else {*message.id}
            spanish |= {message.string} if isinstance(message.string, str) else {*message.string}
    return found - spanish - TYPED


@pytest.mark.qt_log_ignore("does not support", extend=True)  # offscreen, of a menu
@pytest.mark.parametrize("name", QUICK)
def test_nothing_that_is_shown_is_english(
    name: str, english: set[str], window: Window, qtbot: QtBot
) -> None:
    look_at(name, english, window, qtbot)


@pytest.mark.on_demand
@pytest.mark.qt_log_ignore("does not support", extend=True)
@pytest.mark.parametrize("name", SLOW)
def test_nothing_that_is_shown_of_a_run_is_english(
    name: str, english: set[str], window: Window, qtbot: QtBot
) -> None:
    look_at(name, english, window, qtbot)


def look_at(name: str, english: set[str], window: Window, qtbot: QtBot) -> None:
    stand = Stand(window, lambda condition, _what="": until(qtbot, condition))
    with STATES[name](stand):
        QApplication.processEvents()
        shown = set(texts())
    assert len(shown) > 20
    assert not [(place, text) for place, text in shown if text in english or english_in(text)]
