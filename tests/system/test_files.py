"""Files are written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from poolviz.model.errors import InputError
from poolviz.system.files import (
    atomic_write,
    check_writable,
    is_same_file,
    read_bytes,
    resolved,
    write_text,
)


def test_files_appear_at_the_end_of_the_block_and_not_before(tmp_path: Path) -> None:
    paths = (tmp_path / "a.csv", tmp_path / "b.events.csv")
    paths[1].write_text("old")
    with atomic_write(*paths) as drafts:
        assert [draft.suffix for draft in drafts] == [".csv", ".csv"]
        assert {draft.parent for draft in drafts} == {tmp_path}
        for draft in drafts:
            draft.write_text("new")
        assert not paths[0].exists()
        assert paths[1].read_text() == "old"
    assert [path.read_text() for path in paths] == ["new", "new"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_a_failure_leaves_everything_as_it_was(tmp_path: Path) -> None:
    paths = (tmp_path / "a.csv", tmp_path / "b.csv")
    paths[0].write_text("old")
    with pytest.raises(RuntimeError, match="no"), atomic_write(*paths) as drafts:
        drafts[0].write_text("half")
        raise RuntimeError("no")
    with pytest.raises(FileNotFoundError), atomic_write(paths[1]):
        pass  # nothing was written
    assert paths[0].read_text() == "old"
    assert list(tmp_path.iterdir()) == [paths[0]]


def test_a_link_keeps_pointing_to_the_file_that_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    real, link = folder / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)
    write_text(link, "ñ")
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == "ñ"
    assert list(folder.iterdir()) == [real]


def test_a_link_to_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "gone" / "a.csv")
    with pytest.raises(InputError, match=r"it is a link to .*gone/a\.csv, and there is no folder"):
        check_writable(tmp_path / "a.csv")


def test_a_text_that_cant_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        write_text(tmp_path / "missing" / "a.toml", "x")
    assert list(tmp_path.iterdir()) == []


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
def test_a_path_that_cant_be_written_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "file.txt").touch()
    with pytest.raises(InputError, match=sentence) as caught:
        check_writable(tmp_path / name)
    assert len(caught.value.problems) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]


def test_a_path_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.csv")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old.csv").write_text("old")
    check_writable(tmp_path / "old.csv")
    assert (tmp_path / "old.csv").read_text() == "old"


def test_a_path_that_cant_be_one_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    for path in (loop, loop / "a.csv", tmp_path / "a\0.csv", tmp_path / "\ud800.csv"):
        for use in (check_writable, resolved, lambda path: read_bytes(path, 1)):
            with pytest.raises(InputError) as caught:
                use(path)
            (problem,) = caught.value.problems
            assert problem.isprintable()
    assert list(tmp_path.iterdir()) == [loop]


def test_bytes_that_arent_text_may_be_a_name(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt"))
    write_text(path, "x")
    assert read_bytes(path, 1) == b"x"


def test_only_ordinary_files_of_a_bounded_size_are_read(tmp_path: Path) -> None:
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    file.write_bytes(b"12345")
    assert read_bytes(file, 5) == b"12345"
    with pytest.raises(InputError, match=r"it is larger than 0 kB"):
        read_bytes(file, 4)
    for path in (pipe, tmp_path, Path("/dev/zero"), tmp_path / "none"):
        with pytest.raises(InputError, match="Can't read"):
            read_bytes(path, 5)


def test_a_file_is_the_same_by_every_link_to_it(tmp_path: Path) -> None:
    file, soft, hard = tmp_path / "file", tmp_path / "soft", tmp_path / "hard"
    file.touch()
    soft.symlink_to(file)
    hard.hardlink_to(file)
    assert is_same_file(soft, file)
    assert is_same_file(hard, file)
    assert is_same_file(tmp_path / "x" / ".." / "none", tmp_path / "none")
    assert not is_same_file(tmp_path / "none", file)


WRITE_UNTIL_KILLED = """
import sys, time
from pathlib import Path
from poolviz.system.files import atomic_write
with atomic_write(Path(sys.argv[1])) as (draft,):
    draft.write_text("half")
    print(draft.name, flush=True)
    time.sleep(600)
"""


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    target, other = tmp_path / "a.csv", tmp_path / ".poolviz-of-mine"
    other.write_text("kept")
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        draft = tmp_path / process.stdout.readline().strip()
        write_text(tmp_path / "b.csv", "whole")
        assert draft.read_text() == "half", "it is still being written"
        process.kill()
        process.wait()
        write_text(tmp_path / "b.csv", "whole")
    assert not draft.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".poolviz-of-mine", "b.csv"]
