"""Pools that refuse, or whose callers give up, do what formulas and simulations of them say."""

from __future__ import annotations

import math
from typing import Any

import ciw
import numpy as np
import pytest

from poolviz.pools.registry import pool_class
from poolviz.sessions.statistics import Interval
from poolviz.sizing.losses import (
    closed_giving_up,
    closed_refusing,
    open_giving_up,
    open_refusing,
)
from poolviz.sizing.model import Exhausted, Queue, fitted
from poolviz.sizing.queueing import closed, open_arrivals
from tests.sizing.test_advice import LAW, LOAD, point
from tests.sizing.test_queueing import each_takes, erlang_b

SEEDS = range(4)
LONG = 1500.0  # simulated seconds
POOL, PAUSING = 2, 3  # ciw's numbers of the nodes; 1 is where clients think
FULL = each_takes(1.0)


class Refusing(ciw.routing.NodeRouting):
    """To the pool, or to pause if that is full."""

    def __init__(self, connections: int) -> None:
        self.most = connections

    def next_node(self, ind: Any) -> Any:
        pool = self.simulation.nodes[POOL]
        free = pool.number_of_individuals < self.most
        return pool if free else self.simulation.nodes[PAUSING]


class Patient(ciw.routing.NodeRouting):
    """To a node; to pause for who gives up."""

    def __init__(self, node: int) -> None:
        self.to = node

    def next_node(self, ind: Any) -> Any:
        return self.simulation.nodes[self.to]

    def next_node_for_jockeying(self, ind: Any) -> Any:
        return self.simulation.nodes[PAUSING]


def simulated(
    seed: int, connections: int, patience: float, *, clients: int, think: float, pause: float
) -> list[float]:
    """Throughput, share lost, and mean and p95 of the waits of those served, of a closed system
    whose operations take 1 s, by ciw."""
    returning = [Patient(POOL), Patient(1), Patient(POOL)]
    if not patience:
        returning[0] = returning[2] = Refusing(connections)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([*[1e-9] * clients, math.inf]), None, None],
        service_distributions=[ciw.dists.Exponential(1 / each) for each in (think, 1.0, pause)],
        number_of_servers=[math.inf, connections, math.inf],
        reneging_time_distributions=[None, ciw.dists.Deterministic(patience or 1e9), None],
        routing=ciw.routing.NetworkRouting(routers=returning),
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(LONG)
    begin = LONG / 20
    records = [each for each in simulation.get_all_records() if each.exit_date > begin]
    served = [
        each.waiting_time for each in records if each.node == POOL and each.record_type == "service"
    ]
    lost = sum(
        each.record_type == "renege" if patience else each.node == PAUSING for each in records
    )
    return [
        len(served) / (LONG - begin),
        lost / (lost + len(served)),
        float(np.mean(served)),
        float(np.quantile(served, 0.95)),
    ]


@pytest.mark.parametrize(
    ("connections", "patience", "load"),
    [
        (4, 0.0, {"clients": 8, "think": 2.0, "pause": 1.0}),
        (4, 0.5, {"clients": 10, "think": 2.0, "pause": 0.5}),
        (4, 0.4, {"clients": 10, "think": 2.0, "pause": 2.0}),
    ],
)
def test_a_closed_pool_that_loses_clients_does_what_a_simulation_does(
    connections: int, patience: float, load: dict[str, Any]
) -> None:
    runs = np.array([simulated(seed, connections, patience, **load) for seed in SEEDS])
    error = 3 * runs.std(axis=0, ddof=1) / math.sqrt(len(runs))  # of the simulation itself
    arguments = (load["clients"], load["think"], load["pause"], connections)
    if patience:
        found = closed_giving_up(*arguments, capacity=FULL, patience=patience)
    else:
        found = closed_refusing(*arguments, FULL)
    waits = [found.served_wait_mean or 0.0, found.served_wait_p95 or 0.0]
    mean = runs.mean(axis=0)
    deviation = np.abs(mean - [found.throughput, found.lost_share, *waits])
    assert (deviation <= error + 0.02 * mean + 1e-9).all()
    assert (error <= 0.2 * mean + 1e-9).all()  # so that this says something


@pytest.mark.parametrize(("servers", "offered"), [(1, 3.0), (5, 4.0), (30, 20.0)])
def test_a_pool_that_refuses_loses_as_erlang_b_says(servers: int, offered: float) -> None:
    found = open_refusing(offered, servers, FULL)
    assert found.lost_share == pytest.approx(erlang_b(servers, offered), rel=1e-9)


def test_clients_that_pause_as_they_think_are_refused_as_engset_says() -> None:
    clients, connections, think = 12, 4, 2.0
    found = closed_refusing(clients, think, think, connections, FULL)
    # An arriving client sees what the others make of it without that one.
    terms = [math.comb(clients - 1, n) / think**n for n in range(connections + 1)]
    assert found.lost_share == pytest.approx(terms[-1] / sum(terms), rel=1e-9)


