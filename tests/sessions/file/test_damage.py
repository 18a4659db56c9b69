"""A session file is data from anywhere: whatever was changed in it, it opens with what was recorded
or is refused in one sentence, soon, and nothing in it is executed."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
import tomllib
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from poolviz.model.errors import InputError
from poolviz.model.histogram import Durations
from poolviz.model.messages import RunStarted
from poolviz.model.sample import (
    ErrorKind,
    Level,
    Mark,
    MarkKind,
    ReportedCounts,
    Sample,
    ServerView,
)
from poolviz.model.scenario import Change, Scenario
from poolviz.sessions.bins import HEIGHT, HEIGHT_BEFORE_AGES
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.file.arrays import pack_array, unpack_array
from poolviz.sessions.file.format import FORMAT, Row, pack, seal, unseal, write_session
from poolviz.sessions.file.packing import Packer, as_rows, counts_row
from poolviz.sessions.file.stored_bins import StoredBins
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.summary import SummaryBuilder
from tests.sessions.builders import began, change, digest, durations, ended, samples, ticks
from tests.sessions.file.recording import recorded

# A test takes a sixth of as many inputs as are asked for.
property_test = settings(
    max_examples=max(60, int(os.environ.get("POOLVIZ_FUZZ", "0")) // 6),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def content(path: Path) -> tuple[object, ...]:
    """Everything that is in a session."""
    with Recorder.open(path) as recorder:
        figures = msgspec.json.encode(recorder.summary())
        kept = digest(recorder.samples())
        return recorder.began, recorder.ended, recorder.marks, recorder.missing, kept, figures


def sentence(path: Path) -> str:
    """The one sentence by which a session is refused."""
    with pytest.raises(InputError) as caught:
        Recorder.open(path)
    (said,) = caught.value.problems
    assert said.startswith(str(path))
    assert said.isprintable()
    assert len(said) < len(str(path)) + 300
    return said


def opens_the_same_or_is_refused(path: Path, expected: tuple[object, ...]) -> None:
    try:
        found = content(path)
    except InputError as error:
        assert len(error.problems) == 1
        assert str(error).isprintable()
    else:
        assert found == expected


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("whole") / "a.poolviz", count=12)


@pytest.fixture(scope="module")
def expected(whole: Path) -> tuple[object, ...]:
    return content(whole)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with two chunks, and samples that are in none."""
    return recorded(tmp_path_factory.mktemp("long") / "a.poolviz", count=2200)


@pytest.fixture(scope="module")
def expected_of_long(long: Path) -> tuple[object, ...]:
    return content(long)


part = st.floats(0, 1, exclude_max=True)


