"""The simulation of a pool's clients does what closed formulas say, where there are any."""

from __future__ import annotations

import math
from typing import Any

import pytest

from poolviz.sizing.losses import closed_refusing, open_giving_up
from poolviz.sizing.model import Model
from poolviz.sizing.queueing import closed, open_arrivals
from poolviz.sizing.simulation import CONSTANT, EXPONENTIAL, System, Times, simulated
from poolviz.sizing.usl import Usl
from tests.sizing.test_queueing import each_takes, erlang_b

ONE = Usl(1.0, 0.0, 0.0)
FULL = each_takes(1.0)


def system(**fields: Any) -> System:
    given = {"clients": 1, "think": 0.0, "rate": None, "seconds": ONE.seconds, **fields}
    return System(**given)


@pytest.mark.parametrize(
    ("clients", "think", "sizes"), [(24, 2.0, (1, 4, 8, 9, 24)), (6, 5.0, (1, 2)), (64, 1.0, (30,))]
)
def test_clients_that_come_back_wait_as_mean_value_analysis_says(
    clients: int, think: float, sizes: tuple[int, ...]
) -> None:
    said = simulated(system(clients=clients, think=think), sizes)
    for size, found in zip(sizes, said, strict=True):
        exact = closed(clients, think, size, FULL)
        assert found.throughput == pytest.approx(exact.throughput, rel=0.02)
        assert found.used == pytest.approx(exact.used, rel=0.02)
        assert found.wait_mean == pytest.approx(exact.wait_mean, rel=0.05, abs=2e-3)
        assert found.wait_p95 == pytest.approx(exact.wait_p95, rel=0.05, abs=2e-2)
        assert found.pending == pytest.approx(exact.pending, rel=0.05, abs=0.02)


def test_connections_that_slow_one_another_down_are_as_slow_as_the_law_says() -> None:
    law = Usl(1.0, 0.05, 0.01)
    found = simulated(system(clients=40, think=0.0, seconds=law.seconds), (6,))[0]
    assert found.throughput == pytest.approx(law.capacity(6), rel=0.02)


@pytest.mark.parametrize(("size", "rate"), [(1, 0.5), (4, 3.0), (10, 7.0)])
def test_arrivals_wait_as_erlang_c_says(size: int, rate: float) -> None:
    found = simulated(system(rate=rate), (size,))[0]
    exact = open_arrivals(rate, size, FULL)
    assert found.throughput == pytest.approx(rate, rel=0.02)
    # What chance does to so few arrivals, which a model takes out.
    assert found.wait_mean == pytest.approx(exact.wait_mean, rel=0.15)
    model = Model(ONE, 1, 0.0, rate, 0.0)
    assert model.at(size).wait_mean == pytest.approx(exact.wait_mean, rel=1e-6)
    assert model.at(size).wait_p95 == pytest.approx(exact.wait_p95, rel=1e-6)


@pytest.mark.parametrize(("size", "rate"), [(1, 0.8), (1, 0.5), (4, 3.0)])
def test_a_model_of_regular_operations_waits_half_as_long(size: int, rate: float) -> None:
    """M/D/1 by Pollaczek and Khinchine; M/D/c is within a few percent of half of M/M/c (Tijms)."""
    found = Model(ONE, 1, 0.0, rate, 0.0, use_times=CONSTANT).at(size)
    half = open_arrivals(rate, size, FULL).wait_mean / 2
    assert found.wait_mean == pytest.approx(half, rel=0.04 if size == 1 else 0.1)


@pytest.mark.parametrize(
    ("times", "variability"),
    [(CONSTANT, 0.0), (EXPONENTIAL, 1.0), (Times((0.5, 5.5), (0.9, 0.1)), 2.25)],
)
def test_one_connection_waits_as_pollaczek_and_khinchine_say(
    times: Times, variability: float
) -> None:
    rate = 0.6
    assert times.variability == pytest.approx(variability)
    found = Model(ONE, 1, 0.0, rate, 0.0, use_times=times).at(1)
    exact = rate * (1 + variability) / 2 / (1 - rate)
    assert found.wait_mean == pytest.approx(exact, rel=0.05)