@pytest.mark.parametrize("rate", [0.5, 0.999999, 1.0, 3.0])
def test_one_connection_loses_as_a_workload_between_two_walls(rate: float) -> None:
    # M/M/1 + D, by its density: 1 at 0, then rate · exp((rate − 1) · x) until the timeout, 1 s.
    places = np.linspace(0.0, 1.0, 20_001)
    density = rate * np.exp((rate - 1) * places)
    served, lost = np.trapezoid(density, places), rate * math.exp(rate - 1)
    found = open_giving_up(rate, 1, FULL, 1.0)
    assert found.lost_share == pytest.approx(lost / (1 + served + lost), rel=1e-6)
    mean = np.trapezoid(density * places, places) / (1 + served)
    assert found.served_wait_mean == pytest.approx(mean, rel=1e-4)


@pytest.mark.parametrize(
    ("rate", "connections", "patience"),
    [(5.0, 9, 1.0), (5.0, 6, 3.0), (4.0, 4, 3.0), (9.0, 3, 0.5)],
)
def test_many_clients_give_up_as_open_arrivals_do(
    rate: float, connections: int, patience: float
) -> None:
    many = 20_000  # who think so long that it doesn't matter how many are at the pool
    one = open_giving_up(rate, connections, FULL, patience)
    other = closed_giving_up(
        *(many, many / rate, many / rate, connections), capacity=FULL, patience=patience
    )
    assert other.throughput == pytest.approx(one.throughput, rel=0.02)
    assert other.lost_share == pytest.approx(one.lost_share, rel=0.05, abs=2e-3)
    assert other.wait_mean == pytest.approx(one.wait_mean, rel=0.05, abs=2e-3)
    assert other.served_wait_p95 == pytest.approx(one.served_wait_p95, rel=0.05, abs=1e-2)


def test_a_long_timeout_is_none() -> None:
    timed, endless = open_giving_up(4.0, 5, FULL, 200.0), open_arrivals(4.0, 5, FULL)
    assert timed.lost_share < 1e-9
    assert timed.wait_mean == pytest.approx(endless.wait_mean, rel=1e-5)
    assert timed.wait_p95 == pytest.approx(endless.wait_p95, rel=1e-4)
    timed, endless = (
        closed_giving_up(9, 1.0, 0.1, 3, capacity=FULL, patience=40.0),
        closed(9, 1.0, 3, FULL),
    )
    assert timed.throughput == pytest.approx(endless.throughput, rel=1e-6)
    assert timed.wait_p95 == pytest.approx(endless.wait_p95, rel=1e-4)


@pytest.mark.parametrize(
    ("pool", "limits", "patience"),
    [
        ("sqlalchemy.QueuePool", {"pool_timeout": 2.0}, 2.0),
        ("sqlalchemy.QueuePool", {"pool_timeout": 0.0}, 0.0),
        ("psycopg2.ThreadedConnectionPool", {}, 0.0),
        ("psycopg_pool.ConnectionPool", {"timeout": 0.5}, 0.5),
        ("dbutils.PooledDB", {"timeout": 3.0, "blocking": True}, 3.0),
        ("dbutils.PooledDB", {"timeout": 3.0, "blocking": False}, 0.0),
    ],
)
def test_pools_say_how_long_their_callers_wait(
    pool: str, limits: dict[str, Any], patience: float
) -> None:
    known = pool_class(pool)
    assert known.patience({**known.limits.defaults(), **limits}) == patience


def test_a_model_of_a_pool_that_refuses_finds_what_made_the_points() -> None:
    pause = 0.01
    points = []
    for size in (2, 4, 8, 16, 24):
        said = closed_refusing(24, 0.04, pause, size, LAW.capacity)
        failed = round(said.throughput * said.lost_share / (1 - said.lost_share) * 10)
        rate = Interval(said.throughput, said.throughput, said.throughput)
        points.append(
            point(
                size,
                operations=round(said.throughput * 10),
                throughput_per_s=rate,
                use_mean_s=said.used / said.throughput,
                used_mean=said.used,
                pending_mean=0.0,
                wait_mean_s=Interval(1e-5, 1e-5, 1e-5),
                errors=failed,
            )
        )
    model = fitted(points, LOAD, Exhausted(patience=0.0, pause=pause))
    assert model.queue is Queue.CLOSED_REFUSING
    assert model.think == pytest.approx(0.04, rel=0.02)
    said = closed_refusing(24, 0.04, pause, 6, LAW.capacity)
    found = model.by_formula(6)
    assert found.throughput == pytest.approx(said.throughput, rel=0.01)
    assert found.lost_share == pytest.approx(said.lost_share, rel=0.02)
