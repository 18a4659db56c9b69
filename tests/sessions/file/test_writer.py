"""The session file: what it survives, what it refuses, and what it leaves behind."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from poolviz.model.errors import InputError
from poolviz.model.messages import SampleTaken
from poolviz.sessions.file.reader import FORMAT
from poolviz.sessions.file.writer import check_writable
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import (
    began,
    change,
    digest,
    ended,
    record,
    reports,
    samples,
    ticks,
    wait_until,
)


def recorded(path: Path, count: int = 60, seed: int = 1) -> Path:
    with Recorder(path) as recorder:
        record(recorder, reports(samples(ticks(count, seed)), change(1.0)))
    return path


def count_in(path: Path) -> int:
    try:
        with Recorder.open(path) as recorder:
            return sum(1 for _ in recorder.samples())
    except InputError:
        return 0  # not there yet


@contextmanager
def child(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that runs `script`, and is gone afterwards."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_closed_session_is_one_file_that_opens_as_it_was_recorded(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a b#?%.poolviz")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    with Recorder.open(path) as recorder:
        assert digest(recorder.samples()) == digest(samples(ticks(60)))
        assert recorder.began == began()
        assert recorder.ended == ended()
        assert recorder.marks == (change(1.0),)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


RECORD_UNTIL_KILLED = """
import sys
from itertools import count
from pathlib import Path
from poolviz.model.messages import SampleTaken
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import began, samples, ticks
recorder = Recorder(Path(sys.argv[1]))
recorder.add(began())
run = samples(ticks(1_000_000))
for sample in run:
    recorder.add(SampleTaken(sample))
    if sample.index == 99:
        print("added", flush=True)
        sys.stdin.readline()
"""


@pytest.mark.parametrize("more", [0, 300, 3000])
def test_a_session_outlives_the_kill_of_the_process_that_records_it(
    tmp_path: Path, more: int
) -> None:
    path = tmp_path / "killed.poolviz"
    with child(RECORD_UNTIL_KILLED, path) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "added\n"
        wait_until(lambda: count_in(path) == 100)  # committed although nothing more comes
        process.stdin.write("go on\n")
        process.stdin.flush()
        wait_until(lambda: count_in(path) >= 100 + more)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with Recorder.open(path) as recorder:
        kept = list(recorder.samples())
        assert len(kept) >= 100 + more
        assert digest(kept) == digest(itertools.islice(samples(ticks(1_000_000)), len(kept)))
        assert recorder.summary().samples == len(kept)
        assert recorder.ended is None


def test_a_killed_sessions_name_can_be_recorded_under_again(tmp_path: Path) -> None:
    path = tmp_path / "killed.poolviz"
    with child(RECORD_UNTIL_KILLED, path) as process:
        wait_until(lambda: count_in(path) == 100)
        process.send_signal(signal.SIGKILL)
    recorded(path, count=7, seed=2)
    assert count_in(path) == 7
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_session_can_be_looked_at_while_it_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "live.poolviz"
    run = list(samples(ticks(50)))
    with Recorder(path) as recorder:
        record(recorder, [began(), *map(SampleTaken, run[:30])])
        wait_until(lambda: count_in(path) == 30)
        record(recorder, map(SampleTaken, run[30:]))
        assert digest(recorder.samples()) == digest(run), "also those not yet written"
    assert digest(recorder.samples()) == digest(run), "and after it was closed"


def test_an_old_session_is_replaced_only_once_the_run_begins(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.poolviz", count=30)
    with Recorder(path):
        assert count_in(path) == 30
    assert count_in(path) == 30
    with Recorder(path) as recorder:
        recorder.add(ended(failure="No server."))
    assert count_in(path) == 30, "a run that never began leaves no session"
    recorded(path, count=8, seed=2)
    assert count_in(path) == 8


def test_a_session_is_recorded_where_a_link_points_to(tmp_path: Path) -> None:
    real, link = tmp_path / "disk" / "real.poolviz", tmp_path / "link.poolviz"
    real.parent.mkdir()
    link.symlink_to(real)
    for count in (5, 9):
        recorded(link, count)
        assert link.is_symlink()
        assert count_in(real) == count_in(link) == count
    assert [file.name for file in real.parent.iterdir()] == [real.name]


def test_a_file_that_is_no_session_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "thesis.poolviz"
    path.write_text("two years of work")
    with pytest.raises(InputError, match=r"thesis\.poolviz exists and is not a poolviz session"):
        Recorder(path)
    assert path.read_text() == "two years of work"


def test_a_file_that_appears_after_the_check_is_not_replaced_either(tmp_path: Path) -> None:
    path = tmp_path / "thesis.poolviz"
    with Recorder(path) as recorder:
        path.write_text("two years of work")
        record(recorder, reports(samples(ticks(5))))
        wait_until(lambda: recorder.trouble)
        assert "not a poolviz session" in recorder.trouble
    assert path.read_text() == "two years of work"
    assert sum(1 for _ in recorder.samples()) == 5, "kept in memory"


def test_a_session_that_is_being_recorded_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "live.poolviz"
    run = list(samples(ticks(200)))
    with Recorder(path) as recorder:
        record(recorder, [began(), *map(SampleTaken, run[:100])])
        wait_until(lambda: count_in(path) == 100)
        with pytest.raises(InputError, match="in use by a poolviz that is running"):
            Recorder(path)
        record(recorder, map(SampleTaken, run[100:]))
    with Recorder.open(path) as reopened:
        assert digest(reopened.samples()) == digest(run)


def test_a_session_that_another_process_records_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "live.poolviz"
    with child(RECORD_UNTIL_KILLED, path):
        wait_until(lambda: count_in(path) == 100)
        with pytest.raises(InputError, match="in use by a poolviz that is running"):
            Recorder(path)
        assert count_in(path) == 100


DISK_FULL = """
import resource, sys
from pathlib import Path
from poolviz.model.messages import SampleTaken
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import began, digest, ended, samples, ticks, wait_until
path = Path(sys.argv[1])
run = list(samples(ticks(3000)))
recorder = Recorder(path)
recorder.add(began())
recorder.add(SampleTaken(run[0]))
if sys.argv[2] == "later":
    wait_until(path.exists)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100 if sys.argv[2] == "at once" else 60_000, hard))
