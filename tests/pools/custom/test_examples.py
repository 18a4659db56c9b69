"""The example pools: loaded by path, under the contract of every pool, and what each adds."""

from __future__ import annotations

import logging
import time
from typing import Any

import psycopg2
import pytest
from psycopg2.pool import PoolError

from poolviz.model.parameters import Effect
from poolviz.pools.base import Pool
from poolviz.pools.registry import load_pool
from poolviz.system.resources import resource
from tests.pools.bench import Crowd, Waiter, until, waiting
from tests.pools.conftest import Benches, ClosableDatabase
from tests.pools.test_every_pool import *  # noqa: F403 - the whole contract, over these two
from tests.pools.test_every_pool_faults import *  # noqa: F403 - as above

Recycling = load_pool(f"{resource('examples/recycling_pool.py')}:RecyclingPool")
Verbose = load_pool(f"{resource('examples/verbose_pool.py')}:VerbosePool")


@pytest.fixture(params=[Recycling, Verbose], ids=lambda pool: pool.title)
def kind(request: pytest.FixtureRequest) -> type[Pool]:
    found: type[Pool] = request.param
    return found


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("verbose_pool").handlers.clear()


def own_pool(one: Any) -> Any:
    """The user's own pool that a bench drives."""
    return one.pool._current.pool


def test_every_limit_of_the_examples_is_changed_in_place_and_described() -> None:
    assert list(Recycling.limits) == ["minconn", "maxconn", "max_age", "max_idle", "timeout"]
    assert list(Verbose.limits) == ["minconn", "maxconn", "verbose"]
    for pool in (Recycling, Verbose):
        assert all(limit.effect is Effect.NOW for limit in pool.limits.values())
    assert Recycling.limits["max_age"].help.startswith("The age at which")
    assert (Recycling.waits, Verbose.waits) == (True, False)


def test_a_connection_that_is_too_old_is_closed_when_it_is_given_back(bench: Benches) -> None:
    one = bench(Recycling, minconn=1, maxconn=1)
    one.release(one.acquire(1))
    assert one.counter.came == 1
    held = one.acquire(1)
    one.change(max_age=0)
    one.release(held)
    assert (one.counter.came, one.counter.open) == (1, 0)


def test_a_connection_that_is_too_old_is_not_lent(bench: Benches) -> None:
    one = bench(Recycling, minconn=2, maxconn=2)
    one.change(max_age=0)
    held = one.acquire(1)
    assert (one.counter.came, one.counter.open) == (3, 1)
    one.release(held)


def test_a_connection_that_was_idle_too_long_is_not_lent(bench: Benches) -> None:
    one = bench(Recycling, minconn=3, maxconn=3, max_idle=0.05)
    began = time.monotonic()
    until(lambda: time.monotonic() > began + 0.1, "they have been idle")
    held = one.acquire(1)
    assert (one.counter.came, one.counter.went) == (4, 3)
    one.release(held)
    one.change(max_idle=60.0)
    one.release(one.acquire(1))
    assert one.counter.came == 4


def test_a_recycling_pool_recycles_under_load_and_loses_nothing(bench: Benches) -> None:
    one = bench(Recycling, minconn=4, maxconn=4, max_age=0.05, max_idle=0.02)
    with Crowd(one, 12) as crowd:
        until(lambda: one.counter.came > 40 or bool(crowd.faults), "many came and went")
        crowd.work(100)
    assert crowd.refusals == 0
    assert one.counter.peak <= 4
    one.change(max_age=60.0, max_idle=60.0)
    one.settle()


def test_a_caller_waits_for_its_timeout_and_no_longer(bench: Benches) -> None:
    one = bench(Recycling, minconn=0, maxconn=1, timeout=0.2)
    held = one.fill(1)
    began = time.monotonic()
    with pytest.raises(PoolError, match="exhausted"):
        one.pool.acquire()
    assert time.monotonic() - began >= 0.2
    one.release(held)


def test_a_waiting_caller_that_cant_connect_wakes_the_next(
    bench: Benches, closable_database: ClosableDatabase
) -> None:
    one = bench(Recycling, database=closable_database.name, minconn=0, maxconn=1, timeout=60.0)
    held = one.fill(1)
    with waiting(one, 2) as waiters:
        closable_database.refuse_connections()
        one.release(held)  # beyond minconn, so it is closed, and the next caller connects
        errors = [waiter.finish().error for waiter in waiters]
    assert all(isinstance(error, psycopg2.OperationalError) for error in errors)
    closable_database.allow_connections()
    one.release(one.fill(1))


def test_closing_a_recycling_pool_wakes_its_waiting_callers(conninfo: str) -> None:
    pool = Recycling.constructor.make(  # type: ignore[attr-defined]
        conninfo, psycopg2.extensions.connection, {**Recycling.limits.defaults(), "maxconn": 2}
    )
    held = [pool.getconn(), pool.getconn()]
    waiter = Waiter(pool.getconn)
    until(lambda: len(pool._given_back._waiters) == 1, "it waits")
    pool.closeall()
    assert "closed" in str(waiter.finish().error)
    assert all(conn.closed for conn in held)


def test_a_verbose_pool_logs_when_it_connects_and_only_then(
    bench: Benches, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "verbose_pool"):
        one = bench(Verbose, minconn=2, maxconn=4)
        one.change(minconn=3)
        assert caplog.text.count("opened backend") == 3
        one.change(verbose=False)
        one.release(one.fill(4))
    assert caplog.text.count("opened backend") == 3


def test_check_connections_closes_only_dead_ones(bench: Benches) -> None:
    one = bench(Verbose, minconn=3, maxconn=4)
    assert own_pool(one).check_connections() == 0
    held = one.acquire(1)
    one.kill_backends()
    one.release_broken(held)
    one.change(minconn=4)
    alive = one.counter.open - 2
    assert own_pool(one).check_connections() == 2
    assert one.counter.open == one.backends() == alive


def test_check_connections_under_load_loses_nothing(bench: Benches) -> None:
    one = bench(Verbose, minconn=6, maxconn=6, verbose=False)
    with Crowd(one, 5) as crowd:
        for _ in range(20):
            assert own_pool(one).check_connections() == 0
            crowd.work(10)
    assert one.counter.peak <= 6
    one.settle()
