"""Exports in a process of their own: whole, or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from poolviz.model.errors import PoolvizError
from poolviz.runs.export_process import ExportCancelled, ExportProcess
from poolviz.sessions.derived import Scope
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.recorder import Recorder
from tests.servers.fixtures import assert_gone, everything_below, wait_until
from tests.sessions.builders import record, reports, samples, ticks


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    path = tmp_path_factory.mktemp("export") / "run.poolviz"
    with Recorder(path) as recorder:
        record(recorder, reports(samples(ticks(1500))))
    with Recorder.open(path) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def long_session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of seven minutes, whose table takes more room than itself."""
    path = tmp_path_factory.mktemp("export") / "run.poolviz"
    with Recorder(path) as recorder:
        record(recorder, reports(samples(ticks(8192))))
    return path


def test_a_file_is_written_with_what_was_asked_for(session: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "part.txt"  # the format is what was chosen, whatever the name
    shares: list[float] = []
    scope = Scope(10, 20, anonymous=True)
    assert ExportProcess(session, path, ".json", scope, shares.append).run() == (path,)
    figures = json.loads(path.read_bytes())
    assert figures["duration_s"] == pytest.approx(10, abs=0.2)
    assert "ann" not in path.read_text("utf-8")
    assert shares == sorted(shares)
    assert shares[-1] == 1


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


def test_a_long_export_says_how_far_it_is(long_session: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    with Recorder.open(long_session) as recorder:
        exporter_for(tmp_path / "a.csv").export(recorder, tmp_path / "a.csv", shares.append)
    assert len(shares) > 7
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.2
    assert shares[-1] == 1


def test_a_full_disk_is_a_sentence_and_leaves_what_was_there(
    long_session: Path, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "run.csv"
    path.write_text("old", "utf-8")
    room = long_session.stat().st_size + 4096  # for the copy of the session, not for the table
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with (
            Recorder.open(long_session) as recorder,
            pytest.raises(PoolvizError, match=r"^Can't write .*run\.csv: File too large\.$"),
        ):
            ExportProcess(recorder, path, ".csv").run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text("utf-8") == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["run.csv"]


# Has the table of a session written in a process of its own, as the window does.
_WINDOW = """
import sys
from pathlib import Path
from poolviz.runs.export_process import ExportProcess
from poolviz.sessions.derived import Scope
from poolviz.sessions.recorder import Recorder
with Recorder.open(Path(sys.argv[1])) as recorder:
    ExportProcess(recorder, Path(sys.argv[2]), ".csv", Scope(anonymous=True)).run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_its_window_leaves_no_process_no_copy_and_no_half_of_a_file(
    long_session: Path, tmp_path: Path
) -> None:
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    out.mkdir()
    temporary.mkdir()
    window = subprocess.Popen(
        [sys.executable, "-c", _WINDOW, str(long_session), str(out / "run.csv")],
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    try:
        wait_until(lambda: list(out.glob(".poolviz-*")), "the table is being written")
        children = everything_below(psutil.Process(window.pid))
        assert children
    finally:
        window.kill()
        window.wait()
    assert_gone(children)
    assert not list(out.iterdir())
    assert not list(temporary.rglob("*"))


def test_what_is_wrong_is_its_sentence(session: Recorder, tmp_path: Path) -> None:
    with pytest.raises(PoolvizError, match="there is no folder"):
        ExportProcess(session, tmp_path / "no" / "run.json", ".json").run()
    with pytest.raises(PoolvizError, match="There is nothing from 500 s on"):
        ExportProcess(session, tmp_path / "run.json", ".json", Scope(500)).run()
    assert not list(tmp_path.iterdir())
