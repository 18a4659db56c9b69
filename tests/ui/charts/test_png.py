"""The picture of a session, with a window and without a display."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poolviz.load.settings import SETTINGS
from poolviz.model.errors import InputError
from poolviz.model.messages import SampleTaken
from poolviz.model.scenario import Scenario
from poolviz.pools.description import describe
from poolviz.pools.registry import learn, load_pool
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.image import SessionImage
from poolviz.ui.charts.png import png
from poolviz.ui.style.colours import DARK, LIGHT, Theme
from tests.sessions.builders import (
    LIMITS,
    LOAD,
    Tick,
    began,
    change,
    record,
    reports,
    samples,
    ticks,
)

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as made:
        yield record(made, reports(samples(ticks(400)), change(8.0)))


def colours(image: QImage) -> set[str]:
    step = 3
    return {
        image.pixelColor(x, y).name()
        for x in range(0, image.width(), step)
        for y in range(0, image.height(), step)
    }


@pytest.mark.usefixtures("qapp")
@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_a_picture_is_at_twice_the_size_and_holds_every_chart(
    recorder: Recorder, tmp_path: Path, theme: Theme
) -> None:
    path = tmp_path / "graphs.png"
    path.write_bytes(png(recorder, theme))
    image = QImage(str(path))
    assert image.width() == 2560
    assert image.height() > 1700
    found = colours(image)
    expected = (theme.bg, theme.panel, theme.used, theme.overflow, theme.idle, theme.wait)
    assert found.issuperset(expected)
    assert found & {theme.p99, theme.p95}
    assert theme.throughput in found


@pytest.mark.usefixtures("qapp")
def test_a_stretch_of_the_session_is_another_picture(recorder: Recorder, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.png", tmp_path / "part.png"
    whole.write_bytes(png(recorder))
    part.write_bytes(png(recorder, start=5.0, end=10.0))
    assert QImage(str(whole)) != QImage(str(part))
    assert QImage(str(whole)).size() == QImage(str(part)).size()


@pytest.mark.usefixtures("qapp")
def test_a_session_of_one_sample_is_drawn(tmp_path: Path) -> None:
    with Recorder() as recorder:
        record(recorder, reports(samples(ticks(1))))
        (tmp_path / "short.png").write_bytes(png(recorder))
    assert LIGHT.panel in colours(QImage(str(tmp_path / "short.png")))


@pytest.mark.usefixtures("qapp")
def test_a_picture_says_which_loop_it_was_and_draws_what_was_not_begun(tmp_path: Path) -> None:
    load = {**SETTINGS.defaults(), "arrivals": "open", "rate": 250.0}
    scenario = Scenario(pool="sqlalchemy.QueuePool", limits=LIMITS, load=load)
    crowd = Tick(used=(5,), idle=(0,), pending=(4,), backlog=(9,))
    reports = [began(scenario=scenario), *map(SampleTaken, samples([crowd] * 100))]
    with Recorder() as recorder:
        record(recorder, reports)
        facts = {heading: rest for heading, *rest in SessionImage(recorder, LIGHT).paragraphs}
        (tmp_path / "open.png").write_bytes(png(recorder))
    assert "open loop" in facts["Measured"]
    assert any("the moment a request was due" in fact for fact in facts["Measured"])
    assert "rate 250/s" in facts["Load"]
    assert not [fact for fact in facts["Load"] if fact.startswith("burst")]  # it did nothing
    assert LIGHT.backlog in colours(QImage(str(tmp_path / "open.png")))


@pytest.mark.usefixtures("qapp")
def test_a_run_that_never_began_is_drawn_empty() -> None:
    with Recorder() as recorder:
        assert QImage.fromData(png(recorder)).width() == 2560


@pytest.mark.usefixtures("qapp")
def test_a_picture_replaces_the_one_before(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "graphs.png"
    path.write_text("something else")
    exporter_for(path).export(recorder, path)
    assert not QImage(str(path)).isNull()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("qapp")
@pytest.mark.parametrize("name", ["no folder/graphs.png", "."])
def test_where_nothing_can_be_written_one_sentence_says_so(
    recorder: Recorder, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match="Can't write") as raised:
        exporter_for(Path("a.png")).export(recorder, tmp_path / name)
    assert len(raised.value.problems) == 1
    assert not list(tmp_path.iterdir())


def test_a_worker_may_ask_while_the_window_lives(
    recorder: Recorder, tmp_path: Path, qapp: QApplication, qtbot: QtBot
) -> None:
    path, failures = tmp_path / "graphs.png", []

    def work() -> None:
        try:
            exporter_for(path).export(recorder, path)
        except Exception as error:  # noqa: BLE001 - reports to the test below
            failures.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    qtbot.waitUntil(lambda: not worker.is_alive(), timeout=30_000)
    worker.join()
    assert not failures
    assert QImage(str(path)).width() == 2560


@pytest.mark.usefixtures("qapp")
def test_a_picture_is_headed_by_the_title_of_its_scenario() -> None:
    titled = Scenario(pool="sqlalchemy.QueuePool", limits=LIMITS, load=LOAD, title="A burst " * 40)
    with Recorder() as recorder:
        record(recorder, [began(scenario=titled), *map(SampleTaken, samples(ticks(20)))])
        image = SessionImage(recorder, LIGHT)
        assert image.title == f"{titled.title} · SQLAlchemy QueuePool"
        header = image.paint(0.0, 1.0).copy(0, 0, 2560, 90)  # at SCALE 2
        assert LIGHT.faint in colours(header)  # the program's name has room at the right


@pytest.mark.usefixtures("qapp")
def test_a_picture_names_and_describes_a_pool_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from psycopg2.pool import ThreadedConnectionPool\n"
        "class MyPool(ThreadedConnectionPool):\n"
        "    def __init__(self, minconn, maxconn, patience_timeout: float = 2.0, **kwargs):\n"
        "        super().__init__(minconn, maxconn, **kwargs)\n"
    )
    pool = load_pool(f"{path}:MyPool")
    scenario = Scenario(pool=pool.id, limits=pool.limits.defaults(), load=LOAD)
    with Recorder() as recorder:
        record(recorder, [began(scenario=scenario), *map(SampleTaken, samples(ticks(20)))])
        unknown = SessionImage(recorder, LIGHT)
        learn(pool.id, describe(pool))
        known = SessionImage(recorder, LIGHT)
        assert (known.title, unknown.title) == ("MyPool", pool.id)
        assert known.paint(0.0, 1.0) != unknown.paint(0.0, 1.0)
        assert "patience_timeout 2 s" in known.paragraphs[0]


def run_alone(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, without a display and without a word about one."""
    hidden = {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "XDG_SESSION_TYPE"}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


