"""check, configure and reset of psycopg's pools, which can be changed while a pool is in use."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from poolviz.model.errors import InputError
from poolviz.model.parameters import Value
from poolviz.pools.registry import pool_class
from tests.pools.bench import Bench, until

Benches = Callable[..., Bench]
IDS = [f"psycopg_pool.{name}Pool" for name in ("Connection", "AsyncConnection", "NullConnection")]
KEPT = IDS[:2]  # those that keep connections


def limits(id: str, **given: Value) -> dict[str, Value]:
    sizes: dict[str, Value] = {"min_size": 1, "max_size": 1}
    known = pool_class(id).limits
    return {**{key: sizes[key] for key in sizes if key in known}, **given}


def is_true(one: Bench, condition: str) -> None:
    (connection,) = one.acquire(1)
    question = f"SELECT 1 / (CASE WHEN {condition} THEN 1 ELSE 0 END)"
    one.holders.do(connection, one.pool.execute, connection, question)
    one.release([connection])


@pytest.mark.parametrize("id", IDS)
def test_a_connection_is_configured(id: str, bench: Benches) -> None:
    sql = "SET work_mem = '7MB'; SET jit = off"
    one = bench(pool_class(id), **limits(id, configure=sql))
    is_true(one, "current_setting('work_mem') = '7MB' AND current_setting('jit') = 'off'")


@pytest.mark.parametrize("id", IDS)
def test_what_configures_is_changed_for_new_connections(id: str, bench: Benches) -> None:
    one = bench(pool_class(id), **limits(id))
    is_true(one, "current_setting('work_mem') <> '7MB'")
    one.change(configure="SET work_mem = '7MB'")
    one.kill_backends()
    (held,) = one.take(1)
    one.works(held)  # not if the pool had kept it
    one.release([held])
    is_true(one, "current_setting('work_mem') = '7MB'")


@pytest.mark.parametrize("id", IDS)
def test_sql_that_cannot_configure_is_the_error_of_the_start(id: str, bench: Benches) -> None:
    if id not in KEPT:
        pytest.skip("it opens no connection at the start")
    with pytest.raises(InputError, match=r"configure can't be executed .*no_such_setting"):
        bench(pool_class(id), configure="SET no_such_setting = 1")


@pytest.mark.parametrize("id", KEPT)
def test_a_connection_is_reset_when_it_is_given_back(id: str, bench: Benches) -> None:
    one = bench(pool_class(id), **limits(id))
    mark = "SELECT set_config('work_mem', '7MB', false)"

    def leave_a_setting() -> None:
        (connection,) = one.acquire(1)
        one.holders.do(connection, one.pool.execute, connection, mark)
        one.holders.do(connection, one.pool.commit, connection)
        one.release([connection])

    leave_a_setting()
    is_true(one, "current_setting('work_mem') = '7MB'")
    one.change(reset="DISCARD ALL")
    leave_a_setting()
    is_true(one, "current_setting('work_mem') <> '7MB'")
    one.change(reset="")
    leave_a_setting()
    is_true(one, "current_setting('work_mem') = '7MB'")
    assert one.counter.came == 1


@pytest.mark.parametrize("id", KEPT)
def test_sql_that_cannot_reset_costs_the_connection(id: str, bench: Benches) -> None:
    one = bench(pool_class(id), **limits(id, reset="SET no_such_setting = 1"))
    one.release(one.acquire(1))
    one.release(one.acquire(1))
    assert one.counter.came >= 2
    one.settle()


@pytest.mark.parametrize("id", KEPT)
def test_a_check_replaces_connections_that_are_lost(id: str, bench: Benches) -> None:
    one = bench(pool_class(id), **limits(id, check=True))
    one.kill_backends()
    one.release(one.acquire(1))
    one.change(check=False)
    one.kill_backends()
    (lost,) = one.take(1)
    assert not one.works(lost)
    one.release([lost])


@pytest.mark.parametrize("id", IDS)
def test_the_pool_gives_up_reconnecting_when_it_was_told(id: str, bench: Benches) -> None:
    one = bench(pool_class(id), **limits(id))
    inner = one.pool if id != IDS[1] else one.pool._pool
    assert inner._pool.reconnect_timeout == 300.0
    one.change(reconnect_timeout=0.5)
    assert inner._pool.reconnect_timeout == 0.5


@pytest.mark.parametrize("id", IDS)
def test_a_pool_closed_while_connections_are_being_reset_leaves_none_open(
    id: str, bench: Benches
) -> None:
    """The library's workers, three of them, drop what is yet to be reset when the pool closes."""
    sizes = {"min_size": 6, "max_size": 6, "reset": "SELECT pg_sleep(0.2)"}
    known = pool_class(id).limits
    one = bench(pool_class(id), **{key: value for key, value in sizes.items() if key in known})
    one.release(one.acquire(6))
    one.pool.close()
    until(lambda: one.counter.open == 0, lambda: f"none is open: {one.counter.open}")
    one.settle_closed()
