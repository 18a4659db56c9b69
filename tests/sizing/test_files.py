"""Sizings as files, in a terminal and in a notebook."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from html import escape
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader

from poolviz.language import in_language
from poolviz.model.errors import InputError
from poolviz.sizing.answer import as_text
from poolviz.sizing.files import SUFFIXES, as_csv, as_json, as_markdown, write_file
from poolviz.sizing.sizing import Sizing
from tests.sizing.sizings import concluded, grid, sizing
from tests.sizing.test_advice import SIZES, point


@pytest.mark.parametrize("found", [sizing("wait_p95 < 20ms"), grid(3)], ids=["one", "two"])
def test_a_sizing_is_written_in_every_format(found: Sizing, tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        write_file(found, tmp_path / f"answer{suffix}")
    with Image.open(tmp_path / "answer.png") as image:
        assert image.size[0] == 2560
    assert ET.parse(tmp_path / "answer.svg").getroot().get("viewBox", "").startswith("0 0 1280")
    text = PdfReader(tmp_path / "answer.pdf").pages[0].extract_text()
    assert "Throughput" in text and "HikariCP" in text
    assert json.loads((tmp_path / "answer.json").read_bytes())["recommended"] == found.recommended
    page = (tmp_path / "answer.html").read_text(encoding="utf-8")
    assert "chart-size-throughput" in page and "chart-size-wait" in page
    assert escape(found.sentence, quote=False) in page


def test_a_picture_says_that_the_sweep_ended_early(tmp_path: Path) -> None:
    write_file(sizing(complete=False), tmp_path / "answer.svg")
    assert "The sweep ended early." in (tmp_path / "answer.svg").read_text(encoding="utf-8")


def test_the_table_has_every_figure_of_every_size() -> None:
    found = sizing()
    rows = list(csv.DictReader(io.StringIO(as_csv(found).decode())))
    assert [int(row["pool_size"]) for row in rows] == list(SIZES)
    for row, each in zip(rows, found.points, strict=True):
        assert float(row["throughput_per_s"]) == each.throughput_per_s.value
        assert float(row["wait_p95_s_high"]) == each.wait_p95_s.high
    assert [int(row["pool_size"]) for row in rows if row["recommended"] == "1"] == [
        found.recommendation.sizes[0]  # type: ignore[index]
    ]


def test_what_was_not_measured_is_empty_in_the_table() -> None:
    found = concluded([point(size, server=None) for size in SIZES])
    rows = list(csv.DictReader(io.StringIO(as_csv(found).decode())))
    assert {row["server_running"] for row in rows} == {""}


def test_people_read_their_language_and_programs_read_english() -> None:
    found = sizing()
    with in_language("es"):
        shown, written = as_text(found), json.loads(as_json(found))
    assert "conexiones" in shown
    assert written["sentence"] == found.sentence
    assert written["notes"] == found.notes
    assert "connections" in written["notes"][0]


def test_what_is_quoted_is_text_in_markdown_and_notebooks() -> None:
    found = concluded([point(size) for size in SIZES], server="<b>[x](y)</b>")
    assert "<b>[x]" not in as_markdown(found).decode()
    shown = found._repr_html_()
    assert "<b>[x]" not in shown
    assert "data:image/png;base64," in shown
    assert (found._repr_png_() or b"").startswith(b"\x89PNG")


def test_a_suffix_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.html"):
        sizing().export(tmp_path / "answer.docx")
    with pytest.raises(InputError):
        sizing().export(tmp_path / "missing" / "answer.csv")
