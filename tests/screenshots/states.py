"""The states of the window that are worth a picture, by name: how each is reached.

A state is a context manager: it brings the window there and leaves what it opened. To add one,
write a generator here with `@state`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QDialog, QMenu

import poolviz
from poolviz.runs.request import RunRequest
from poolviz.runs.runner import Runner
from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.draft import Draft
from poolviz.sessions.export.exporter import PICTURE
from poolviz.sizing.api import SizingListener, find_size
from poolviz.sizing.planning import SizingRequest
from poolviz.sizing.target import Aim
from poolviz.system.resources import resource
from poolviz.ui.dialogs.help import HelpDialog
from poolviz.ui.session.controller import Controller, State
from poolviz.ui.settings import PER_MINUTE, RATES, SECONDS, TEXT_SIZE, TIMES
from poolviz.ui.window import Window

LOAD = {"clients": 24, "statement_time": 0.012, "hold_time": 0.008, "think_time": 0.02}


class Stand(NamedTuple):
    """A window, and a way to wait until something is so."""

    window: Window
    wait: Callable[..., None]

    @property
    def controller(self) -> Controller:
        return self.window.controller


States = Callable[[Stand], AbstractContextManager[None]]
STATES: dict[str, States] = {}


def state(enter: Callable[[Stand], Iterator[None]]) -> Callable[[Stand], Iterator[None]]:
    """Register a state under its function's name."""
    STATES[enter.__name__] = contextmanager(enter)
    return enter


# Ways


def run(stand: Stand, seconds: float, **draft: Any) -> None:
    """Have a run on the embedded server go on for so long."""
    chosen = {"pool": "sqlalchemy.QueuePool", "load": LOAD, **draft}
    stand.controller.plan(complete_draft(Draft(**chosen)))
    stand.controller.connect_to(None, start=True)
    wait_for_time(stand, seconds)


def wait_for_time(stand: Stand, seconds: float) -> None:
    """Wait until the run is so many seconds old."""
    stand.wait(lambda: duration(stand) >= seconds, f"{seconds} s of the run")


def duration(stand: Stand) -> float:
    recorder = stand.controller.recorder
    return recorder.duration if recorder is not None else 0.0


def stop(stand: Stand) -> None:
    stand.controller.stop()
    stand.wait(lambda: not stand.controller.busy, "the end of the run")


_recorded: list[Path] = []


def sessions() -> list[Path]:
    """Two sessions of one load on two pools, recorded when they are first asked for."""
    if not _recorded:
        for pool in ("sqlalchemy.QueuePool", "psycopg2.ThreadedConnectionPool"):
            limit = "max_overflow" if "Queue" in pool else "maxconn"
            result = poolviz.run(
                pool=pool,
                load={**LOAD, "clients": 12},
                changes=[{"at": 4, limit: 12}, {"at": 8, "kill_backend": True}],
                duration=12,
                keep=True,
            )
            assert result.session.path is not None
            _recorded.append(result.session.path)
    return _recorded


def view(stand: Stand, path: Path) -> None:
    stand.controller.view_session(path)
    stand.wait(lambda: stand.controller.viewing == path, "an opened session")


@contextmanager
def popped(stand: Stand, menu: QMenu, left: int) -> Iterator[None]:
    """Open a menu below the toolbar."""
    menu.popup(stand.window.mapToGlobal(QPoint(left, 46)))
    yield
    menu.close()


@contextmanager
def dialog(stand: Stand, action: str) -> Iterator[None]:
    """Open the dialog that an action of the window's menu opens, by its text."""
    [found] = [each for each in stand.window.actions() if each.text() == action]
    found.trigger()
    stand.wait(lambda: bool(dialogs(stand)), f"a dialog of {action}")
    yield
    for each in dialogs(stand):
        each.reject()


def trigger(stand: Stand, keys: str) -> None:
    """Do what a shortcut does: its text depends on the language."""
    [found] = [each for each in stand.window.actions() if each.shortcut().toString() == keys]
    found.trigger()


