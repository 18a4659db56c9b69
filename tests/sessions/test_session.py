"""A session in a notebook: as columns, as a DataFrame, as a picture."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pandas
import pytest

from poolviz.model.messages import RunStarted
from poolviz.model.sample import Sample
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.resolutions import LEVELS
from poolviz.sessions.session import Session
from poolviz.sessions.table import table_of
from tests.sessions.builders import STARTED, change, record, reports, samples, ticks

PNG = b"\x89PNG\r\n\x1a\n"


def run() -> list[Sample]:
    """Three seconds with a change after the first."""
    return [
        msgspec.structs.replace(sample, segment=int(sample.index >= 20))
        for sample in samples(ticks(60))
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run.poolviz"
    with Recorder(path) as recorder:
        for report in reports(run(), change(run()[19].t)):
            if isinstance(report, RunStarted):
                scenario = msgspec.structs.replace(
                    report.scenario, fail_if=("errors > 0 in segment 2",), pool="a<b>&.py:P"
                )
                report = msgspec.structs.replace(report, scenario=scenario)  # noqa: PLW2901
            recorder.add(report)
    return path


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with Session.open(path) as session:
        yield session


def test_the_columns_are_the_samples(session: Session) -> None:
    found = session.columns()
    assert {len(column) for column in found.values()} == {60}
    assert list(found["t_s"]) == [sample.t for sample in run()]
    for name in LEVELS:
        for suffix, field in (("", "last"), ("_low", "low"), ("_high", "high"), ("_mean", "mean")):
            expected = [getattr(getattr(sample, name), field) for sample in run()]
            assert list(found[f"{name}{suffix}"]) == expected
    assert list(found["operations"]) == [sample.operations for sample in run()]
    assert found["used"].dtype == np.int64
    assert found["wait_time_count"].sum() == session.summary().wait_time_s.count
    assert np.nanmax(found["wait_time_max_s"]) == session.summary().wait_time_s.max
    seen = ~np.isnan(found["server_total"])
    assert list(np.flatnonzero(seen)) == [19, 39, 59]
    nothing = found["create_time_count"] == 0
    assert (np.isnan(found["create_time_p95_s"]) == nothing).all()


def test_the_frame_has_the_columns_by_time(session: Session) -> None:
    frame = session.frame()
    assert isinstance(frame, pandas.DataFrame)
    found = session.columns()
    assert list(frame.columns) == list(found)
    for name, column in found.items():
        np.testing.assert_array_equal(frame[name].to_numpy(), column)
    index = frame.index
    assert isinstance(index, pandas.DatetimeIndex)
    assert (str(index.tz), index.name, index.is_monotonic_increasing) == ("UTC", "t_utc", True)
    times = np.array([moment.timestamp() for moment in index])
    np.testing.assert_allclose(times, STARTED + found["t_s"], atol=1e-5)
    per_second = frame["operations"].resample("1s").sum()
    assert per_second.sum() == session.summary().operations
    assert set(frame.groupby("segment").size()) == {20, 40}


def test_segments_marks_and_verdicts_are_those_of_the_summary(session: Session) -> None:
    assert session.segments == session.summary().segments
    assert [mark.key for mark in session.marks] == ["pool_size"]
    (verdict,) = session.thresholds
    assert verdict.sentence.startswith("'errors > 0 in segment 2' is not true: ")


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_notebook_shows_figures_and_charts(session: Session) -> None:
    assert session._repr_png_() == session.to_png()
    assert session.to_png().startswith(PNG)
    page = Page(session._repr_html_())
    assert page.tags.count("tr") == 3
    assert page.tags.count("img") == 1
    assert "a<b>&.py:P" in page.texts, "it is text"
    assert "b" in page.tags and page.tags.count("b") == 1
    assert "pool_size 5 → 8" in page.texts
    assert session.thresholds[0].sentence in page.texts


@pytest.mark.parametrize(
    ("lacks", "then"),
    [
        ("pandas", "frame = session.frame(); assert frame['used'].sum() > 0; print(type(frame))"),
        ("PySide6", "html = session._repr_html_(); assert '<img' not in html; print('none')"),
    ],
)
def test_without_a_library_the_rest_works(path: Path, lacks: str, then: str) -> None:
    code = f"""
import sys
sys.modules[{lacks!r}] = None
import poolviz
with poolviz.open_session({str(path)!r}) as session:
    {then}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() in ("<class 'dict'>", "none")


def test_without_samples_there_are_no_columns() -> None:
    with Recorder() as recorder:
        record(recorder, reports([]))
        assert table_of([]) == {}
        assert len(Session(recorder).frame()) == 0
