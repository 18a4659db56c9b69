"""The queues agree with closed formulas, and with a simulation of the same system."""

from __future__ import annotations

import math

import ciw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from poolviz.sizing.queueing import Capacity, closed, open_arrivals, takes_longer

SEEDS = range(6)
LONG = 2500.0  # simulated seconds


def each_takes(seconds: float) -> Capacity:
    """What connections complete together that don't disturb one another."""
    return lambda busy: busy / seconds


def erlang_b(servers: int, offered: float) -> float:
    """The share that is refused, by its definition."""
    terms = [offered**n / math.factorial(n) for n in range(servers + 1)]
    return terms[-1] / sum(terms)


@pytest.mark.parametrize(("servers", "offered"), [(1, 0.5), (5, 4.0), (10, 8.0), (40, 36.0)])
def test_open_arrivals_wait_as_erlang_c_says(servers: int, offered: float) -> None:
    blocked = erlang_b(servers, offered)
    waits = servers * blocked / (servers - offered * (1 - blocked))
    found = open_arrivals(offered, servers, each_takes(1.0))
    assert found.waiting_share == pytest.approx(waits, rel=1e-6)
    assert found.wait_mean == pytest.approx(waits / (servers - offered), rel=1e-5)
    p95 = max(math.log(waits / 0.05) / (servers - offered), 0.0)
    assert found.wait_p95 == pytest.approx(p95, rel=1e-4, abs=1e-9)


def test_an_open_pool_that_is_too_small_waits_for_ever() -> None:
    found = open_arrivals(10.0, 2, each_takes(1.0))
    assert math.isinf(found.wait_mean)
    assert found.throughput == pytest.approx(2.0)


def simulated(clients: int, think: float, connections: int, seed: int) -> tuple[float, float]:
    """Throughput and mean wait of a closed system whose operations take 1 s, by ciw."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([*[1e-9] * clients, math.inf]), None],
        service_distributions=[ciw.dists.Exponential(1 / think), ciw.dists.Exponential(1.0)],
        number_of_servers=[math.inf, connections],
        routing=[[0.0, 1.0], [1.0, 0.0]],
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(LONG)
    begin = LONG / 20
    visits = [
        each
        for each in simulation.get_all_records()
        if each.node == 2 and each.service_end_date > begin
    ]
    return len(visits) / (LONG - begin), sum(each.waiting_time for each in visits) / len(visits)


@pytest.mark.parametrize(
    ("clients", "think", "connections"), [(8, 1.0, 2), (12, 1.0, 4), (20, 1.0, 8)]
)
def test_a_closed_pool_does_what_a_simulation_does(
    clients: int, think: float, connections: int
) -> None:
    runs = np.array([simulated(clients, think, connections, seed) for seed in SEEDS])
    error = 3 * runs.std(axis=0, ddof=1) / math.sqrt(len(runs))  # of the simulation itself
    found = closed(clients, think, connections, each_takes(1.0))
    deviation = np.abs(runs.mean(axis=0) - [found.throughput, found.wait_mean])
    assert (deviation <= error + 0.02 * runs.mean(axis=0)).all()
    assert (error < 0.08 * runs.mean(axis=0)).all()  # so that this says something


@given(
    clients=st.integers(1, 60),
    think=st.floats(0.0, 5.0),
    connections=st.integers(1, 60),
    use=st.floats(0.001, 2.0),
    variability=st.floats(0.05, 4.0),
)
def test_littles_law_holds_in_every_closed_pool(
    clients: int, think: float, connections: int, use: float, variability: float
) -> None:
    found = closed(clients, think, connections, each_takes(use), variability)
    full = min(clients, connections) / use
    assert 0 < found.throughput <= full * (1 + 1e-9)
    assert found.used <= min(clients, connections) * (1 + 1e-9)
    assert found.pending == pytest.approx(found.throughput * found.wait_mean, rel=1e-6, abs=1e-9)
    assert clients / found.throughput >= (think + use + found.wait_mean) * (1 - 1e-6)


@given(connections=st.integers(1, 30), share=st.floats(0.05, 0.97))
def test_more_connections_never_make_open_arrivals_wait_longer(
    connections: int, share: float
) -> None:
    rate = connections * share
    fewer = open_arrivals(rate, connections, each_takes(1.0))
    more = open_arrivals(rate, connections + 1, each_takes(1.0))
    assert more.wait_mean <= fewer.wait_mean + 1e-9
    assert more.wait_p95 <= fewer.wait_p95 + 1e-9


@pytest.mark.parametrize("time", [0.0, 0.3, 2.5, 40.0])
def test_waiting_for_several_completions_is_a_gamma_distribution(time: float) -> None:
    turns = np.arange(1, 31, dtype=np.float64)
    assert takes_longer(turns, time) == pytest.approx(special.gammaincc(turns, time), rel=1e-9)