def dialogs(stand: Stand) -> list[QDialog]:
    return [each for each in stand.window.findChildren(QDialog) if each.isVisible()]


# States


@state
def nothing_yet(_stand: Stand) -> Iterator[None]:
    """Before the first run."""
    yield


@state
def first_seconds(stand: Stand) -> Iterator[None]:
    """A run of three seconds."""
    run(stand, 3)
    yield


@state
def running(stand: Stand) -> Iterator[None]:
    """A run with changes: callers wait, then overflow helps."""
    run(stand, 4, limits={"pool_size": 5, "max_overflow": 0})
    stand.controller.change_settings({"clients": 40})
    wait_for_time(stand, 14)
    stand.controller.change_settings({"max_overflow": 15})
    wait_for_time(stand, 28)
    yield


@state
def errors(stand: Stand) -> Iterator[None]:
    """A run whose pool runs out, so that callers time out, and whose server was restarted."""
    limits = {"pool_size": 2, "max_overflow": 0, "pool_timeout": 0.2}
    run(stand, 3, limits=limits)
    stand.controller.inject("kill_backend", True)
    wait_for_time(stand, 8)
    yield


@state
def ended(stand: Stand) -> Iterator[None]:
    """A run that has ended."""
    run(stand, 6)
    stop(stand)
    yield


@state
def preset(stand: Stand) -> Iterator[None]:
    """A preset with what to watch."""
    stand.window.file_opener.open(resource("presets/queuepool_starvation.toml"), lesson=False)
    wait_for_time(stand, 6)
    yield


@state
def session(stand: Stand) -> Iterator[None]:
    """A recorded session."""
    view(stand, sessions()[0])
    yield


@state
def card(stand: Stand) -> Iterator[None]:
    """What a change did, opened from its mark."""
    view(stand, sessions()[-1])
    ribbon = stand.window.cards.ribbon
    stand.wait(lambda: bool(ribbon.cards), "cards")
    stand.window.charts.set_span(None)
    stand.window.cards.open_at(ribbon.cards[0].at_s)
    yield


@state
def processes(stand: Stand) -> Iterator[None]:
    """Three processes, one of them added while they ran."""
    run(stand, 4, fleet={"processes": 2}, load={"clients": 4, "think_time": 0.02})
    stand.window.controller.change_settings({"processes": 3})
    wait_for_time(stand, duration(stand) + 8)
    yield


@state
def switched(stand: Stand) -> Iterator[None]:
    """Another pool was chosen, with the run before behind it and its figures beside."""
    run(stand, 6)
    stand.controller.choose_pool("psycopg2.ThreadedConnectionPool")
    before = stand.controller.recorder
    stand.wait(lambda: stand.controller.recorder is not before, "another run")
    wait_for_time(stand, 5)
    stand.wait(stand.window.figures.isVisible, "the figures of both")
    yield


@state
def repeated(stand: Stand) -> Iterator[None]:
    """A session that is run again on another pool, with itself behind it."""
    stand.controller.run_again(sessions()[0])
    stand.wait(lambda: "again" in stand.window.banner.sentences, "a session to be run again")
    stand.controller.connect_to(None, start=True)
    stand.wait(lambda: stand.controller.state is State.RUNNING, "a run")
    wait_for_time(stand, 7)
    yield


@state
def session_list(stand: Stand) -> Iterator[None]:
    """The sessions that are kept."""
    sessions()
    stand.window.sessions.show_list(True)
    yield


@state
def comparison(stand: Stand) -> Iterator[None]:
    """Two sessions, compared."""
    stand.window.sessions.show_comparison(sessions()[:2])
    page = stand.window.sessions.comparison
    stand.wait(lambda: page is not None and page.compared is not None, "a comparison")
    yield


