"""Parts of sessions, and sessions that name nobody, as every format exports them."""

from __future__ import annotations

import io
import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from PIL import Image
from pypdf import PdfReader

from poolviz.model.errors import InputError
from poolviz.model.messages import MarkAdded, RunStarted, SampleTaken
from poolviz.model.sample import TICK, ErrorCount, ErrorKind, Mark, MarkKind, Sample
from poolviz.model.scenario import Change, Scenario
from poolviz.sessions.derived import Scope, derived, part_of
from poolviz.sessions.export.registry import exporter_for, suffixes
from poolviz.sessions.file.label import Label
from poolviz.sessions.file.label_writer import write_label
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import STARTED, change, ended, samples, ticks

MARK = "zqmark"  # in every name below
HOST, USER, DATABASE, FILE = (f"{MARK}{each}" for each in ("host", "user", "db", "file"))
NAMED = RunStarted(
    STARTED,
    Scenario(
        pool=f"/home/{USER}/{FILE}.py:MyPool?acquire=get",
        limits={"size": 5, "tenant": f"{MARK}tenant"},
        load={"clients": 4, "script": f"/home/{USER}/{FILE}.sql"},
        connect={"application_name": f"{USER} app", "passfile": f"/home/{USER}/{FILE}"},
        changes=(Change(1.0, "script", f"{FILE}.sql"),),
        title=f"{DATABASE} in the morning",
        watch={"en": f"Watch {HOST}."},
    ),
    {
        "server": f"postgresql://{USER}@{HOST}.{MARK}.example:5432/{DATABASE}",
        "server version": f"18.1 ({MARK} build)",
        "dsn": f"postgresql://{USER}@{HOST}/{DATABASE}",
        "service": f"{MARK}service",
        "python": "3.11.7",
        "pool class": f"/home/{USER}/{FILE}.py:MyPool",
        f"{MARK}-pools": "1.0",
        "machine": f"Linux 6.1.0-{MARK} x86_64, 2 cores, 3.8 GiB",
    },
)
MESSAGE = f'connection to server at "{HOST}", port 5432 failed: FATAL: role "{USER}" is not there'


def a_run(count: int, per_segment: int = 700) -> Iterator[Sample]:
    """A run that has an error in each tenth sample, and a kind of its own in each segment."""
    for sample in samples(ticks(count)):
        number = sample.index // per_segment
        first = sample.index % per_segment == 0
        kind = ErrorKind(
            "OperationalError", sample.t, f"{MESSAGE} {USER}{number}", number=number,
            sqlstate="28000", exception=f"{MARK}.errors.OperationalError",
        )  # fmt: skip
        counts = [
            ErrorCount(0, 1, sample.t, f"Unknown database '{DATABASE}' of {USER}{sample.index}"),
            ErrorCount(number, 1, sample.t, None),
        ]
        some = sample.index % 10 == 0
        yield msgspec.structs.replace(
            sample,
            segment=number,
            limits={**NAMED.scenario.limits, "size": number},
            load=NAMED.scenario.load,
            errors={"OperationalError": 2} if some else {},
            error_counts=counts[: 1 + (number > 0)] if some else [],
            error_kinds=[kind] if first else [],
        )


