"""The schedule of an open load: every request is due once and served once, in whatever order."""

from __future__ import annotations

import math
import random
import threading
from array import array
from collections import Counter
from pathlib import Path
from time import perf_counter_ns

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from poolviz.load.arrival_schedule import ArrivalSchedule
from poolviz.load.shapes import SHAPES, shape_of, shape_parameters
from poolviz.load.spacings import arrival_parameters
from poolviz.model.errors import InputError
from poolviz.model.parameters import Parameters, Value

DECLARED = Parameters("setting", *arrival_parameters(), *shape_parameters())
S = 1_000_000_000
CELL = 0.005  # seconds for which the schedule's rate is constant


def settings(**given: Value) -> dict[str, Value]:
    return DECLARED.complete({"arrivals": "open", **given})


def schedule(
    before: ArrivalSchedule | None = None, began: int = 0, seed: int = 1, **given: Value
) -> ArrivalSchedule:
    """Return a schedule whose clock never runs ahead of the moments it is given."""
    return ArrivalSchedule(settings(**given), seed, began, before, clock=lambda: 0)


def seconds(dues: array[int]) -> list[float]:
    return [due / S for due in dues]


def trace(folder: Path, text: str) -> str:
    path = folder / "trace.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def expected(until: float, wanted: dict[str, Value]) -> float:
    """Return the integral of the rate, on a grid five times as fine."""
    edges = np.linspace(0.0, until, max(2, math.ceil(until / CELL * 5)))
    middles, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    factor = shape_of(wanted).factor
    return float(wanted["rate"]) * width * sum(factor(t) for t in middles)


rates = st.floats(0, 300)
shapes = st.fixed_dictionaries(
    {
        "shape": st.sampled_from([kind.name for kind in SHAPES]),
        "ramp_from": st.floats(0, 3),
        "ramp_time": st.floats(0, 5),
        "step_count": st.integers(1, 5),
        "step_time": st.floats(0.1, 2),
        "sine_period": st.floats(0.1, 5),
        "sine_depth": st.floats(0, 1),
        "spike_at": st.floats(0, 5),
        "spike_time": st.floats(0, 5),
        "spike_factor": st.floats(0, 5),
        "burst_every": st.floats(0.1, 5),
        "burst_time": st.floats(0, 2),
        "burst_factor": st.floats(0, 5),
    }
)


def test_constant_spacing_follows_the_rate() -> None:
    ticks = schedule(spacing="constant", rate=4.0).take_due(2 * S)
    assert seconds(ticks) == pytest.approx([0.25 * n for n in range(1, 9)])


@given(rate=rates, shape=shapes, until=st.floats(0.01, 8))
def test_as_many_requests_are_due_as_the_rate_adds_up_to(
    rate: float, shape: dict[str, Value], until: float
) -> None:
    wanted = settings(spacing="constant", rate=rate, **shape)
    dues = seconds(schedule(**wanted).take_due(round(until * S)))
    assert dues == sorted(dues)
    # In addition to the next request, cells at edges of the shape count, which bursts have many of.
    edges = 2 * (1 + until / float(wanted["burst_every"])) if shape["shape"] == "bursts" else 2
    slack = 1.001 + rate * shape_of(wanted).highest * CELL * edges
    assert abs(len(dues) - expected(until, wanted)) <= slack


@pytest.mark.parametrize("shape", [kind.name for kind in SHAPES])
def test_poisson_arrivals_follow_the_current_rate(shape: str) -> None:
    wanted = settings(rate=500.0, shape=shape)
    arrivals = schedule(**wanted)
    for span in range(6):
        counted = len(arrivals.take_due((span + 1) * 10 * S))
        mean = expected((span + 1) * 10, wanted) - expected(span * 10, wanted)
        assert abs(counted - mean) < 5 * math.sqrt(mean) + 30


