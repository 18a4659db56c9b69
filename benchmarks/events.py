"""How long events of the real window take, and what the window costs at rest.

    python benchmarks/events.py [--json] [--check] [--seconds N]

The window shows a session with changes and lanes, and then a run on the server that poolviz brings.
Actions are done as a user does them, by keys, pointer and wheel, and the events that Qt delivers
meanwhile are timed: what an event takes is what the window can't answer in. At rest the window
shows the session, and nothing runs. Both figures are processor time, which the load of a machine
that others use too changes less; for events the time that passed is printed beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from frames import TICK, samples, with_lanes
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QSettings, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog

from poolviz.model.messages import MarkAdded, RunEnded, RunStarted, SampleTaken
from poolviz.model.sample import Mark, MarkKind
from poolviz.model.scenario import Scenario
from poolviz.sessions.folder import SessionsFolder
from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.controller import Controller, State
from poolviz.ui.style.theme_manager import ThemeManager
from poolviz.ui.window import Window

LONGEST_MS, REST = 50.0, 0.02  # the goals: of an event, and of a core at rest
LENGTH = 900.0  # seconds of the session
LANES_FROM = 840.0
PATIENCE = 60.0
KEYS = (
    *("F9", "F9", "F8", "F8", "W", "W", "E", "Down", "Escape", "H", "H", "L", "L"),
    *("Left", "Right", "+", "-", "0", "Home", "End", "Ctrl+1", "Ctrl+4", "Ctrl+2"),
    *("Ctrl+Left", "Return", "Escape", "Ctrl+L", "Ctrl+L", "Ctrl+P", "Escape", "Ctrl+B", "Ctrl+B"),
    *("Ctrl+,", "F1"),
)


class Timed(QApplication):
    """Times each event that isn't delivered within another one, by what is being done."""

    def __init__(self) -> None:
        super().__init__(["poolviz"])
        self.doing, self._within = "", False
        self.longest: dict[str, tuple[float, float, str]] = {}  # CPU and passed ms, and the event

    def notify(self, receiver: QObject, event: QEvent) -> bool:
        """Deliver an event, and note what that took."""
        if self._within or not self.doing:
            return bool(super().notify(receiver, event))
        kind, self._within = event.type(), True
        name = type(receiver).__name__
        began, busy = time.perf_counter(), time.thread_time()
        try:
            return bool(super().notify(receiver, event))
        finally:
            self._within = False
            took = (time.thread_time() - busy) * 1e3, (time.perf_counter() - began) * 1e3
            if took > self.longest.get(self.doing, (0.0, 0.0, ""))[:2]:
                self.longest[self.doing] = (*took, f"{QEvent.Type(kind).name} of {name}")


def recorded(path: Path) -> None:
    """Record a session with a change each minute, the last minute of it with lanes."""
    count = round(LENGTH / TICK)
    run = samples(count)
    scenario = Scenario(pool="sqlalchemy.QueuePool", limits={"pool_size": 5}, load={"clients": 8})
    with Recorder(path) as recorder:
        recorder.add(RunStarted(time.time(), scenario, {}))
        for sample in islice(run, round(LANES_FROM / TICK)):
            recorder.add(SampleTaken(sample))
        for sample in with_lanes(run):
            recorder.add(SampleTaken(sample))
        for at in range(60, round(LENGTH), 60):
            recorder.add(MarkAdded(Mark(t=float(at), kind=MarkKind.CHANGE, text="clients 8→20")))
        recorder.add(RunEnded(0))


def spin(application: QApplication, done: Callable[[], bool] | float) -> None:
    """Deliver events for so many seconds, or until something is so."""
    end = time.monotonic() + (PATIENCE if callable(done) else done)
    while not (callable(done) and done()):
        if time.monotonic() > end:
            if callable(done):
                raise SystemExit("The window didn't get there.")
            return
        application.processEvents()
        time.sleep(0.002)


def actions(window: Window) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what a user does, by name."""
    for number, keys in enumerate(KEYS):
        yield (
            f"{number} {keys}",
            lambda keys=keys: QTest.keySequence(window.focusWidget() or window, keys),
        )
        yield f"{number} {keys}, closed", lambda: [d.reject() for d in window.findChildren(QDialog)]
    view = window.charts.canvas.viewport()
    middle = QPointF(view.rect().center())
    for notches in (2, -3):
        there = QPointF(view.mapToGlobal(middle.toPoint()))
        wheel = QWheelEvent(
            *(middle, there, QPoint(), QPoint(0, 120 * notches)),
            *(Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier),
            *(Qt.ScrollPhase.NoScrollPhase, False),
        )  # fmt: skip
        yield "wheel", lambda wheel=wheel: QApplication.sendEvent(view, wheel)
    for step in range(0, 200, 20):
        yield "pointer", lambda step=step: QTest.mouseMove(view, middle.toPoint() + QPoint(step, 0))
    for width in (1000, 1600, 1280):
        yield "size", lambda width=width: window.resize(width, 800)
    for theme in ("dark", "light"):
        yield f"theme {theme}", lambda theme=theme: window.theme_manager.choose(theme)


def measure(seconds: float) -> dict[str, object]:
    """Return the share of a core at rest, and for each action its longest event."""
    application = Timed()
    with tempfile.TemporaryDirectory() as folder:
        sessions = Path(folder) / "sessions"
        sessions.mkdir()
        path = sessions / "recorded.poolviz"
        recorded(path)
        settings = QSettings(str(Path(folder) / "settings.ini"), QSettings.Format.IniFormat)
        settings.setValue("tour/over", True)
        controller = Controller(SessionsFolder(sessions))
        window = Window(controller, ThemeManager(application, settings), settings)
        window.resize(1280, 800)
        window.show()
        spin(application, 1.0)
        controller.view_session(path)
        spin(application, lambda: controller.viewing == path and window.figures.isVisible())
        spin(application, 2.0)
        for name, act in actions(window):
            application.doing = name
            act()
            spin(application, 0.15)
        application.doing = ""
        spin(application, 2.0)
        busy = time.process_time()
        QTest.qWait(round(seconds * 1000))
        rest = (time.process_time() - busy) / seconds
        controller.connect_to(None, start=True)
        spin(application, lambda: controller.state is State.RUNNING)
        for doing, values in (("a run", {}), ("a change of it", {"clients": 20})):
            application.doing = doing
            controller.change_settings(values)
            spin(application, 4.0)
        application.doing = "the end of the run"
        controller.stop()
        spin(application, lambda: not controller.busy)
        spin(application, 1.0)
        application.doing = ""
        window.close()
    return {"rest": rest, "events": application.longest}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--check", action="store_true", help="exit with 1 over the goals")
    parser.add_argument("--seconds", type=float, default=10.0, help="at rest")
    options = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    found = measure(options.seconds)
    rest, events = float(found["rest"]), dict(found["events"])  # type: ignore[arg-type, call-overload]
    if options.json:
        print(json.dumps(found))
    else:
        print(f"at rest {rest:.2%} of a core; goal {REST:.0%}")
        print(f"{'longest event, in ms':34}{'CPU':>8}{'passed':>8}   goal {LONGEST_MS:.0f}")
        for name, (busy, passed, event) in sorted(events.items(), key=lambda e: -e[1][0])[:12]:
            print(f"{name:34}{busy:8.1f}{passed:8.1f}   {event}")
    over = rest > REST or any(busy > LONGEST_MS for busy, _, _ in events.values())
    return int(options.check and over)


if __name__ == "__main__":
    sys.exit(main())
