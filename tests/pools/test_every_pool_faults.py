"""Closing and faults of the server, for every pool; as `test_every_pool.py`."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from poolviz.pools.base import Pool, PoolStopped, ThreadPool
from tests.pools.bench import (
    Bench,
    Waiter,
    can_have,
    impatient,
    patient,
    sized,
    until,
)
from tests.pools.conftest import Benches, ClosableDatabase, Places, main_dialect
from tests.pools.contract import clients, comes_to, has_all_its_places, one_or, room_for


def test_close_leaves_only_connections_in_use_until_they_are_released(
    kind: type[Pool], bench: Benches
) -> None:
    if not issubclass(kind, ThreadPool):
        pytest.skip("tasks have given everything back by then")
    number = one_or(kind, 4)
    one = bench(kind, **room_for(kind, number))
    held = one.acquire(number)
    back = number // 2
    one.release(held[:back])
    one.pool.close()
    one.use(*held[back:])
    in_use = 1 if kind.shares else number - back
    until(lambda: one.backends() == in_use, "idle connections are closed")
    one.use(*held[back:])
    one.release(held[back:])
    comes_to(one, 0)
    with pytest.raises(PoolStopped):
        one.holders.take()
    one.pool.close()


def test_close_under_load_leaves_nothing(kind: type[Pool], bench: Benches) -> None:
    one = bench(kind)
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            try:
                conn = one.pool.acquire()
            except kind.exhausted:
                continue
            except PoolStopped:
                return
            one.pool.execute(conn, "SELECT 1")
            one.pool.release(conn)

    number = clients(kind, one.kind.kept(one.limits) if kind.takes_away else 12)
    crowd = [Waiter(work) for _ in range(number)]
    until(lambda: one.counter.came > 0, "they are at work")
    one.pool.close()
    over.set()
    assert [caller.finish().error for caller in crowd] == [None] * len(crowd)
    one.settle_closed()


def test_closing_while_a_raised_limit_opens_connections_leaves_nothing(
    kind: type[Pool], bench: Benches
) -> None:
    if not issubclass(kind, ThreadPool) or kind.shares or not can_have(kind, 6):
        pytest.skip("a task's resize is cancelled before, others open nothing")
    one = bench(kind, **sized(kind, 1, 1))
    one.counter.connect_faults.slow_by = 0.1
    more = {**one.limits, **sized(kind, 6, 6)}
    growing = Waiter(lambda: one.pool.resize(more))
    until(lambda: one.counter.came > 1 or not growing.is_alive(), "it opens connections")
    one.pool.close()
    opened = one.counter.came
    growing.finish()
    one.settle_closed()
    assert one.counter.came <= opened + 1


def _recovers(one: Bench, number: int) -> None:
    """Wait until `number` connections work again, after a few errors at most."""

    def recovered() -> bool:
        held = []
        try:
            for _ in range(number):
                held.append(one.holders.take())
        except Exception:  # noqa: BLE001 - each driver has its own
            one.release_broken(held)
            return False
        working = [one.works(conn) for conn in held]
        one.release_broken(held)
        return all(working)

    until(recovered, lambda: f"{number} work again: {one.pool.reported_counts()}")
    one.settle()


def test_connections_in_use_that_the_server_closes_cost_no_place(
    kind: type[Pool], bench: Benches
) -> None:
    number = one_or(kind, 3)
    one = bench(kind, **room_for(kind, number))
    held = one.acquire(number)  # each in its transaction, with the drivers that begin one
    one.kill_backends()
    one.release_broken(held)
    _recovers(one, number)
    held = one.acquire(number)
    one.kill_backends()
    for conn in held:
        one.works(conn)  # or not: DBUtils reconnects without its client noticing
    one.release_broken(held)
    _recovers(one, number)
    has_all_its_places(one)


def test_idle_connections_that_the_server_closes_cost_no_place(
    kind: type[Pool], bench: Benches
) -> None:
    number = one_or(kind, 3)
    one = bench(kind, **room_for(kind, number))
    one.release(one.acquire(number))
    one.kill_backends()
    _recovers(one, number)
    has_all_its_places(one)


@pytest.mark.filterwarnings("ignore:Invalid transaction status:ResourceWarning")  # raised by aiopg
@pytest.mark.parametrize("statement", ["SELECT no_such_column", "BEGIN"])
def test_a_connection_released_in_any_state_is_clean_for_the_next_client(
    kind: type[Pool], bench: Benches, statement: str
) -> None:
    one = bench(kind)
    (conn,) = one.acquire(1)
    with suppress(Exception):
        one.holders.do(conn, one.pool.execute, conn, statement)
    one.release([conn])
    until(lambda: one.place.in_transaction(one.name) == 0, "no transaction is left open")
    one.release(one.acquire(1))
    one.settle()


def test_a_connection_that_its_client_closes_costs_no_place(
    kind: type[Pool], bench: Benches
) -> None:
    number = one_or(kind, 2)
    one = bench(kind, **room_for(kind, number))
    for _ in range(3):
        held = one.acquire(number)
        close = getattr(one.pool, "close_connection", None) or (lambda c: one.pool.raw(c).close())
        one.holders.do(held[0], close, held[0])
        one.release(held)
        one.settle()
        _recovers(one, number)
    has_all_its_places(one)


def test_failed_connects_cost_no_place_and_are_not_counted(
    kind: type[Pool], bench: Benches, closable_database: ClosableDatabase
) -> None:
    if "postgresql" not in kind.servers:
        pytest.skip("only PostgreSQL has a database that can be closed")
    number = one_or(kind, 3)
    if kind.shares or number == 1:
        pytest.skip(f"{kind.id} has one connection, which is there by then")
    one = bench(kind, database=closable_database.name, **room_for(kind, number))
    held = one.acquire(1)
    one.change(**impatient(kind))
    closable_database.refuse_connections()
    came, here = one.counter.came, one.counter.open
    refused = 0
    while refused < 5:
        try:
            held.append(one.holders.take())  # those that were open before
        except Exception:  # noqa: BLE001 - each driver has its own
            refused += 1
    assert len(held) <= here
    assert one.counter.came == came
    assert one.uses(len(held))
    closable_database.allow_connections()
    one.change(**patient(kind))
    one.release(held)
    _recovers(one, number)
    has_all_its_places(one)


def test_a_pool_that_cant_connect_when_it_is_made_leaves_nothing(
    kind: type[Pool], places: Places
) -> None:
    place = places(main_dialect(kind))
    try:
        one = Bench(kind, place, database="no_such_database", **impatient(kind))
    except Exception as error:  # noqa: BLE001 - each driver has its own
        assert "no_such_database" in str(error)
        return
    with one:
        try:
            one.holders.take()
        except kind.exhausted:
            pass  # it keeps trying in the background while its callers time out
        except Exception as error:  # noqa: BLE001 - each driver has its own
            assert "no_such_database" in str(error)
        else:
            pytest.fail("there is no such database")
    one.settle_closed()
    place.forget(one.name)
