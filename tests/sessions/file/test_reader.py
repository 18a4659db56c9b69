"""Reading a session file: from a read-only folder, a damaged one, one that isn't a session."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from poolviz.model.errors import InputError
from poolviz.sessions.file.format import FORMAT
from poolviz.sessions.recorder import Recorder
from tests.commands.trials import small_disk
from tests.sessions.builders import digest, samples, ticks, wait_until
from tests.sessions.file.recording import RECORD_UNTIL_KILLED, child, count_in, recorded

READ_ONLY = """
import os, sys
from pathlib import Path
from poolviz.sessions.recorder import Recorder
from tests.commands.trials import small_disk
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
    for file in open_folder.iterdir():
        file.chmod(0o644)  # a session is its owner's alone
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
def test_a_file_that_is_not_a_session_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "other.poolviz"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        Recorder.open(path)
    assert caught.value.problems == (f"{path} is not a poolviz session.",)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_database_of_another_program_is_not_a_session(tmp_path: Path) -> None:
    path = tmp_path / "bookmarks.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE samples (idx INTEGER, t REAL, body BLOB)")
    before = path.read_bytes()
    with pytest.raises(InputError, match="is not a poolviz session"):
        Recorder.open(path)
    with pytest.raises(InputError, match="exists and is not a poolviz session"):
        Recorder(path)
    assert path.read_bytes() == before


def test_a_missing_file_and_a_folder_have_sentences_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file .*none\.poolviz\."):
        Recorder.open(tmp_path / "none.poolviz")
    with pytest.raises(InputError, match="it is a folder"):
        Recorder.open(tmp_path)


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.99])
def test_a_truncated_session_is_damaged(tmp_path: Path, part: float) -> None:
    path = recorded(tmp_path / "cut.poolviz", count=400)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(InputError) as caught:
        Recorder.open(path)
    (sentence,) = caught.value.problems
    assert sentence.startswith(f"{path} is damaged and can't be opened: ")


def test_a_session_with_foreign_bytes_in_it_is_damaged(tmp_path: Path) -> None:
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


RECORD_WITH_WAL = """
import sys
from pathlib import Path
from poolviz.model.messages import SampleTaken
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import began, samples, ticks, wait_until
path = Path(sys.argv[1])
recorder = Recorder(path)
recorder.add(began())
for sample in samples(ticks(100)):
    recorder.add(SampleTaken(sample))
    if sample.index == 49:
        wait_until(path.exists)
sys.stdin.readline()
"""


@pytest.mark.parametrize("copies", ["elsewhere", "full too"])
def test_a_killed_session_on_a_full_disk_is_not_said_to_be_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: str
) -> None:
    """SQLite makes a file beside one that has a -wal file."""
    folder = tmp_path / "small"
    with small_disk(folder, "400k"):
        path = folder / "a.poolviz"
        with child(RECORD_WITH_WAL, path) as process:
            wait_until(lambda: count_in(path) == 100)
            process.send_signal(signal.SIGKILL)
        path.with_name(path.name + "-shm").unlink()
        assert path.with_name(path.name + "-wal").stat().st_size
        if copies == "full too":
            (folder / "copies").mkdir()
            monkeypatch.setattr(tempfile, "tempdir", str(folder / "copies"))
        with (folder / "rest").open("wb", buffering=0) as rest, pytest.raises(OSError):
            while True:
                rest.write(bytes(4096))
        if copies == "elsewhere":
            with Recorder.open(path) as recorder:
                assert digest(recorder.samples()) == digest(samples(ticks(100)))
        else:
            with pytest.raises(InputError) as caught:
                Recorder.open(path)
            (sentence,) = caught.value.problems
            assert "damaged" not in sentence
            assert f"{folder / 'copies'} (No space left on device)" in sentence
