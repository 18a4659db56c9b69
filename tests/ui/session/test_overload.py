"""An overload of the load generator that lasts, and one that doesn't."""

from __future__ import annotations

import msgspec

from poolviz.model.sample import Sample
from poolviz.ui.session.overload import Overload, limit_sentence
from tests.sessions.builders import samples, ticks


def run_of(*parts: tuple[int, float]) -> list[Sample]:
    """Samples of a run: so many each, with timers that late (in seconds)."""
    lags = [lag for count, lag in parts for _ in range(count)]
    return [
        msgspec.structs.replace(sample, lag=lag, overloaded=lag > 0.005)
        for sample, lag in zip(samples(ticks(len(lags))), lags, strict=True)
    ]


def test_an_overload_counts_after_a_second_and_is_over_after_another() -> None:
    overload = Overload()
    seen = [
        overload.see(sample) for sample in run_of((20, 0.001), (30, 0.007), (10, 0.001), (30, 0.0))
    ]
    begins = next(index for index, sample in enumerate(seen) if sample is not None)
    ends = next(index for index in range(begins, len(seen)) if seen[index] is None)
    assert 20 + 20 <= begins <= 20 + 22
    assert 50 + 20 <= ends <= 50 + 22
    assert {sample.lag for sample in seen[begins:ends] if sample is not None} == {0.007}


def test_an_overload_of_a_moment_does_not_count() -> None:
    overload = Overload()
    assert {overload.see(sample) for sample in run_of((20, 0.0), (15, 0.02), (40, 0.0))} == {None}


def test_another_run_begins_without_an_overload() -> None:
    overload = Overload()
    for sample in run_of((40, 0.02)):
        last = overload.see(sample)
    assert last is not None
    assert "timers 20.0 ms late, limit 5 ms" in limit_sentence(last)
    assert overload.see(None) is None
    assert overload.see(run_of((1, 0.02))[0]) is None
