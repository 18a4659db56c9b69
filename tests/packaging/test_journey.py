"""A person at a desktop, with keyboard and mouse, at the packaged program."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from PySide6.QtGui import QImage

from tests.packaging.desktop import Desktop
from tests.packaging.program import GONE_WITHIN, Somebody, of
from tests.packaging.seat import TITLE, Seat, keep_picture
from tests.packaging.slider import known_slider
from tests.packaging.test_bundle import assert_nothing_is_left
from tests.servers.fixtures import BOUND, wait_until

_NEAR = 4  # pixels that the edge of its ring may be off


class Sitting(Seat):
    """Somebody who pulls at sliders."""

    def drag(self, key: str, start: int, end: int) -> None:
        """Pull the slider of a parameter from one value to another, as it is seen: a notice that
        comes or goes meanwhile moves it, then it is tried again."""
        slider = known_slider(self.desktop.place(self.window).width, key, start, end)

        def pulled() -> bool:
            place, begin, target = self.desktop.place(self.window), *slider.knobs
            picture = self.screenshot("slider")
            y = slider.seen(picture)
            if slider.fill(picture, y) < target - _NEAR:
                self.desktop.drag(place.left + begin, place.top + y, place.left + target)
            return slider.fill(self.screenshot("slider"), y) >= target - _NEAR

        wait_until(pulled, f"the knob of {key} is at {end}")


@contextmanager
def sitting(
    desktop: Desktop, program: Path, person: Somebody, *arguments: str
) -> Iterator[Sitting]:
    """The program, from its start on; a picture is kept of what stood there when a test failed."""
    person.leave_tour()
    with person.start(program, *arguments, display=desktop.name) as process:
        window = desktop.window(TITLE)
        desktop.focus(window)
        try:
            yield Sitting(desktop, person, process, window)
        except BaseException:
            keep_picture(desktop, f"failed as {person.name}")
            raise


def test_it_starts_measures_changes_exports_and_closes_with_its_cross(
    desktop: Desktop, program: Path, person: Somebody
) -> None:
    with sitting(desktop, program, person) as seat:
        wait_until(lambda: person.samples() > 40, "samples are recorded")

        before = seat.screenshot("before")
        after = wait_until(lambda: _changed(before, seat.screenshot("after")), "the curves move")
        assert after > 200

        seat.drag("clients", 8, 40)
        wait_until(lambda: person.connections() >= 10, "40 clients fill the pool of 5 + 5")
        seat.drag("pool_size", 5, 30)
        wait_until(lambda: person.connections() > 20, "the server sees that pool_size is 30")

        graphs = person.home / "my graphs.png"
        desktop.press("ctrl+e")
        dialog = desktop.window("Graphs as PNG")
        desktop.focus(dialog)
        desktop.press("ctrl+a")
        desktop.write(str(graphs))
        desktop.press("Return")
        wait_until(graphs.exists, "the graphs are written")
        picture = QImage(str(graphs))
        assert picture.width() > 800 and picture.height() > 400
        assert not desktop.windows("Graphs as PNG")

        keep_picture(desktop, f"packaged, {person.name}")
        seat.close()
        assert seat.process.wait(BOUND) == 0
    assert person.said == ""
    _forget_pictures(person)
    assert_nothing_is_left(program, person)


def test_killed_it_leaves_nothing_within_five_seconds_and_starts_again(
    desktop: Desktop, program: Path, person: Somebody
) -> None:
    with sitting(desktop, program, person) as seat:
        wait_until(lambda: person.samples() > 20, "samples are recorded")
        family = of(program)
        assert any(each.name().startswith("postgres") for each in family)
        killed = time.monotonic()
        seat.process.kill()
        _, alive = psutil.wait_procs(
            [each for each in family if each.pid != seat.process.pid], GONE_WITHIN
        )
        assert not alive, f"left after {time.monotonic() - killed:.1f} s: {alive}"
    assert_nothing_is_left(program, person)
    recorded = len(list(person.data.glob("sessions/2*.poolviz")))
    with sitting(desktop, program, person) as seat:
        wait_until(
            lambda: (
                len(list(person.data.glob("sessions/2*.poolviz"))) > recorded
                and person.samples() > 20
            ),
            "the next start records",
        )
        seat.desktop.press("ctrl+q")
        assert seat.process.wait(BOUND) == 0
    assert_nothing_is_left(program, person)


def test_a_session_opens_in_it(desktop: Desktop, program: Path, user: Somebody) -> None:
    done = user.run(program, "run", "--duration", "1", "--quiet", "--out", "mine.poolviz")
    assert done.returncode == 0, done.stderr
    with user.start(program, "mine.poolviz", display=desktop.name) as process:
        window = desktop.window("mine.poolviz – poolviz")
        desktop.focus(window)
        desktop.press("ctrl+q")
        assert process.wait(BOUND) == 0


def _changed(before: QImage, after: QImage) -> int:
    """How many points of the charts differ, of every fourth."""
    return sum(
        before.pixel(x, y) != after.pixel(x, y)
        for x in range(before.width() // 3, before.width(), 4)
        for y in range(before.height() // 3, before.height() - 40, 4)
    )


def _forget_pictures(person: Somebody) -> None:
    for name in ("before", "after", "slider"):
        (person.home / f"{name}.png").unlink()


@pytest.fixture(autouse=True)
def _calm(desktop: Desktop) -> Iterator[None]:
    """No window of an earlier test is about."""
    wait_until(lambda: not desktop.windows(TITLE), "the desktop is empty")
    yield
