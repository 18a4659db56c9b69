"""Sessions that were recorded by earlier versions open, with the figures that those printed.

`format-1.poolviz` and `format-1.json` are what `poolviz run --out FILE --json` made before messages
and their fields were renamed: a second on a SQLAlchemy QueuePool, with a change and a fault.
`format-2.poolviz` and `format-2.json` are the like from before samples were stored as columns.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

import msgspec
import pytest

from poolviz.model.errors import InputError
from poolviz.model.messages import RunEnded
from poolviz.model.sample import MarkKind
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.report import as_object
from tests.commands.trials import small_disk
from tests.sessions.file.recording import child

DATA = Path(__file__).parent.parent / "data"


def of_before(now: object, before: object) -> object:
    """Return what is in `now` at the places that `before` has: later versions add keys."""
    if isinstance(now, dict) and isinstance(before, dict):
        return {key: of_before(now.get(key), value) for key, value in before.items()}
    if isinstance(now, list) and isinstance(before, list):
        return [of_before(*both) for both in zip_longest(now, before)]
    return now


@pytest.mark.parametrize("name", ["format-1", "format-2"])
def test_the_figures_are_those_that_were_printed_when_it_was_recorded(name: str) -> None:
    before = json.loads((DATA / f"{name}.json").read_text())
    with Recorder.open(DATA / f"{name}.poolviz") as recorder:
        now = json.loads(msgspec.json.encode(as_object(recorder)))
    assert of_before(now, before) == before


def test_every_message_in_it_is_read() -> None:
    with Recorder.open(DATA / "format-1.poolviz") as recorder:
        began, ended, marks = recorder.began, recorder.ended, recorder.marks
        all_samples = list(recorder.samples())
    assert began is not None
    assert began.scenario.pool == "sqlalchemy.QueuePool"
    assert began.scenario.limits["pool_size"] == 2
    assert [change.key for change in began.scenario.changes] == ["pool_size", "kill_backend"]
    assert began.environment["server version"] == "18.6"
    assert ended == RunEnded(open_at_end=0, failure="", exit_status=0, rows=None)
    assert [(mark.kind, mark.text) for mark in marks] == [
        (MarkKind.CHANGE, "pool_size 2→3"),
        (MarkKind.FAULT, "kill_backend"),
    ]
    assert len(all_samples) == 22
    assert sum(sample.timeouts for sample in all_samples) == 2
    assert {sample.reported_counts.open for sample in all_samples} >= {0, 3, 4}
    assert [s.server.total for s in all_samples if s.server is not None] == [1]
    assert all_samples[-1].limits["pool_size"] == 3


@pytest.mark.parametrize("name", ["format-1", "format-2"])
def test_it_can_be_exported_as_a_session_again(name: str, tmp_path: Path) -> None:
    old, new = tmp_path / "old.poolviz", tmp_path / "new.poolviz"
    shutil.copy(DATA / f"{name}.poolviz", old)
    with Recorder.open(old) as recorder:
        exporter_for(new).export(recorder, new)
        summary = recorder.summary()
    with Recorder.open(new) as copy:
        assert copy.summary() == summary
    assert sorted(tmp_path.iterdir()) == [new, old]


def test_nothing_is_left_of_the_copy_that_could_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies, old = tmp_path / "copies", tmp_path / "old.poolviz"
    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    shutil.copy(DATA / "format-1.poolviz", old)
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("DELETE FROM samples WHERE idx = 20")
    with pytest.raises(InputError, match="damaged"):
        Recorder.open(old)
    assert not list(copies.iterdir())


@pytest.mark.parametrize("size", ["16k", "40k"])
def test_a_full_disk_is_said_to_be_full_and_not_the_session_to_be_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    """One takes the beginning of the copy, the other none of it."""
    copies = tmp_path / "copies"
    with small_disk(copies, size):
        monkeypatch.setattr(tempfile, "tempdir", str(copies))
        with pytest.raises(InputError) as caught:
            Recorder.open(DATA / "format-1.poolviz")
        assert not list(copies.iterdir())
    (sentence,) = caught.value.problems
    assert sentence == (
        f"Can't open {DATA / 'format-1.poolviz'}: it is read from a copy, which can't be made in "
        f"{copies} (database or disk is full). Make room there, or set TMPDIR to another folder."
    )


NO_ROOM = """
import resource, sys, tempfile
from pathlib import Path
from poolviz.model.errors import InputError
from poolviz.sessions.recorder import Recorder
tempfile.tempdir = sys.argv[2]
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), hard))
try:
    Recorder.open(Path(sys.argv[1]))
except InputError as error:
    print(*error.problems)
"""


@pytest.mark.parametrize("most", [0, 1, 20_000])
def test_a_limit_to_a_files_size_is_said_too(tmp_path: Path, most: int) -> None:
    with child(NO_ROOM, DATA / "format-1.poolviz", str(tmp_path), str(most)) as process:
        said, _ = process.communicate(timeout=60)
    assert "it is read from a copy, which can't be made" in said
    assert (str(tmp_path) in said, "damaged" in said, said.count("\n")) == (True, False, 1)
    assert not list(tmp_path.iterdir())


def test_no_folder_for_temporary_files_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"can't be made in .*gone \(No such file or directory"):
        Recorder.open(DATA / "format-1.poolviz")
