"""Recording a session: what it survives, what it refuses, and what it leaves behind."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from poolviz.model.errors import InputError
from poolviz.model.messages import SampleTaken
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.file.background_writer import BackgroundWriter
from poolviz.sessions.file.writer import SessionWriter
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.summary import SummaryBuilder
from tests.sessions.builders import (
    Tick,
    began,
    change,
    digest,
    ended,
    record,
    reports,
    samples,
    ticks,
    wait_until,
)
from tests.sessions.file.recording import RECORD_UNTIL_KILLED, child, count_in, recorded


def test_a_closed_session_is_one_file_that_opens_as_it_was_recorded(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a b#?%.poolviz")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    with Recorder.open(path) as recorder:
        assert digest(recorder.samples()) == digest(samples(ticks(60)))
        assert recorder.began == began()
        assert recorder.ended == ended()
        assert recorder.marks == (change(1.0),)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("more", [0, 300, pytest.param(3000, marks=pytest.mark.on_demand)])
def test_a_session_survives_the_kill_of_the_process_that_records_it(
    tmp_path: Path, more: int
) -> None:
    path = tmp_path / "killed.poolviz"
    with child(RECORD_UNTIL_KILLED, path) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "added\n"
        wait_until(lambda: count_in(path) == 100)  # committed although nothing more comes
        process.stdin.write("go on\n")
        process.stdin.flush()
        wait_until(lambda: count_in(path) >= 100 + more)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with Recorder.open(path) as recorder:
        kept = list(recorder.samples())
        assert len(kept) >= 100 + more
        assert digest(kept) == digest(itertools.islice(samples(ticks(1_000_000)), len(kept)))
        assert recorder.summary().samples == len(kept)
        assert recorder.ended is None


def test_a_killed_sessions_name_can_be_recorded_under_again(tmp_path: Path) -> None:
    path = tmp_path / "killed.poolviz"
    with child(RECORD_UNTIL_KILLED, path) as process:
        wait_until(lambda: count_in(path) == 100)
        process.send_signal(signal.SIGKILL)
    recorded(path, count=7, seed=2)
    assert count_in(path) == 7
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_session_can_be_read_while_it_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "live.poolviz"
    run = list(samples(ticks(50)))
    with Recorder(path) as recorder:
        record(recorder, [began(), *map(SampleTaken, run[:30])])
        wait_until(lambda: count_in(path) == 30)
        record(recorder, map(SampleTaken, run[30:]))
        assert digest(recorder.samples()) == digest(run), "also those not yet written"
    assert digest(recorder.samples()) == digest(run), "and after it was closed"


def test_an_old_session_is_replaced_only_when_the_run_starts(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.poolviz", count=30)
    with Recorder(path):
        assert count_in(path) == 30
    assert count_in(path) == 30
    with Recorder(path) as recorder:
        recorder.add(ended(failure="No server."))
    assert count_in(path) == 30, "a run that never started leaves no session"
    recorded(path, count=8, seed=2)
    assert count_in(path) == 8


def test_a_session_is_recorded_where_a_symbolic_link_points(tmp_path: Path) -> None:
    real, link = tmp_path / "disk" / "real.poolviz", tmp_path / "link.poolviz"
    real.parent.mkdir()
    link.symlink_to(real)
    for count in (5, 9):
        recorded(link, count)
        assert link.is_symlink()
        assert count_in(real) == count_in(link) == count
    assert [file.name for file in real.parent.iterdir()] == [real.name]


def test_a_path_that_cant_be_written_is_refused_before_anything_is_recorded(
    tmp_path: Path,
) -> None:
    for path, sentence in ((tmp_path, "it is a folder"), (tmp_path / "no" / "a", "no folder")):
        with pytest.raises(InputError, match=sentence):
            Recorder(path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_a_session_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "thesis.poolviz"
    path.write_text("two years of work")
    with pytest.raises(InputError, match=r"thesis\.poolviz exists and is not a poolviz session"):
        Recorder(path)
    assert path.read_text() == "two years of work"


def test_a_file_that_appears_after_the_check_is_not_replaced_either(tmp_path: Path) -> None:
    path = tmp_path / "thesis.poolviz"
    with Recorder(path) as recorder:
        path.write_text("two years of work")
        record(recorder, reports(samples(ticks(5))))
        wait_until(lambda: recorder.trouble)
        assert "not a poolviz session" in recorder.trouble
    assert path.read_text() == "two years of work"
    assert sum(1 for _ in recorder.samples()) == 5, "kept in memory"


def test_a_session_that_is_being_recorded_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "live.poolviz"
    run = list(samples(ticks(200)))
    with Recorder(path) as recorder:
        record(recorder, [began(), *map(SampleTaken, run[:100])])
        wait_until(lambda: count_in(path) == 100)
        with pytest.raises(InputError, match="in use by a poolviz that is running"):
            Recorder(path)
        record(recorder, map(SampleTaken, run[100:]))
    with Recorder.open(path) as reopened:
        assert digest(reopened.samples()) == digest(run)


def test_a_session_that_another_process_records_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "live.poolviz"
    with child(RECORD_UNTIL_KILLED, path):
        wait_until(lambda: count_in(path) == 100)
        with pytest.raises(InputError, match="in use by a poolviz that is running"):
            Recorder(path)
        assert count_in(path) == 100


DISK_FULL = """
import resource, sys
from pathlib import Path
from poolviz.model.messages import SampleTaken
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import began, digest, ended, samples, ticks, wait_until
path = Path(sys.argv[1])
run = list(samples(ticks(3000)))
recorder = Recorder(path)
recorder.add(began())
recorder.add(SampleTaken(run[0]))
if sys.argv[2] == "later":
    wait_until(path.exists)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100 if sys.argv[2] == "at once" else 60_000, hard))
