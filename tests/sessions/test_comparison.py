"""Sessions compared: aligned, part by part, whatever state each of them is in."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolviz.model.errors import InputError
from poolviz.model.messages import MarkAdded, RunStarted, SampleTaken
from poolviz.model.sample import Mark, MarkKind
from poolviz.sessions.comparison import Compared, common_marks
from poolviz.sessions.comparison_files import as_csv, as_json, as_markdown, as_text, write_file
from poolviz.sessions.differences import Outcome
from poolviz.sessions.overlays import OVERLAYS, marks, overlaid
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import Tick, began, change, ended, record, reports, samples
from tests.sessions.test_cards import at_samples, part


def recorded(run: Iterable[Tick], *those: Mark, path: Path | None = None, end: bool = True):
    taken = list(samples(run))
    recorder = Recorder(path)
    events = reports(taken, *at_samples(taken, those))
    return record(recorder, (each for each in events if end or each != ended()))


@pytest.fixture
def two() -> Iterator[list[Recorder]]:
    first = recorded(
        [*part(200, 0), *part(200, 1, wait=0.05, operations=15)], change(10.0, "max_overflow", 5, 0)
    )
    second = recorded(
        [*part(300, 0, seed=2), *part(100, 1, seed=2)], change(15.0, "max_overflow", 5, 0)
    )
    with first, second:
        yield [first, second]


def compared(recorders: Iterable[Recorder], align: str = "start") -> Compared:
    return Compared.of([(f"run {n}", each) for n, each in enumerate(recorders, 1)], align)


def outcome(side, figure: str) -> Outcome:
    return next(each.outcome for each in side.differences if each.figure == figure)


def test_parts_are_the_whole_and_the_segments_that_all_have(two: list[Recorder]) -> None:
    found = compared(two).comparison
    assert [each.title for each in found.parts] == [
        "The whole run",
        "Segment 1",
        "Segment 2: max_overflow 5 → 0",
    ]
    whole, first, second = found.parts
    baseline, other = second.sides
    assert baseline.differences == [] and baseline.sentence == ""
    assert outcome(first.sides[1], "throughput_per_s") is Outcome.NOT_CLEAR
    assert outcome(other, "wait_p95_s") is Outcome.CLEAR
    assert other.sentence.startswith("wait p95 ") and "throughput +" in other.sentence
    assert outcome(whole.sides[1], "throughput_per_s") is Outcome.CLEAR
    assert found.settings == {} and found.baseline == "run 1"


def test_sessions_are_aligned_at_a_mark_by_its_key_or_its_text(two: list[Recorder]) -> None:
    for align in ("max_overflow", "MAX_OVERFLOW 5 → 0", "5 →"):
        found = compared(two, align)
        assert found.zeros == pytest.approx((10.0, 15.0))
        assert (found.start, found.end) == pytest.approx((-15.0, 10.0))
        assert found.comparison.parts[0].sides[1].part.from_s == pytest.approx(15.0, abs=3)
        assert {mark.session for mark in marks(found)} == {None}
    assert common_marks(two) == ["max_overflow"]
    with pytest.raises(InputError, match="run 1 can't be aligned at 'pool_size': it has max_over"):
        compared(two, "pool_size")


def test_the_same_session_twice_has_no_difference(two: list[Recorder]) -> None:
    found = Compared.of([("a", two[0]), ("a", two[0])]).comparison
    assert [each.name for each in found.sessions] == ["a", "a (2)"]
    for each in found.parts:
        assert {d.outcome for d in each.sides[1].differences} <= {
            Outcome.NOT_CLEAR,
            Outcome.TOO_FEW,
        }


def test_changes_that_differ_are_said_and_not_compared(two: list[Recorder]) -> None:
    with recorded([*part(200, 0), *part(200, 1)], change(10.0, "pool_size")) as other:
        found = compared([two[0], other]).comparison
    assert [each.title for each in found.parts] == ["The whole run", "Segment 1"]
    assert found.notes == [
        "Segments are compared one by one as long as all sessions have the same changes and "
        "faults: the first."
    ]


def test_killed_empty_short_and_other_sessions_are_compared_and_said(tmp_path: Path) -> None:
    killed = recorded(part(200, 0), path=tmp_path / "killed.poolviz", end=False)
    killed.close()
    with (
        recorded(part(400, 0)) as whole,
        Recorder.open(tmp_path / "killed.poolviz") as killed,
        Recorder() as empty,
        recorded(part(10, 0)) as short,
    ):
        empty.add(began())
        other = msgspec.structs.replace(
            began().scenario, pool="asyncpg.Pool", limits={"max_size": 4}
        )
        with Recorder() as elsewhere:
            events = reports(samples(part(400, 0, seed=9)))
            record(
                elsewhere,
                (began(scenario=other) if isinstance(e, RunStarted) else e for e in events),
            )
            found = compared([whole, killed, empty, short, elsewhere]).comparison
    notes = [each.note for each in found.sessions]
    assert notes[0] == notes[3] == notes[4] == ""
    assert notes[1] == "The record ends before the run did."
    assert notes[2] == "The record ends before the run did. Nothing was recorded in it."
    sides = found.parts[0].sides
    assert sides[2].part is None and sides[2].sentence == "nothing was recorded"
    assert sides[3].sentence == "too few samples: 0.2 s of run 4, 2.5 s needed"
    assert found.settings["pool"][0] == "sqlalchemy.QueuePool"
    assert found.settings["pool_size"] == ["5", "5", "5", "5", "–"]
    assert found.settings["max_size"] == ["–", "–", "–", "–", "4"]
    assert "different lengths: run 1 20.0 s, run 2 10.0 s, run 3 0.0 s" in " ".join(found.notes)


def test_a_baseline_without_samples_is_said() -> None:
    with Recorder() as empty, recorded(part(100, 0)) as other:
        empty.add(began())
        found = compared([empty, other])
        assert found.comparison.parts[0].sides[1].sentence == "nothing was recorded of run 1"
        assert len(overlaid(found, 0.0, found.end, 100)) == len(OVERLAYS)
    with Recorder() as empty, Recorder() as another:
        assert compared([empty, another]).comparison.parts[0].sides[0].part is None


def test_one_session_and_nine_are_not_compared(two: list[Recorder]) -> None:
    with pytest.raises(InputError, match="two sessions or more"):
        compared(two[:1])
    with pytest.raises(InputError, match="9 sessions are too many to compare: 8 at most"):
        compared([two[0]] * 9)


def test_what_is_drawn_are_the_bins_of_each_session(two: list[Recorder]) -> None:
    found = compared(two, "max_overflow")
    drawn = overlaid(found, found.start, found.end, 2000)["used"]
    first, second = drawn.rows
    view = two[1].view(0.0, 20.0, 2000)
    assert np.isnan(first[drawn.t < -10.1]).all() and np.isnan(second[drawn.t > 5.1]).all()
    known = second[~np.isnan(second)]
    assert len(known) == pytest.approx(len(view.t), abs=3)
    assert set(known.tolist()) <= set(view.levels["used"].mean.tolist())


def test_marks_that_differ_belong_to_their_sessions(two: list[Recorder]) -> None:
    found = compared(two)
    assert [(round(mark.t), mark.session) for mark in marks(found)] == [(10, 0), (15, 1)]


HOSTILE = '=cmd|"x"</script><b>|*_`@all\x1b[31m\n'


def test_files_say_what_the_comparison_does_and_quote_names_as_text(two: list[Recorder]) -> None:
    found = Compared.of([("plain", two[0]), (HOSTILE, two[1])])
    comparison = found.comparison
    assert json.loads(as_json(found)) == json.loads(msgspec.json.encode(comparison))
    rows = list(csv.DictReader(io.StringIO(as_csv(found).decode())))
    assert len(rows) == 3 * 2 * 11
    for row in rows:
        part_ = next(each for each in comparison.parts if each.title == row["part"])
        side = part_.sides[0 if row["session"] == "plain" else 1]
        value = side.figures[row["figure"]].value
        assert float(row["value"]) == value
        assert not row["session"].startswith("=")
        if row["outcome"]:
            each = next(d for d in side.differences if d.figure == row["figure"])
            assert (float(row["change"]), row["outcome"]) == (each.change.value, each.outcome)
    markdown, text = as_markdown(found).decode(), as_text(comparison)
    assert "</script>" not in markdown and "\\<b\\>" in markdown
    assert "\x1b" not in markdown + text and "MSER-5" in markdown and "MSER-5" in text
    assert "wait p95" in text and comparison.parts[2].sides[1].sentence in text


def test_a_file_is_whole_or_not_there(two: list[Recorder], tmp_path: Path) -> None:
    found = compared(two)
    for suffix in ("csv", "json", "md", "html"):
        write_file(found, tmp_path / f"a.{suffix}")
    assert len(list(tmp_path.iterdir())) == 4
    with pytest.raises(InputError, match="no suffix that a comparison can be written as"):
        write_file(found, tmp_path / "a.xlsx")
    with pytest.raises(InputError):
        write_file(found, tmp_path / "none" / "a.csv")


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 12), min_size=0, max_size=4), min_size=2, max_size=4),
    st.integers(0, 100),
)
def test_any_sessions_are_compared(lengths: list[list[int]], seed: int) -> None:
    recorders = []
    for segments in lengths:
        recorder = Recorder()
        recorder.add(began())
        run = list(samples(t for n, many in enumerate(segments) for t in part(many, n, seed=seed)))
        for before, sample in zip([None, *run], run, strict=False):
            if before is not None and before.segment != sample.segment:
                recorder.add(MarkAdded(change(before.t)))
            recorder.add(SampleTaken(sample))
        recorder.add(MarkAdded(Mark(t=0.0, kind=MarkKind.NOTE, text="note")))
        recorders.append(recorder)
    try:
        found = compared(recorders)
        assert all(len(each.sides) == len(recorders) for each in found.comparison.parts)
        assert as_text(found.comparison) and as_markdown(found) and as_csv(found)
        overlaid(found, found.start, max(found.end, 0.1), 50)
    finally:
        for recorder in recorders:
            recorder.close()