def record(path: Path | None, count: int, began: RunStarted = NAMED) -> Recorder:
    recorder = Recorder(path)
    recorder.add(began)
    for sample in a_run(count):
        recorder.add(SampleTaken(sample))
        if sample.index and sample.index % 700 == 0:
            recorder.add(MarkAdded(change(sample.t - sample.span, "size", 0, 1)))
            note = Mark(t=sample.t, kind=MarkKind.NOTE, text=f"restarted {HOST}")
            recorder.add(MarkAdded(note))
            script = f"/home/{USER}/{FILE}.sql"
            recorder.add(
                MarkAdded(
                    Mark(
                        t=sample.t, kind=MarkKind.CHANGE, key="script", old="", new=script,
                        text=f"script  → {script}",
                    )
                )
            )  # fmt: skip
    recorder.add(ended(failure=f"The server at {HOST} refused {USER}."))
    return recorder


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of 100 s in two chunks and rows, with names in all that can have one."""
    path = tmp_path_factory.mktemp("derived") / "named.poolviz"
    record(path, 2000).close()
    write_label(path, Label(f"{MARK} name", f"{MARK} note"))
    return path


@pytest.fixture(scope="module")
def anonymous(session: Path) -> Iterator[Recorder]:
    """That session without names."""
    assert MARK.encode() in everything_in(session)
    with Recorder.open(session) as recorder, derived(recorder, Scope(anonymous=True)) as made:
        yield made


def everything_in(path: Path) -> bytes:
    """All that can be read from a file, unpacked."""
    found = path.read_bytes()
    if path.suffix == ".pdf":
        reader = PdfReader(io.BytesIO(found))
        texts = [page.extract_text() for page in reader.pages] + [str(reader.metadata)]
        found += "".join(texts).encode()
    elif path.suffix == ".png":
        with Image.open(path) as image:
            found += str(image.info).encode()
    elif path.suffix == ".poolviz":
        with closing(sqlite3.connect(path)) as connection:
            for (body,) in connection.execute("SELECT body FROM chunks"):
                found += zlib.decompress(body[4:])
            for (body,) in connection.execute("SELECT body FROM meta"):
                found += body
    return found


@pytest.mark.parametrize("suffix", [*suffixes(), "tidy.csv"])
def test_no_anonymous_export_names_anybody(
    anonymous: Recorder, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"export.{suffix.lstrip('.')}"
    exporter = exporter_for(path, tidy=suffix.startswith("tidy"))
    files = exporter.export(anonymous, path)
    for file in files:
        assert MARK.encode() not in everything_in(file).lower(), file


def test_an_anonymous_session_has_the_same_figures(session: Path, anonymous: Recorder) -> None:
    other = anonymous
    with Recorder.open(session) as recorder:
        ours, theirs = recorder.summary(), other.summary()
        for one, two in zip((ours, *ours.segments), (theirs, *theirs.segments), strict=True):
            for name in (
                *("duration_s", "operations", "errors", "wait_time_s", "connections"),
                *("use_time_s", "operations_per_client", "reported_counts"),
            ):
                assert getattr(one, name) == getattr(two, name)
            counts = [(kind.count, kind.first_s, kind.last_s) for kind in one.error_details]
            assert counts == [(k.count, k.first_s, k.last_s) for k in two.error_details]
        assert (ours.complete, theirs.complete) == (False, False)
        for part, same in zip(recorder.columns(), other.columns(), strict=True):
            assert part.columns.keys() == same.columns.keys()
            assert all((part[name] == same[name]).all() for name in part.columns)
        assert other.began is not None
        assert other.began.scenario.pool == "MyPool"


@pytest.mark.parametrize("kept", [True, False])
def test_a_run_that_goes_on_can_be_anonymous(tmp_path: Path, kept: bool) -> None:
    recorder = record(tmp_path / "run.poolviz" if kept else None, 60)
    with recorder, derived(recorder, Scope(anonymous=True)) as other:
        if not kept:  # a file has what was committed
            assert other.summary().operations == recorder.summary().operations
        assert MARK.encode() not in msgspec.json.encode((other.summary(), other.began)).lower()


def test_figures_of_a_part_are_those_of_its_samples(session: Path) -> None:
    with Recorder.open(session) as recorder:
        inside = [s for s in recorder.samples() if 40 <= s.t - s.span / 2 < 70]
        with derived(recorder, Scope(40, 70)) as part:
            summary = part.summary()
            kept = list(part.samples())
            begin, end = part_of(part)
            assert part.began is not None
            said = part.began.environment["part of the session"]
            marks = part.marks
    assert [s.t for s in kept] == [s.t for s in inside]
    assert summary.operations == sum(s.operations for s in inside)
    assert summary.wait_time_s.count == sum(s.wait.count for s in inside)
    assert summary.wait_time_s.max == max(s.wait.high for s in inside)
    assert summary.duration_s == pytest.approx(30, abs=2 * TICK)
    assert (begin, end) == (inside[0].t - inside[0].span, inside[-1].t)
    assert said.startswith(f"{begin:.2f} to 70.00 s of ")
    assert len(summary.segments) == len({s.segment for s in inside}) > 1
    assert {s.segment for s in kept} == set(range(len(summary.segments)))
    assert all(begin <= mark.t <= 70 for mark in marks)
    assert marks


def test_errors_of_a_part_are_described_although_their_first_came_before(session: Path) -> None:
    with Recorder.open(session) as recorder:
        inside = [s for s in recorder.samples() if 5 <= s.t - s.span / 2 < 30]
        with derived(recorder, Scope(5, 30)) as part:
            details = part.summary().error_details
    assert sum(kind.count for kind in details) == sum(len(s.error_counts) for s in inside) > 0
    assert all(kind.sqlstate == "28000" and 5 - TICK <= kind.first_s <= 30 for kind in details)


def test_parts_side_by_side_are_the_whole(session: Path) -> None:
    with Recorder.open(session) as recorder:
        operations = 0
        for scope in (Scope(None, 33.33), Scope(33.33, 66.6), Scope(66.6, None)):
            with derived(recorder, scope) as part:
                operations += part.summary().operations
        assert operations == recorder.summary().operations


def test_a_part_is_exported_in_every_format(session: Path, tmp_path: Path) -> None:
    with Recorder.open(session) as recorder, derived(recorder, Scope(40, 50)) as part:
        for suffix in suffixes():
            exporter_for(tmp_path / f"a{suffix}").export(part, tmp_path / f"a{suffix}")
    figures = json.loads((tmp_path / "a.json").read_bytes())
    assert figures["duration_s"] == pytest.approx(10, abs=2 * TICK)
    assert " to 50.00 s of " in figures["manifest"]["facts"]["part of the session"]
    said = figures["manifest"]["facts"]["part of the session"]
    page = (tmp_path / "a.html").read_text("utf-8")
    assert said in page.partition("</header>")[0]
    text = PdfReader(tmp_path / "a.pdf").pages[0].extract_text()
    assert said in " ".join(text.split())
    data = page.partition('id="data"')[2].partition(">")[2]
    assert 39 < json.JSONDecoder().raw_decode(data)[0]["start"] < 41
    with Recorder.open(tmp_path / "a.poolviz") as again:
        assert again.summary().operations == figures["operations"]


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(5, 5), "nothing between 5 and 5 s"),
        (Scope(-1, 5), "begins at 0 s or later"),
        (Scope(None, -3), "ends after 0 s"),
        (Scope(float("nan")), "begins at 0 s or later"),
        (Scope(500, 600), "nothing from 500 s on"),
        (Scope(1, 1.001), "nothing from 1 to 1.001 s"),
    ],
)
def test_there_is_no_such_part(session: Path, scope: Scope, words: str) -> None:
    with (
        Recorder.open(session) as recorder,
        pytest.raises(InputError, match=words),
        derived(recorder, scope),
    ):
        raise AssertionError("There was such a part.")


def test_several_pools_keep_their_figures_and_lose_their_names(tmp_path: Path) -> None:
    path = tmp_path / "several.poolviz"
    names = [f"{MARK} {number}" for number in (1, 2)]
    with Recorder(path) as recorder:
        for name in names:
            recorder.add(NAMED, name)
        for sample in a_run(200):
            for name in names:
                recorder.add(SampleTaken(sample), name)
        for name in names:
            recorder.add(ended(failure=f"{HOST} refused"), name)
        recorder.add(ended())
    copy = tmp_path / "copy.poolviz"
    with Recorder.open(path) as recorder, derived(recorder, Scope(2, 6, anonymous=True)) as part:
        exporter_for(copy).export(part, copy)
        assert part.members == ("pool 1", "pool 2")
        inside = [s for s in recorder.member(names[1]).samples() if 2 <= s.t - s.span / 2 < 6]
        operations = sum(sample.operations for sample in inside)
        assert part.member("pool 2").summary().operations == operations > 0
        one = recorder.member(names[0])
        with derived(one, Scope(anonymous=True)) as single:
            assert single.summary().operations == one.summary().operations
            assert MARK.encode() not in msgspec.json.encode(single.began).lower()
    assert MARK.encode() not in everything_in(copy).lower()
