"""Files are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolviz.model.errors import InputError
from poolviz.system.files import atomic_write, check_writable, write_text


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
