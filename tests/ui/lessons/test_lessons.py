"""The page of presets and the lessons, gone through by keys and pointer on a real run."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from poolviz.language import in_language
from poolviz.model.sample import MarkKind
from poolviz.runs.request import check_draft
from poolviz.scenarios.presets import presets
from poolviz.ui.lessons.gallery import PresetsPage
from poolviz.ui.lessons.lesson_run import Phase
from poolviz.ui.lessons.preset_picture import counts_by_preset
from poolviz.ui.window import Window
from tests.scenarios.test_lesson_table import RIGHT
from tests.ui.places import sessions
from tests.ui.running import servers_home, until, until_counting, window

__all__ = ["servers_home", "window"]


def page_of(window: Window) -> PresetsPage:
    page = window.pages.page("presets")
    assert isinstance(page, PresetsPage)
    return page


def press(button: QPushButton) -> None:
    """Press a button by the keyboard."""
    assert button.isVisible()
    button.setFocus()
    QTest.keyClick(button, Qt.Key.Key_Space)


def open_presets(qtbot: QtBot, window: Window) -> PresetsPage:
    window.activateWindow()
    until(qtbot, window.isActiveWindow)
    QTest.keyClick(window, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    until(qtbot, lambda: window.pages.name == "presets")
    return page_of(window)


def ask(qtbot: QtBot, window: Window, name: str) -> None:
    """Choose a preset's question on the page."""
    page = open_presets(qtbot, window)
    [card] = [card for card in page.cards if card.preset.name == name]
    press(card.predict_button)
    until(qtbot, lambda: window.learning.lesson.phase is Phase.PREDICT)


def test_presets_are_found_by_subject_and_words(qtbot: QtBot, window: Window) -> None:
    page = open_presets(qtbot, window)
    assert {card.preset.name for card in page.cards} == {preset.name for preset in presets()}
    QTest.keyClicks(page.search, "undersized")
    assert [c.preset.name for c in page.cards if c.isVisible()] == ["undersized"]
    page.search.clear()
    QTest.keyClicks(page.search, "xyzzy")
    assert not [c for c in page.cards if c.isVisible()]
    assert page.nothing.isVisible()
    QTest.keyClick(page, Qt.Key.Key_Escape)
    assert window.pages.name == "run"


def test_each_preset_has_a_picture_of_a_real_run() -> None:
    counts = counts_by_preset()
    assert set(counts) == {preset.name for preset in presets()}
    for each in counts.values():
        assert len(each.open) == len(each.used) == len(each.waiting) > 50
        assert max(each.used) >= 0.5


def test_a_lesson_is_predicted_run_explained_and_mended(qtbot: QtBot, window: Window) -> None:
    ask(qtbot, window, "undersized")
    bar, lesson = window.learning.lesson_bar, window.learning.lesson
    assert window.pages.name == "run"
    assert not window.controller.busy
    assert "three connections" in bar.words.text()
    assert window.focusWidget() is bar.choices[0]

    press(bar.choices[0])
    until_counting(qtbot, window)
    assert "You predict" in bar.verdict.text()
    assert "The answer comes in" in bar.status.text()
    assert "watch" not in window.banner.sentences  # it would say the answer
    assert window.controller.scenario.changes == ()

    press(bar.explain_button)
    assert lesson.phase is Phase.EXPLAIN
    assert "It is: About three times" in bar.verdict.text()
    assert "wait_p95" in bar.status.text()
    assert bar.mend_button.text() == "Mend it: pool_size = 10"

    press(bar.mend_button)
    until(qtbot, lambda: "after" in bar.status.text())
    assert window.controller.values["pool_size"] == 10
    recorder = window.controller.recorder
    assert recorder is not None
    changes = [mark for mark in recorder.marks if mark.kind is MarkKind.CHANGE]
    assert [(mark.key, mark.old, mark.new) for mark in changes] == [("pool_size", 3, 10)]
    press(bar.close_button)
    assert not bar.isVisible()
    assert window.controller.busy  # the run goes on


def test_a_remedy_ends_a_fault(qtbot: QtBot, window: Window) -> None:
    ask(qtbot, window, "slow_query")
    press(window.learning.lesson_bar.choices[1])
    until_counting(qtbot, window)
    standing = window.controller.active_faults.standing
    until(qtbot, lambda: bool(standing.get("slow_statements")))
    press(window.learning.lesson_bar.explain_button)
    assert window.learning.lesson_bar.verdict.text().startswith("✓ As you predicted")
    press(window.learning.lesson_bar.mend_button)
    until(qtbot, lambda: not standing["slow_statements"])


def test_a_preset_is_run_without_its_lesson(qtbot: QtBot, window: Window) -> None:
    page = open_presets(qtbot, window)
    [card] = [card for card in page.cards if card.preset.name == "healthy_pool"]
    press(card.run_button)
    until_counting(qtbot, window)
    assert not window.learning.lesson.on
    assert len(window.controller.scenario.changes) == 2
    assert "watch" in window.banner.sentences


def test_a_file_with_a_lesson_asks_its_question(
    qtbot: QtBot, window: Window, tmp_path: Path
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(tomli_w.dumps(RIGHT | {"title": "Mine"}), "utf-8")
    window.file_opener.open(file)
    until(qtbot, lambda: window.learning.lesson.phase is Phase.PREDICT)
    assert window.learning.lesson_bar.title.text() == "Mine: predict first"


def test_a_question_stays_while_a_session_is_open_and_another_one_ends_it(
    qtbot: QtBot, window: Window
) -> None:
    first, second = sessions(window)
    window.controller.view_session(first)
    until(qtbot, lambda: window.controller.viewing == first)
    ask(qtbot, window, "undersized")
    window.learning.judge(None)
    assert window.learning.lesson_bar.isVisible()
    window.controller.view_session(second)
    until(qtbot, lambda: not window.learning.lesson.on)


@pytest.mark.parametrize("size", [(900, 560), (1280, 800)])
def test_no_choice_of_any_lesson_is_cut_off_in_either_language(
    qtbot: QtBot, window: Window, size: tuple[int, int]
) -> None:
    window.resize(*size)
    for language in ("en", "es"):
        with in_language(language):
            for preset in presets():
                lesson = preset.draft.lesson
                assert lesson is not None
                window.learning.lesson.open(lesson, check_draft(preset.draft))
                for button in window.learning.lesson_bar.choices:
                    needed = button.fontMetrics().horizontalAdvance(button.text()) + 24
                    assert needed <= size[0] - 284 - 26, (preset.name, button.text())
                window.learning.lesson.leave()
