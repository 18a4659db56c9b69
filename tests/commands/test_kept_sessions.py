"""Every run of the command line is kept, unless the user says otherwise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import poolviz
from poolviz.commands.cli import run_command_line
from poolviz.sessions.recorder import Recorder
from tests.commands.trials import small_disk

SHORT = ("--load", "clients=2", "--duration", "0.5")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POOLVIZ_SESSIONS", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], folder: Path, conninfo: str) -> Any:
    def command(*arguments: str) -> tuple[int, str, str]:
        status = run_command_line(["run", "--dsn", conninfo, *SHORT, *arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return command


def test_a_run_is_kept_and_said_where(run: Any, folder: Path) -> None:
    status, out, err = run("--json")
    (kept,) = folder.iterdir()
    assert status == 0
    assert f"The session is kept in {kept}." in err
    result = json.loads(out)
    assert result["session"] == str(kept)
    with Recorder.open(kept) as recorder:
        assert recorder.summary().operations == result["operations"] > 0
        assert recorder.ended is not None


def test_a_quiet_run_is_kept_without_a_word(run: Any, folder: Path) -> None:
    status, _, err = run("--quiet")
    assert (status, err) == (0, "")
    assert len(list(folder.iterdir())) == 1


def test_nothing_is_kept_if_the_user_says_so(run: Any, folder: Path) -> None:
    status, out, err = run("--no-keep", "--json")
    assert status == 0
    assert json.loads(out)["session"] is None
    assert "kept" not in err
    assert not folder.exists()


def test_a_session_that_is_named_is_the_only_one(run: Any, folder: Path, tmp_path: Path) -> None:
    named = tmp_path / "named.poolviz"
    status, out, err = run("--out", str(named), "--json")
    assert (status, json.loads(out)["session"]) == (0, str(named))
    assert f"Wrote {named}." in err
    assert not folder.exists()


def test_a_folder_that_cant_be_made_is_a_sentence_and_the_run_goes_on(
    run: Any, folder: Path
) -> None:
    folder.write_text("a file in its place")
    status, out, err = run("--json")
    assert status == 0
    assert json.loads(out)["operations"] > 0
    assert json.loads(out)["session"] is None
    assert len([line for line in err.splitlines() if str(folder) in line]) == 1
    assert folder.read_text() == "a file in its place"


def test_a_full_disk_costs_the_session_and_not_the_run(run: Any, folder: Path) -> None:
    with small_disk(folder, "40k"):
        status, out, err = run("--json", "--duration", "2")
        result = json.loads(out)
    assert status == 0
    assert result["complete"]
    assert result["operations"] > 0
    assert "The session is not whole." in err
    assert "Traceback" not in err


def test_runs_that_start_at_once_are_all_kept(folder: Path, conninfo: str) -> None:
    command = [sys.executable, "-m", "poolviz", "run", "--dsn", conninfo, *SHORT, "--json"]
    runs = [subprocess.Popen(command, stdout=-1, stderr=-1) for _ in range(3)]
    results = [json.loads(each.communicate(timeout=120)[0]) for each in runs]
    assert {Path(result["session"]) for result in results} == set(folder.iterdir())
    assert len(results) == len(list(folder.iterdir()))


def test_a_run_from_python_is_kept_if_asked(folder: Path, conninfo: str) -> None:
    given: dict[str, Any] = {"dsn": conninfo, "duration": 0.5, "load": {"clients": 2}}
    with poolviz.run(**given).session as session:
        assert session.path is None
    assert not folder.exists()
    with poolviz.run(**given, keep=True).session as session:
        kept = session.path
    assert list(folder.iterdir()) == [kept]
