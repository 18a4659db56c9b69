"""What holds for every pool: each test runs for all of them, on a real server."""

from __future__ import annotations

import gc
import threading
from functools import partial

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection

from poolviz.model.parameters import Kind, Parameter, Value
from poolviz.pools.base import Pool, PoolStopped
from tests.pools.bench import (
    Bench,
    Crowd,
    Waiter,
    impatient,
    patient,
    select_one,
    sized,
    until,
    waiting,
)
from tests.pools.conftest import Benches, Gate


def test_a_connection_works_and_can_be_given_back_again_and_again(
    kind: type[Pool], bench: Benches
) -> None:
    one = bench(kind)
    for _ in range(3):
        conn = one.pool.acquire()
        assert select_one(conn)
        assert one.pool.raw(conn).fileno() > 0
        assert one.pool.books().used == 1
        one.pool.release(conn)
    one.settle()


def test_pool_door_and_server_agree_while_connections_are_held(
    kind: type[Pool], bench: Benches
) -> None:
    one = bench(kind, **sized(kind, 4, 2))
    held = one.fill(4)
    until(one.agreed, "all agree")
    assert one.pool.books().used == one.door.open == 4
    one.release(held[:2])
    until(one.agreed, "all agree")
    assert one.pool.books().used == 2
    one.release(held[2:])
    one.settle()
    assert len(one.door.seconds) == one.door.came
    assert all(0 < seconds < 30 for seconds in one.door.seconds)


def test_an_exhausted_pool_says_so_and_gives_again_when_one_is_back(
    kind: type[Pool], bench: Benches
) -> None:
    one = bench(kind, **sized(kind, 3, 1), **impatient(kind))
    held = one.fill(3)
    for _ in range(3):
        with pytest.raises(kind.exhausted):
            one.pool.acquire()
    assert one.door.open == 3
    one.release([held.pop()])
    held += one.acquire(1)
    with pytest.raises(kind.exhausted):
        one.pool.acquire()
    one.release(held)
    one.settle()


def test_a_raised_limit_holds_at_once(kind: type[Pool], bench: Benches) -> None:
    one = bench(kind, **sized(kind, 2, 1), **impatient(kind))
    held = one.fill(2)
    one.change(**sized(kind, 5, 1))
    held += one.acquire(3)
    with pytest.raises(kind.exhausted):
        one.pool.acquire()
    one.release(held)
    one.settle()


def test_a_lowered_limit_closes_idle_connections_at_once(kind: type[Pool], bench: Benches) -> None:
    one = bench(kind, **sized(kind, 6, 6))
    one.release(one.fill(6))
    assert one.door.open == 6
    one.change(**sized(kind, 5, 3))
    assert one.door.open == 3
    one.change(**sized(kind, 1, 1))
    assert one.door.open == 1
    one.settle()


def test_idle_connections_go_first_where_there_are_too_many_in_all(
    kind: type[Pool], bench: Benches
) -> None:
    one = bench(kind, **sized(kind, 7, 7))
    held = one.fill(7)
    one.release([held.pop(), held.pop(), held.pop()])
    for capacity, left in ((6, 6), (5, 5), (3, 4)):
        one.change(**sized(kind, capacity, capacity))
        assert one.door.open == left
        assert one.pool.books().used == 4
    one.release(held)
    one.settle()


def test_a_lowered_limit_leaves_connections_in_use_alone_until_they_are_back(
    kind: type[Pool], bench: Benches
) -> None:
    one = bench(kind, **sized(kind, 6, 6), **impatient(kind))
    held = one.fill(6)
    one.change(**sized(kind, 2, 2))
    assert all(select_one(conn) for conn in held)
    for still_open in (5, 4, 3, 2):
        one.release([held.pop()])
        assert one.door.open == still_open
        with pytest.raises(kind.exhausted):
            one.pool.acquire()
    one.release([held.pop()])
    held += one.acquire(1)
    assert one.door.open == 2
    with pytest.raises(kind.exhausted):
        one.pool.acquire()
    one.release(held)
    one.settle()


def test_limits_that_go_to_and_fro_while_connections_are_held_lose_none(
    kind: type[Pool], bench: Benches
) -> None:
    one = bench(kind, **sized(kind, 4, 4), **impatient(kind))
    held = one.fill(4)
    for capacity, kept in ((1, 1), (7, 3), (2, 2), (5, 1), (3, 3), (4, 4)):
        one.change(**sized(kind, capacity, kept))
    assert all(select_one(conn) for conn in held)
    with pytest.raises(kind.exhausted):
        one.pool.acquire()
    one.release(held)
    one.settle()
    one.release(one.fill(4))
    assert one.door.open == 4


def _is_down_to(one: Bench, capacity: int) -> bool:
    return one.door.open <= capacity and one.backends() <= capacity


