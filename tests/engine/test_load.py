"""What the load does: open and closed, its shapes, nested checkouts; and that its figures agree."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest

from poolviz.engine.engine import Engine
from poolviz.model.messages import RunStarted
from poolviz.model.sample import Sample
from poolviz.model.scenario import Scenario
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.summary import RunSummary
from tests.engine.runs import PSYCOPG2, QUEUE_POOL, Heard, changes, running, scenario

OPEN = {"arrivals": "open", "rate": 200, "clients": 60}
POOLS = (QUEUE_POOL, "asyncpg.Pool")


def limits_of(pool: str, size: int) -> dict[str, int]:
    """Limits for a pool of that many connections."""
    if pool == QUEUE_POOL:
        return {"pool_size": size, "max_overflow": 0}
    return {"min_size": size, "max_size": size}


def whole(conninfo: str, what: Scenario) -> tuple[RunSummary, list[Sample]]:
    """A run to its end."""
    with running(Engine, conninfo, what) as (engine, heard):
        assert engine.wait(60 + what.duration)
    recorder = Recorder()
    for report in heard.reports:
        recorder.add(report)
    with recorder:
        return recorder.summary(), heard.samples


def check_littles_law(run: RunSummary) -> None:
    assert run.throughput_per_s is not None
    assert run.use_time_s.mean is not None
    assert run.connections.used_mean == pytest.approx(
        run.throughput_per_s * run.use_time_s.mean, rel=0.03
    )


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("arrivals", ["closed", "open"])
def test_littles_law_holds(pool: str, arrivals: str, conninfo: str) -> None:
    said = OPEN | {"arrivals": arrivals} if arrivals == "open" else {"clients": 6}
    run, _ = whole(conninfo, scenario(pool, duration=4.0, **limits_of(pool, 4), **said))
    check_littles_law(run)
    assert run.errors == {}
    assert run.connections.open_after_close == 0


@pytest.mark.on_demand
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("arrivals", ["closed", "open"])
def test_littles_law_holds_for_twenty_seconds(pool: str, arrivals: str, conninfo: str) -> None:
    said = OPEN | {"arrivals": arrivals} if arrivals == "open" else {"clients": 6}
    run, _ = whole(conninfo, scenario(pool, duration=20.0, **limits_of(pool, 4), **said))
    check_littles_law(run)


def erlang_c(servers: int, rate: float, service: float) -> float:
    """The mean wait of M/M/c, in seconds."""
    load = rate * service
    last = load**servers / factorial(servers) * servers / (servers - load)
    waits = last / (sum(load**k / factorial(k) for k in range(servers)) + last)
    return waits * service / (servers - load)


@pytest.mark.on_demand
@pytest.mark.parametrize("pool", POOLS)
def test_an_open_load_waits_as_erlang_c_says(pool: str, conninfo: str) -> None:
    # Hold times, since a client's own sleep is nearer to what was drawn than the server's.
    run, _ = whole(
        conninfo,
        scenario(
            pool,
            duration=90.0,
            statement="select_1",
            hold_time=0.0294,
            **limits_of(pool, 8),
            **OPEN,
        ),
    )
    assert run.throughput_per_s is not None
    assert run.use_time_s.mean is not None
    utilisation = run.throughput_per_s * run.use_time_s.mean / 8
    assert utilisation == pytest.approx(0.75, abs=0.03)
    expected = erlang_c(8, run.throughput_per_s, run.use_time_s.mean)
    assert run.wait_time_s.mean == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("pool", POOLS)
def test_an_open_load_brings_its_rate_however_slow_the_pool_is(pool: str, conninfo: str) -> None:
    # One connection serves 20 a second of 200: what isn't served waits, in the backlog at last.
    run, samples = whole(
        conninfo,
        scenario(
            pool,
            duration=2.0,
            arrivals="open",
            rate=200,
            spacing="constant",
            clients=5,
            statement_time=0.05,
            statement_distribution="constant",
            **limits_of(pool, 1),
        ),
    )
    assert samples[-1].backlog.last == 0
    assert run.wait_time_s.count == pytest.approx(200 * 2.0, abs=12)
    assert run.waits_unfinished == pytest.approx(200 * 2.0 - run.operations, abs=12)
    assert run.connections.backlog_max > 200
    assert run.connections.pending_max <= 5
    # A closed load would have waited 0.2 s at most, as each of five clients waits for four others.
    assert run.wait_time_s.max is not None
    assert run.wait_time_s.max > 0.8 * run.duration_s * (1 - 1 / 10) - 0.5


def test_the_backlog_of_an_open_load_is_dropped_when_a_closed_one_follows(conninfo: str) -> None:
    what = scenario(
        arrivals="open",
        spacing="constant",
        rate=500,
        clients=2,
        hold_time=0.05,
        pool_size=1,
        max_overflow=0,
    )
    with running(Engine, conninfo, what) as (engine, heard):
        heard.until(lambda h: h.samples and h.samples[-1].backlog.last > 50, "a backlog")
        engine.change("arrivals", "closed")
        heard.until(
            lambda h: sum(s.operations for s in h.samples if s.segment == 1) > 30,
            "operations without a backlog",
        )
        engine.change("arrivals", "open")
        heard.until(lambda h: h.samples[-1].backlog.last > 50, "another backlog")
        engine.change("rate", 1.0)
        owed = heard.until(
            lambda h: h.samples[-1].segment == 3 and h.samples[-1].backlog.last, "what is owed"
        )
        assert owed > 20  # the clients have served some meanwhile
    closed, opened = ([s for s in heard.samples if s.segment == number] for number in (1, 2))
    assert closed[0].backlog.high > 50
    assert {sample.backlog.last for sample in closed} == {0}
    # What came while the load was closed was never in a backlog, and is in none later.
    came = 500 * (opened[-1].t - closed[-1].t)
    served = sum(sample.operations for sample in opened)
    assert opened[-1].backlog.last == pytest.approx(came - served, abs=10)


@pytest.mark.parametrize("pool", [PSYCOPG2, "asyncpg.Pool"])
def test_a_shape_changes_the_number_of_active_clients(pool: str, conninfo: str) -> None:
    what = scenario(
        pool,
        duration=2.5,
        clients=3,
        shape="spike",
        spike_at=0.8,
        spike_time=0.8,
        spike_factor=4,
        **({"maxconn": 20} if pool == PSYCOPG2 else {"max_size": 20}),
    )
    run, samples = whole(conninfo, what)
    active = [sample.clients for sample in samples]
    assert (active[0], max(active), active[-2]) == (3, 12, 3)
    during = [sample for sample in samples if sample.clients == 12]
    after = [sample for sample in samples if sample.t > during[-1].t + 0.3]
    assert len({number for sample in during for number in sample.per_client}) == 12
    assert {n for s in after for n, count in s.per_client.items() if count} <= {0, 1, 2}
    assert run.errors == {}


@pytest.mark.parametrize("pool", [QUEUE_POOL, "asyncpg.Pool", "psycopg_pool.ConnectionPool"])
def test_nested_checkouts_hold_several_connections_at_once(pool: str, conninfo: str) -> None:
    size = {"pool_size": 9, "max_overflow": 0} if pool == QUEUE_POOL else {"max_size": 9}
    run, samples = whole(
        conninfo, scenario(pool, duration=1.5, clients=3, checkouts=3, hold_time=0.01, **size)
    )
    assert run.connections.used_max == 9
    assert run.use_time_s.count == pytest.approx(3 * run.operations, abs=9)
    assert run.errors == {}
    assert run.connections.open_after_close == 0
    assert all(s.idle.last + s.used.last == s.open.last for s in samples)


def test_nested_checkouts_deadlock_when_each_client_lacks_one(conninfo: str) -> None:
    what = scenario(clients=4, checkouts=2, pool_size=4, max_overflow=0, pool_timeout=60)
    with running(Engine, conninfo, what) as (_, heard):
        heard.until(
            lambda h: (
                sum(s.used.low == 4 and s.pending.low == 4 and not s.operations for s in h.samples)
                > 5
            ),
            "every client waits for another",
        )
    assert heard.ended is not None
    assert heard.ended.open_at_end == 0


def per_client(heard: Heard) -> dict[int, int]:
    counts: dict[int, int] = {}
    for sample in heard.samples:
        for number, count in sample.per_client.items():
            counts[number] = counts.get(number, 0) + count
    return counts


def test_the_longest_wait_of_each_client_is_known_even_if_it_starves(conninfo: str) -> None:
    what = scenario(
        clients=20, pool_size=2, max_overflow=0, hold_time=0.005, think_time=0, duration=1.5,
        pool_timeout=30, hold_distribution="constant",
    )  # fmt: skip
    run, _ = whole(conninfo, what)
    longest = run.longest_wait_per_client_s
    assert longest.max is not None
    assert longest.max > 0.5 * run.duration_s
    assert run.operations_per_client.max is not None
    assert run.operations_per_client.min is not None
    assert run.operations_per_client.max > 20 * max(run.operations_per_client.min, 1)


def test_a_longest_wait_belongs_to_its_segment(conninfo: str) -> None:
    what = scenario(
        clients=3, pool_size=1, max_overflow=0, hold_time=0.1, hold_distribution="constant",
        duration=2.0, changes=changes((1.0, "hold_time", 0.001)),
    )  # fmt: skip
    run, _ = whole(conninfo, what)
    first, second = run.segments
    assert first.longest_wait_per_client_s.max is not None
    assert second.longest_wait_per_client_s.median is not None
    assert first.longest_wait_per_client_s.max > 0.05
    assert second.longest_wait_per_client_s.median < first.longest_wait_per_client_s.max
    assert run.longest_wait_per_client_s.max >= first.longest_wait_per_client_s.max


def served(pool: str, conninfo: str, seed: int) -> np.ndarray:
    """How many operations were over after each tenth of the second of a run that the machine never
    held up: the arrivals are counted by time."""
    what = scenario(pool, duration=1.0, seed=seed, **limits_of(pool, 9), **OPEN)
    for _ in range(10):
        _, samples = whole(conninfo, what)
        if not any(sample.missed for sample in samples):
            break
    else:
        pytest.fail("the machine held up ten runs")
    times = [sample.t for sample in samples]
    done = np.cumsum([sample.operations for sample in samples])
    return np.asarray(np.interp(np.arange(0.1, 1.0, 0.1), times, done))


@pytest.mark.parametrize("pool", POOLS)
def test_a_run_repeats_its_draws(pool: str, conninfo: str) -> None:
    """The arrivals of the same seed are the same, those of another are others."""
    # Of these seeds the one draws up to 68 arrivals more than the other by then.
    first, again, other = (served(pool, conninfo, seed) for seed in (12, 12, 14))
    assert np.abs(first - again).max() < 20
    assert np.abs(first - other).max() > 40


@pytest.mark.parametrize(("pool", "clients"), [(PSYCOPG2, 500), ("asyncpg.Pool", 2000)])
def test_many_clients_run_and_stop_cleanly(pool: str, clients: int, conninfo: str) -> None:
    size = {"maxconn": 20} if pool == PSYCOPG2 else {"max_size": 20}
    # A long pause: a busy machine serves all of them before the first ones come again.
    what = scenario(pool, clients=clients, on_exhausted="retry", think_time=10, **size)
    with running(Engine, conninfo, what) as (_, heard):
        heard.until(lambda h: h.of(RunStarted), "the run has started")
        heard.until(
            lambda h: sum(count > 0 for count in per_client(h).values()) == clients,
            "every client was served",
        )
    assert heard.ended is not None
    assert heard.ended.open_at_end == 0
    assert heard.ended.failure == ""
