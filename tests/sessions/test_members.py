"""A run of several pools at once: the record of each, and their sum."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolviz.commands.cli import run_command_line
from poolviz.engine.engine import Engine
from poolviz.model.errors import InputError
from poolviz.model.histogram import Histogram
from poolviz.model.messages import MarkAdded, Report, RunEnded, RunStarted, SampleTaken
from poolviz.model.sample import TICK, ErrorCount, ErrorKind, Mark, MarkKind, Sample
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.kept_session import KeptSession
from poolviz.sessions.member_sum import MemberSum, shifted
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.result_text import text
from poolviz.sessions.session import Session
from poolviz.ui.report.page import page
from tests.engine.runs import PSYCOPG2, QUEUE_POOL, running, scenario
from tests.sessions.builders import STARTED, began, ended, samples, ticks


class Part(NamedTuple):
    """A member's run: when it began, and what it reports, without its end."""

    name: str
    after: float
    samples: Sequence[Sample]
    marks: Sequence[Mark] = ()


def change(t: float, text: str = "pool_size 5→6") -> Mark:
    return Mark(t=t, kind=MarkKind.CHANGE, text=text, key="pool_size", old=5, new=6)


def reports(parts: Sequence[Part]) -> Iterator[tuple[Report, str]]:
    """What several members report, in the order of time."""
    moments: list[tuple[float, int, Report, str]] = []
    for part in parts:
        started = began(started=STARTED + part.after)
        moments.append((part.after - 1e-9, 0, started, part.name))
        moments += [(part.after + m.t, 1, MarkAdded(m), part.name) for m in part.marks]
        moments += [(part.after + s.t, 2, SampleTaken(s), part.name) for s in part.samples]
        end = part.samples[-1].t if part.samples else 0.0
        moments.append((part.after + end, 3, ended(), part.name))
    for _, _, report, name in sorted(moments, key=lambda moment: moment[:2]):
        yield report, name


def record(recorder: Recorder, parts: Sequence[Part]) -> None:
    for report, name in reports(parts):
        recorder.add(report, name)
    recorder.add(ended())


@cache
def longest(seed: int) -> Sequence[Sample]:
    return tuple(samples(ticks(200, seed)))


def run(count: int, seed: int) -> list[Sample]:
    return list(longest(seed)[:count])


def waits(found: Sequence[Sample]) -> Histogram:
    total = Histogram()
    for sample in found:
        total.merge(sample.wait)
    return total


TWO = (Part("worker 1", 0.0, run(100, 1)), Part("worker 2", 1.23, run(60, 2)))


@pytest.fixture
def session(tmp_path: Path) -> Path:
    path = tmp_path / "two.poolviz"
    with Recorder(path) as recorder:
        record(recorder, TWO)
    return path


parts = st.lists(
    st.tuples(st.floats(0, 3), st.integers(0, 80), st.integers(0, 4)), min_size=1, max_size=4
).map(
    lambda drawn: [
        Part(f"worker {number}", after, run(count, seed))
        for number, (after, count, seed) in enumerate(sorted(drawn))
    ]
)


def summed_up(parts: Sequence[Part]) -> list[Sample]:
    """The samples of the sum of members."""
    total = MemberSum()
    after = {part.name: part.after for part in parts}
    made: list[Sample | Mark] = []
    for report, name in reports(parts):
        if isinstance(report, RunStarted):
            total.begin(name)
        elif isinstance(report, SampleTaken):
            made += total.sample(name, shifted(report.sample, after[name]))
        else:
            made += total.end(name)
    return [each for each in made if isinstance(each, Sample)]


@settings(max_examples=50, deadline=None)
@given(parts)
def test_everything_that_was_counted_is_in_the_sum(parts: list[Part]) -> None:
    found = summed_up(parts)
    members = [sample for part in parts for sample in part.samples]
    for name in ("operations", "timeouts", "opened", "closed"):
        assert sum(getattr(s, name) for s in found) == sum(getattr(s, name) for s in members)
    all_waits, expected = waits(found).pack(), waits(members).pack()
    assert (all_waits.count, all_waits.cells) == (expected.count, expected.cells)
    assert all_waits.total == pytest.approx(expected.total)
    assert sum(sum(s.per_client.values()) for s in found) == sum(
        sum(s.per_client.values()) for s in members
    )
    for before, after in pairwise(found):
        assert before.t < after.t
        assert after.t - after.span == pytest.approx(before.t)
    for sample in found:
        assert sample.idle.last + sample.used.last == sample.open.last
        assert sample.idle.mean + sample.used.mean == pytest.approx(sample.open.mean)
        assert sample.open.low <= sample.open.mean <= sample.open.high


