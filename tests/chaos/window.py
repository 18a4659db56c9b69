"""A real window in a process of its own, that runs one leg of a round after the other.

python -m tests.chaos.window LEGS.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from poolviz.load.faults import FAULTS
from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.draft import Draft
from poolviz.system import interrupts
from poolviz.ui.app import run_window
from poolviz.ui.session.controller import Controller, State
from poolviz.ui.window import Window

_LOOK = 50  # milliseconds
_BEGINS = 30.0  # seconds until a run is given up that doesn't begin: a busy machine takes its time
_LONGEST = 15.0  # seconds of one that doesn't end


class _Driver:
    """Does with a window what the legs say: a pool each, and changes in their order."""

    def __init__(self, legs: list[dict[str, Any]]) -> None:
        self._legs = legs
        self._leg = legs.pop(0)
        self._changes: list[dict[str, Any]] = list(self._leg.pop("changes"))
        self._ran = 0.0  # seconds that this leg's run has been seen to run
        self._waited = 0.0
        self._looked = time.monotonic()
        self.draft = self._draft()
        self.timer = QTimer(interval=_LOOK)
        self.timer.timeout.connect(self._step)

    def _draft(self) -> Draft:
        fields = {key: self._leg[key] for key in ("pool", "limits", "load", "seed")}
        return Draft(**fields)  # it goes on until the next leg

    def _step(self) -> None:
        [window] = [each for each in QApplication.topLevelWidgets() if isinstance(each, Window)]
        controller = window.controller
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        self._waited += passed
        if controller.state is State.RUNNING:
            self._ran += passed
            while self._changes and self._changes[0]["at"] <= self._ran:
                self._change(controller, self._changes.pop(0))
        ended = controller.state is State.READY and self._waited > 2 and self._ran > 0
        late = self._waited > (_LONGEST if self._ran else _BEGINS)
        if late and not self._ran:
            sys.stderr.write(f"The run doesn't begin: the window is {controller.state}.\n")
        if self._ran > self._leg["duration"] or ended or late:
            self._next(window)

    def _change(self, controller: Controller, change: dict[str, Any]) -> None:
        [(key, value)] = [each for each in change.items() if each[0] != "at"]
        if key in FAULTS:
            controller.inject(key, value)
        else:
            controller.change_settings({key: value})

    def _next(self, window: Window) -> None:
        if not self._legs:
            self.timer.stop()
            window.close()
            return
        self._leg, self._ran, self._waited = self._legs.pop(0), 0.0, 0.0
        self._changes = list(self._leg.pop("changes"))
        window.controller.perform(complete_draft(self._draft()))


def main(legs: Path) -> int:
    """Run the window until its last leg is over."""
    application = QApplication(["poolviz"])
    driver = _Driver(json.loads(legs.read_text(encoding="utf-8")))
    driver.timer.start()
    status = run_window(driver.draft, None)
    del application
    return status


if __name__ == "__main__":
    interrupts.install()  # as the program does first
    interrupts.listen()
    sys.exit(main(Path(sys.argv[1])))
