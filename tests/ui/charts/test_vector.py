"""The charts as SVG and PDF, read by other programs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pypdf import PdfReader
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poolviz.model.sample import Mark, MarkKind
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.recorder import Recorder
from poolviz.ui.style.colours import LIGHT
from tests.sessions.builders import change, record, reports, samples, ticks

SVG = "{http://www.w3.org/2000/svg}"
WORDS = (
    "SQLAlchemy QueuePool",
    "Connections",
    "Wait to acquire",
    "Throughput",
    "pool_size 5 → 8",
    "max_overflow 10",
    "2026-05-11 14:31:05 UTC",
)
pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    note = Mark(t=3.0, kind=MarkKind.NOTE, text="a <b> & \x01 ]]> note")
    with Recorder() as made:
        yield record(made, reports(samples(ticks(400)), note, change(8.0)))


def test_svg_is_xml_with_its_text_and_lines(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "graphs.svg"
    assert exporter_for(path).export(recorder, path) == (path,)
    root = ElementTree.parse(path).getroot()
    text = " | ".join("".join(each.itertext()).strip() for each in root.iter(f"{SVG}text"))
    for words in (*WORDS, "a <b> &"):
        assert words in text
    assert all(float(each.get("textLength", "0")) >= 0 for each in root.iter(f"{SVG}text"))
    assert not list(root.iter(f"{SVG}image")), "vectors alone"
    used = {each.get("fill") for each in root.iter()} | {each.get("stroke") for each in root.iter()}
    for name in ("used", "overflow", "idle", "wait", "p99", "p95", "p50", "throughput", "server"):
        assert getattr(LIGHT, name) in used, name


def test_pdf_is_one_page_with_its_text(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "graphs.pdf"
    assert exporter_for(path).export(recorder, path) == (path,)
    reader = PdfReader(path)
    (page,) = reader.pages
    text = " ".join(page.extract_text().split())
    for words in WORDS:
        assert words in text
    assert not page.images
    assert reader.metadata is not None
    assert reader.metadata.title == "SQLAlchemy QueuePool"


def test_a_pdf_of_one_chart_has_that_alone(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "graphs.pdf"
    exporter_for(path).of_charts(["throughput"]).export(recorder, path)
    (page,) = PdfReader(path).pages
    text = " ".join(page.extract_text().split())
    for words in ("SQLAlchemy QueuePool", "Throughput", "pool_size 5 → 8", "0:04", "0:10"):
        assert words in text
    for words in ("Wait to acquire", "overflow", "p99"):
        assert words not in text.replace("max_overflow", "")


@pytest.mark.parametrize("suffix", [".svg", ".pdf"])
def test_a_worker_may_ask_for_it(
    recorder: Recorder, tmp_path: Path, qapp: QApplication, qtbot: QtBot, suffix: str
) -> None:
    path = tmp_path / f"graphs{suffix}"
    worker = threading.Thread(target=lambda: exporter_for(path).export(recorder, path))
    worker.start()
    qtbot.waitUntil(lambda: not worker.is_alive(), timeout=30_000)
    worker.join()
    assert path.stat().st_size > 10_000


@pytest.mark.parametrize("suffix", [".svg", ".pdf"])
def test_a_run_of_one_sample_is_drawn(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"short{suffix}"
    with Recorder() as recorder:
        record(recorder, reports(samples(ticks(1))))
        exporter_for(path).export(recorder, path)
    assert path.stat().st_size > 5_000


@pytest.mark.parametrize("names", [("wait",), ("connections", "throughput")])
def test_some_charts_alone_are_drawn_with_their_time_axis(
    recorder: Recorder, tmp_path: Path, names: tuple[str, ...]
) -> None:
    whole, path = tmp_path / "whole.svg", tmp_path / "some.svg"
    exporter_for(whole).export(recorder, whole)
    exporter_for(path).of_charts(names).export(recorder, path)
    root = ElementTree.parse(path).getroot()
    shown = {"".join(each.itertext()).strip() for each in root.iter(f"{SVG}text")}
    titles = {"connections": "Connections", "wait": "Wait to acquire", "throughput": "Throughput"}
    assert {name for name, title in titles.items() if title in shown} == set(names)
    assert {"0:00", "0:10", "pool_size 5 → 8", "SQLAlchemy QueuePool"} <= shown

    def height(file: Path) -> float:
        return float(ElementTree.parse(file).getroot().get("viewBox", "").split()[3])

    assert 360 < height(path) < height(whole)