DRAW = """
import sys
from pathlib import Path
from poolviz.model.errors import PoolvizError
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.recorder import Recorder
try:
    with Recorder.open(Path({session!r})) as recorder:
        exporter_for(Path({picture!r})).export(recorder, Path({picture!r}))
except PoolvizError as error:
    sys.exit(f"said: {{error}}")
"""


@pytest.fixture
def drawing(tmp_path: Path) -> str:
    """A program that draws a session file."""
    session = tmp_path / "run.poolviz"
    with Recorder(session) as recorder:
        record(recorder, reports(samples(ticks(100))))
    return DRAW.format(session=str(session), picture=str(tmp_path / "alone.png"))


@pytest.mark.parametrize("display", [{}, {"DISPLAY": ":987"}])
def test_a_picture_needs_no_display(drawing: str, tmp_path: Path, display: dict[str, str]) -> None:
    done = run_alone(drawing, **display)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert QImage(str(tmp_path / "alone.png")).width() == 2560


def test_without_qts_system_libraries_one_sentence_names_them(drawing: str, tmp_path: Path) -> None:
    missing = """
import sys
class NoLibraries:
    def find_spec(self, name, path=None, target=None):
        if name == "PySide6.QtGui":
            raise ImportError("libEGL.so.1: cannot open shared object file")
sys.meta_path.insert(0, NoLibraries())
"""
    done = run_alone(missing + drawing)
    assert done.returncode == 1
    assert done.stderr.startswith("said: Qt, which draws the picture")
    assert "libEGL.so.1" in done.stderr
    assert "apt-get install libegl1" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "alone.png").exists()