@pytest.mark.parametrize("clients", [6, 20])
def test_under_load_the_pool_comes_down_to_a_lowered_limit_and_stays_there(
    kind: type[Pool], bench: Benches, clients: int
) -> None:
    one = bench(kind, **sized(kind, 8, 4))
    with Crowd(one, clients) as crowd:
        for capacity, kept in ((8, 4), (3, 1), (6, 6), (1, 1), (8, 2), (2, 2)):
            one.change(**sized(kind, capacity, kept))
            until(partial(_is_down_to, one, capacity), "no more than the limit are open")
            crowd.regroup()
            crowd.work(100)
            assert one.door.peak <= capacity
    one.settle()


def _values(limit: Parameter) -> st.SearchStrategy[Value]:
    """Values that a limit takes; small counts and short times, so that they matter."""
    special = st.sampled_from(sorted(limit.special)) if limit.special else st.nothing()
    least = int(limit.minimum)
    if limit.kind is Kind.COUNT:
        return st.one_of(st.integers(least, least + 7), special)
    if limit.kind is Kind.SECONDS:
        times = st.sampled_from([0.001, 0.05, 5.0])
        return st.one_of(times.filter(lambda t: t >= limit.minimum), special.map(float))
    return st.booleans() if limit.kind is Kind.SWITCH else st.sampled_from(limit.choices)


@pytest.mark.parametrize("clients", [0, 8])
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_whatever_limits_change_under_load_nothing_is_lost_or_left_over(
    kind: type[Pool], conninfo: str, admin: connection, clients: int, data: st.DataObject
) -> None:
    with Bench(kind, conninfo, admin) as one:
        held = one.acquire(1)
        with Crowd(one, clients) as crowd:
            for _ in range(data.draw(st.integers(2, 8), "changes")):
                key = data.draw(st.sampled_from(list(kind.limits)), "key")
                value = data.draw(_values(kind.limits[key]), key)
                one.change(**_beside(kind, one.limits, key, value))
                if clients and one.capacity != 1:
                    crowd.work(5)
                assert select_one(held[0])
            one.release(held)
        one.settle()
        if one.capacity is not None:
            one.change(**impatient(kind))
            held = one.fill(one.capacity)
            with pytest.raises(kind.exhausted):
                one.pool.acquire()
            one.release(held)
    one.settle_closed()


def _beside(kind: type[Pool], limits: dict[str, Value], key: str, value: Value) -> dict[str, Value]:
    """The change, with a neighbour moved along where it may not stand beside it."""
    moved = {**limits, key: value}
    for other, limit in kind.limits.items():
        floor = limit.at_least
        if floor is not None and float(moved[other]) < float(moved[floor]):
            moved[floor if other == key else other] = value
    return moved


def test_forty_waiting_callers_start_as_soon_as_there_is_room(
    waiting_kind: type[Pool], bench: Benches
) -> None:
    one = bench(waiting_kind, **sized(waiting_kind, 2, 2), **patient(waiting_kind))
    held = one.fill(2)
    with waiting(one, 40) as waiters:
        one.change(**sized(waiting_kind, 42, 2))
        got = [waiter.finish().connection for waiter in waiters]
        assert all(select_one(conn) for conn in got)
        assert one.door.open == one.pool.books().used == 42
        one.release(got + held)
    one.settle()


def test_of_many_that_wait_as_many_start_as_there_is_room_for(
    waiting_kind: type[Pool], bench: Benches
) -> None:
    one = bench(waiting_kind, **sized(waiting_kind, 1, 1), **patient(waiting_kind))
    held = one.fill(1)
    with waiting(one, 10) as waiters:
        for capacity in (4, 5, 3, 8):
            room = max(capacity, one.door.open)
            one.change(**sized(waiting_kind, capacity, 1))
            until(lambda: one.door.open == room, "the room is used")  # noqa: B023
            until(lambda: one.pool.books().pending == 11 - room, "the rest wait")  # noqa: B023
        one.pool.interrupt()
        got = [waiter.finish().connection for waiter in waiters if not waiter.is_alive()]
        for waiter in waiters:
            waiter.finish()
        one.release([conn for conn in got if conn is not None] + held)


def test_interrupt_sends_everybody_away_at_once(kind: type[Pool], bench: Benches) -> None:
    one = bench(kind, **sized(kind, 1, 1), **patient(kind))
    held = one.fill(1)
    waiters = []
    if kind.waits:
        with waiting(one, 40) as waiters:
            one.pool.interrupt()
            for waiter in waiters:
                assert isinstance(waiter.finish().error, PoolStopped)
    one.pool.interrupt()
    with pytest.raises(PoolStopped):
        one.pool.acquire()
    assert select_one(held[0])
    one.release(held)
    with pytest.raises(PoolStopped):
        one.pool.acquire()


