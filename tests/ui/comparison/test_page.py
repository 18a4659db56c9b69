"""Comparing sessions in the real window: from the list, by its buttons and keys, and as files."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poolviz.sessions.comparison import Compared
from poolviz.sessions.comparison_files import SUFFIXES, write_file
from poolviz.sessions.folder import SessionsFolder
from poolviz.sessions.recorder import Recorder
from poolviz.ui.comparison.page import ComparisonPage
from poolviz.ui.style.colours import DARK
from poolviz.ui.window import Window
from tests.sessions.builders import change
from tests.sessions.test_cards import part
from tests.sessions.test_comparison import recorded
from tests.ui.running import servers_home, until, window
from tests.ui.session_list.test_page import open_page, select

__all__ = ["servers_home", "window"]

Key = Qt.Key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sessions of the window's folder, of which the second waits longer."""
    folder = tmp_path / "sessions"
    folder.mkdir()
    for name, wait in (("first", 0.01), ("second", 0.05)):
        run = [*part(200, 0), *part(200, 1, wait=wait)]
        path = folder / f"{name}.poolviz"
        with recorded(run, change(10.0, "max_overflow", 5, 0), path=path):
            pass
    return folder


def shown(qtbot: QtBot, window: Window) -> ComparisonPage:
    page = window.sessions.comparison
    assert page is not None
    until(qtbot, lambda: page.compared is not None and window.pages.shown is page)
    return page


@pytest.fixture
def page(qtbot: QtBot, window: Window, folder: Path) -> ComparisonPage:
    window.sessions.show_comparison([folder / "first.poolviz", folder / "second.poolviz"])
    return shown(qtbot, window)


def test_selected_sessions_are_compared_and_the_list_comes_back(
    qtbot: QtBot, window: Window, folder: Path
) -> None:
    sessions = open_page(qtbot, window, 2)
    select(sessions, "first", "second")
    sessions.compare_button.click()
    page = shown(qtbot, window)
    assert page.compared is not None and page.compared.names == ("first", "second")
    assert "second: wait p95" in page.sentences.text()
    QTest.keyClick(page, Key.Key_Escape)
    assert window.pages.shown is sessions
    window.menu.sessions_action.trigger()
    assert window.pages.name == "run"


def test_figures_are_those_of_the_part_that_is_chosen(page: ComparisonPage) -> None:
    page.figures_button.click()
    assert [page.part.itemText(n) for n in range(page.part.count())] == [
        "The whole run",
        "Segment 1",
        "Segment 2: max_overflow 5 → 0",
    ]
    assert (page.table.rowCount(), page.table.columnCount()) == (11, 2)
    page.part.setCurrentIndex(1)
    assert page.table.item(2, 1).text().endswith("no clear difference")
    page.part.setCurrentIndex(2)
    assert "%" in page.table.item(2, 1).text() and page.table.item(2, 1).font().bold()
    assert not page.table.item(2, 0).font().bold()


def test_sessions_are_aligned_at_the_mark_that_is_chosen(
    qtbot: QtBot, page: ComparisonPage
) -> None:
    assert [page.align.itemData(n) for n in range(page.align.count())] == ["start", "max_overflow"]
    page.align.setCurrentIndex(1)
    page.align.activated.emit(1)
    until(qtbot, lambda: page.compared is not None and page.compared.align == "max_overflow")
    assert page.align.currentData() == "max_overflow"
    assert page.canvas.overlays is not None
    assert page.canvas.overlays.frame.start == pytest.approx(-10.0)
    assert page.part.itemText(0) == "From max_overflow on"


