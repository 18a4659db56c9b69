"""The contract of every pool: each test runs for all of them, on a real server.

A test is skipped for a pool by what the pool declares, never by its name.
"""

from __future__ import annotations

import os
import random
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from poolviz.model.parameters import Choice, Count, Effect, Numeric, Parameter, Switch, Text, Value
from poolviz.pools.base import Pool, PoolStopped, TaskPool, ThreadPool
from tests.pools.bench import (
    Bench,
    Crowd,
    Waiter,
    patient,
    pending,
    sized,
    timeouts,
    until,
    waiting,
)
from tests.pools.conftest import Benches, Places, main_dialect
from tests.pools.contract import clients, comes_to, has_all_its_places, one_or, room_for

# Acquiring, holding, releasing


def test_a_connection_works_and_can_be_released_repeatedly(
    kind: type[Pool], bench: Benches
) -> None:
    one = bench(kind)
    for _ in range(3):
        held = one.acquire(1)
        assert one.uses(1)
        one.release(held)
    one.settle()
    assert len(one.counter.seconds) == one.counter.came > 0
    assert all(0 < seconds < 30 for seconds in one.counter.seconds)


def test_pool_counter_and_server_agree_while_connections_are_held(
    kind: type[Pool], bench: Benches
) -> None:
    number = one_or(kind, 4)
    one = bench(kind, **room_for(kind, number))
    held = one.acquire(number)
    distinct = 1 if kind.shares else number
    until(lambda: one.agreed() and one.uses(distinct), "all agree")
    assert one.counter.open >= distinct
    one.release(held[: number // 2])
    until(lambda: one.agreed() and one.uses(min(distinct, (number + 1) // 2)), "all agree")
    one.use(*held[number // 2 :])
    one.release(held[number // 2 :])
    one.settle()


def test_a_shared_connection_is_lent_to_every_caller(kind: type[Pool], bench: Benches) -> None:
    if not kind.shares:
        pytest.skip(f"{kind.id} lends each connection to one client")
    one = bench(kind)
    held = one.acquire(6)
    assert one.counter.open == 1
    one.release(held[:5])
    one.use(held[5])
    one.release(held[5:])
    one.settle()


@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "sqlite"])
def test_many_clients_are_served_on_every_server_that_a_pool_runs_on(
    kind: type[Pool], bench: Benches, dialect: str
) -> None:
    if dialect not in kind.servers:
        pytest.skip(f"{kind.id} isn't for {dialect}")
    one = bench(kind, dialect=dialect)
    # PyMySQL's connections can't be used by several threads at once.
    alone = kind.shares and dialect == "mysql"
    with Crowd(one, 1 if alone else clients(kind, 6)) as crowd:
        crowd.work(60)
    one.settle()
    one.release(one.acquire(1))
    one.settle()


def clients_amid_changes(kind: type[Pool], number: int) -> int:
    """`number`, or one if too many clients would have each other's connections closed."""
    return 1 if kind.one_client or kind.takes_away else number


# Exhaustion


def test_an_exhausted_pool_raises_its_error_until_a_connection_is_released(
    bounded: type[Pool], bench: Benches
) -> None:
    one = bench(bounded, **sized(bounded, 3, 1))
    held = one.fill(3)
    for _ in range(3):
        assert one.refuses()
    assert one.counter.open == 3
    one.release([held.pop()])
    held = one.fill(3, held)
    assert one.refuses()
    one.release(held)
    one.settle()


def test_a_pool_of_one_connection_for_one_client_refuses_a_second(
    kind: type[Pool], bench: Benches
) -> None:
    if kind.capacity(kind.limits.defaults()) != 1 or kind.shares:
        pytest.skip(f"{kind.id} has more than one connection, or shares it")
    one = bench(kind)
    held = one.fill(1)
    assert one.refuses()
    one.release(held)
    one.release(one.fill(1))
    one.settle()


def test_a_pool_without_a_limit_serves_every_caller(kind: type[Pool], bench: Benches) -> None:
    if kind.capacity(kind.limits.defaults()) is not None or kind.one_client or kind.shares:
        pytest.skip(f"{kind.id} has a limit of how many connections there may be")
    one = bench(kind)
    number = one.kind.kept(one.limits) if kind.takes_away else 12
    held = one.acquire(number)
    assert one.counter.open == one.backends() == number
    assert one.uses(number)
    one.release(held)
    one.settle()


# Changing the number of connections


def test_a_raised_limit_applies_at_once(resizable: type[Pool], bench: Benches) -> None:
    one = bench(resizable, **sized(resizable, 2, 1))
    held = one.fill(2)
    one.change(**sized(resizable, 5, 1))
    held = one.fill(5, held)
    assert one.refuses()
    one.release(held)
    one.settle()


def test_a_lowered_limit_closes_idle_connections_at_once(
    resizable: type[Pool], bench: Benches
) -> None:
    one = bench(resizable, **sized(resizable, 6, 6))
    one.release(one.fill(6))
    comes_to(one, one.most_idle)
    for capacity, kept in ((5, 3), (1, 1)):
        one.change(**sized(resizable, capacity, kept))
        comes_to(one, min(one.most_idle, capacity))
    one.settle()


def test_surplus_connections_that_are_idle_are_closed_first(
    resizable: type[Pool], bench: Benches
) -> None:
    one = bench(resizable, **sized(resizable, 7, 7))
    if one.kind.kept(one.limits) < 7:
        pytest.skip(f"{resizable.id} keeps no connection idle")
    held = one.fill(7)
    one.release([held.pop(), held.pop(), held.pop()])
    for capacity, left in ((6, 6), (5, 5), (3, 4)):
        one.change(**sized(resizable, capacity, capacity))
        comes_to(one, left)
        until(lambda: one.uses(4), "four are in use")
    one.use(*held)
    one.release(held)
    one.settle()


def test_a_lowered_limit_closes_connections_in_use_when_they_are_released(
    resizable: type[Pool], bench: Benches
) -> None:
    one = bench(resizable, **sized(resizable, 6, 6))
    held = one.fill(6)
    one.change(**sized(resizable, 2, 2))
    one.use(*held)
    for in_use in (5, 4, 3, 2):
        one.release([held.pop()])
        comes_to(one, in_use)
        assert one.refuses()
    one.use(*held)
    one.release([held.pop()])
    held = one.fill(2, held)
    assert one.counter.open == 2
    assert one.refuses()
    one.release(held)
    one.settle()


def test_changing_limits_back_and_forth_loses_no_connection_in_use(
    resizable: type[Pool], bench: Benches
) -> None:
    one = bench(resizable, **sized(resizable, 4, 4))
    held = one.fill(4)
    for capacity, kept in ((1, 1), (7, 3), (2, 2), (5, 1), (3, 3), (4, 4)):
        one.change(**sized(resizable, capacity, kept))
    one.use(*held)
    until(lambda: one.counter.open <= 4, "no more than four")
    assert one.refuses()
    one.release(held)
    one.settle()
    one.release(one.fill(4))
    comes_to(one, one.most_idle)


def _is_down_to(one: Bench, capacity: int) -> bool:
    return one.counter.open <= capacity and one.backends() <= capacity


def test_a_lowered_limit_is_reached_and_kept_under_load(
    resizable: type[Pool], bench: Benches
) -> None:
    one = bench(resizable, **sized(resizable, 8, 4))
    with Crowd(one, clients(resizable, 14)) as crowd:
        for capacity, kept in ((8, 4), (3, 1), (6, 6), (1, 1), (8, 2), (2, 2)):
            one.change(**sized(resizable, capacity, kept))
            until(
                partial(_is_down_to, one, capacity),
                lambda: f"at most {one.capacity} are open, not {one.counter.open}",
            )
            crowd.regroup()
            crowd.work(50)
            assert one.counter.peak <= capacity
    one.settle()


# Changing any limit


def _values(limit: Parameter) -> list[Value]:
    """Values of a limit: small counts and short times, so that they matter."""
    if isinstance(limit, Switch):
        return [False, True]
    if isinstance(limit, Choice):
        return list(limit.choices)
    if isinstance(limit, Text):
        return ["", "SET search_path = pg_catalog"]
    assert isinstance(limit, Numeric)
    if isinstance(limit, Count):
        least = int(limit.minimum)
        return [*range(least, least + 8), *(int(value) for value in limit.special)]
    # Enough to connect and to run a statement: some libraries bound those by the same timeout.
    short = (0.25, 5.0) if "timeout" in limit.key else (0.001, 0.05, 5.0)
    times = [seconds for seconds in short if seconds >= limit.minimum]
    return [*(times or [limit.minimum]), *(float(value) for value in limit.special)]


def _beside(kind: type[Pool], limits: dict[str, Value], key: str, value: Value) -> dict[str, Value]:
    """The change, with other limits moved along if they would contradict it."""
    moved = {**limits, key: value}
    for _ in kind.limits:
        for other, limit in kind.limits.items():
            floor = limit.at_least
            if floor is not None and float(moved[other]) < float(moved[floor]):
                moved[floor if other == key else other] = moved[key]
    return moved


def test_every_limit_can_be_raised_and_lowered_under_load(kind: type[Pool], bench: Benches) -> None:
    if not kind.limits:
        pytest.skip(f"{kind.id} has no limits")
    one = bench(kind)
    with Crowd(one, clients_amid_changes(kind, 6)) as crowd:
        for key, limit in kind.limits.items():
            values = _values(limit)
            for value in (values[-1], values[0], limit.default):
                before = one.capacity
                one.change_anyhow(**_beside(kind, one.limits, key, value))
                crowd.work(5)
                _bounded_by_both(one, before)
    one.settle()


def _bounded_by_both(one: Bench, before: int | None) -> None:
    """No more were ever open than the old and the new limits allow together."""
    if before is not None and one.capacity is not None:
        assert one.counter.peak <= before + one.capacity
    until(
        lambda: one.capacity is None or one.counter.open <= one.capacity,
        lambda: f"at most {one.capacity} are open, not {one.counter.open}",
    )
    one.counter.forget_peak()


@pytest.mark.parametrize("size", [0, 8])
@settings(
    max_examples=10,
    deadline=None,
    derandomize="CI" in os.environ,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes here
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_any_changes_of_limits_under_load_lose_and_leave_nothing(
    kind: type[Pool], places: Places, size: int, data: st.DataObject
) -> None:
    if not kind.limits:
        pytest.skip(f"{kind.id} has no limits")
    size = min(size, clients_amid_changes(kind, size))
    with Bench(kind, places(main_dialect(kind))) as one:
        held = [] if size == 1 else one.acquire(1)
        with Crowd(one, size) as crowd:
            for _ in range(data.draw(st.integers(2, 6), "changes")):
                key = data.draw(st.sampled_from(list(kind.limits)), "key")
                value = data.draw(st.sampled_from(_values(kind.limits[key])), key)
                one.change_anyhow(**_beside(kind, one.limits, key, value))
                if size and one.capacity != 1:
                    crowd.work(5)
                one.use(*held)
            one.release(held)
        one.settle()
        has_all_its_places(one)
    one.settle_closed()
    one.place.forget(one.name)


def test_a_rebuilt_pool_leaves_connections_in_use_to_their_clients(
    kind: type[Pool], bench: Benches
) -> None:
    keys = [key for key, limit in kind.limits.items() if limit.effect is Effect.REBUILD]
    if not keys or kind.one_client:
        pytest.skip(f"{kind.id} is never rebuilt, or has one client")
    one = bench(kind)
    for key in keys:
        values = _values(kind.limits[key])
        for value in (values[-1], values[0]):
            held = one.acquire(1)
            one.change(**_beside(kind, one.limits, key, value))
            one.use(*held)
            held += one.acquire(1)
            one.use(*held)
            one.release(held)
            one.settle()


# Waiting


def test_forty_waiting_callers_are_served_when_the_limit_is_raised(
    waiting_kind: type[Pool], bench: Benches
) -> None:
    one = bench(waiting_kind, **sized(waiting_kind, 2, 2), **patient(waiting_kind))
    held = one.fill(2)
    with waiting(one, 40) as waiters:
        one.change(**sized(waiting_kind, 42, 2))
        got = [waiter.finish().connection for waiter in waiters]
        one.use(*got)
        assert one.counter.open == 42
        assert one.uses(42)
        one.release(got + held)
    one.settle()


def test_as_many_waiting_callers_are_served_as_the_limit_allows(
    waiting_kind: type[Pool], bench: Benches
) -> None:
    one = bench(waiting_kind, **sized(waiting_kind, 1, 1), **patient(waiting_kind))
    held = one.fill(1)
    with waiting(one, 10) as waiters:
        for capacity in (4, 5, 3, 8):
            room = max(capacity, one.counter.open)
            one.change(**sized(waiting_kind, capacity, 1))
            comes_to(one, room)
            until(lambda: pending(one) == 11 - room, "the rest wait")  # noqa: B023
        one.pool.interrupt()
        for waiter in waiters:
            waiter.finish()
        got = [waiter.connection for waiter in waiters if waiter.connection is not None]
        assert len(got) == 7
        one.use(*got)
        one.release(got + held)


def test_a_released_connection_is_passed_to_a_waiting_caller(
    waiting_kind: type[Pool], bench: Benches
) -> None:
    one = bench(waiting_kind, **sized(waiting_kind, 2, 2), **patient(waiting_kind))
    held = one.fill(2)
    with waiting(one, 6) as waiters:
        unserved = list(waiters)
        while unserved:
            one.release([held.pop()])
            until(lambda: any(w.done_at for w in unserved), "one of them has it")
            (served,) = [waiter for waiter in unserved if waiter.done_at]
            unserved.remove(served)
            held.append(served.connection)
            one.use(served.connection)
        one.release(held)
    assert one.counter.peak <= 2
    one.settle()


def test_interrupt_wakes_all_waiting_callers_at_once(kind: type[Pool], bench: Benches) -> None:
    one = bench(kind, **patient(kind))
    held = one.fill(one.capacity) if kind.waits and one.capacity else one.acquire(1)
    if kind.waits:
        with waiting(one, 40) as waiters:
            one.pool.interrupt()
            for waiter in waiters:
                assert isinstance(waiter.finish().error, PoolStopped)
    one.pool.interrupt()
    with pytest.raises(PoolStopped):
        one.holders.take()
    one.use(*held)
    one.release(held)
    with pytest.raises(PoolStopped):
        one.holders.take()


def test_callers_who_give_up_at_any_moment_lose_no_connection(
    kind: type[Pool], bench: Benches
) -> None:
    """Tasks are cancelled while they connect or wait; threads have very short timeouts."""
    if not kind.waits:
        pytest.skip(f"{kind.id} fails at once; no caller waits")
    one = bench(kind, **sized(kind, 3, 1))
    if issubclass(kind, ThreadPool):
        one.change(**timeouts(kind, 0.001))
    served = []

    def work(number: int) -> None:
        rng = random.Random(number)
        for _ in range(40):
            patience = rng.random() * 0.003
            try:
                if issubclass(kind, TaskPool):
                    conn = one.pool.acquire_within(patience)
                else:
                    conn = one.pool.acquire()
            except (PoolStopped, *kind.exhausted):
                continue
            one.pool.execute(conn, "SELECT 1")
            one.pool.release(conn)
            served.append(number)

    callers = [Waiter(partial(work, number)) for number in range(8)]
    for caller in callers:
        assert caller.finish().error is None
    one.settle()
    has_all_its_places(one)
