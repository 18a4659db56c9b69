"""What is said of changes and faults: figures before and after, intervals, and what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from poolviz.model.messages import MarkAdded, Report, RunEnded, RunStarted, SampleTaken
from poolviz.model.sample import Mark, MarkKind, Sample
from poolviz.sessions.batches import FIGURES, steps_of
from poolviz.sessions.cards import Effects, effects
from poolviz.sessions.differences import Outcome
from poolviz.sessions.differences_in_words import percent, times
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.session import Session
from poolviz.sessions.thresholds import Outcome as Checked
from tests.sessions.builders import (
    Tick,
    began,
    change,
    ended,
    far_apart,
    record,
    reports,
    samples,
    ticks,
)


def part(
    count: int,
    segment: int,
    *,
    operations: float = 20.0,
    wait: float = 0.010,
    seed: int = 1,
    pending: int = 0,
    errors: int = 0,
    faults: dict[str, object] | None = None,
) -> Iterator[Tick]:
    """Ticks of one segment, with so many operations each on average, and waits around `wait`."""
    random = np.random.default_rng((seed, segment))
    for index in range(count):
        done = int(random.poisson(operations))
        yield Tick(
            segment=segment,
            operations=done,
            pending=(pending,),
            waits=tuple(random.gamma(4, wait / 4, done).tolist()),
            uses=tuple(random.gamma(4, 0.001, done).tolist()),
            errors={"OperationalError": errors} if errors and not index else {},
        )


def marked(t: float, text: str, key: str, kind: MarkKind = MarkKind.FAULT) -> Mark:
    return Mark(t=t, kind=kind, text=text, key=key)


def at_samples(run: Sequence[Sample], marks: Sequence[Mark]) -> list[Mark]:
    """The marks at the ends of the samples that are nearest, as the engine makes them."""
    ends = np.array([sample.t for sample in run])
    nearest = [float(ends[np.argmin(abs(ends - mark.t))]) for mark in marks]
    return [msgspec.structs.replace(mark, t=t) for t, mark in zip(nearest, marks, strict=True)]


def effects_of(run: Iterable[Tick], *marks: Mark, path: Path | None = None) -> Effects:
    taken = list(samples(run))
    with Recorder(path) as recorder:
        return effects(record(recorder, reports(taken, *at_samples(taken, marks))))


def card_of(run: Iterable[Tick], *marks: Mark):
    (card,) = effects_of(run, *marks).cards
    return card


def outcomes(card) -> dict[str, Outcome]:
    return {each.figure: each.outcome for each in card.differences}


def test_a_card_says_what_a_change_did() -> None:
    card = card_of(
        [*part(300, 0), *part(300, 1, operations=13, wait=0.4, pending=8)],
        change(15.0, "max_overflow", 5, 0),
    )
    assert card.outcome is Outcome.CLEAR
    assert (round(card.at_s, 6), card.segment, card.keys) == (15.0, 2, ["max_overflow"])
    assert card.sentence.startswith("max_overflow 5 → 0: wait p95 ")
    wait = next(each for each in card.differences if each.figure == "wait_p95_s")
    assert wait.before.value == pytest.approx(0.0194, rel=0.05)
    assert wait.after.value == pytest.approx(0.775, rel=0.05)
    rate = next(each for each in card.differences if each.figure == "throughput_per_s")
    assert rate.relative.value == pytest.approx(13 / 20 - 1, abs=0.04)
    assert -0.45 < rate.relative.low < rate.relative.value < rate.relative.high < -0.25
    assert card.before.operations == pytest.approx(6000, rel=0.1)


def test_without_a_difference_none_is_said() -> None:
    card = card_of([*part(400, 0, seed=3), *part(400, 1, seed=4)], change(20.0))
    assert card.outcome is Outcome.NOT_CLEAR
    assert card.sentence == "pool_size 5 → 8: no clear difference"


def test_too_few_samples_are_said_to_be() -> None:
    card = card_of([*part(400, 0), *part(20, 1)], change(20.0))
    assert card.outcome is Outcome.TOO_FEW
    assert card.sentence == "pool_size 5 → 8: too few samples: 1.0 s after, 2.5 s needed"
    assert set(outcomes(card).values()) == {Outcome.TOO_FEW}
    assert all(each.change.value is None for each in card.differences)


def test_a_percentile_of_few_waits_is_not_compared() -> None:
    card = card_of(
        [*part(400, 0, operations=1), *part(400, 1, operations=1, wait=0.1)], change(20.0)
    )
    assert outcomes(card)["wait_p50_s"] is Outcome.CLEAR
    assert outcomes(card)["wait_p95_s"] is Outcome.CLEAR  # of some 400 waits 20 are above it
    assert outcomes(card)["wait_p99_s"] is Outcome.TOO_FEW


def test_what_has_not_settled_is_left_out_of_figures_and_said() -> None:
    after = [*part(40, 1, operations=60), *part(300, 1, operations=20, seed=2)]
    run = [*part(300, 0), *after]
    found = effects_of(run, change(15.0))
    assert found.cards[0].after.settling_s == pytest.approx(2.0, abs=0.3)
    assert outcomes(found.cards[0])["throughput_per_s"] is Outcome.NOT_CLEAR
    settled = found.segments[1].figures["throughput_per_s"]
    assert settled.low < 400 < settled.high


def test_of_a_fault_that_happens_once_nothing_is_left_out() -> None:
    run = [*part(300, 0), *part(40, 1, operations=60), *part(300, 1, seed=2, errors=5)]
    found = effects_of(run, marked(15.0, "kill_connections 5", "kill_connections"))
    (card,) = found.cards
    assert card.after.settling_s == 0
    assert card.after.from_s == pytest.approx(15.0)
    assert card.sentence.endswith("errors 0 → 5")
    assert found.segments[1].settled.settling_s > 1


def test_changes_close_together_are_compared_with_what_was_before_all_of_them() -> None:
    run = [
        *part(300, 0),
        *part(4, 1),
        *part(4, 2),
        *part(300, 3, operations=40),
    ]
    first, second, third = effects_of(
        run,
        change(15.0, "pool_size", 5, 6),
        change(15.2, "pool_size", 6, 7),
        change(15.4, "pool_size", 7, 8),
    ).cards
    assert first.outcome is second.outcome is Outcome.TOO_FEW
    assert third.changes == ["pool_size 5 → 8"]
    assert (round(third.before.to_s, 6), third.outcome) == (15.0, Outcome.CLEAR)


def test_a_session_always_has_the_same_cards(tmp_path: Path) -> None:
    path = tmp_path / "a.poolviz"
    run = [*part(1500, 0), *part(700, 1, operations=30)]
    live = effects_of(run, change(75.0), path=path)
    with Session.open(path) as session:
        assert session.cards == live.cards
        assert session.to_dict()["cards"] == msgspec.to_builtins(live.cards)
        assert session.cards == live.cards


def test_without_settling_the_figures_are_those_of_the_summary() -> None:
    with Recorder() as recorder:
        record(recorder, reports(samples(part(500, 0, pending=2))))
        summary = recorder.summary()
        (steps,) = steps_of(recorder.columns(), [each.to_s for each in summary.segments])
    batches = steps.batches()
    values = {name: float(each[0]) for name, each in batches.figures(np.ones((1, 30))).items()}
    assert set(values) == set(FIGURES)
    assert values["throughput_per_s"] == pytest.approx(summary.throughput_per_s)
    assert values["wait_p95_s"] == pytest.approx(summary.wait_time_s.p95)
    assert values["wait_mean_s"] == pytest.approx(summary.wait_time_s.mean)
    assert values["use_mean_s"] == pytest.approx(summary.use_time_s.mean)
    assert values["used_mean"] == pytest.approx(summary.connections.used_mean)
    assert values["pending_mean"] == pytest.approx(2)


def test_batches_are_at_least_half_a_second_and_at_most_thirty() -> None:
    for count, expected in ((5, 1), (60, 6), (290, 29), (2000, 30)):
        with Recorder() as recorder:
            record(recorder, reports(samples(part(count, 0))))
            (steps,) = steps_of(recorder.columns(), [recorder.duration])
        batches = steps.batches()
        assert len(batches) == expected
        assert expected == 1 or batches.sums["seconds"].min() >= 0.499


def test_what_follows_the_end_of_the_load_is_left_out() -> None:
    def closing(run: Sequence[Sample]) -> Iterator[Report]:
        yield began()
        for sample in run:
            yield SampleTaken(msgspec.structs.replace(sample, ending=sample.index >= 400))
        yield from map(MarkAdded, at_samples(run, [change(10.0)]))
        yield ended()

    run = [*part(200, 0), *part(200, 1), *part(60, 1, operations=0)]
    with Recorder() as recorder:
        card, *_ = effects(record(recorder, closing(list(samples(run))))).cards
    assert card.after.to_s == pytest.approx(20.0)
    assert outcomes(card)["throughput_per_s"] is Outcome.NOT_CLEAR


def test_conditions_of_segments_are_in_the_cards_of_their_segments() -> None:
    conditions = ("wait_p95 > 50ms in any segment", "errors > 0", "throughput < 1 in segment 1")

    def checked() -> Iterator[Report]:
        run = list(samples([*part(200, 0), *part(200, 1, wait=0.4)]))
        for report in reports(run, *at_samples(run, [change(10.0)])):
            if isinstance(report, RunStarted):
                scenario = msgspec.structs.replace(report.scenario, fail_if=conditions)
                yield msgspec.structs.replace(report, scenario=scenario)
            else:
                yield report

    with Recorder() as recorder:
        found = effects(record(recorder, checked()))
    (verdict,) = found.cards[0].thresholds
    assert (verdict.outcome, verdict.segment) == (Checked.CROSSED, 2)
    assert [each.outcome for each in found.segments[0].thresholds] == [Checked.PASSED] * 2


def test_nothing_recorded_and_nothing_changed_have_no_cards() -> None:
    with Recorder() as recorder:
        assert effects(recorder).cards == []
        recorder.add(began())
        recorder.add(RunEnded(0, "The server is gone."))
        assert effects(recorder) == effects(recorder)
    assert effects_of(ticks(50)).cards == []


def test_the_greatest_figures_of_a_session_are_taken() -> None:
    with Recorder() as recorder:
        record(recorder, reports(far_apart(samples(ticks(60))), change(3e7), change(6e7)))
        assert len(effects(recorder).segments) == 60


def test_segments_without_a_sample_of_their_own_have_a_card_too() -> None:
    run = [*part(200, 0), *part(1, 1), *part(200, 2)]
    run[200].span = 0.0
    cards = effects_of(run, change(10.0), change(10.0, "max_overflow", 5, 6)).cards
    assert cards and all(card.sentence for card in cards)


def test_pairs_of_times_and_shares_are_short() -> None:
    assert times(0.012, 0.48) == "12 → 480 ms"
    assert times(0.0004, 0.48) == "400 µs → 480 ms"
    assert percent(-0.312) == "−31 %"
    assert percent(0.034) == "+3.4 %"
    assert percent(-0.99982) == "−99.98 %"
    assert percent(9.9) == "×10.9"
    assert percent(4174.15) == "×4,175"


def test_a_part_that_begins_late_has_the_cards_of_its_own_time() -> None:
    run = list(samples([*part(200, 0), *part(200, 1, operations=40)]))
    (change_at,) = at_samples(run, [change(10.0)])
    late = [msgspec.structs.replace(sample, t=sample.t + 3000.0) for sample in run]
    with Recorder() as recorder:
        mark = msgspec.structs.replace(change_at, t=change_at.t + 3000.0)
        found = effects(record(recorder, reports(late, mark)))
    (card,) = found.cards
    assert card.outcome is Outcome.CLEAR
    assert card.before.from_s >= 3000 and card.before.batches >= 10


def test_several_pools_have_the_cards_of_their_sum_and_each_its_own(tmp_path: Path) -> None:
    first = list(samples([*part(200, 0), *part(200, 1, operations=40)]))
    with Recorder(tmp_path / "two.poolviz") as recorder:
        for name in ("worker 1", "worker 2"):
            recorder.add(began(), name)
        for sample in first:
            for name in ("worker 1", "worker 2"):
                recorder.add(SampleTaken(sample), name)
        (mark,) = at_samples(first, [change(10.0)])
        for name in ("worker 1", "worker 2"):
            recorder.add(MarkAdded(mark), name)
        recorder.add(ended(), "worker 1")
        recorder.add(ended(), "worker 2")
        recorder.add(ended())
        (alone,) = effects(recorder.member("worker 1")).cards
        both = effects(recorder)
    settled = both.segments[-1].figures["throughput_per_s"].value
    assert settled == pytest.approx(2 * 40 * 20, rel=0.1)
    assert alone.outcome is Outcome.CLEAR
    assert all(card.sentence for card in both.cards)