def test_charts_zoom_and_move_by_keys_and_wheel(page: ComparisonPage) -> None:
    canvas, overlays = page.canvas, page.canvas.overlays
    assert overlays is not None
    whole = overlays.whole
    for key in (Key.Key_Plus, Key.Key_Plus, Key.Key_Right):
        QTest.keyClick(canvas, key)
    assert overlays.frame.span < whole.span and overlays.frame.start > whole.start
    for _ in range(20):
        QTest.keyClick(canvas, Key.Key_Left)
    assert overlays.frame.start == pytest.approx(whole.start)
    QTest.keyClick(canvas, Key.Key_0)
    assert overlays.frame == whole
    place = QPointF(canvas.width() / 4, canvas.height() / 2)
    around = overlays.time_at(place)
    no, turn = QPoint(), QPoint(0, 240)
    buttons, keys = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    wheel = QWheelEvent(
        place, canvas.mapToGlobal(place), no, turn, buttons, keys, Qt.ScrollPhase.NoScrollPhase,
        False,
    )  # fmt: skip
    QApplication.sendEvent(canvas.viewport(), wheel)
    assert overlays.frame.span == pytest.approx(whole.span / 1.25**2)
    assert overlays.time_at(place) == pytest.approx(around, abs=0.05)
    QTest.mouseDClick(canvas.viewport(), Qt.MouseButton.LeftButton, pos=place.toPoint())
    assert overlays.frame == whole


def test_the_pointer_shows_what_each_session_has(page: ComparisonPage) -> None:
    canvas, overlays = page.canvas, page.canvas.overlays
    assert overlays is not None
    for number, chart in enumerate(overlays.charts):
        plot = chart.plot.translated(chart.pos())
        place = plot.center() + QPointF(plot.width() / 4, 0)  # 15 s, after the change
        QTest.mouseMove(canvas.viewport(), place.toPoint())
        crosshair = overlays.crosshair
        assert crosshair.isVisible(), number
        assert crosshair.heading[1] == chart.title
        assert crosshair.heading[0].startswith("0:15")
        ((first, second),) = crosshair.groups
        assert (first.name, second.name) == ("first", "second")
        if chart.overlay.name == "wait_p50":
            assert [first.value, second.value] == ["10.2 ms", "50.8 ms"]  # a bucket's middle
            assert crosshair.differences == {"second": "+397 %"}
        assert len(crosshair._lines) == len(overlays.charts), "the same time in all of them"
    QTest.keyClick(canvas, Key.Key_Plus)
    assert not overlays.crosshair.isVisible()
    page.set_theme(DARK)
    assert overlays.crosshair.theme is DARK


def test_a_session_that_is_gone_is_said_and_the_page_stays(
    qtbot: QtBot, window: Window, folder: Path, page: ComparisonPage
) -> None:
    before = page.compared
    said = []
    window.controller.notices.said.connect(lambda notice: said.append(notice.sentence))
    page.show_sessions([folder / "first.poolviz", folder / "gone.poolviz"])
    until(qtbot, lambda: bool(said))
    assert "gone.poolviz" in said[0]
    assert page.compared is before and "first" in page.title.text()


def test_a_comparison_is_written_from_the_page(
    qtbot: QtBot, page: ComparisonPage, tmp_path: Path
) -> None:
    said: list[str] = []
    page.wrote.connect(said.append)
    assert page.compared is not None
    for suffix in SUFFIXES:
        page.write(page.compared, tmp_path / f"a{suffix}")
    until(qtbot, lambda: len([each for each in said if each.startswith("Wrote")]) == len(SUFFIXES))
    assert {path.suffix for path in tmp_path.glob("a.*")} == set(SUFFIXES)
    assert len(page.formats.actions()) == len(SUFFIXES)


def test_pictures_have_the_names_and_what_differs(qtbot: QtBot, folder: Path) -> None:
    paths = [folder / "first.poolviz", folder / "second.poolviz"]
    SessionsFolder(folder).relabel(paths[1], name="a <b> & c")
    with Recorder.open(paths[0]) as first, Recorder.open(paths[1]) as second:
        compared = Compared.of([("first", first), ("a <b> & c", second)])
        for suffix in (".png", ".svg", ".pdf"):
            write_file(compared, folder / f"a{suffix}")
        sentence = compared.comparison.parts[0].sides[1].sentence
    with Image.open(folder / "a.png") as picture:
        assert picture.width == 2560
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 50
    svg = " ".join(" ".join(ET.parse(folder / "a.svg").getroot().itertext()).split())
    (pdf,) = PdfReader(folder / "a.pdf").pages
    for text in (svg, " ".join(pdf.extract_text().split())):
        assert "first and a <b> & c, compared" in text
        assert sentence[:20] in text
        assert "Wait to acquire, p95" in text
