"""What the tests of every pool share: how many connections and clients a pool can have."""

from __future__ import annotations

from poolviz.model.parameters import Value
from poolviz.pools.base import Pool
from tests.pools.bench import (
    Bench,
    can_have,
    patient,
    sized,
    until,
)


def one_or(kind: type[Pool], number: int) -> int:
    """`number` if the pool can lend so many at once, otherwise one."""
    unlimited = kind.capacity(kind.limits.defaults()) is None
    return number if kind.shares or unlimited or can_have(kind, number) else 1


def room_for(kind: type[Pool], number: int) -> dict[str, Value]:
    """Limits that allow exactly `number` connections, if the pool has such limits."""
    unlimited = kind.capacity(kind.limits.defaults()) is None
    if kind.shares or unlimited or not can_have(kind, number):
        return {}
    return sized(kind, number, number // 2)


def clients(kind: type[Pool], number: int) -> int:
    return 1 if kind.one_client else number


def comes_to(one: Bench, number: int) -> None:
    until(
        lambda: one.counter.open == number,
        lambda: f"{number} are open, not {one.counter.open}: {one.pool.reported_counts()}",
    )


def has_all_its_places(one: Bench) -> None:
    one.change(**patient(one.kind))
    if one.capacity is None or one.kind.shares:
        one.release(one.acquire(1))
        one.settle()
        return
    held = one.fill(one.capacity)
    assert one.refuses()
    one.release(held)
    one.settle()