@settings(property_test, max_examples=max(25, property_test.max_examples // 4))
@given(at=part)
def test_a_flipped_bit_in_a_chunk_is_found(
    long: Path, expected_of_long: tuple[object, ...], tmp_path: Path, at: float
) -> None:
    data = bytearray(long.read_bytes())
    bit = int(at * len(data) * 8)
    data[bit // 8] ^= 1 << bit % 8
    path = tmp_path / "flipped.poolviz"
    path.write_bytes(data)
    opens_the_same_or_is_refused(path, expected_of_long)


def test_bins_of_a_session_without_ages_are_drawn(long: Path, tmp_path: Path) -> None:
    """Earlier sessions have fewer figures in a bin; those that they lack are not known."""
    path = tmp_path / "earlier.poolviz"
    path.write_bytes(long.read_bytes())
    with closing(sqlite3.connect(path)) as connection, connection:
        for number, sealed in connection.execute("SELECT idx, body FROM bins").fetchall():
            stored = StoredBins.unpack(unseal("bins", (number, 0), sealed))
            levels = [
                pack_array(unpack_array(each).reshape(HEIGHT, -1)[:HEIGHT_BEFORE_AGES].ravel())
                for each in stored.levels
            ]
            body = zlib.compress(pack((stored.seen, levels)))
            connection.execute(
                "UPDATE bins SET body = ? WHERE idx = ?", (seal("bins", (number, 0), body), number)
            )
    with Recorder.open(path) as earlier, Recorder.open(long) as present:
        shown, expected = (each.view(0.0, 110.0, 60) for each in (earlier, present))
    np.testing.assert_array_equal(shown.lines["throughput"], expected.lines["throughput"])
    chunked = shown.t < 100.0
    assert np.isnan(shown.lines["oldest_age"][chunked]).all()


def test_bins_that_unpack_to_more_than_a_chunk_has_are_refused(long: Path, tmp_path: Path) -> None:
    """A few bytes of them could otherwise take all memory."""
    path = tmp_path / "large.poolviz"
    path.write_bytes(long.read_bytes())
    wide = pack_array(np.zeros(HEIGHT * 65))
    bodies = {
        "what is drawn of it can't be": StoredBins((0.0, 0.0, 0.0), [wide] * 4, HEIGHT).pack(),
        "what is drawn of it is not what was written": zlib.compress(bytes(10_000_000)),
    }
    for said, body in bodies.items():
        with closing(sqlite3.connect(path)) as connection, connection:
            sealed = seal("bins", (0, 0), body)
            connection.execute("UPDATE bins SET body = ? WHERE idx = 0", (sealed,))
        assert said in sentence(path)


@pytest.mark.parametrize("statement", [
    "DELETE FROM chunks WHERE idx = 1",
    "DELETE FROM chunks",
    "DELETE FROM bins WHERE idx = 0",
    "DELETE FROM segments",
    "DELETE FROM meta WHERE key = 'state'",
    "DELETE FROM samples WHERE idx = (SELECT min(idx) FROM samples)",
    "UPDATE chunks SET first = 0",
    "UPDATE chunks SET count = count - 1",
    "UPDATE chunks SET idx = 7 WHERE idx = 1",
    "UPDATE chunks SET body = (SELECT body FROM chunks WHERE idx = 0)",
    "UPDATE bins SET body = (SELECT body FROM bins WHERE idx = 0)",
])  # fmt: skip
def test_rows_of_chunks_that_were_changed_are_found(
    long: Path, tmp_path: Path, statement: str
) -> None:
    path = tmp_path / "changed.poolviz"
    path.write_bytes(long.read_bytes())
    with closing(sqlite3.connect(path)) as connection, connection:
        before = connection.total_changes
        connection.execute(statement)
        changed = connection.total_changes - before
    if changed:
        assert "is damaged" in sentence(path)


@property_test
@given(at=part)
def test_a_flipped_bit_is_found(
    whole: Path, expected: tuple[object, ...], tmp_path: Path, at: float
) -> None:
    data = bytearray(whole.read_bytes())
    bit = int(at * len(data) * 8)
    data[bit // 8] ^= 1 << bit % 8
    path = tmp_path / "flipped.poolviz"
    path.write_bytes(data)
    opens_the_same_or_is_refused(path, expected)


@property_test
@given(at=part)
def test_a_session_cut_anywhere_is_refused(whole: Path, tmp_path: Path, at: float) -> None:
    data = whole.read_bytes()
    path = tmp_path / "cut.poolviz"
    path.write_bytes(data[: int(at * len(data))])
    sentence(path)


@property_test
@given(at=part, junk=st.binary(min_size=1, max_size=5000))
def test_overwritten_bytes_are_found(
    whole: Path, expected: tuple[object, ...], tmp_path: Path, at: float, junk: bytes
) -> None:
    data = bytearray(whole.read_bytes())
    start = int(at * len(data))
    data[start : start + len(junk)] = junk[: len(data) - start]
    path = tmp_path / "overwritten.poolviz"
    path.write_bytes(data)
    opens_the_same_or_is_refused(path, expected)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM samples WHERE idx = 11", "it has 11 samples and had 12"),
        ("DELETE FROM samples WHERE idx = 4", "missing or there twice, at number 4"),
        ("DELETE FROM marks", "it has 0 marks and had 1"),
        ("DELETE FROM settings", "it has 0 settings and had 1"),
        ("DELETE FROM meta WHERE key = 'ended'", "the end of its run is missing"),
        ("DELETE FROM meta WHERE key = 'counts'", "its 'counts' is missing"),
        ("DELETE FROM meta WHERE key = 'began'", "its 'began' is missing"),
        (
            "INSERT INTO samples SELECT 12, settings, 0, body FROM samples WHERE idx = 3",
            "sample 12",
        ),
        (
            "UPDATE samples SET body = (SELECT body FROM samples AS other"
            " WHERE other.idx = 7 - samples.idx) WHERE idx IN (3, 4)",
            "sample 3 is not what was written",
        ),
        ("UPDATE samples SET settings = 1 WHERE idx = 5", "sample 5 is not what was written"),
        ("UPDATE samples SET settings = 'x' WHERE idx = 5", "at number 5"),
        ("UPDATE samples SET body = 'x' WHERE idx = 5", "something in its samples is no body"),
        ("UPDATE samples SET body = x'' WHERE idx = 5", "sample 5 is not what was written"),
        ("UPDATE meta SET key = 'x' WHERE key = 'began'", "its 'x' is not what was written"),
        ("CREATE VIEW more AS SELECT 1", "its tables are not those of a session"),
        ("CREATE TABLE more (x)", "its tables are not those of a session"),
        ("CREATE INDEX more ON samples (settings)", "its tables are not those of a session"),
        (
            "CREATE TRIGGER more AFTER INSERT ON samples BEGIN DELETE FROM marks; END",
            "its tables are not those of a session",
        ),
        (f"PRAGMA user_version = {FORMAT - 1}", "its tables are not those of a session"),
        ("PRAGMA user_version = -5", "there is no format -5"),
    ],
)
def test_rows_that_were_changed_are_found(
    whole: Path, tmp_path: Path, statement: str, why: str
) -> None:
    path = tmp_path / "changed.poolviz"
    path.write_bytes(whole.read_bytes())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    assert why in sentence(path)


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT {} FROM n"


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("meta", "x AS key, x'00' AS body"),
        ("settings", "x AS idx, x'00' AS body"),
        ("samples", "x AS idx, 0 AS settings, randomblob(9) AS body"),
        ("marks", "x AS idx, x'00' AS body"),
    ],
)
def test_a_view_in_the_place_of_a_table_is_never_read(
    whole: Path, tmp_path: Path, table: str, columns: str
) -> None:
    path = tmp_path / "view.poolviz"
    path.write_bytes(whole.read_bytes())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"CREATE VIEW {table} AS {ENDLESS.format(columns)}")
    assert "its tables are not those of a session" in sentence(path)