def test_close_leaves_connections_in_use_to_their_holders_and_nothing_after(
    kind: type[Pool], bench: Benches
) -> None:
    one = bench(kind, **sized(kind, 4, 4))
    held = one.fill(4)
    one.release([held.pop(), held.pop()])
    one.pool.close()
    until(lambda: one.backends() == 2, "idle connections are closed")
    assert all(select_one(conn) for conn in held)
    one.release(held)
    assert one.door.open == 0
    with pytest.raises(PoolStopped):
        one.pool.acquire()
    one.pool.close()


def test_close_amid_a_crowd_leaves_nothing(kind: type[Pool], bench: Benches) -> None:
    one = bench(kind, **sized(kind, 4, 2))
    over = threading.Event()

    def live() -> None:
        while not over.is_set():
            try:
                conn = one.pool.acquire()
            except kind.exhausted:
                continue
            except PoolStopped:
                return
            select_one(conn)
            one.pool.release(conn)

    clients = [Waiter(live) for _ in range(12)]
    until(lambda: one.door.open == 4, "all is in use")
    one.pool.close()
    over.set()
    assert all(client.finish().error is None for client in clients)
    one.settle_closed()


def test_connections_that_the_server_ended_in_use_cost_no_place(
    kind: type[Pool], bench: Benches
) -> None:
    one = bench(kind, **sized(kind, 3, 3), **impatient(kind))
    held = one.fill(3)  # each in its transaction, so that giving it back takes a rollback
    one.kill_backends()
    one.release(held)
    assert one.door.open == 0
    held = one.fill(3)
    one.kill_backends()
    for conn in held:
        with pytest.raises(psycopg2.Error):
            select_one(conn)
    one.release(held)
    assert one.door.open == one.pool.books().open == one.pool.books().used == 0
    one.release(one.fill(3))
    one.settle()


def test_connections_that_the_server_ended_while_idle_cost_no_place(
    kind: type[Pool], bench: Benches
) -> None:
    one = bench(kind, **sized(kind, 3, 3), **impatient(kind))
    one.release(one.fill(3))
    one.kill_backends()
    held = [one.pool.acquire() for _ in range(3)]
    for conn in held:
        with pytest.raises(psycopg2.Error):
            select_one(conn)
    one.release(held)
    one.release(one.fill(3))
    one.settle()


def test_a_connection_given_back_in_whatever_state_is_clean_for_the_next(
    kind: type[Pool], bench: Benches
) -> None:
    one = bench(kind, **sized(kind, 1, 1), **impatient(kind))
    for statement in ("SELECT 1", "CREATE TEMP TABLE left_over (n int)", "SELECT no_such_column"):
        conn = one.pool.acquire()
        with conn.cursor() as cursor:
            if "no_such" in statement:
                with pytest.raises(psycopg2.Error):
                    cursor.execute(statement)
            else:
                cursor.execute(statement)
        one.pool.release(conn)
        (conn,) = one.acquire(1)
        with conn.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_class WHERE relname = 'left_over'")
            assert cursor.fetchall() == [(0,)]
        one.pool.release(conn)
    assert one.door.came == 1
    one.settle()


def test_a_connection_its_client_closed_costs_no_place(kind: type[Pool], bench: Benches) -> None:
    one = bench(kind, **sized(kind, 2, 2), **impatient(kind))
    for _ in range(3):
        held = one.fill(2)
        one.pool.raw(held[0]).close()
        one.release(held)
        assert one.door.open == one.pool.books().open == 1
    one.release(one.fill(2))
    one.settle()


def test_connects_that_fail_cost_no_place_and_are_not_counted(
    kind: type[Pool], bench: Benches, gate: Gate
) -> None:
    one = bench(kind, database=gate.name, **sized(kind, 3, 1), **impatient(kind))
    held = one.acquire(1)
    came = one.door.came
    gate.shut()
    for _ in range(5):
        with pytest.raises(psycopg2.OperationalError, match="not currently accepting"):
            one.pool.acquire()
    assert one.door.came == came
    assert one.pool.books().used == 1
    gate.open()
    held += one.acquire(2)
    with pytest.raises(kind.exhausted):
        one.pool.acquire()
    one.release(held)
    one.settle()


def test_a_pool_that_cant_connect_at_its_making_leaves_nothing(
    kind: type[Pool], conninfo: str, admin: connection
) -> None:
    try:
        one = Bench(kind, f"{conninfo} dbname=no_such_database", admin)
    except psycopg2.OperationalError as error:
        assert "no_such_database" in str(error)
        return
    with one, pytest.raises(psycopg2.OperationalError, match="no_such_database"):
        one.pool.acquire()
    one.settle_closed()


def test_a_forgotten_pool_keeps_no_connection(
    kind: type[Pool], conninfo: str, admin: connection
) -> None:
    one = Bench(kind, conninfo, admin)
    one.release(one.acquire(2))
    door, one.pool = one.door, None  # type: ignore[assignment]
    gc.collect()
    assert door.open == 0
    until(lambda: one.backends() == 0, "the server has none of them")
