"""What the pools' tests share: a pool on a real server, and a crowd of threads that uses it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Self

import psycopg2
from psycopg2.extensions import connection, make_dsn

from poolviz.model.parameters import Kind, Value
from poolviz.pools.base import Pool, PoolStopped

PATIENCE = 30.0  # seconds: only ever reached when something is broken
LONG = 120.0  # seconds: a pool's own timeout that no test outlasts
_numbers = count()


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for `condition`, which somebody else brings about."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.002)


def select_one(conn: Any) -> bool:
    with conn.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchall() == [(1,)])


class CountingDoor:
    """Counts connections, and the most that were open at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.came = self.went = self.peak = 0
        self.seconds: list[float] = []

    @property
    def open(self) -> int:
        with self._lock:
            return self.came - self.went

    def opened(self, seconds: float) -> None:
        with self._lock:
            self.came += 1
            self.seconds.append(seconds)
            self.peak = max(self.peak, self.came - self.went)

    def closed(self) -> None:
        with self._lock:
            self.went += 1

    def forget_peak(self) -> None:
        with self._lock:
            self.peak = self.came - self.went


class Bench:
    """A pool with its door, and the server's own view of it through `admin`."""

    def __init__(
        self, kind: type[Pool], conninfo: str, admin: connection, **limits: object
    ) -> None:
        self.kind, self.admin = kind, admin
        self.name = f"poolviz test {next(_numbers)}"
        self.limits = kind.limits.complete(limits)
        self.door = CountingDoor()
        self.pool = kind(make_dsn(conninfo, application_name=self.name), self.door, self.limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.close()

    @property
    def capacity(self) -> int | None:
        return self.kind.capacity(self.limits)

    def change(self, **limits: Value) -> None:
        self.limits = self.kind.limits.complete({**self.limits, **limits})
        self.pool.resize(self.limits)

    def ask(self, question: str) -> int:
        with self.admin.cursor() as cursor:
            cursor.execute(question, (self.name,))
            return int(cursor.fetchall()[0][0])

    def backends(self) -> int:
        """The server's count of this pool's connections."""
        return self.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s")

    def kill_backends(self) -> None:
        """End every connection of this pool on the server, as its administrator could."""
        self.ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE application_name = %s"
        )
        until(lambda: self.backends() == 0, "the server has ended its backends")

    def agreed(self) -> bool:
        """The door, the pool's books and the server have the same count."""
        return self.door.open == self.pool.books().open == self.backends()

    def settle(self) -> None:
        """With nobody at work: all three agree, and the limits in force hold."""
        until(self.agreed, f"{self.door.open} {self.pool.books()} {self.backends()} agree")
        books = self.pool.books()
        assert books.used == 0
        assert not books.pending
        assert self.door.open <= self.kind.kept(self.limits)

    def settle_closed(self) -> None:
        """Once the pool is closed and everything given back: no connection is left anywhere."""
        until(lambda: self.door.open == self.backends() == 0, "every connection is gone")
        assert self.pool.books().open == 0

    def acquire(self, number: int) -> list[Any]:
        """As many connections, all of them working."""
        held = [self.pool.acquire() for _ in range(number)]
        assert all(select_one(conn) for conn in held)
        return held

    def fill(self, capacity: int) -> list[Any]:
        """All connections that the limits allow, held."""
        assert self.capacity == capacity
        return self.acquire(capacity)

    def release(self, connections: list[Any]) -> None:
        for conn in connections:
            self.pool.release(conn)


class Crowd:
    """Threads that acquire, work and release until they are told to stop."""

    def __init__(self, bench: Bench, size: int) -> None:
        self.operations = self.refusals = 0
        self.faults: list[Exception] = []
        self._bench = bench
        self._lock = threading.Lock()
        self._over, self._called = threading.Event(), threading.Event()
        self._meeting = threading.Barrier(size + 1)
        self._threads = [threading.Thread(target=self._live) for _ in range(size)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads)
        assert self.faults == []

    def work(self, operations: int) -> None:
        """Wait until so many more operations are done."""
        goal = self.operations + operations
        until(lambda: self.operations >= goal or bool(self.faults), f"{operations} operations")

    def regroup(self) -> None:
        """Let everybody finish, connects in progress too; then all go on, and the peak is new."""
        self._called.set()
        self._meeting.wait(PATIENCE)
        self._called.clear()
        self._bench.door.forget_peak()
        self._meeting.wait(PATIENCE)

    def _live(self) -> None:
        pool = self._bench.pool
        while not self._over.is_set():
            if self._called.is_set():
                self._meeting.wait(PATIENCE)
                self._meeting.wait(PATIENCE)
            try:
                conn = pool.acquire()
            except pool.exhausted:
                with self._lock:
                    self.refusals += 1
                self._over.wait(0.001)
                continue
            except Exception as fault:  # noqa: BLE001 - kept for the test to look at
                self.faults.append(fault)
                return
            try:
                select_one(conn)
            except Exception as fault:  # noqa: BLE001 - kept for the test to look at
                self.faults.append(fault)
            pool.release(conn)
            with self._lock:
                self.operations += 1


class Waiter(threading.Thread):
    """One caller of `acquire` in a thread of its own, with what came of it."""

    def __init__(self, acquire: Callable[[], Any]) -> None:
        super().__init__()
        self._acquire = acquire
        self.connection: Any = None
        self.error: Exception | None = None
        self.done_at = 0.0
        self.start()

    def run(self) -> None:
        try:
            self.connection = self._acquire()
        except Exception as error:  # noqa: BLE001 - kept for the test to look at
            self.error = error
        self.done_at = time.monotonic()

    def finish(self) -> Self:
        self.join(PATIENCE)
        assert not self.is_alive(), "still waiting"
        return self


@contextmanager
def waiting(bench: Bench, number: int) -> Iterator[list[Waiter]]:
    """`number` callers that wait in `acquire`; sent away at the end if they still do."""
    waiters = [Waiter(bench.pool.acquire) for _ in range(number)]
    try:
        until(lambda: bench.pool.books().pending == number, f"{number} wait")
        yield waiters
    finally:
        if any(waiter.is_alive() for waiter in waiters):
            bench.pool.interrupt()
        for waiter in waiters:
            waiter.finish()
            assert waiter.error is None or isinstance(
                waiter.error, (PoolStopped, psycopg2.Error, *bench.pool.exhausted)
            )


def patient(kind: type[Pool]) -> dict[str, Value]:
    """Limits with which a pool that waits waits longer than any test takes."""
    return _timeouts(kind, LONG)


def impatient(kind: type[Pool]) -> dict[str, Value]:
    """Limits with which a pool that waits gives up soon."""
    return _timeouts(kind, 0.02)


def _timeouts(kind: type[Pool], seconds: float) -> dict[str, Value]:
    return {
        key: seconds
        for key, limit in kind.limits.items()
        if limit.kind is Kind.SECONDS and "timeout" in key
    }


def sized(kind: type[Pool], capacity: int, kept: int) -> dict[str, Value]:
    """Limits of `kind` that allow `capacity` connections and keep `kept` of them."""
    counts = [key for key, limit in kind.limits.items() if limit.kind is Kind.COUNT]
    for low in range(capacity + 1):
        for high in range(capacity + 1):
            limits: dict[str, Value] = dict(zip(counts, (low, high), strict=True))
            values = {**kind.limits.defaults(), **limits}
            if (kind.capacity(values), kind.kept(values)) == (capacity, kept):
                return limits
    raise AssertionError(f"{kind.id} can't have {capacity} and keep {kept}")