@state
def server_dialog(stand: Stand) -> Iterator[None]:
    """The dialog in which a server is named."""
    stand.window.ask_for_server()
    stand.wait(lambda: bool(dialogs(stand)), "the server's dialog")
    yield


@state
def unreached(stand: Stand) -> Iterator[None]:
    """A server that can't be reached."""
    stand.controller.connect_to("postgresql://nobody@127.0.0.1:1/none")
    stand.wait(lambda: stand.controller.state is State.READY, "an answer")
    yield


@state
def pool_menu(stand: Stand) -> Iterator[None]:
    with popped(stand, stand.window.toolbar.pool_button.menu(), 250):
        yield


@state
def export_menu(stand: Stand) -> Iterator[None]:
    view(stand, sessions()[0])
    with popped(stand, stand.window.export, 700):
        yield


@state
def window_menu(stand: Stand) -> Iterator[None]:
    with popped(stand, stand.window.menu, 700):
        yield


@state
def tour(stand: Stand) -> Iterator[None]:
    """The second step of the first tour."""
    run(stand, 3)
    stand.window.learning.tour.begin()
    stand.window.learning.tour.skip()
    yield


@state
def help_dialog(stand: Stand) -> Iterator[None]:
    """The help on a chart."""
    stand.window.show_help("connections")
    stand.wait(lambda: bool(dialogs(stand)), "the help")
    [help_] = dialogs(stand)
    assert isinstance(help_, HelpDialog)
    stand.wait(lambda: help_.list.count() > 0, "topics")
    yield


@state
def every_chart(stand: Stand) -> Iterator[None]:
    """A session with every chart that there is."""
    view(stand, sessions()[0])
    stand.window.charts.choice.choose(PICTURE)
    yield


@state
def lanes(stand: Stand) -> Iterator[None]:
    """A lane for each connection of a run, in all the room."""
    run(stand, 6, limits={"pool_size": 20, "max_overflow": 10}, load={**LOAD, "clients": 60})
    stand.window.charts.choice.choose(("connections", "lanes"))
    stand.window.charts.expand("lanes")
    yield


@state
def holders(stand: Stand) -> Iterator[None]:
    """Who holds the connections of a pool that is exhausted, with the longest holder chosen."""
    load = {**LOAD, "clients": 12, "hold_time": 20}
    run(stand, 6, limits={"pool_size": 5, "max_overflow": 0, "pool_timeout": 2}, load=load)
    trigger(stand, "W")
    stand.wait(lambda: bool(stand.window.holders.table.rows.holds), "holders")
    stand.window.holders.table.selectRow(0)
    wait_for_time(stand, 8)
    yield


@state
def heatmap(stand: Stand) -> Iterator[None]:
    """The distribution of waits in a run, in all the room."""
    run(stand, 6)
    stand.window.charts.choice.choose(("connections", "heatmap"))
    stand.window.charts.expand("heatmap")
    yield


@state
def changes_together(stand: Stand) -> Iterator[None]:
    """Changes that are collected, to be made as one."""
    run(stand, 3)
    trigger(stand, "Ctrl+T")
    stand.controller.change_settings({"clients": 40})
    stand.controller.change_settings({"max_overflow": 15})
    yield


@state
def presets_and_lessons(stand: Stand) -> Iterator[None]:
    """The presets, by subject, with what they teach."""
    trigger(stand, "Ctrl+P")
    yield


@state
def sizing_settings(stand: Stand) -> Iterator[None]:
    """What is to be swept, before it is."""
    stand.controller.connect_to(None)
    stand.wait(lambda: stand.controller.target is not None, "a server")
    stand.window.sizing.show(True)
    yield


