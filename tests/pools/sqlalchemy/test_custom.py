"""Users' subclasses of SQLAlchemy's Pool, on a real server."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from sqlalchemy import pool as library

from poolviz.model.errors import InputError
from poolviz.model.parameters import Effect, Switch
from poolviz.pools.base import PoolStopped
from poolviz.pools.sqlalchemy.custom import wrap_pool_class
from tests.pools.bench import LONG, Crowd, until, waiting
from tests.pools.conftest import Benches


class Plain(library.QueuePool):
    """One that overrides nothing."""


class Asking(library.QueuePool):
    """One that overrides a method of ours."""

    def _do_get(self) -> Any:
        return super()._do_get()


class Trying(library.QueuePool):
    """One with a parameter of its own."""

    def __init__(self, creator: Any, *args: Any, tries: int = 3, **options: Any) -> None:
        self.tries = tries
        super().__init__(creator, *args, **options)


class Stack(library.Pool):
    """One that is derived from Pool alone."""

    def __init__(self, creator: Any, keep: int = 4) -> None:
        super().__init__(creator)
        self.keep = keep
        self.idle: deque[Any] = deque()

    def _do_get(self) -> Any:
        try:
            return self.idle.pop()
        except IndexError:
            return self._create_connection()

    def _do_return_conn(self, record: Any) -> None:
        if len(self.idle) < self.keep:
            self.idle.append(record)
        else:
            record.close()

    def dispose(self) -> None:
        while self.idle:
            self.idle.pop().close()


class Single(library.StaticPool):
    """One that shares its connection."""


class Sharing(library.StaticPool):
    """One that shares its connection in its own way."""

    def _do_get(self) -> Any:
        return super()._do_get()


class Halfway(library.Pool):
    """One that lacks required methods."""


class Demanding(library.NullPool):
    def __init__(self, creator: Any, colour: str) -> None:
        super().__init__(creator)


class ForTasks(library.AsyncAdaptedQueuePool):
    pass


ALL = [Plain, Asking, Trying, Stack, Single, Sharing]


def wrapped(cls: type[library.Pool]) -> Any:
    return wrap_pool_class(cls, f"mine:{cls.__name__}")


@pytest.mark.parametrize("cls", ALL)
def test_a_pool_is_described_by_its_class(cls: type[library.Pool]) -> None:
    kind = wrapped(cls)
    assert (kind.id, kind.title, kind.about) == (f"mine:{cls.__name__}", cls.__name__, cls.__doc__)


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
@pytest.mark.parametrize("cls", ALL)
def test_many_clients_are_served_while_limits_change(
    bench: Benches, cls: Any, dialect: str
) -> None:
    kind = wrapped(cls)
    one = bench(kind, dialect=dialect)
    with Crowd(one, 8) as crowd:
        crowd.work(30)
        for key, limit in kind.limits.items():
            values = [False, True] if isinstance(limit, Switch) else [*limit.bounds[:1], 3]
            for value in (*values, limit.default):
                one.change(**{key: limit.check(value)})
                crowd.work(30)
    until(one.agreed, "pool, counter and server agree")
    assert not one.pool.reported_counts().used
    assert not one.pool.reported_counts().pending


@pytest.mark.parametrize("cls", ALL)
def test_close_leaves_a_connection_in_use_to_its_client(bench: Benches, cls: Any) -> None:
    one = bench(wrapped(cls))
    held = one.acquire(2)
    one.release([held.pop()])
    one.pool.close()
    assert one.counter.open == 1
    one.use(*held)
    with pytest.raises(PoolStopped):
        one.pool.acquire()
    one.release(held)
    assert one.counter.open == 0


def test_a_class_that_overrides_nothing_is_changed_in_place(bench: Benches) -> None:
    kind = wrapped(Plain)
    assert Effect.REBUILD not in {limit.effect for limit in kind.limits.values()}
    one = bench(kind, pool_size=1, max_overflow=0, pool_timeout=LONG)
    held = one.acquire(1)
    pool: Any = one.pool
    before = pool._pool
    with waiting(one, 3) as waiters:
        one.change(max_overflow=3)
        got = [waiter.finish().connection for waiter in waiters]
    assert pool._pool is before
    for conn in got:
        one.pool.release(conn)
    one.release(held)
    one.settle()


def test_waiting_callers_go_over_to_the_rebuilt_pool(bench: Benches) -> None:
    kind = wrapped(Trying)
    assert kind.limits["tries"].effect is Effect.REBUILD
    assert kind.limits["pool_size"].effect is Effect.NOW
    one = bench(kind, pool_size=2, max_overflow=0, pool_timeout=LONG)
    held = one.acquire(2)
    with waiting(one, 2) as waiters:
        one.change(tries=7)
        got = [waiter.finish().connection for waiter in waiters]
    pool: Any = one.pool
    assert pool._pool.tries == 7
    assert (
        one.counter.open == one.pool.reported_counts().open == 4
    )  # the old one's and the new one's
    one.use(*held)
    one.release(held)
    assert one.counter.open == 2
    for conn in got:
        one.pool.release(conn)
    one.settle()


def test_a_class_that_overrides_our_methods_is_rebuilt(bench: Benches) -> None:
    kind = wrapped(Asking)
    assert kind.limits["pool_size"].effect is Effect.REBUILD
    assert kind.limits["pool_timeout"].effect is Effect.NEW_REQUESTS
    one = bench(kind, pool_size=3, max_overflow=0, pool_timeout=0)
    held = one.acquire(3)
    one.change(pool_size=1, pool_timeout=0)
    held += one.acquire(1)
    with pytest.raises(kind.exhausted):
        one.pool.acquire()
    assert one.counter.open == one.pool.reported_counts().open == 4
    one.release(held)
    one.settle()


@pytest.mark.parametrize(
    ("cls", "why"),
    [
        (Halfway, "mine:Halfway can't be used: Halfway has no method _do_get"),
        (Demanding, "the constructor of Demanding requires colour"),
        (ForTasks, "is an asyncio pool, .* derive ForTasks from"),
    ],
)
def test_a_class_that_cant_work_is_refused(cls: Any, why: str) -> None:
    with pytest.raises(InputError, match=why):
        wrapped(cls)
