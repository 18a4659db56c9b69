"""Which sessions are kept: by age and by size, and never more is removed than that."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from poolviz.sessions.folder import SessionsFolder
from tests.sessions.builders import wait_until
from tests.sessions.file.recording import RECORD_UNTIL_KILLED, child, count_in, recorded


def name(days: float) -> str:
    """The name of a session that was begun that many days ago."""
    then = datetime.now(UTC) - timedelta(days=days)
    return f"{then:%Y-%m-%dT%H%M%S}.{then.microsecond // 1000:03}Z.poolviz"


def session(folder: Path, days: float, count: int = 5) -> Path:
    return recorded(folder / name(days), count)


def left(folder: Path) -> set[Path]:
    return set(folder.iterdir())


def test_sessions_of_the_last_weeks_are_kept_and_older_ones_removed(tmp_path: Path) -> None:
    old = [session(tmp_path, days) for days in (91, 400)]
    newer = [session(tmp_path, days) for days in (0.1, 3, 89)]
    path = SessionsFolder(tmp_path).new_path()
    assert left(tmp_path) == set(newer)
    assert not path.exists()
    assert path.parent == tmp_path
    assert old[0].name < newer[2].name < path.name, "names are in the order of the runs"


def test_the_oldest_go_first_where_all_take_too_much(tmp_path: Path) -> None:
    kept = [session(tmp_path, days) for days in (1, 2, 3, 4)]
    size = kept[0].stat().st_size
    SessionsFolder(tmp_path, kept_bytes=size * 5 // 2).new_path()
    assert left(tmp_path) == set(kept[:2])


def test_what_sqlite_left_beside_a_killed_session_counts_and_goes_with_it(tmp_path: Path) -> None:
    new, old = session(tmp_path, 1), tmp_path / name(2)
    with child(RECORD_UNTIL_KILLED, old) as process:
        wait_until(lambda: count_in(old) == 100)
        process.kill()
    assert len(left(tmp_path)) == 4
    SessionsFolder(tmp_path, kept_bytes=1).new_path()
    assert left(tmp_path) == {new}


def test_the_last_run_is_kept_however_large_or_old(tmp_path: Path) -> None:
    kept = session(tmp_path, 500)
    SessionsFolder(tmp_path, kept_bytes=1).new_path()
    assert left(tmp_path) == {kept}


def test_a_session_that_another_poolviz_records_is_kept(tmp_path: Path) -> None:
    new, used = session(tmp_path, 1), tmp_path / name(200)
    with child(RECORD_UNTIL_KILLED, used):
        wait_until(lambda: count_in(used) == 100)
        SessionsFolder(tmp_path).new_path()
        assert {new, used} <= left(tmp_path)
        assert count_in(used) == 100


def test_what_is_no_session_is_kept_whatever_its_name(tmp_path: Path) -> None:
    new = session(tmp_path, 1)
    elsewhere = tmp_path.parent / "elsewhere.poolviz"
    recorded(elsewhere, 5)
    text, link, folder = (tmp_path / name(days) for days in (300, 301, 302))
    text.write_text("two years of work")
    link.symlink_to(elsewhere)
    folder.mkdir()
    impossible = tmp_path / "2020-13-99T250000.000Z.poolviz"
    other = tmp_path / "my-run.poolviz"
    for path in (impossible, other):
        path.write_bytes(new.read_bytes())
    before = left(tmp_path)
    SessionsFolder(tmp_path, kept_bytes=1).new_path()
    assert left(tmp_path) == before
    assert elsewhere.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root removes what it likes")
def test_a_session_that_cant_be_removed_is_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session(tmp_path, 1)
    session(tmp_path, 200)
    tmp_path.chmod(0o500)
    try:
        with caplog.at_level(logging.WARNING):
            SessionsFolder(tmp_path).new_path()
    finally:
        tmp_path.chmod(0o700)
    assert "an old session can't be removed" in caplog.text
