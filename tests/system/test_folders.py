"""Where poolviz keeps data and logs, and who may use the folders it creates."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolviz.system.folders import home, log_folder, make_folder, private_opener

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def closed_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_poolviz_home_holds_data_and_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOLVIZ_HOME", str(tmp_path))
    assert home() == tmp_path
    assert log_folder() == tmp_path / "logs"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POOLVIZ_HOME", "here")
    assert home() == tmp_path / "here"


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux has them")
def test_without_it_they_are_in_the_users_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POOLVIZ_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert home() == tmp_path / "data" / "poolviz"
    assert log_folder() == tmp_path / "state" / "poolviz" / "log"
    assert not any(tmp_path.iterdir())


@POSIX
def test_a_folder_is_made_for_its_owner_and_for_roots_server(
    tmp_path: Path, closed_umask: None
) -> None:
    make_folder(tmp_path / "a" / "b")
    expected = 0o755 if os.geteuid() == 0 else 0o700
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == expected


@POSIX
def test_an_existing_folder_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(0o711)
    make_folder(tmp_path / "a")
    make_folder(tmp_path / "a" / "b")
    assert mode(tmp_path / "a") == 0o711


@POSIX
def test_a_private_file_is_its_owners_alone(tmp_path: Path) -> None:
    with open(tmp_path / "a", "w", opener=private_opener) as file:
        file.write("text")
    assert mode(tmp_path / "a") == 0o600
    assert (tmp_path / "a").read_text() == "text"
