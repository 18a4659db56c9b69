"""Exports in a process of their own: whole, or not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from poolviz.model.errors import PoolvizError
from poolviz.runs.export_process import ExportCancelled, ExportProcess
from poolviz.sessions.derived import Scope
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import record, reports, samples, ticks


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    path = tmp_path_factory.mktemp("export") / "run.poolviz"
    with Recorder(path) as recorder:
        record(recorder, reports(samples(ticks(1500))))
    with Recorder.open(path) as recorder:
        yield recorder


def test_a_file_is_written_with_what_was_asked_for(session: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "part.txt"  # the format is what was chosen, whatever the name
    shares: list[float] = []
    scope = Scope(10, 20, anonymous=True)
    assert ExportProcess(session, path, ".json", scope, shares.append).run() == (path,)
    figures = json.loads(path.read_bytes())
    assert figures["duration_s"] == pytest.approx(10, abs=0.2)
    assert "ann" not in path.read_text("utf-8")
    assert all(0 < share <= 1 for share in shares)


def test_a_picture_is_painted_there(session: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "run.png"
    ExportProcess(session, path, ".png").run()
    with Image.open(path) as image:
        assert image.width == 2560
        assert len(image.getcolors(1 << 24) or ()) > 10
        assert image.info["Software"] == "poolviz"


def test_a_run_that_goes_on_is_exported_as_it_is(tmp_path: Path) -> None:
    with Recorder() as recorder:
        record(recorder, list(reports(samples(ticks(40))))[:-1])
        path = tmp_path / "run.csv"
        made = ExportProcess(recorder, path, ".csv").run()
    assert [file.name for file in made] == ["run.csv", "run.events.csv", "run.manifest.json"]
    assert len(path.read_text("utf-8").splitlines()) == 41


def test_cancelled_while_it_is_written_it_leaves_what_was_there(
    session: Recorder, tmp_path: Path
) -> None:
    path = tmp_path / "run.csv"
    path.write_text("old", "utf-8")
    export = ExportProcess(session, path, ".csv")
    began = threading.Event()

    def cancel_once_it_writes() -> None:
        while not (drafts := list(tmp_path.glob(".poolviz-*"))) and not began.is_set():
            pass
        began.set()
        if drafts:
            export.cancel()

    threading.Thread(target=cancel_once_it_writes, daemon=True).start()
    try:
        with pytest.raises(ExportCancelled, match=r"run\.csv was cancelled"):
            export.run()
    finally:
        began.set()
    assert path.read_text("utf-8") == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["run.csv"]


def test_cancelled_before_it_begins_it_writes_nothing(session: Recorder, tmp_path: Path) -> None:
    export = ExportProcess(session, tmp_path / "run.json", ".json")
    export.cancel()
    with pytest.raises(ExportCancelled):
        export.run()
    assert not list(tmp_path.iterdir())


def test_what_is_wrong_is_its_sentence(session: Recorder, tmp_path: Path) -> None:
    with pytest.raises(PoolvizError, match="there is no folder"):
        ExportProcess(session, tmp_path / "no" / "run.json", ".json").run()
    with pytest.raises(PoolvizError, match="There is nothing from 500 s on"):
        ExportProcess(session, tmp_path / "run.json", ".json", Scope(500)).run()
    assert not list(tmp_path.iterdir())
