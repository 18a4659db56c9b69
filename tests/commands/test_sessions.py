"""`poolviz sessions`: listing what is kept, and changing it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from poolviz.commands.cli import run_command_line
from poolviz.sessions.file.reader import SessionHeader
from tests.sessions.file.recording import recorded


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POOLVIZ_SESSIONS", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def sessions(capsys: pytest.CaptureFixture[str], folder: Path) -> Any:
    assert folder.name

    def command(*arguments: str) -> tuple[int, str, str]:
        status = run_command_line(["sessions", *arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return command


def listed(sessions: Any) -> list[dict[str, Any]]:
    status, out, _ = sessions("--json")
    assert status == 0
    found: list[dict[str, Any]] = json.loads(out)["sessions"]
    return found


def test_no_sessions_are_listed_as_none_and_nothing_is_made(sessions: Any, folder: Path) -> None:
    status, out, err = sessions()
    assert (status, err) == (0, "")
    assert out.startswith(f"0 sessions take 0 kB in {folder}.")
    assert listed(sessions) == []
    assert not folder.exists()


def test_sessions_are_named_noted_marked_and_deleted(sessions: Any, folder: Path) -> None:
    folder.mkdir()
    recorded(folder / "2026-01-01.poolviz")
    recorded(folder / "2026-02-02.poolviz")
    assert sessions("rename", "2026-01", "baseline")[0] == 0
    assert sessions("note", "baseline", "before the fix")[0] == 0
    assert sessions("keep", "2026-02")[0] == 0
    newer, older = listed(sessions)
    assert (newer["keep"], newer["name"], newer["ended"]) == (True, None, "done")
    assert (older["name"], older["note"]) == ("baseline", "before the fix")
    assert older["duration_s"] > 0
    assert older["pool"]
    table = sessions()[1]
    assert "baseline" in table
    assert "before the fix" in table
    assert sessions("keep", "2026-02", "--off")[0] == 0
    assert sessions("rename", "baseline", "")[0] == 0
    assert [each["keep"] or each["name"] for each in listed(sessions)] == [None, None]
    assert sessions("delete", "2026-01", "2026-02-02.poolviz")[0] == 0
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ("delete", "2026-01", "nothing"),
        ("delete", "2026"),
        ("delete",),
        ("rename", "2026-01"),
        ("rename", "2026-01", "two\nlines"),
        ("remove", "2026-01"),
        ("keep", "2026-01", "--json"),
        ("note", "2026-01", "x", "--off"),
        ("limits", "--age", "soon"),
        ("limits", "--size", "-1GB"),
        ("limits", "--lanes", "0MB"),
        ("rename", "--lanes", "1MB", "a", "b"),
        ("--age", "90d"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(
    sessions: Any, folder: Path, arguments: tuple[str, ...]
) -> None:
    folder.mkdir()
    for month in ("01", "02"):
        recorded(folder / f"2026-{month}.poolviz")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    status, out, err = sessions(*arguments)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_what_cant_be_read_is_listed_with_its_sentence(sessions: Any, folder: Path) -> None:
    folder.mkdir()
    recorded(folder / "good.poolviz")
    (folder / "bad.poolviz").write_bytes(b"no session")
    (folder / "limits.json").write_text("[")
    status, out, err = sessions()
    assert (status, err) == (0, "")
    assert "bad.poolviz is not a poolviz session" in out
    assert "set the limits again" in out
    assert [each["ended"] for each in listed(sessions)] == ["done", "can't be read"]


def test_limits_are_set_and_shown(sessions: Any) -> None:
    assert "of the last 90 days are kept, up to 2 GB" in sessions("limits")[1]
    assert "of the last 30 days are kept, up to 2 GB" in sessions("limits", "--age", "30d")[1]
    status, out, _ = sessions("limits", "--size", "none", "--json")
    expected = {"age_s": 30 * 86_400, "size_bytes": None, "lanes_bytes": 6_000_000}
    assert (status, json.loads(out)) == (0, expected)
    assert "whatever they take" in sessions("limits")[1]
    said = sessions("limits", "--lanes", "20MB")[1]
    assert "whatever they take" in said
    assert "up to 20.0 MB of who had which connection when" in said
    assert "keeps all of who had" in sessions("limits", "--lanes", "none")[1]


def test_one_that_cant_be_deleted_doesnt_keep_the_others(sessions: Any, folder: Path) -> None:
    folder.mkdir()
    for name in ("a", "b", "c"):
        recorded(folder / f"{name}.poolviz")
    (folder / "b.poolviz").write_bytes(b"no session")
    status, out, err = sessions("delete", "a.poolviz", "b.poolviz", "c.poolviz")
    assert (status, out) == (2, "")
    assert [path.name for path in folder.iterdir()] == ["b.poolviz"]
    removed_a, removed_c, wrong = err.splitlines()
    assert "Removed" in removed_a
    assert "Removed" in removed_c
    assert "b.poolviz is not a poolviz session" in wrong


def test_a_file_elsewhere_is_labelled_and_never_deleted(
    sessions: Any, folder: Path, tmp_path: Path
) -> None:
    folder.mkdir()
    path = recorded(tmp_path / "copy.poolviz")
    assert sessions("note", str(path), "from a colleague")[0] == 0
    assert SessionHeader(path).label.note == "from a colleague"
    status, _, err = sessions("delete", str(path))
    assert status == 2
    assert "removes only what is kept there" in err
    assert path.exists()