def test_counts_of_the_sum_are_those_of_its_members_at_that_time() -> None:
    first, second = run(80, 1), run(80, 2)
    with Recorder() as recorder:
        record(recorder, [Part("a", 0.0, first), Part("b", 0.0, second)])
        found = list(recorder.samples())
    middle = [s for s in found if 1.0 < s.t < 3.0]
    mean = sum(s.used.mean * s.span for s in middle) / sum(s.span for s in middle)
    alone = [
        sum(s.used.mean * s.span for s in each if 1.0 < s.t < 3.0)
        / sum(s.span for s in each if 1.0 < s.t < 3.0)
        for each in (first, second)
    ]
    assert mean == pytest.approx(sum(alone), rel=0.01)
    assert all(s.capacity == 30 for s in middle)
    assert all(s.span == pytest.approx(TICK, rel=0.5) for s in middle)


def test_each_member_is_read_as_if_it_had_run_alone(session: Path) -> None:
    with Recorder() as alone, Recorder.open(session) as recorder:
        for report in (began(), *map(SampleTaken, TWO[0].samples), ended()):
            alone.add(report)
        assert recorder.members == ("worker 1", "worker 2")
        first = recorder.member("worker 1")
        assert list(first.samples()) == list(alone.samples())
        assert first.summary() == alone.summary()
        second = recorder.member("worker 2")
        assert second.began is not None
        assert (second.began.member, second.members) == ("worker 2", ())
        moments = [s.t + 1.23 for s in TWO[1].samples]
        assert [s.t for s in second.samples()] == pytest.approx(moments, abs=1e-6)
        assert second.summary().operations == sum(s.operations for s in TWO[1].samples)
        assert second.view(0, 10, 500).t[0] > 1.23
        assert recorder.summary().operations == sum(
            s.operations for part in TWO for s in part.samples
        )
        with pytest.raises(InputError, match="its pools are worker 1, worker 2"):
            recorder.member("worker 3")
    with Recorder.open(session, "worker 2") as second:
        assert second.summary().samples == 60
    with pytest.raises(InputError, match="'elsewhere'"):
        Recorder.open(session, "elsewhere")


def test_members_can_be_read_while_they_are_recorded(tmp_path: Path) -> None:
    with Recorder(tmp_path / "live.poolviz") as recorder:
        for report, name in reports(TWO):
            recorder.add(report, name)
        assert recorder.ended is None
        assert recorder.member("worker 2").summary().samples == 60
        assert len(list(recorder.member("worker 1").samples())) == 100
        newest = recorder.last
        assert newest is not None
        assert newest.t == pytest.approx(TWO[0].samples[-1].t, abs=0.1)


def test_a_whole_session_and_one_member_of_it_can_be_copied(session: Path, tmp_path: Path) -> None:
    live, copy, one = (tmp_path / f"{name}.poolviz" for name in ("live", "copy", "one"))
    with Recorder() as recorder:
        record(recorder, TWO)
        exporter_for(live).export(recorder, live)
    with Recorder.open(live) as recorder:
        exporter_for(copy).export(recorder, copy)
        exporter_for(one).export(recorder.member("worker 2"), one)
        expected = [recorder.summary(), *(recorder.member(n).summary() for n in recorder.members)]
    for path in (copy, session):
        with Recorder.open(path) as recorder:
            found = [recorder.summary(), *(recorder.member(n).summary() for n in recorder.members)]
        assert found == expected
    with Recorder.open(one) as recorder:
        assert (recorder.members, recorder.summary()) == ((), expected[2])


def test_a_change_that_reaches_all_members_is_one_change_of_the_sum() -> None:
    def of(seed: int, late: float) -> Part:
        at = 2.0 + late
        run_ = [msgspec.structs.replace(s, segment=int(s.t > at)) for s in run(100, seed)]
        return Part(f"worker {seed}", 0.0, run_, [change(at)])

    with Recorder() as recorder:
        alone = Mark(t=3.5, kind=MarkKind.FAULT, text="kill_backend", key="kill_backend", new=1)
        first, second = of(1, 0.0), of(2, 0.07)
        record(recorder, [first, second._replace(marks=[*second.marks, alone])])
        summary = recorder.summary()
        assert [mark.text for mark in recorder.marks] == ["pool_size 5→6", "kill_backend"]
        assert [segment.began_with for segment in summary.segments] == [
            [],
            ["pool_size 5→6"],
            ["kill_backend"],
        ]
        assert summary.segments[1].from_s == pytest.approx(2.0, abs=TICK)
        assert [len(recorder.member(name).marks) for name in recorder.members] == [1, 2]


