"""An export is written whole or not at all, and refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from poolviz.model.errors import InputError
from poolviz.runs.exports import check_exports
from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.registry import exporter_for, suffixes
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import began


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("bug")])
def test_an_export_that_fails_leaves_what_was_there(
    recorder: Recorder, tmp_path: Path, error: Exception
) -> None:
    def write(recorder: Recorder, paths: Sequence[Path]) -> None:
        for path in paths:
            path.write_text("half")
        raise error

    path = tmp_path / "run.csv"
    path.write_text("old")
    with pytest.raises(InputError if isinstance(error, OSError) else RuntimeError) as caught:
        Exporter("Broken", write, beside=(".more.csv",)).export(recorder, path)
    assert str(caught.value) in (f"Can't write {path}: No space left on device.", "bug")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_keeps_pointing_to_the_file_that_is_replaced(
    recorder: Recorder, tmp_path: Path
) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old")
    link.symlink_to(real)
    exporter_for(link).export(recorder, link)
    assert link.is_symlink()
    assert json.loads(real.read_text())["samples"] == 60


@pytest.mark.parametrize("suffix", suffixes())
def test_every_format_refuses_a_path_that_cant_be_written(
    recorder: Recorder, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / "missing" / f"run{suffix}"
    for refuse in (
        exporter_for(path).check,
        lambda path: exporter_for(path).export(recorder, path),
    ):
        with pytest.raises(InputError, match="there is no folder"):
            refuse(path)
    assert list(tmp_path.iterdir()) == []


def test_csv_asks_for_all_three_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "run.events.csv").mkdir()
    with pytest.raises(InputError, match=r"run\.events\.csv: it is a folder"):
        exporter_for(tmp_path / "run.csv").check(tmp_path / "run.csv")


def test_a_session_does_not_replace_another_kind_of_file(
    recorder: Recorder, tmp_path: Path
) -> None:
    path = tmp_path / "notes.poolviz"
    path.write_text("mine")
    with pytest.raises(InputError, match="is not a poolviz session"):
        exporter_for(path).export(recorder, path)
    assert path.read_text() == "mine"


def test_a_run_that_never_started_has_nothing_to_export(tmp_path: Path) -> None:
    with Recorder() as recorder, pytest.raises(InputError, match="nothing was recorded"):
        exporter_for(tmp_path / "a.csv").export(recorder, tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_sample_is_exported_all_the_same(tmp_path: Path) -> None:
    with Recorder() as recorder:
        recorder.add(began())
        for name in ("a.csv", "a.json", "a.poolviz"):
            exporter_for(tmp_path / name).export(recorder, tmp_path / name)
    header, *rows = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("t_s,")
    assert rows == []
    assert json.loads((tmp_path / "a.json").read_text())["wait_time_s"]["p95"] is None
    with Recorder.open(tmp_path / "a.poolviz") as copy:
        assert list(copy.samples()) == []


def test_charts_are_chosen_where_a_format_has_them_and_refused_by_name_where_not() -> None:
    assert exporter_for(Path("a.csv")).of_charts(("wait",)).chosen == ()
    assert exporter_for(Path("a.png")).of_charts(("wait", "connections")).chosen == (
        "connections",
        "wait",
    )
    with pytest.raises(InputError, match="There is no chart 'waits': they are connections, "):
        exporter_for(Path("a.csv")).of_charts(("waits",))


def test_the_name_of_a_chart_means_the_same_curves_in_every_format() -> None:
    picture, report = exporter_for(Path("a.pdf")), exporter_for(Path("a.html"))
    assert report.of_charts(("connections",)).chosen == ("connections", "waiting")
    assert report.of_charts(("waiting",)).chosen == ("waiting",)
    assert picture.of_charts(("waiting",)).chosen == ("connections",), "which has its curves"
    for name in ("wait", "throughput", "server"):
        assert picture.of_charts((name,)).chosen == report.of_charts((name,)).chosen == (name,)


def test_a_choice_of_charts_for_files_without_any_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="None of these files has charts"):
        check_exports([tmp_path / "a.csv"], charts=("wait",))
    assert check_exports([tmp_path / "a.csv", tmp_path / "a.svg"], charts=("wait",))
    assert list(tmp_path.iterdir()) == []
