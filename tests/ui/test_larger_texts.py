"""Every text of the window is whole in the smallest window, in both languages and in larger texts.

The widgets are found in the window itself, so that a new one is tested without a word here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poolviz.language import use_language
from poolviz.ui.settings import TEXT_SIZE
from poolviz.ui.style.theme import scale_texts
from poolviz.ui.window import Window
from tests.ui.places import DIALOGS, WAYS, come_to, shown_dialogs
from tests.ui.running import open_window, servers_home, until
from tests.ui.whole_texts import SMALLEST, cut_texts

__all__ = ["servers_home"]


@pytest.fixture(params=["en", "es"])
def small_window(
    request: pytest.FixtureRequest,
    qapp: QApplication,
    tmp_path: Path,
    servers_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Window]:
    monkeypatch.setenv("POOLVIZ_HOME", str(servers_home))
    use_language(request.param)
    try:
        with open_window(qapp, tmp_path) as opened:
            opened.resize(SMALLEST)
            yield opened
            opened.theme_manager.preferences.reset()
    finally:
        use_language("en")
        scale_texts(1.0)


@pytest.mark.parametrize("percent", [100, 150])
def test_every_text_is_whole_in_the_smallest_window(
    small_window: Window, qtbot: QtBot, percent: int
) -> None:
    window = small_window
    window.theme_manager.preferences.put(TEXT_SIZE, percent)
    cut: list[str] = []
    for name in WAYS:
        cut += cut_texts(come_to(name, window, qtbot), name)
        if name in DIALOGS:
            shown_dialogs(window)[0].reject()
            until(qtbot, lambda: shown_dialogs(window) == [])
    assert window.size() == SMALLEST
    assert not cut, "\n".join(dict.fromkeys(cut))