def test_errors_that_are_alike_are_one_kind_whichever_member_had_them() -> None:
    def failing(text: str, number: int, at: float) -> list[Sample]:
        kind = ErrorKind("PoolError", at, text, number=number)
        count = ErrorCount(number, 3, at + 0.01, text)
        first, *others = run(40, number)
        return [
            msgspec.structs.replace(
                first, errors={"PoolError": 3}, error_kinds=[kind], error_counts=[count]
            ),
            *others,
        ]

    with Recorder() as recorder:
        parts = [
            Part("a", 0.0, failing("no connection after 5 s", 4, 0.02)),
            Part("b", 0.5, failing("no connection after 6 s", 0, 0.01)),
            Part("c", 0.5, failing("it is closed", 0, 0.01)),
        ]
        record(recorder, parts)
        kinds = {kind.message: kind for kind in recorder.summary().error_details}
    assert {message: kind.count for message, kind in kinds.items()} == {
        "no connection after 5 s": 6,
        "it is closed": 3,
    }
    alike = kinds["no connection after 5 s"]
    assert (alike.first_s, alike.last_s) == (0.02, pytest.approx(0.52))
    assert alike.last_message == "no connection after 6 s"


def test_the_sum_waits_for_a_member_that_is_late_and_not_for_ever() -> None:
    summed = MemberSum()
    summed.begin("quick")
    summed.begin("slow")
    quick, slow = run(200, 1), run(200, 2)
    made = [each for sample in quick[:20] for each in summed.sample("quick", sample)]
    assert made == []
    made = [each for sample in slow[:20] for each in summed.sample("slow", sample)]
    assert len(made) > 15
    made += [each for sample in quick[20:] for each in summed.sample("quick", sample)]
    assert 100 < len(made) < 180
    made += [each for sample in slow[20:] for each in summed.sample("slow", sample)]
    made += summed.end("quick") + summed.end("slow")
    counted = sum(each.operations for each in made if isinstance(each, Sample))
    assert counted == sum(sample.operations for sample in [*quick, *slow])


def test_moments_of_a_member_that_began_later_are_those_of_the_whole() -> None:
    kind, count = ErrorKind("PoolError", 1.0, "full", number=0), ErrorCount(0, 1, 1.5)
    (sample,) = run(1, 1)
    sample = msgspec.structs.replace(sample, error_kinds=[kind], error_counts=[count])
    later = shifted(sample, 10.0)
    assert later.t == sample.t + 10.0
    assert (later.error_kinds[0].first, later.error_counts[0].last) == (11.0, 11.5)
    assert shifted(sample, 0.0) is sample


def test_a_name_belongs_to_one_member() -> None:
    with Recorder() as recorder:
        recorder.add(began(), "one")
        with pytest.raises(ValueError, match="'one' already"):
            recorder.add(began(), "one")
        recorder.add(ended(failure="it could not start", open_at_end=0), "another")
        assert recorder.members == ("one",)


def in_order(heard: dict[str, list[Report]]) -> Iterator[tuple[Report, str]]:
    """What several runs reported, in the order of time."""
    moments: list[tuple[float, int, Report, str]] = []
    for name, said in heard.items():
        (start,) = (each.started for each in said if isinstance(each, RunStarted))
        t = 0.0
        for report in said:
            t = report.sample.t if isinstance(report, SampleTaken) else t
            moments.append((start + t, len(moments), report, name))
    for _, _, report, name in sorted(moments, key=lambda moment: moment[:2]):
        yield report, name