@state
def sizing_measured(stand: Stand) -> Iterator[None]:
    """The answer of a sweep, with another load asked about."""
    swept = stand.controller.sessions_folder / "swept.poolviz"
    if not swept.exists():
        swept.parent.mkdir(parents=True, exist_ok=True)
        with Runner() as runner:
            draft = Draft(pool="sqlalchemy.QueuePool", load=LOAD)
            wanted = SizingRequest(
                RunRequest.of(draft, [swept]), (), Aim.parse("wait_p95 < 20ms"), 45.0
            )
            find_size(wanted, runner, SizingListener())
    stand.controller.view_session(swept)
    page = stand.window.sizing
    stand.wait(lambda: page.page is not None and page.page.isVisible(), "the page of sizes")
    assert page.page is not None
    page.page.what_if.clients.setValue(page.page.what_if.clients.value() + 2)
    stand.wait(lambda: _has_what_if(stand), "the curves of what if")
    yield


def _has_what_if(stand: Stand) -> bool:
    page = stand.window.sizing.page
    chart = page.views[0].chart if page is not None else None
    return chart is not None and len(chart.curves) > 2


@state
def sizing_going(stand: Stand) -> Iterator[None]:
    """A sweep that goes on."""
    stand.controller.connect_to(None)
    stand.wait(lambda: stand.controller.target is not None, "a server")
    stand.window.sizing.show(True)
    page, sizes = stand.window.sizing.page, stand.controller.sizes
    assert page is not None
    page.form.start.click()
    stand.wait(lambda: sizes.sizing is not None and len(sizes.sizing.points) > 2, "some sizes")
    yield
    stop(stand)


@state
def lesson(stand: Stand) -> Iterator[None]:
    """The question of a lesson, before its run."""
    stand.controller.connect_to(None)
    stand.window.file_opener.open(resource("presets/undersized.toml"))
    stand.wait(stand.window.learning.lesson_bar.isVisible, "a lesson")
    yield


@state
def preferences(stand: Stand) -> Iterator[None]:
    """The preferences."""
    trigger(stand, "Ctrl+,")
    stand.wait(lambda: bool(dialogs(stand)), "the preferences")
    yield


@state
def lesson_answered(stand: Stand) -> Iterator[None]:
    """What happened in a lesson, and why, with the button that mends it."""
    stand.controller.connect_to(None)
    stand.window.file_opener.open(resource("presets/undersized.toml"))
    bar = stand.window.learning.lesson_bar
    stand.wait(bar.isVisible, "a lesson")
    stand.wait(lambda: stand.controller.state is State.READY, "a server")
    bar.choices[0].click()
    stand.wait(bar.explain_button.isVisible, "the run")
    wait_for_time(stand, 4)
    bar.explain_button.click()
    stand.wait(bar.mend_button.isVisible, "the answer")
    yield


@state
def chart_menu(stand: Stand) -> Iterator[None]:
    with popped(stand, stand.window.menu.charts, 300):
        yield


@state
def charts_for_export(stand: Stand) -> Iterator[None]:
    """The choice of charts for pictures and reports."""
    with popped(stand, stand.window.export.choice, 600):
        yield


@state
def preset_menu(stand: Stand) -> Iterator[None]:
    with popped(stand, stand.window.presets, 400):
        yield


@state
def own_pool(stand: Stand) -> Iterator[None]:
    """The dialog in which the user's own pool is named."""
    stand.window.toolbar.pool_button.menu().actions()[-1].trigger()
    stand.wait(lambda: bool(dialogs(stand)), "the dialog")
    yield
    for each in dialogs(stand):
        each.reject()


@state
def minutes_and_seconds(stand: Stand) -> Iterator[None]:
    """Times in seconds and rates a minute."""
    preferences = stand.window.theme_manager.preferences
    preferences.put(TIMES, SECONDS)
    preferences.put(RATES, PER_MINUTE)
    run(stand, 6)
    stand.window.charts.choice.choose(("connections", "wait", "throughput", "opened"))
    yield
    preferences.reset()


@state
def large_texts(stand: Stand) -> Iterator[None]:
    """Texts half as large again."""
    preferences = stand.window.theme_manager.preferences
    run(stand, 4)
    preferences.put(TEXT_SIZE, 150)
    yield
    preferences.reset()