for sample in run[1:]:
    recorder.add(SampleTaken(sample))
wait_until(lambda: recorder.trouble)
print(recorder.trouble, flush=True)
assert digest(recorder.samples()) == digest(run)
if sys.argv[3] == "freed":
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    wait_until(lambda: not recorder.trouble)
recorder.add(ended())
recorder.close()
print(recorder.trouble, flush=True)
assert digest(recorder.samples()) == digest(run)
"""


@pytest.mark.parametrize("when", ["at once", "later"])
def test_nothing_is_lost_by_a_full_disk_once_there_is_room(tmp_path: Path, when: str) -> None:
    path = tmp_path / "a.poolviz"
    with child(DISK_FULL, path, when, "freed") as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    first, second = said.split("\n")[:2]
    assert first.startswith(f"Can't write the session to {path} (")
    assert second == ""
    with Recorder.open(path) as recorder:
        assert digest(recorder.samples()) == digest(samples(ticks(3000)))
        assert recorder.ended == ended()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_disk_that_stays_full_is_reported_and_the_file_still_opens(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.poolviz"
    with child(DISK_FULL, path, "later", "full") as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert said.count(f"Can't write the session to {path} (") == 2
    assert capfd.readouterr().err == ""  # it was said; a traceback would add nothing
    assert count_in(path) >= 1


def test_a_session_that_is_not_kept_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    run = list(samples(ticks(100)))
    with Recorder() as recorder:
        record(recorder, [began(), *map(SampleTaken, run[:60])])
        writer = recorder._writer
        wait_until(lambda: not writer._file._unwritten)
        record(recorder, map(SampleTaken, run[60:]))
        assert digest(recorder.samples()) == digest(run)
        assert recorder.path is None
    assert list(tmp_path.iterdir()) == []
    assert recorder.summary().samples == 100
    with pytest.raises(RuntimeError):
        list(recorder.samples())


def test_nothing_can_be_recorded_after_the_end(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.poolviz")
    record(recorder, reports(samples(ticks(3))))
    recorder.close()
    recorder.close()
    with pytest.raises(RuntimeError):
        recorder.add(ended())
    with Recorder.open(tmp_path / "a.poolviz") as reopened, pytest.raises(RuntimeError):
        reopened.add(ended())
    assert os.listdir(tmp_path) == ["a.poolviz"]  # noqa: PTH208 - with what begins with a dot


def test_a_session_and_what_is_beside_it_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.poolviz"
    before = os.umask(0)
    try:
        with Recorder(path) as recorder:
            record(recorder, [began(), *map(SampleTaken, samples(ticks(100)))])
            wait_until(lambda: count_in(path) == 100)
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("a.poolviz", "a.poolviz-wal", "a.poolviz-shm"), 0o600)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed in /proc")
def test_a_session_that_is_not_kept_is_its_owners_alone() -> None:
    def temporary() -> list[Path]:
        links = Path("/proc/self/fd").iterdir()
        return [link for link in links if "etilqs" in os.path.realpath(link)]  # SQLite's own

    assert not temporary()
    with Recorder() as recorder:
        record(recorder, [began(), *map(SampleTaken, samples(ticks(5000)))])
        wait_until(temporary)
        assert {file.stat().st_mode & 0o777 for file in temporary()} == {0o600}


def test_settings_are_stored_once_for_as_long_as_they_are_in_force(tmp_path: Path) -> None:
    path = tmp_path / "a.poolviz"
    run = list(samples([Tick(segment=0)] * 50 + [Tick(segment=1, limits={"pool_size": 8})] * 50))
    with Recorder(path) as recorder:
        record(recorder, reports(run))
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM settings").fetchone()
    assert count == 2
    with Recorder.open(path) as reopened:
        kept = list(reopened.samples())
    assert kept == run
    assert kept[0].limits is kept[49].limits
    assert kept[50].load is kept[99].load


def test_samples_that_no_disk_takes_are_counted_once_there_is_no_room(tmp_path: Path) -> None:
    path = tmp_path / "a.poolviz"
    path.mkdir()  # nothing can be written there
    run = list(samples(ticks(200)))
    with pytest.raises(InputError):
        BackgroundWriter(path)
    path.rmdir()
    writer = SessionWriter(BackgroundWriter(path, room=20_000))
    path.mkdir()
    writer.begin(began())
    for sample in run:
        writer.add_sample(sample, SummaryBuilder())
    wait_until(lambda: "samples are missing in the session" in writer.trouble)
    assert writer.trouble.startswith(f"Can't write the session to {path} (")
    kept = list(writer.samples())
    assert 0 < len(kept) < 200
    assert writer.missing == 200 - len(kept)
    path.rmdir()
    writer.add_mark(change(1.0))  # marks always have room
    writer.end(ended())
    writer.close()
    assert writer.trouble.startswith(f"{writer.missing:,} samples are missing in the session")
    with Recorder.open(path) as recorder:
        assert list(recorder.samples()) == kept
        assert recorder.missing == writer.missing
        assert recorder.ended == ended()
        summary = recorder.summary()
        assert (summary.complete, summary.incomplete_reason) == (False, writer.trouble)
        copy = tmp_path / "copy.poolviz"
        exporter_for(copy).export(recorder, copy)
    with Recorder.open(copy) as recorder:
        assert recorder.trouble == writer.trouble


RECORD_AS_A_RUN_DOES = """
import sys, time
from pathlib import Path
from poolviz.model.messages import SampleTaken
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import began, samples, ticks
recorder = Recorder(Path(sys.argv[1]))
recorder.add(began())
due = time.perf_counter()
for sample in samples(ticks(100_000)):
    recorder.add(SampleTaken(sample))
    print(sample.index, flush=True)
    due += 0.05
    time.sleep(max(due - time.perf_counter(), 0))
"""


@pytest.mark.on_demand
@pytest.mark.parametrize("trial", range(20))
def test_a_kill_at_any_moment_loses_less_than_a_second(tmp_path: Path, trial: int) -> None:
    path = tmp_path / "killed.poolviz"
    last = random.Random(trial).randrange(25, 90)
    with child(RECORD_AS_A_RUN_DOES, path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= last:
                break
        process.send_signal(signal.SIGKILL)
        added = int((process.stdout.readlines() or [line])[-1]) + 1
    with Recorder.open(path) as recorder:
        kept = list(recorder.samples())
    assert added - 20 <= len(kept) <= added + 1
    assert digest(kept) == digest(itertools.islice(samples(ticks(100_000)), len(kept)))
