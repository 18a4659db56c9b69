"""Every place of the window that can be reached without a run, by name, for tests of looks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtWidgets import QApplication, QDialog, QWidget
from pytestqt.qtbot import QtBot

from poolviz.language import tr
from poolviz.model.messages import MarkAdded, SampleTaken
from poolviz.sessions.recorder import Recorder
from poolviz.system.resources import resource
from poolviz.ui.dialogs.help import HelpDialog
from poolviz.ui.session.notices import Weight
from poolviz.ui.settings import AT_START, PALETTE, TIMES
from poolviz.ui.window import Window
from tests.sessions.builders import began, change, ended
from tests.sessions.test_lanes import with_lanes
from tests.sizing.sizings import sizing
from tests.ui.running import until

Way = Callable[[Window, QtBot], None]
WAYS: dict[str, Way] = {}
DIALOGS = ("own server", "own pool", "preferences", "help")


def place(name: str) -> Callable[[Way], Way]:
    """Register the way to a place."""

    def register(way: Way) -> Way:
        WAYS[name] = way
        return way

    return register


def come_to(name: str, window: Window, qtbot: QtBot) -> QWidget:
    """Have a place of the window shown, and return the window or dialog that it is in."""
    WAYS[name](window, qtbot)
    for _ in range(3):
        QApplication.processEvents()
    return shown_dialogs(window)[0] if name in DIALOGS else window


def shown_dialogs(window: Window) -> list[QDialog]:
    return [each for each in window.findChildren(QDialog) if each.isVisible()]


def sessions(window: Window) -> list[Path]:
    """Two sessions of the window's folder, with a change and with lanes."""
    folder = window.controller.sessions_folder
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{name} with a name of some length.poolviz" for name in ("first", "second")]
    for path in paths:
        if path.exists():
            continue
        with Recorder(path) as recorder:
            recorder.add(began())
            for sample in with_lanes(400):
                after = int(sample.index >= 200)
                recorder.add(SampleTaken(replace(sample, segment=after)))
            recorder.add(MarkAdded(change(10.0)))
            recorder.add(ended())
    return paths


@place("window")
def _nothing(_window: Window, _qtbot: QtBot) -> None:
    pass


@place("open sections")
def _sections(window: Window, _qtbot: QtBot) -> None:
    for fold in window.panel.folds.values():
        fold.header.setChecked(True)


@place("notices")
def _notices(window: Window, _qtbot: QtBot) -> None:
    for weight, setting in zip(Weight, (TIMES, PALETTE, AT_START), strict=True):
        words = tr(setting.help)
        window.controller.notices.say(weight, words, weight, "max_connections = 20", lambda: None)


@place("changes together")
def _together(window: Window, qtbot: QtBot) -> None:
    window.controller.requests.collect()
    until(qtbot, window.panel.collected.isVisible)


@place("session")
def _session(window: Window, qtbot: QtBot) -> None:
    """With its figures, the cards of changes, lanes, and who held connections."""
    path = sessions(window)[0]
    window.charts.choice.choose(("connections", "wait", "lanes"))
    if window.controller.viewing != path:
        window.controller.view_session(path)
    until(qtbot, lambda: window.controller.viewing == path)
    until(qtbot, lambda: window.figures.isVisible() and bool(window.figures.text))
    until(qtbot, lambda: window.tiles.throughput.figure != "–")
    until(qtbot, lambda: bool(window.cards.ribbon.cards))
    until(qtbot, lambda: bool(window.holders.table.rows.holds))


@place("card")
def _card(window: Window, qtbot: QtBot) -> None:
    _session(window, qtbot)
    window.charts.set_span(None)
    window.cards.open_at(window.cards.ribbon.cards[0].at_s)
    until(qtbot, window.cards.view.isVisible)


@place("sessions")
def _sessions(window: Window, qtbot: QtBot) -> None:
    paths = sessions(window)
    window.sessions.show_list(True)
    page = window.sessions.list
    assert page is not None
    until(qtbot, lambda: page.shown.rowCount() == len(paths))
    page.table.selectRow(0)


@place("comparison")
def _comparison(window: Window, qtbot: QtBot) -> None:
    window.sessions.show_comparison(sessions(window))
    page = window.sessions.comparison
    assert page is not None
    until(qtbot, lambda: page.compared is not None and page.isVisible())


@place("sizing settings")
def _sizing_settings(window: Window, _qtbot: QtBot) -> None:
    window.sizing.show(True)


@place("sizing")
def _sizing(window: Window, qtbot: QtBot) -> None:
    window.sizing.show(True)
    page = window.sizing.page
    assert page is not None
    window.controller.sizes.show(sizing("wait_p95 < 20ms"))
    until(qtbot, lambda: page.views[0].chart is not None)


@place("presets")
def _presets(window: Window, _qtbot: QtBot) -> None:
    window.learning.show_presets()


@place("lesson")
def _lesson(window: Window, qtbot: QtBot) -> None:
    window.file_opener.open(resource("presets/undersized.toml"))
    until(qtbot, window.learning.lesson_bar.isVisible)


@place("tour")
def _tour(window: Window, qtbot: QtBot) -> None:
    window.learning.begin_tour()
    until(qtbot, window.learning.tour_bar.isVisible)


@place("own server")
def _own_server(window: Window, qtbot: QtBot) -> None:
    window.ask_for_server()
    until(qtbot, lambda: shown_dialogs(window) != [])


@place("own pool")
def _own_pool(window: Window, qtbot: QtBot) -> None:
    window.toolbar.pool_button.menu().actions()[-1].trigger()
    until(qtbot, lambda: shown_dialogs(window) != [])


@place("preferences")
def _preferences(window: Window, qtbot: QtBot) -> None:
    window.dialogs.show_preferences()
    until(qtbot, lambda: shown_dialogs(window) != [])


@place("help")
def _help(window: Window, qtbot: QtBot) -> None:
    window.show_help("")
    until(qtbot, lambda: shown_dialogs(window) != [])
    [dialog] = shown_dialogs(window)
    assert isinstance(dialog, HelpDialog)
    until(qtbot, lambda: dialog.list.count() > 0)  # a worker reads the topics