def test_regular_arrivals_of_regular_operations_never_wait() -> None:
    found = simulated(system(rate=2.9, use_times=CONSTANT, gaps=CONSTANT), (3,))[0]
    assert found.wait_p95 == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("size", "offered"), [(1, 3.0), (5, 4.0), (12, 10.0)])
@pytest.mark.parametrize("times", [EXPONENTIAL, CONSTANT])
def test_a_pool_that_refuses_loses_as_erlang_b_says(
    size: int, offered: float, times: Times
) -> None:
    found = simulated(system(rate=offered, patience=0.0, use_times=times), (size,))[0]
    assert found.lost_share == pytest.approx(erlang_b(size, offered), rel=0.05)
    assert found.wait_mean == 0.0


@pytest.mark.parametrize(("size", "most", "rate"), [(4, 3, 5.0), (2, 1, 1.5), (8, 20, 9.0)])
def test_a_queue_with_an_end_refuses_as_its_chain_says(size: int, most: int, rate: float) -> None:
    """M/M/c/K."""
    terms = [rate**n / math.factorial(n) for n in range(size + 1)]
    terms += [terms[-1] * (rate / size) ** n for n in range(1, most + 1)]
    whole = sum(terms)
    pending = sum(n * term for n, term in enumerate(terms[size:])) / whole
    found = simulated(system(rate=rate, most_waiting=most), (size,))[0]
    assert found.lost_share == pytest.approx(terms[-1] / whole, rel=0.06, abs=2e-3)
    assert found.pending == pytest.approx(pending, rel=0.06)


def test_few_clients_of_a_queue_with_an_end_are_refused_as_their_chain_says() -> None:
    """Refused clients come back as those who were served do: a chain of births and deaths."""
    clients, think, size, most = 12, 2.0, 3, 2
    terms = [1.0]
    for n in range(size + most):
        terms.append(terms[-1] * (clients - n) / think / min(n + 1, size))
    asked = [term * (clients - n) for n, term in enumerate(terms)]
    found = simulated(
        system(
            clients=clients, think=think, most_waiting=most, pause=think, pause_times=EXPONENTIAL
        ),
        (size,),
    )[0]
    assert found.lost_share == pytest.approx(asked[-1] / sum(asked), rel=0.05)
    busy = sum(term * min(n, size) for n, term in enumerate(terms)) / sum(terms)
    assert found.throughput == pytest.approx(busy, rel=0.02)


def test_clients_that_pause_after_a_refusal_are_refused_as_engset_says() -> None:
    exact = closed_refusing(8, 2.0, 1.0, 4, FULL)
    found = simulated(
        system(clients=8, think=2.0, patience=0.0, pause=1.0, pause_times=EXPONENTIAL), (4,)
    )[0]
    assert found.throughput == pytest.approx(exact.throughput, rel=0.02)
    assert found.lost_share == pytest.approx(exact.lost_share, rel=0.06)


@pytest.mark.parametrize(
    ("rate", "size", "patience"), [(5.0, 5, 1.0), (3.0, 4, 0.5), (6.0, 4, 2.0)]
)
def test_arrivals_give_up_as_the_formula_says(rate: float, size: int, patience: float) -> None:
    exact = open_giving_up(rate, size, FULL, patience)
    found = simulated(system(rate=rate, patience=patience), (size,))[0]
    assert found.throughput == pytest.approx(exact.throughput, rel=0.02)
    assert found.lost_share == pytest.approx(exact.lost_share, rel=0.08)
    assert found.wait_mean == pytest.approx(exact.wait_mean, rel=0.08)


def test_clients_that_retry_are_all_served_in_the_end() -> None:
    """With retries none is lost; the sooner they try again, the more are served."""
    often, seldom = (
        simulated(system(clients=8, think=2.0, patience=0.0, backoff=backoff), (3,))[0]
        for backoff in (0.01, 1.0)
    )
    endless = closed(8, 2.0, 3, FULL)
    assert often.lost_share == pytest.approx(0.0, abs=1e-9)
    assert seldom.throughput < often.throughput < endless.throughput * 1.02


def test_the_same_question_has_the_same_answer() -> None:
    asked = system(clients=9, think=1.0)
    together = simulated(asked, (2, 4))
    assert together == simulated(asked, (2, 4))
    assert together[1] == simulated(asked, (4,))[0]