def test_real_pools_that_run_at_the_same_time_are_recorded_together(
    conninfo: str, tmp_path: Path
) -> None:
    """Two engines on one server: what each counts, and what their sum does."""
    kinds = {
        "threaded": scenario(PSYCOPG2, clients=3, maxconn=3, duration=2.0),
        "queue": scenario(QUEUE_POOL, clients=5, pool_size=2, max_overflow=1, duration=2.0),
    }
    path = tmp_path / "both.poolviz"
    with (
        running(Engine, conninfo, kinds["threaded"]) as (first, heard_first),
        running(Engine, conninfo, kinds["queue"]) as (second, heard_second),
    ):
        assert first.wait(60)
        assert second.wait(60)
    heard = {"threaded": heard_first.reports, "queue": heard_second.reports}
    with Recorder(path) as recorder:
        for report, name in in_order(heard):
            recorder.add(report, name)
        recorder.add(RunEnded(0))
    with Recorder.open(path) as recorder:
        whole = recorder.summary()
        parts = {name: recorder.member(name).summary() for name in recorder.members}
    assert {name: part.pool for name, part in parts.items()} == {
        "threaded": PSYCOPG2,
        "queue": QUEUE_POOL,
    }
    assert whole.operations == sum(part.operations for part in parts.values())
    assert whole.connections.opened == sum(part.connections.opened for part in parts.values())
    assert whole.connections.open_max <= 6
    assert whole.wait_time_s.count == sum(part.wait_time_s.count for part in parts.values())
    used = sum((part.connections.used_mean or 0) * part.duration_s for part in parts.values())
    assert (whole.connections.used_mean or 0) * whole.duration_s == pytest.approx(used, rel=0.03)
    assert whole.operations_per_client.min is not None
    assert len(whole.segments) == 1


def poolviz(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "poolviz", *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_several_pools_are_told_apart_on_a_terminal_and_in_a_report(
    session: Path, tmp_path: Path
) -> None:
    with Recorder.open(session) as recorder:
        pools = [(name, recorder.member(name).summary()) for name in recorder.members]
        lines = text(recorder.summary(), members=pools).splitlines()
        report = page(recorder).decode()
    for name, summary in pools:
        figures = lines[lines.index(f"pool {name}") + 1]
        assert f"{summary.operations:,} in {summary.duration_s:.1f} s" in figures
        row = report.partition(f'<th scope="row">{name}</th>')[2].partition("</tr>")[0]
        assert f'<data value="{summary.operations}">' in row
        assert f'<data value="{summary.wait_time_s.p95!r}">' in row


def test_one_of_several_pools_is_exported_by_its_name(session: Path, tmp_path: Path) -> None:
    both, one = tmp_path / "both.json", tmp_path / "one.csv"
    assert poolviz("export", session, both).returncode == 0
    found = json.loads(both.read_bytes())["members"]
    assert [(member["name"], member["samples"]) for member in found] == [
        ("worker 1", 100),
        ("worker 2", 60),
    ]
    assert poolviz("export", session, one, "--member", "worker 2").returncode == 0
    assert len(one.read_text("utf-8").splitlines()) == 61
    refused = poolviz("export", session, one, "--member", "worker")
    assert refused.returncode == 2
    assert "its pools are worker 1, worker 2" in refused.stderr
    assert KeptSession.of(session).as_object()["members"] == ["worker 1", "worker 2"]
    with Session.open(session) as opened:
        assert opened.members == ("worker 1", "worker 2")
        assert opened.member("worker 2").summary().samples == 60


def test_one_member_of_each_session_is_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(tmp_path / f"{name}.poolviz") for name in ("before", "after")]
    for seed, path in enumerate(paths):
        parts = [Part(name, 0.0, list(samples(ticks(100, seed)))) for name in ("one", "two")]
        with Recorder(Path(path)) as recorder:
            for report, name in reports(parts):
                recorder.add(report, name)
            recorder.add(ended())
    assert run_command_line(["compare", *paths, "--member", "two", "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert run_command_line(["compare", *paths, "--json"]) == 0
    assert compared != json.loads(capsys.readouterr().out)
    assert run_command_line(["compare", *paths, "--member", "three"]) == 2
    assert "its pools are one, two" in capsys.readouterr().err


def test_members_that_end_one_after_the_other_leave_the_limit_as_it_was() -> None:
    lengths = {"one": 40, "two": 44}
    parts = []
    for name, length in lengths.items():
        made = list(samples(ticks(length)))
        made[30:] = [msgspec.structs.replace(each, ending=True) for each in made[30:]]
        parts.append(Part(name, 0.0, made))
    with Recorder() as recorder:
        for report, name in reports(parts):
            recorder.add(report, name)
        last = recorder.last
        assert last is not None
        assert (last.ending, last.processes, last.capacity) == (True, 1, 30)