for sample in run[1:]:
    recorder.add(SampleTaken(sample))
wait_until(lambda: recorder.trouble)
print(recorder.trouble, flush=True)
assert digest(recorder.samples()) == digest(run)
if sys.argv[3] == "freed":
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    wait_until(lambda: not recorder.trouble)
recorder.add(ended())
recorder.close()
print(recorder.trouble, flush=True)
assert digest(recorder.samples()) == digest(run)
"""


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_disk_that_is_full_costs_nothing_once_there_is_room(tmp_path: Path, when: str) -> None:
    path = tmp_path / "a.poolviz"
    with child(DISK_FULL, path, when, "freed") as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    first, second = said.split("\n")[:2]
    assert first.startswith(f"Can't write the session to {path} (")
    assert second == ""
    with Recorder.open(path) as recorder:
        assert digest(recorder.samples()) == digest(samples(ticks(3000)))
        assert recorder.ended == ended()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_disk_that_stays_full_is_said_and_the_file_still_opens(tmp_path: Path) -> None:
    path = tmp_path / "a.poolviz"
    with child(DISK_FULL, path, "later", "full") as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert said.count(f"Can't write the session to {path} (") == 2
    assert count_in(path) >= 1


READ_ONLY = """
import os, sys
from pathlib import Path
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import digest
path = Path(sys.argv[1])
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    (path.parent / "probe").touch()
except PermissionError:
    print(digest(Recorder.open(path).samples()))
