"""SQLite as a target."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from poolviz.model.errors import InputError, ServerError
from poolviz.servers.dispatch import (
    count_rows,
    describe_error,
    fault_injection_for,
    monitor_for,
    reach,
    with_application_name,
)

NAME = "poolviz test"


def test_a_file_is_reached_without_being_created(tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    target = reach(f"sqlite:///{file}")
    assert (target.product, target.version) == ("SQLite", sqlite3.sqlite_version)
    assert target.max_connections is target.free_connections is None
    assert target.has_room_for(10_000)
    assert "max_connections" not in target.describe()
    assert not file.exists()
    assert reach("sqlite://").conninfo == "sqlite://"


def test_there_is_no_server_to_name_monitor_or_disturb() -> None:
    assert with_application_name("sqlite://", "a name, however odd: ö") == "sqlite://"
    assert monitor_for("sqlite://", NAME) is None
    assert fault_injection_for("sqlite://", NAME) is None
    assert describe_error(sqlite3.OperationalError("no such table: a"), "sqlite://") is None
    with pytest.raises(InputError, match="not on SQLite"):
        count_rows("sqlite://", 1.0)


def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database " * 100)
    for name, said in (
        ("no/file.db", "There is no folder"),
        ("", "is a folder"),
        ("text.db", "can't be read as a SQLite database"),
    ):
        with pytest.raises(ServerError, match=said):
            reach(f"sqlite:///{tmp_path}/{name}")
    with pytest.raises(InputError, match=r"write it as sqlite:///file\.db"):
        reach("sqlite://file.db")