def test_poisson_gaps_are_exponential() -> None:
    gaps = np.diff(seconds(schedule(rate=100.0).take_due(500 * S)))
    assert gaps.mean() == pytest.approx(0.01, rel=0.03)
    assert gaps.std() == pytest.approx(0.01, rel=0.03)
    assert np.mean(gaps > 0.02) == pytest.approx(math.exp(-2), rel=0.05)


@given(seed=st.integers(0, 2**32), steps=st.lists(st.integers(0, S), max_size=20))
def test_a_seed_repeats_its_arrivals_however_often_they_are_claimed(
    seed: int, steps: list[int]
) -> None:
    piecewise, at = schedule(seed=seed, rate=50.0), 0
    taken: list[int] = []
    for step in steps:
        at += step
        piecewise.claim(at)
        taken += piecewise.take_due(at)
    assert taken == list(schedule(seed=seed, rate=50.0).take_due(at))


def test_another_seed_has_other_arrivals() -> None:
    assert schedule(seed=1).take_due(S) != schedule(seed=2).take_due(S)


@given(
    spacing=st.sampled_from(["poisson", "constant"]),
    rate=st.floats(0.1, 300),
    changes=st.lists(st.integers(0, 2 * S), min_size=1, max_size=8),
)
def test_a_change_that_changes_nothing_moves_no_request(
    spacing: str, rate: float, changes: list[int]
) -> None:
    wanted: dict[str, Value] = {"spacing": spacing, "rate": rate}
    current, at = schedule(**wanted), 0
    dues: list[int] = []
    for step in changes:
        dues += current.take_due(at + step // 2)
        at += step
        current.claim(at)
        current = schedule(before=current, began=at, **wanted)
    dues += current.take_due(at + S)
    alone = schedule(**wanted).take_due(at + S)
    assert len(dues) == pytest.approx(len(alone), abs=1)  # one may be due just at the end
    assert all(abs(a - b) <= len(changes) + 1 for a, b in zip(dues, alone, strict=False))


def test_a_rare_request_arrives_however_often_the_rate_is_changed() -> None:
    current = schedule(spacing="constant", rate=1.0)
    for tenth in range(1, 31):
        rate = 1.0 + (tenth % 2) * 1e-9
        current = schedule(before=current, began=tenth * S // 10, spacing="constant", rate=rate)
    assert seconds(current.take_due(3 * S + 1000)) == pytest.approx([1, 2, 3], abs=1e-6)


def test_a_change_of_the_rate_lets_the_shape_go_on() -> None:
    spike = {"shape": "spike", "spike_at": 2, "spike_time": 1, "spike_factor": 10.0}
    first = schedule(spacing="constant", rate=10.0, **spike)
    dues = seconds(
        schedule(before=first, began=S, spacing="constant", rate=20.0, **spike).take_due(4 * S)
    )
    assert np.histogram(dues, [0, 1, 2, 3, 4])[0] == pytest.approx([10, 20, 200, 20], abs=2)


def test_another_shape_begins_with_the_change() -> None:
    first = schedule(spacing="constant", rate=10.0)
    shape: dict[str, Value] = {"shape": "spike", "spike_at": 1, "spike_time": 1}
    dues = seconds(schedule(first, 2 * S, spacing="constant", rate=10.0, **shape).take_due(5 * S))
    assert np.histogram(dues, [0, 1, 2, 3, 4, 5])[0] == pytest.approx([10, 10, 10, 50, 10], abs=1)


def test_a_request_can_be_claimed_a_second_before_it_is_due() -> None:
    slow = schedule(spacing="constant", rate=0.5)
    assert slow.claim(S - 1) is None
    assert slow.claim(S) == 2 * S
    assert slow.claim(S) is None


def test_overdue_requests_are_claimed_first_and_given_back_ones_in_their_turn() -> None:
    busy = schedule(spacing="constant", rate=10.0)
    first, second, third = (busy.claim(10 * S) for _ in range(3))
    assert [first, second, third] == [S // 10, S // 5, 3 * S // 10]
    assert second is not None
    busy.give_back(second)
    assert busy.claim(10 * S) == second
    assert busy.claim(10 * S) == 4 * S // 10


def test_a_rate_of_zero_has_no_requests_until_it_is_raised() -> None:
    none = schedule(rate=0.0)
    assert none.claim(100 * S) is None
    assert not none.take_due(100 * S)
    some = schedule(before=none, began=100 * S, rate=100.0)
    assert len(some.take_due(110 * S)) > 500


def test_a_claim_of_a_request_that_was_never_due_is_void() -> None:
    first = schedule(spacing="constant", rate=2.0)
    early, late = first.claim(0), first.claim(0)
    assert (early, late) == (S // 2, S)
    second = schedule(before=first, began=6 * S // 10, spacing="constant", rate=4.0)
    assert first.followed
    assert not first.void(S // 2)
    assert first.void(S)
    first.give_back(S)  # the request was never due, so nothing comes back
    # 0.2 of the gap had passed by then, and the rest goes by at twice the speed.
    assert seconds(second.take_due(S)) == pytest.approx([0.5, 0.8])
    assert second.claim(0) == 8 * S // 10


def test_what_a_client_saw_come_due_stays_due_after_a_change_with_an_earlier_time() -> None:
    clock = 0
    first = ArrivalSchedule(settings(spacing="constant", rate=10.0), 1, 0, clock=lambda: clock)
    assert first.claim(0) == S // 10
    clock = S // 10 + 5  # the client has begun with it
    assert not first.void(S // 10)
    second = ArrivalSchedule(settings(rate=0.0), 1, S // 10 - 5, first, clock=lambda: clock)
    assert not first.void(S // 10)
    assert list(second.take_due(S)) == [S // 10]


def test_what_was_taken_as_due_stays_due_after_a_change_with_an_earlier_time() -> None:
    first = schedule(spacing="constant", rate=10.0)
    assert len(first.take_due(S)) == 10
    second = schedule(before=first, began=S // 2, rate=0.0)
    assert not second.take_due(5 * S)
    assert [second.claim(5 * S) for _ in range(11)][9:] == [S, None]
    # The new rate begins where the old one ended, not when it was dated.
    third = schedule(before=second, began=4 * S, spacing="constant", rate=2.0)
    assert seconds(third.take_due(6 * S)) == pytest.approx([5.5, 6.0])


def test_an_abandoned_schedule_gives_up_requests_that_are_not_claimed() -> None:
    left = schedule(spacing="constant", rate=10.0)
    claimed, served = left.claim(S), left.claim(S)
    assert claimed is not None
    left.abandon(S)
    assert left.claim(2 * S) is None
    left.give_back(claimed)
    assert len(left.take_due(5 * S)) == 10
    assert served == S // 5
    moments, waits = left.take_dropped(5 * S)
    assert len(moments) == len(waits) == 9
    assert left.take_dropped(5 * S) == (array("q"), array("q"))


def test_a_schedule_has_one_successor() -> None:
    first = schedule()
    schedule(before=first, began=S)
    with pytest.raises(RuntimeError):
        schedule(before=first, began=S)


class Interleaving(RuleBasedStateMachine):
    """Clients, a sampler and a control thread in any order; time only ever goes on."""

    @initialize(rate=rates, spacing=st.sampled_from(["poisson", "constant"]))
    def begin(self, rate: float, spacing: str) -> None:
        self.now = 0
        self.schedule = ArrivalSchedule(
            settings(rate=rate, spacing=spacing), 1, 0, clock=lambda: self.now
        )
        self.stale: list[ArrivalSchedule] = []  # those with a successor that some client still uses
        self.claims: list[tuple[ArrivalSchedule, int]] = []
        self.served: Counter[int] = Counter()
        self.reported: list[int] = []

    @rule(step=st.integers(0, 2 * S))
    def time_passes(self, step: int) -> None:
        self.now += step

    @rule(back=st.integers(0, 3))
    def a_client_claims(self, back: int) -> None:
        known = [self.schedule, *reversed(self.stale)]
        chosen = known[min(back, len(known) - 1)]
        due = chosen.claim(self.now)
        if due is not None:
            assert due <= self.now + S
            self.claims.append((chosen, due))

    @rule(data=st.data())
    def a_client_serves(self, data: st.DataObject) -> None:
        ready = [claim for claim in self.claims if claim[1] <= self.now or claim[0].void(claim[1])]
        if ready:
            self._end_claim(data.draw(st.sampled_from(ready)))

    @rule(data=st.data())
    def a_client_leaves(self, data: st.DataObject) -> None:
        if self.claims:
            claim = data.draw(st.sampled_from(self.claims))
            self.claims.remove(claim)
            claim[0].give_back(claim[1])

    @rule()
    def the_sampler_takes(self) -> None:
        taken = list(self.schedule.take_due(self.now))
        assert taken == sorted(taken)
        assert not self.reported or not taken or self.reported[-1] <= taken[0]
        self.reported += taken

    @rule(rate=rates, shape=shapes, lag=st.integers(0, S // 10), data=st.data())
    def the_settings_change(
        self, rate: float, shape: dict[str, Value], lag: int, data: st.DataObject
    ) -> None:
        spacing = data.draw(st.sampled_from(["poisson", "constant"]))
        wanted = settings(rate=rate, spacing=spacing, **shape)
        began = max(self.now - lag, 0)
        self.stale.append(self.schedule)
        self.schedule = ArrivalSchedule(wanted, 1, began, self.schedule, clock=lambda: self.now)

    @invariant()
    def past_schedules_are_empty(self) -> None:
        assert not any(stale.take_due(self.now + S) for stale in getattr(self, "stale", []))

    def teardown(self) -> None:
        if not hasattr(self, "schedule"):
            return
        end = self.now + 2 * S
        self.now = end
        for claim in list(self.claims):
            self._end_claim(claim)
        self.schedule.abandon(end)  # so that no request is due after the end
        self.reported += self.schedule.take_due(end)
        unserved = len(self.schedule.take_dropped(end)[0])
        assert Counter(self.reported) >= self.served
        assert len(self.reported) == self.served.total() + unserved

    def _end_claim(self, claim: tuple[ArrivalSchedule, int]) -> None:
        self.claims.remove(claim)
        if not claim[0].void(claim[1]):
            self.served[claim[1]] += 1


Interleaving.TestCase.settings = hypothesis_settings(deadline=None, stateful_step_count=30)
TestAnyInterleaving = Interleaving.TestCase


def test_many_threads_serve_every_request_once() -> None:
    began = perf_counter_ns()
    wanted = settings(spacing="poisson", rate=10_000.0)
    current = [ArrivalSchedule(wanted, 1, began)]
    over = threading.Event()
    served: list[list[int]] = [[] for _ in range(8)]

    def serve(mine: list[int]) -> None:
        rng = random.Random(len(mine))
        while not over.is_set():
            mine_now = current[0]
            due = mine_now.claim(perf_counter_ns())
            if due is None:
                continue
            while due > perf_counter_ns() and not mine_now.void(due):
                pass
            if mine_now.void(due) or rng.random() < 0.2:
                mine_now.give_back(due)
            else:
                mine.append(due)

    threads = [threading.Thread(target=serve, args=(mine,)) for mine in served]
    for thread in threads:
        thread.start()
    reported: list[int] = []
    for change in range(200):
        reported += current[0].take_due(perf_counter_ns())
        rate = 5_000.0 + 100 * (change % 50)
        current[0] = ArrivalSchedule({**wanted, "rate": rate}, 1, perf_counter_ns(), current[0])
    over.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    end = perf_counter_ns()
    current[0].abandon(end)
    reported += current[0].take_due(2 * end)
    left = len(current[0].take_dropped(2 * end)[0])
    done = Counter(due for mine in served for due in mine)
    assert Counter(reported) >= done
    assert len(reported) == done.total() + left


@pytest.mark.parametrize(
    "text",
    [
        "0\n0.5\n2\n",
        "# recorded\narrived,query\n1000.0,a\n1000.5,b\n1002,c\n",
        "2s\n0s\n500ms\n",
        "2024-05-01T10:00:00Z\n2024-05-01T10:00:00.5Z\n2024-05-01T12:00:02+02:00\n",
        '2024-05-01 10:00:00.000 UTC,"a;b"\n2024-05-01 10:00:00.500 UTC,"two\nlines"\n'
        '2024-05-01 10:00:02 UTC,""\n',
        "time;x\n2024-05-01 10:00:00,000;1\n2024-05-01 10:00:00,500;2\n2024-05-01 10:00:02;3\n",
    ],
    ids=["seconds", "csv", "units, unsorted", "dates", "PostgreSQL's buffer", "semicolons"],
)
def test_a_recording_is_replayed(tmp_path: Path, text: str) -> None:
    replay = schedule(began=7 * S, spacing="replay", replay_file=trace(tmp_path, text))
    assert replay.claim(7 * S) == 7 * S
    assert seconds(replay.take_due(100 * S)) == pytest.approx([7, 7.5, 9])
    assert [replay.claim(100 * S) for _ in range(3)][-1] is None


@hypothesis_settings(max_examples=15, deadline=None)  # each runs through a thousand seconds
@given(
    times=st.lists(st.floats(0, 100), min_size=1, max_size=40),
    speed=st.floats(0.1, 20),
    changes=st.lists(st.integers(0, 20 * S), max_size=5),
)
def test_a_recording_goes_on_where_it_was_when_other_settings_change(
    tmp_path_factory: pytest.TempPathFactory,
    times: list[float],
    speed: float,
    changes: list[int],
) -> None:
    file = trace(tmp_path_factory.mktemp("trace"), "\n".join(map(repr, times)))
    wanted: dict[str, Value] = {"spacing": "replay", "replay_file": file, "replay_speed": speed}
    current, at = schedule(**wanted), 0
    for number, step in enumerate(changes):
        at += step
        current = schedule(before=current, began=at, **wanted, rate=float(number))
    first = min(times)
    replayed = seconds(current.take_due(max(at, 1001 * S)))
    assert replayed == pytest.approx([(t - first) / speed for t in sorted(times)], abs=1e-6)


def test_a_recording_runs_faster_slower_and_again(tmp_path: Path) -> None:
    file = trace(tmp_path, "0\n1\n4\n")
    wanted: dict[str, Value] = {"spacing": "replay", "replay_file": file}
    fast = schedule(**wanted, replay_speed=10.0, replay_repeats=True)
    # Between two rounds there is a gap of the mean length, 2 s.
    assert seconds(fast.take_due(1_100_000_000)) == pytest.approx(
        [0, 0.1, 0.4, 0.6, 0.7, 1.0], abs=1e-6
    )
    slow = schedule(
        before=fast, began=1_100_000_000, replay_speed=1.0, **wanted, replay_repeats=True
    )
    assert seconds(slow.take_due(5 * S)) == pytest.approx([2.1, 3.1], abs=1e-6)


@pytest.mark.parametrize(("text", "period"), [("5\n", 1.0), ("3\n3\n", 1.0), ("0\n2\n", 2.0)])
def test_even_a_short_recording_repeats(tmp_path: Path, text: str, period: float) -> None:
    file = trace(tmp_path, text)
    dues = schedule(spacing="replay", replay_file=file, replay_repeats=True).take_due(10 * S)
    starts = sorted(set(seconds(dues)))
    assert np.diff(starts) == pytest.approx([period] * (len(starts) - 1))
    assert starts[-1] >= 9


def test_without_the_file_of_a_recording_the_old_schedule_goes_on(tmp_path: Path) -> None:
    first = schedule(spacing="constant", rate=10.0)
    for file, problem in (
        ("", "replay_file is empty: spacing is replay"),
        (str(tmp_path / "none.csv"), "can't be read: No such file"),
    ):
        with pytest.raises(InputError, match=problem):
            schedule(before=first, began=S, spacing="replay", replay_file=file)
    assert not first.followed
    assert len(first.take_due(2 * S)) == 20