"""


@pytest.mark.parametrize("how", ["closed", "killed", "killed, without -shm"])
def test_a_session_in_a_folder_that_is_read_only_opens(
    tmp_path: Path, how: str, open_folder: Path
) -> None:
    path = open_folder / "a.poolviz"
    if how == "closed":
        recorded(path, count=100)
    else:
        with child(RECORD_UNTIL_KILLED, path) as process:
            wait_until(lambda: count_in(path) == 100)
            process.send_signal(signal.SIGKILL)
        if "without" in how:
            path.with_name(path.name + "-shm").unlink()
    open_folder.chmod(0o555)
    before = sorted(open_folder.iterdir())
    with child(READ_ONLY, path) as process:
        said, _ = process.communicate(timeout=60)
    assert said.strip() == digest(samples(ticks(100)))
    assert sorted(open_folder.iterdir()) == before


@pytest.fixture
def open_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that other users can reach too, which pytest's own can't be."""
    folder = Path(tempfile.mkdtemp(prefix="poolviz-test-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0\0")), chunk(b"IEND", b""))
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"x", bytes(range(256)) * 40, png(), b"pool = 'sqlalchemy.QueuePool'\n"],
    ids=["empty", "one byte", "bytes", "picture", "scenario"],
)
def test_what_is_no_session_is_named_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.poolviz"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        Recorder.open(path)
    assert caught.value.problems == (f"{path} is not a poolviz session.",)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_another_programs_database_is_no_session(tmp_path: Path) -> None:
    path = tmp_path / "bookmarks.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE samples (idx INTEGER, t REAL, body BLOB)")
    before = path.read_bytes()
    with pytest.raises(InputError, match="is not a poolviz session"):
        Recorder.open(path)
    with pytest.raises(InputError, match="exists and is not a poolviz session"):
        Recorder(path)
    assert path.read_bytes() == before


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file .*none\.poolviz\."):
        Recorder.open(tmp_path / "none.poolviz")
    with pytest.raises(InputError, match="it is a folder"):
        Recorder.open(tmp_path)


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.99])
def test_a_truncated_session_is_said_to_be_damaged(tmp_path: Path, part: float) -> None:
    path = recorded(tmp_path / "cut.poolviz", count=400)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(InputError) as caught:
        Recorder.open(path)
    (sentence,) = caught.value.problems
    assert sentence.startswith(f"{path} is damaged and can't be opened: ")


def test_a_session_with_foreign_bytes_in_it_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = recorded(tmp_path / "hurt.poolviz", count=400)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE samples SET body = x'c1' WHERE idx = 200")
    with pytest.raises(InputError, match="is damaged and can't be opened"):
        Recorder.open(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM meta")
    with pytest.raises(InputError, match="is damaged and can't be opened"):
        Recorder.open(path)


def test_a_session_of_a_newer_poolviz_asks_for_an_update(tmp_path: Path) -> None:
    path = recorded(tmp_path / "new.poolviz")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(InputError, match=r"by a newer poolviz .*update poolviz"):
        Recorder.open(path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "it is a folder"),
        ("missing/a.csv", "there is no folder .*missing, create it"),
        ("file.txt/a.csv", r"file\.txt is not a folder"),
        ("x" * 300 + ".csv", "File name too long"),
        ("/proc/a.csv", "No such file or directory|Permission denied"),
        ("/dev/null", "it is not an ordinary file"),
    ],
)
def test_a_path_that_cant_be_written_is_refused_before_anything_runs(
    tmp_path: Path, name: str, sentence: str
) -> None:
    (tmp_path / "file.txt").touch()
    for refuse in (check_writable, Recorder):
        with pytest.raises(InputError, match=sentence) as caught:
            refuse(tmp_path / name)
        assert len(caught.value.problems) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]


def test_a_path_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.csv")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old.csv").write_text("old")
    check_writable(tmp_path / "old.csv")
    assert (tmp_path / "old.csv").read_text() == "old"


def test_a_session_that_is_not_kept_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    run = list(samples(ticks(100)))
    with Recorder() as recorder:
        record(recorder, [began(), *map(SampleTaken, run[:60])])
        store = recorder._writer
        wait_until(lambda: not store._unwritten)
        record(recorder, map(SampleTaken, run[60:]))
        assert digest(recorder.samples()) == digest(run)
        assert recorder.path is None
    assert list(tmp_path.iterdir()) == []
    assert recorder.summary().samples == 100
    with pytest.raises(RuntimeError):
        list(recorder.samples())


def test_nothing_can_be_recorded_after_the_end(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.poolviz")
    record(recorder, reports(samples(ticks(3))))
    recorder.close()
    recorder.close()
    with pytest.raises(RuntimeError):
        recorder.add(ended())
    with Recorder.open(tmp_path / "a.poolviz") as reopened, pytest.raises(RuntimeError):
        reopened.add(ended())
    assert os.listdir(tmp_path) == ["a.poolviz"]  # noqa: PTH208 - with what begins with a dot
