"""The first tour as a new user goes through it: in the real window, by keys and pointer, in each
language. What to use is seen by the frame around it."""

from __future__ import annotations

import configparser
import os
import pwd
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest
from PySide6.QtCore import QRect

from poolviz.ui.style.theme import LIGHT
from poolviz.ui.tour.steps import STEPS
from tests.packaging.desktop import open_desktop
from tests.packaging.frame import framed
from tests.packaging.program import somebody
from tests.packaging.seat import TITLE, Seat, keep_picture
from tests.packaging.slider import known_slider
from tests.servers.fixtures import BOUND, wait_until

_AGAIN = 20.0  # seconds without an effect after which a person tries again
_MARGIN = 4  # pixels between what is framed and the frame
_LINE = 0.75  # of a row's height, from the top, where the line of a slider is
_BOX = (32, 11)  # pixels from the upper right corner of a row to the middle of its box
# The title of the dialog that Ctrl+E opens, as far as it is ASCII.
_EXPORT = {"en_GB.UTF-8": "Graphs as PNG", "es_ES.UTF-8": "ficos en PNG"}


class Learner(Seat):
    """Somebody new, who does what the tour asks for."""

    @property
    def step(self) -> int:
        """How many steps are done, as the program itself keeps it."""
        return int(self._kept("step") or -1)

    @property
    def over(self) -> bool:
        """The tour won't be offered again."""
        return self._kept("over") == "true"

    def frame(self) -> QRect:
        """Where on the screen the frame is."""
        found = wait_until(
            lambda: framed(self.screenshot("frame"), LIGHT.accent), "the tour frames something"
        )
        assert isinstance(found, QRect)
        place = self.desktop.place(self.window)
        return found.translated(place.left, place.top)

    def press_framed(self) -> None:
        """Click what is framed."""
        middle = self.frame().center()
        self.desktop.click(middle.x(), middle.y())

    def pull_clients(self) -> None:
        """Drag the framed slider from 8 clients to 40."""
        place = self.desktop.place(self.window)
        slider = known_slider(place.width, "clients", 8, 40)
        frame = self.frame()
        begin, target = slider.knobs
        y = frame.top() + round(frame.height() * _LINE)
        self.desktop.drag(place.left + begin, y, place.left + target)

    def raise_limit(self) -> None:
        """Type a larger limit into the framed box."""
        frame = self.frame()
        across, down = _BOX
        self.desktop.click(frame.right() - _MARGIN - across, frame.top() + _MARGIN + down)
        self.desktop.press("ctrl+a")
        self.desktop.write("60")
        self.desktop.press("Return")

    def choose_pool(self) -> None:
        """Choose the second pool of the framed menu."""
        self.press_framed()
        self.desktop.press("Down", "Down", "Return")

    def find_run(self) -> None:
        """Look at the list of sessions."""
        self.desktop.press("ctrl+l")

    def _kept(self, key: str) -> str | None:
        settings = configparser.RawConfigParser(strict=False)
        settings.read(self.person.data / "settings.ini", encoding="utf-8")
        return settings.get("tour", key, fallback=None)


ACTIONS: dict[str, Callable[[Learner], None]] = {
    "wait": Learner.pull_clients,
    "room": Learner.raise_limit,
    "fault": Learner.press_framed,
    "pool": Learner.choose_pool,
    "keep": Learner.find_run,
}


@contextmanager
def learner(locale: str) -> Iterator[Learner]:
    """Somebody with that language who starts the program for the first time, at a desktop."""
    name = pwd.getpwuid(os.geteuid()).pw_name
    with somebody(name) as anybody, open_desktop() as desktop:
        person = replace(anybody, locale=locale)
        with person.start_from_source(desktop.name) as process:
            try:
                window = desktop.window(TITLE)
                desktop.focus(window)
                yield Learner(desktop, person, process, window)
            finally:
                keep_picture(desktop, f"last of {locale}")


@pytest.fixture
def learners() -> Iterator[list[Learner]]:
    """One for each language, who go on side by side: most of the tour's time is looking."""
    with ExitStack() as both:
        yield [both.enter_context(learner(locale)) for locale in _EXPORT]


def test_new_users_go_through_the_tour_by_keys_and_pointer_in_both_languages(
    learners: list[Learner],
) -> None:
    for number, step in enumerate(STEPS):
        _all_do(learners, ACTIONS.get(step.name, _watch), number)
    for each in learners:
        assert each.over
        assert each.desktop.windows("psycopg2 ThreadedConnectionPool – poolviz")
        keep_picture(each.desktop, f"tour {each.person.locale} over")
        _is_in_their_language(each)
        each.desktop.press("ctrl+q")
        assert each.process.wait(BOUND) == 0
        assert each.person.said == ""


def _is_in_their_language(learner: Learner) -> None:
    """Open the dialog of an export, whose title is known, and close it."""
    desktop, title = learner.desktop, _EXPORT[learner.person.locale]
    desktop.press("ctrl+e")
    desktop.focus(desktop.window(title))
    desktop.press("Escape")
    wait_until(lambda: not desktop.windows(title), "the dialog is closed")
    desktop.focus(learner.window)


def _all_do(learners: list[Learner], action: Callable[[Learner], None], number: int) -> None:
    """Have each do a step, again if nothing comes of it, until the tour has seen it done."""
    deadline = time.monotonic() + 2 * BOUND
    for each in learners:
        wait_until(lambda each=each: each.step == number, f"the tour is at step {number}")
        keep_picture(each.desktop, f"tour {each.person.locale} {number}")
    while left := [each for each in learners if each.step <= number]:
        assert time.monotonic() < deadline, (
            f"step {number} isn't done in {[each.person.locale for each in left]}"
        )
        for each in left:
            action(each)
        patience = time.monotonic() + _AGAIN
        while time.monotonic() < patience and any(each.step <= number for each in left):
            time.sleep(0.05)


def _watch(_learner: Learner) -> None:
    """Do nothing: the first step is to look."""