def test_a_schema_that_cant_be_parsed_is_damage(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "schema.poolviz"
    path.write_bytes(whole.read_bytes())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = 'CREATE TABLE marks (' || char(10) || '<b>'"
            " WHERE name = 'marks'"
        )
    sentence(path)


def test_a_schema_that_is_no_text_is_damage(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    for name in (b"CREATE TABLE marks", b"idx INTEGER", b"tablesettings"):
        path = tmp_path / "text.poolviz"
        path.write_bytes(data.replace(name, b"\x80" * len(name)))
        sentence(path)


def test_a_body_of_many_megabytes_is_not_read(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.poolviz"
    path.write_bytes(whole.read_bytes())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE samples SET body = zeroblob(50000000) WHERE idx = 5")
    assert "too big" in sentence(path)


@pytest.mark.parametrize(
    ("name", "inner", "why"),
    [
        ("samples", 0x05, "malformed"),  # rows that the index names are not there
        ("sqlite_autoindex_samples_1", 0x02, "samples are missing or there twice"),
    ],
)
def test_pages_that_are_there_many_times_are_read_once(
    name: str, inner: int, why: str, tmp_path: Path
) -> None:
    """An inner page that names the same leaf again and again would be billions of rows."""
    path = recorded(tmp_path / "again.poolviz", count=1000)
    data = bytearray(path.read_bytes())
    (size,) = struct.unpack(">H", data[16:18])
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (root,) = connection.execute(query, (name,)).fetchone()
    start = (root - 1) * size
    assert data[start] == inner, "an inner page"
    (cells,) = struct.unpack(">H", data[start + 3 : start + 5])
    places = struct.unpack(f">{cells}H", data[start + 12 : start + 12 + 2 * cells])
    leaf = data[start + places[0] : start + places[0] + 4]
    for place in places:
        data[start + place : start + place + 4] = leaf
    path.write_bytes(data)
    assert why in sentence(path)


def test_marks_without_end_are_not_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "marks.poolviz"
    written(path, began(), RUN, [change(0.1)] * 200)
    with Recorder.open(path) as recorder:
        assert len(recorder.marks) == 200
    monkeypatch.setattr("poolviz.sessions.file.contents._KEPT", 5_000)
    assert "it has more marks than a run makes" in sentence(path)


# What a session may say that no run ever did

NUMBERS = st.sampled_from([-1, 0, 1, 10**6, 2**31, 2**53, 2**63 - 1, -(2**63), 2**64 - 1])
FLOATS = st.sampled_from(
    [float("nan"), float("inf"), -float("inf"), -1.0, -0.0, 0.0, 5e-324, 1e15, 3e8, 1e300, 2.5e11]
)
TEXTS = st.sampled_from(
    ["", "x" * 10**5, "=1+1", "<img src=x>", "a\n[limits]\nb", "\x00\x1b", "../../x", "\u202e"]
)
VALUES = st.one_of(NUMBERS, FLOATS, TEXTS, st.booleans())
TABLES = st.dictionaries(TEXTS, VALUES, max_size=3)
CELLS = st.sampled_from(
    [
        b"",
        b"x",
        bytes(6),
        struct.pack("<HI", 1399, 1),
        struct.pack("<HI", 1400, 1),
        struct.pack("<HI", 65535, 2**32 - 1),
        struct.pack("<HIHI", 7, 1, 7, 1),
    ]
)
FIELDS: dict[Any, st.SearchStrategy[Any]] = {
    int: NUMBERS,
    float: FLOATS,
    bool: st.booleans(),
    str: TEXTS,
    Level: st.builds(Level, NUMBERS, NUMBERS, NUMBERS, FLOATS),
    Durations: st.builds(Durations, NUMBERS, FLOATS, FLOATS, FLOATS, CELLS),
    dict[str, int]: st.dictionaries(TEXTS, NUMBERS, max_size=2),
    dict[int, int]: st.dictionaries(NUMBERS, NUMBERS, max_size=2),
    dict[int, float]: st.dictionaries(NUMBERS, FLOATS, max_size=2),
    dict[str, str]: st.dictionaries(TEXTS, TEXTS, max_size=3),
    int | None: NUMBERS,
    float | None: FLOATS,
    ReportedCounts: st.builds(ReportedCounts, NUMBERS, NUMBERS, NUMBERS),
    ServerView | None: st.builds(ServerView, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    list[ErrorKind]: st.lists(st.builds(ErrorKind, TEXTS, FLOATS, TEXTS), max_size=2),
    MarkKind: st.sampled_from(MarkKind),
}


def hostile(kind: type[msgspec.Struct], *without: str) -> st.SearchStrategy[dict[str, Any]]:
    """Some fields of a message, with values that no run gives them."""
    known = {
        field.name: FIELDS.get(field.type, TABLES if "dict[str" in str(field.type) else VALUES)
        for field in msgspec.structs.fields(kind)
        if field.name not in without and (field.type in FIELDS or "Value" in str(field.type))
    }
    return st.sampled_from(sorted(known)).flatmap(
        lambda name: known[name].map(lambda value: {name: value})
    )


def written(
    path: Path,
    start: RunStarted,
    run: Iterable[Sample],
    marks: Iterable[Mark] = (),
) -> None:
    """A session with right checksums, whatever it says."""
    packer, sums = Packer(), SummaryBuilder()
    rows: list[Row] = [packer.began(start), *(packer.mark(mark) for mark in marks)]
    for sample in run:
        rows += as_rows(packer.sample(sample, sums)[1])
    rows.append(packer.ended(ended()))
    path.unlink(missing_ok=True)
    write_session(path, [*rows, counts_row(packer.counts)])


def used_or_refused(path: Path, check: Callable[[Recorder], None] = lambda _: None) -> None:
    """Whatever poolviz does with a session without a window works, if it can be opened."""
    try:
        recorder = Recorder.open(path)
    except InputError as error:
        assert len(error.problems) == 1
        assert "is damaged" in str(error)
        return
    with recorder:
        recorder.summary()
        recorder.recent(5)
        for points in (3, 2000):
            recorder.view(0.0, recorder.duration, points)
        check(recorder)
        for suffix in (".csv", ".json", ".toml", ".poolviz"):
            target = path.parent / f"out{suffix}"
            exporter_for(target).export(recorder, target)
        assert recorder.began is not None
        scenario = tomllib.loads((path.parent / "out.toml").read_text("utf-8"))
        assert scenario.get("title", "") == recorder.began.scenario.title
        assert scenario["pool"] == recorder.began.scenario.pool
        figures = json.loads((path.parent / "out.json").read_bytes())
        assert figures["samples"] == recorder.summary().samples
        again = content(path.parent / "out.poolviz")[0]
        assert pack(again) == pack(recorder.began), "as bytes, for NaN is not equal to itself"


RUN = list(samples(ticks(6)))


@property_test
@given(where=st.integers(0, 5), fields=hostile(Sample))
def test_a_sample_that_cant_be_is_refused_or_harmless(
    tmp_path: Path, where: int, fields: dict[str, Any]
) -> None:
    assume(fields.get("index", 0) < 2**63)  # or the chunk that it begins couldn't be written
    run = [*RUN]
    run[where] = msgspec.structs.replace(run[where], **fields)
    path = tmp_path / "a.poolviz"
    written(path, began(), run)
    used_or_refused(path)


@property_test
@given(fields=hostile(RunStarted), scenario=hostile(Scenario), at=FLOATS, value=VALUES)
def test_a_beginning_that_cant_be_is_refused_or_harmless(
    tmp_path: Path, fields: dict[str, Any], scenario: dict[str, Any], at: float, value: Any
) -> None:
    changes = (Change(1.0, "pool_size", value), Change(at, "pool_size", 3))
    hostile_scenario = msgspec.structs.replace(began().scenario, **scenario, changes=changes)
    path = tmp_path / "a.poolviz"
    written(path, began(scenario=hostile_scenario, **fields), RUN)
    used_or_refused(path)


@property_test
@given(fields=hostile(Mark))
def test_a_mark_that_cant_be_is_refused_or_harmless(tmp_path: Path, fields: dict[str, Any]) -> None:
    path = tmp_path / "a.poolviz"
    written(path, began(), RUN, [msgspec.structs.replace(change(0.1), **fields)])
    used_or_refused(path)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"t": float("nan")}, "sample 3 is at nan s"),
        ({"t": 0.01}, "sample 3 is at 0.01 s"),
        ({"span": -1.0}, "sample 3 is at"),
        ({"index": 1}, "sample 3 is out of order"),
        ({"segment": -1}, "sample 3 is out of order"),
        ({"operations": -5}, "sample 3 has a count that can't be"),
        ({"cpu": float("inf")}, "sample 3 has a count that can't be"),
        ({"errors": {"TimeoutError": -1}}, "sample 3 has a count that can't be"),
        ({"per_client": {1: 2**63}}, "sample 3 has a count that can't be"),
        ({"used": Level(1, 5, 2, 1.0)}, "sample 3 has a count of used that can't be"),
        ({"open": Level(1, 1, 1, float("nan"))}, "sample 3 has a count of open that can't be"),
        ({"wait": Durations(1, 1.0, 1.0, 1.0, b"xyz")}, "sample 3 has wait times that can't be"),
        ({"use": Durations(1, 1.0, 1.0, 1.0, b"\xff" * 6)}, "sample 3 has use times that can't be"),
        (
            {"wait": msgspec.structs.replace(durations(0.1, 0.2), count=9)},
            "sample 3 has wait times that can't be",
        ),
        (
            {"wait": Durations(1, 1.0, float("nan"), 1.0, durations(1.0).cells)},
            "sample 3 has wait times that can't be",
        ),
    ],
)
def test_the_sentence_says_which_sample_cant_be(
    tmp_path: Path, fields: dict[str, Any], why: str
) -> None:
    run = [*RUN]
    run[3] = msgspec.structs.replace(run[3], **fields)
    written(tmp_path / "a.poolviz", began(), run)
    assert why in sentence(tmp_path / "a.poolviz")


def test_whatever_a_pool_of_the_users_reports_its_session_opens(tmp_path: Path) -> None:
    run = [*RUN]
    odd = ReportedCounts(-1, 2**64 - 1, -(2**63))
    run[3] = msgspec.structs.replace(run[3], reported_counts=odd, capacity=-(2**63))
    path = tmp_path / "a.poolviz"
    written(path, began(), run)
    with Recorder.open(path) as recorder:
        assert list(recorder.samples())[3].reported_counts == odd
    used_or_refused(path)


@pytest.mark.parametrize("started", [float("nan"), float("inf"), -1.0, 3.2e12])
def test_a_start_at_no_time_is_a_sentence(tmp_path: Path, started: float) -> None:
    written(tmp_path / "a.poolviz", began(started=started), RUN)
    assert "its run began at" in sentence(tmp_path / "a.poolviz")
