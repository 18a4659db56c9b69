"""What a change did is on a card: on the ribbon, and opened from its mark by pointer and keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poolviz.model.messages import MarkAdded, SampleTaken
from poolviz.model.sample import Mark, MarkKind
from poolviz.sessions.cards import Card
from poolviz.sessions.differences import Outcome
from poolviz.sessions.recorder import Recorder
from poolviz.ui.window import Window
from tests.sessions.builders import began, change, ended, samples
from tests.sessions.test_cards import part
from tests.ui.running import plan, run_on, servers_home, until, window

__all__ = ["servers_home", "window"]

LENGTH = 20.0  # seconds of a segment
NOTE = 30.0


def recorded(path: Path) -> Path:
    """A session of three segments, whose waits get shorter and then don't, and with a note."""
    path.parent.mkdir(exist_ok=True)
    count = round(LENGTH / 0.05)
    run = [*part(count, 0, wait=0.1), *part(count, 1, wait=0.01), *part(count, 2, wait=0.01)]
    with Recorder(path) as recorder:
        recorder.add(began())
        ends = [sample.t for sample in samples(iter(run))]
        for sample in samples(replace(each) for each in run):
            recorder.add(SampleTaken(sample))
        recorder.add(MarkAdded(change(ends[count - 1])))
        recorder.add(MarkAdded(Mark(t=NOTE, kind=MarkKind.NOTE, text="mark 1")))
        recorder.add(MarkAdded(change(ends[2 * count - 1], "max_overflow", 10, 12)))
        recorder.add(ended())
    return path


def opened(window: Window, qtbot: QtBot) -> list[Card]:
    """Have the window show that session whole; return its cards."""
    path = recorded(window.controller.sessions_folder / "cards.poolviz")
    window.controller.view_session(path)
    ribbon = window.cards.ribbon
    until(qtbot, lambda: len(ribbon.cards) == 2)
    window.charts.set_span(None)
    return list(ribbon.cards)


def click_at(window: Window, time: float) -> None:
    """Click on a time, on the chart's line and not on its labels."""
    canvas = window.charts.canvas
    plot = canvas.chart_scene.plots[-1]
    x = round(canvas.chart_scene.x_of(time))
    at = canvas.mapFromScene(x, plot.center().y())
    QTest.mouseClick(canvas.viewport(), Qt.MouseButton.LeftButton, pos=at)


def test_the_ribbon_says_in_short_what_each_change_did(window: Window, qtbot: QtBot) -> None:
    first, second = opened(window, qtbot)
    ribbon = window.cards.ribbon
    assert ribbon.isVisible()
    names = [button.accessibleName() for button in ribbon.buttons]
    assert names[0].startswith("pool_size 5 → 8: wait p95 ")
    assert "max_overflow 10 → 12: no clear difference" in names[1]
    assert ribbon.buttons[0].toolTip() == first.sentence
    assert second.outcome is Outcome.NOT_CLEAR


def test_a_click_on_a_mark_opens_its_card_and_escape_closes_it(
    window: Window, qtbot: QtBot
) -> None:
    card = opened(window, qtbot)[0]
    click_at(window, card.at_s)
    view = window.cards.view
    assert view.isVisible()
    assert view.text.splitlines()[0] == "pool_size 5 → 8"
    assert any(line.startswith("wait p95") and "−" in line for line in view.text.splitlines())
    operations = f"{card.before.operations:,} and {card.after.operations:,} operations"
    assert operations in view.text
    scene = window.charts.canvas.chart_scene
    edges = [(band.left(), band.right()) for band in scene.spans.bands[:2]]
    expected = [(p.from_s, p.to_s) for p in (card.before, card.after)]
    for shown, (begin, end) in zip(edges, expected, strict=True):
        assert abs(shown[0] - scene.x_of(begin)) < 1
        assert abs(shown[1] - scene.x_of(end)) < 1
    assert window.cards.ribbon.buttons[0].isChecked()
    assert window.charts.reference is None, "the click did something else too"
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert not view.isVisible()
    assert not scene.spans.bands
    assert not window.cards.ribbon.buttons[0].isChecked()


def test_keys_go_from_mark_to_mark_and_return_opens_the_card(window: Window, qtbot: QtBot) -> None:
    first, second = opened(window, qtbot)
    charts, view = window.charts, window.cards.view
    charts.setFocus()
    control = Qt.KeyboardModifier.ControlModifier
    QTest.keyClick(charts, Qt.Key.Key_Left, control)
    QTest.keyClick(charts, Qt.Key.Key_Return)
    assert view.card == second
    QTest.keyClick(view, Qt.Key.Key_Escape)
    QTest.keyClick(charts, Qt.Key.Key_Left, control)  # a note has no card
    QTest.keyClick(charts, Qt.Key.Key_Return)
    assert not view.isVisible()
    assert "no card of this mark" in window.banner.sentences["card"]
    QTest.keyClick(charts, Qt.Key.Key_Left, control)
    QTest.keyClick(charts, Qt.Key.Key_Return)
    assert view.card == first


def test_a_card_of_the_ribbon_is_opened_by_keys_and_shows_its_time(
    window: Window, qtbot: QtBot
) -> None:
    opened(window, qtbot)
    window.charts.set_span(5.0)
    window.charts.follow()
    buttons = window.cards.ribbon.buttons
    buttons[1].setFocus()
    QTest.keyClick(buttons[1], Qt.Key.Key_Left)
    assert buttons[0].hasFocus()
    QTest.keyClick(buttons[0], Qt.Key.Key_Return)
    card, frame = window.cards.view.card, window.charts.frame
    assert card is not None
    assert frame.start <= card.at_s <= frame.end
    assert frame.start <= card.before.from_s
    assert card.after.to_s <= frame.end
    QTest.mouseClick(buttons[0], Qt.MouseButton.LeftButton)
    assert not window.cards.view.isVisible()


def test_a_run_that_goes_on_gets_a_card_after_a_change(
    window: Window, qtbot: QtBot, conninfo: str
) -> None:
    plan(window, pool_size=1, max_overflow=0)
    run_on(qtbot, window, conninfo)
    recorder = window.controller.recorder
    assert recorder is not None
    until(qtbot, lambda: recorder.duration > 3.0)
    window.controller.change_settings({"pool_size": 4})
    ribbon = window.cards.ribbon
    until(qtbot, lambda: any(each.outcome is not Outcome.TOO_FEW for each in ribbon.cards))
    assert ribbon.isVisible()
    assert ribbon.buttons[0].accessibleName().startswith("pool_size 1 → 4: ")
