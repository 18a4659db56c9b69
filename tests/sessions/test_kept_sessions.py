"""Sessions as lists show them, whole, killed, damaged or foreign, and their labels."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from poolviz.model.errors import InputError
from poolviz.sessions.file.format import pack, seal
from poolviz.sessions.file.label import Label
from poolviz.sessions.file.label_writer import write_label
from poolviz.sessions.file.reader import SessionHeader
from poolviz.sessions.folder import SessionsFolder
from poolviz.sessions.kept_session import Ending, KeptSession
from poolviz.sessions.limits import SessionLimits, parse_age, parse_size
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import began, wait_until
from tests.sessions.file.recording import RECORD_UNTIL_KILLED, child, count_in, recorded
from tests.sessions.test_folder import name, session

DATA = Path(__file__).parent / "data"


def test_a_whole_session_is_described_as_its_recorder_has_it(tmp_path: Path) -> None:
    path = session(tmp_path, 1, 60)
    kept = KeptSession.of(path)
    with Recorder.open(path) as recorder:
        assert recorder.began is not None
        assert kept.duration_s == recorder.duration > 0
        assert kept.pool == recorder.began.scenario.pool
        assert kept.started is not None
        assert kept.started.timestamp() == pytest.approx(recorder.began.started)
    assert kept.ending is Ending.DONE
    assert kept.size == path.stat().st_size
    assert kept.label == Label()


def test_a_session_that_is_recorded_says_so_and_cant_be_changed_until_it_is_killed(
    tmp_path: Path,
) -> None:
    folder, path = SessionsFolder(tmp_path), tmp_path / name(1)
    with child(RECORD_UNTIL_KILLED, path) as process:
        wait_until(lambda: count_in(path) == 100)
        assert KeptSession.of(path).ending is Ending.RECORDING
        with pytest.raises(InputError, match="is being recorded"):
            folder.delete(path)
        with pytest.raises(InputError, match="is being recorded"):
            folder.relabel(path, name="mine")
        assert count_in(path) == 100
        process.kill()
    kept = KeptSession.of(path)
    assert kept.ending is Ending.KILLED
    with Recorder.open(path) as recorder:
        assert kept.duration_s == recorder.duration > 0
    folder.relabel(path, note="killed by hand")
    assert count_in(path) == 100
    assert KeptSession.of(path).label.note == "killed by hand"
    folder.delete(path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("source", sorted(DATA.glob("format-*.poolviz")), ids=lambda p: p.stem)
def test_every_format_is_listed_and_takes_a_label(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "old.poolviz"
    shutil.copy(source, path)
    before = count_in(path)
    folder = SessionsFolder(tmp_path)
    folder.relabel(path, name="before 2.0", note="two\nlines", keep=True)
    (kept,) = folder.sessions()
    assert kept.label == Label("before 2.0", "two\nlines", keep=True)
    assert kept.duration_s > 0
    assert count_in(path) == before > 0
    folder.relabel(path, name="")
    assert SessionHeader(path).label == Label("", "two\nlines", keep=True)


def test_what_is_wrong_with_a_file_is_said_in_its_place(tmp_path: Path) -> None:
    good = session(tmp_path, 1)
    cut, newer, foreign = (tmp_path / f"{each}.poolviz" for each in ("cut", "newer", "foreign"))
    cut.write_bytes(good.read_bytes()[:5000])
    newer.write_bytes(good.read_bytes())
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 99")
    foreign.write_bytes(b"\x1b[31mno session" * 100)
    (tmp_path / "folder.poolviz").mkdir()
    (tmp_path / "gone.poolviz").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.poolviz")
    folder = SessionsFolder(tmp_path)
    found = {each.path.stem: each for each in folder.sessions()}
    assert found.pop(good.stem).ending is Ending.DONE
    assert len(found) == 6
    assert all(each.ending is Ending.UNREADABLE and each.sentence for each in found.values())
    assert "newer poolviz" in found["newer"].sentence
    assert "not a poolviz session" in found["foreign"].sentence
    for stem in ("foreign", "folder", "pipe", "gone"):
        with pytest.raises(InputError):
            folder.delete(tmp_path / f"{stem}.poolviz")
    assert len(list(tmp_path.iterdir())) == 7


def test_the_number_of_processes_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "eight.poolviz"
    scenario = msgspec.structs.replace(began().scenario, fleet={"processes": 8})
    with Recorder(path) as recorder:
        recorder.add(began(scenario=scenario))
    found = KeptSession.of(path)
    assert (found.processes, found.as_object()["processes"]) == (8, 8)
    assert found.processes_in_words == "8 processes"


def test_a_label_from_elsewhere_injects_nothing_into_the_list(tmp_path: Path) -> None:
    path = session(tmp_path, 1)
    body = pack(Label("\x1b]0;owned\x07" * 1000, "\x1b[2J\nnote", keep=True))
    with closing(sqlite3.connect(path)) as connection, connection:
        sealed = seal("meta", ("label", 0), body)
        connection.execute("INSERT INTO meta VALUES ('label', 0, ?)", (sealed,))
    label = KeptSession.of(path).label
    assert label.name.isprintable()
    assert len(label.name) <= 200
    assert label.note.replace("\n", "").isprintable()


def test_a_foreign_table_is_not_written_to(tmp_path: Path) -> None:
    path = session(tmp_path, 1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM samples; END")
    before = path.read_bytes()
    with pytest.raises(InputError, match="is damaged"):
        write_label(path, Label("x"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("wrong", ["a\nb", "\x1b[0m", "\ud800", " x", "x" * 81])
def test_a_name_that_cant_be_shown_is_refused(tmp_path: Path, wrong: str) -> None:
    path = session(tmp_path, 1)
    with pytest.raises(InputError, match="name"):
        write_label(path, Label(wrong))
    assert SessionHeader(path).label == Label()


def test_named_and_marked_sessions_outlast_age_and_size(tmp_path: Path) -> None:
    newest, named, marked, noted, old = (session(tmp_path, days) for days in (1, 91, 92, 93, 94))
    folder = SessionsFolder(tmp_path)
    folder.relabel(named, name="baseline")
    folder.relabel(marked, keep=True)
    folder.relabel(noted, note="only a note")
    folder.new_path()
    assert set(tmp_path.iterdir()) == {newest, named, marked}
    assert not old.exists()
    folder.set_limits(SessionLimits(size_bytes=1))
    folder.new_path()
    assert set(tmp_path.glob("*.poolviz")) == {newest, named, marked}


def test_the_users_limits_decide_and_broken_ones_remove_nothing(tmp_path: Path) -> None:
    newest, older, oldest = (session(tmp_path, days) for days in (1, 5, 200))
    folder = SessionsFolder(tmp_path)
    folder.set_limits(SessionLimits(age_s=None))
    folder.new_path()
    assert oldest.exists()
    (tmp_path / "limits.json").write_text('{"age_s": "soon"}')
    with pytest.raises(InputError, match="set the limits again"):
        folder.limits()
    folder.new_path()
    assert oldest.exists()
    folder.set_limits(SessionLimits(age_s=parse_age("3d")))
    folder.new_path()
    assert set(tmp_path.glob("*.poolviz")) == {newest}
    assert not older.exists()


def test_a_session_is_found_by_file_name_or_beginning(tmp_path: Path) -> None:
    one, other = recorded(tmp_path / "2026-a1.poolviz"), recorded(tmp_path / "2026-a2.poolviz")
    folder = SessionsFolder(tmp_path)
    folder.relabel(other, name="baseline")
    for text in (one.name, str(one), "2026-a1"):
        assert folder.find(text).path == one
    assert folder.find("baseline").path == other
    for text in ("2026-a", "nothing", "", "../x", "\0"):
        with pytest.raises(InputError):
            folder.find(text)
    with pytest.raises(InputError, match="called baseline already"):
        folder.relabel(one, name="baseline")


def test_a_file_elsewhere_is_not_deleted(tmp_path: Path) -> None:
    elsewhere = recorded(tmp_path / "elsewhere.poolviz")
    (tmp_path / "kept").mkdir()
    with pytest.raises(InputError, match="isn't in"):
        SessionsFolder(tmp_path / "kept").delete(elsewhere)
    assert elsewhere.exists()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90d", 90 * 86_400), ("2w", 14 * 86_400), ("36h", 129_600), ("none", None)],
)
def test_ages(text: str, seconds: int | None) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "d", "-1d", "1", "0d", "1e9d", "nan", "1.2.3d", "٣d", "9" * 400 + "d"]
)
def test_what_is_no_age_or_size_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_age(text)
    with pytest.raises(InputError):
        parse_size(text.replace("d", "GB"))
    assert parse_size("1.5GB") == 1_500_000_000


def test_a_thousand_sessions_are_listed_without_reading_their_samples(tmp_path: Path) -> None:
    first = recorded(tmp_path / "0000.poolviz", 200)
    for number in range(1, 1000):
        os.link(first, tmp_path / f"{number:04}.poolviz")
    begun = time.process_time()
    assert sum(each.ending is Ending.DONE for each in SessionsFolder(tmp_path).sessions()) == 1000
    assert time.process_time() - begun < 10  # 1 s on an idle machine
