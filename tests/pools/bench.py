"""What the tests of the pools share: a pool on a real server, and threads that use it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count, product
from typing import Any, Self

import psycopg2

from poolviz.model.errors import InputError, ServerError
from poolviz.model.parameters import Count, Effect, Seconds, Value
from poolviz.pools.base import Pool, PoolStopped, TaskPool
from poolviz.pools.connections.connect_faults import ConnectFaults
from tests.pools.driven import PATIENCE, Driven
from tests.pools.places import Place, Server

LONG = 120.0  # seconds: a pool's own timeout that no test outlasts
_numbers = count()


def until(condition: Callable[[], bool], what: str | Callable[[], str]) -> None:
    """Wait until `condition` is true, which another thread or the server makes it."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"still not: {what if isinstance(what, str) else what()}")
        time.sleep(0.002)


def select_one(conn: Any) -> bool:
    with conn.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchall() == [(1,)])


class RecordingCounter:
    """Counts connections, and the most that were open at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.passed = self.came = self.went = self.peak = 0
        self.seconds: list[float] = []
        self.connect_faults = ConnectFaults()

    def check(self, since: float) -> float:
        left = self.connect_faults.check(since)
        if left <= 0:
            with self._lock:
                self.passed += 1
        return left

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


class Holders:
    """Threads that hold one connection each, and release it in the thread that acquired it.

    Some libraries lend connections to threads. If a pool is made for one client, one thread holds
    all connections.
    """

    def __init__(self, pool: Any, *, one: bool) -> None:
        self._pool, self._one = pool, one
        self._all: list[ThreadPoolExecutor] = []
        self._busy: list[tuple[Any, ThreadPoolExecutor]] = []

    def take(self) -> Any:
        """Acquire a connection in a thread that holds none, which holds it from now on."""
        busy = [] if self._one else [hand for _, hand in self._busy]
        hand = next((hand for hand in self._all if hand not in busy), None)
        if hand is None:
            hand = ThreadPoolExecutor(1, "holder")
            self._all.append(hand)
        conn = hand.submit(self._pool.acquire).result()
        self._busy.append((conn, hand))
        return conn

    def do(self, conn: Any, what: Callable[..., Any], *args: Any) -> Any:
        """Call `what` in the thread that holds `conn`, or in this one if none does."""
        for held, hand in self._busy:
            if held is conn:
                return hand.submit(what, *args).result()
        return what(*args)

    def give_back(self, conn: Any) -> None:
        """Release `conn`; afterwards it isn't held, even if the release failed."""
        try:
            self.do(conn, self._pool.release, conn)
        finally:
            held = [held is conn for held, _ in self._busy]
            if any(held):
                del self._busy[held.index(True)]

    def end(self) -> None:
        """Release all connections and end the threads."""
        try:
            while self._busy:
                self.give_back(self._busy[0][0])
        finally:
            for hand in self._all:
                hand.shutdown()


class Bench:
    """A pool with its counter and the server or folder that it connects to."""

    def __init__(
        self, kind: type[Pool], place: Place, *, database: str | None = None, **limits: object
    ) -> None:
        self.kind, self.place = kind, place
        self.name = f"poolviz test {next(_numbers)}"
        self.limits = kind.limits.complete(limits)
        self.counter = RecordingCounter()
        make: Any = Driven if issubclass(kind, TaskPool) else kind
        arguments = [place.conninfo(self.name, database), self.counter, self.limits]
        self.pool = make(kind, *arguments) if make is Driven else make(*arguments)
        self.holders = Holders(self.pool, one=bool(kind.one_client))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.holders.end()
        finally:
            self.pool.close()

    @property
    def capacity(self) -> int | None:
        return self.kind.capacity(self.limits)

    @property
    def most_idle(self) -> int:
        """How many connections may be open when all clients are idle."""
        kept, capacity = self.kind.kept(self.limits), self.capacity
        return kept if capacity is None or not self.kind.lingers else capacity

    def change(self, **limits: Value) -> None:
        self.limits = self.kind.limits.complete({**self.limits, **limits})
        self.pool.resize(self.limits)

    def change_anyhow(self, **limits: Value) -> None:
        """Do the same, and ignore the error of a pool that can't connect in time."""
        with suppress(ServerError, *self.kind.exhausted):
            self.change(**limits)

    def backends(self) -> int:
        """The server's count of this pool's connections."""
        return self.place.count(self.name)

    def kill_backends(self) -> None:
        """End every connection of this pool on the server, as its administrator could."""
        assert isinstance(self.place, Server)
        before = self.counter.came
        self.place.kill(self.name)
        # A pool may reconnect at once.
        until(
            lambda: self.backends() <= self.counter.came - before,
            "the server has ended its backends",
        )

    def agreed(self) -> bool:
        """Whether the counter, the pool's own counts and the server agree."""
        reported_counts = self.pool.reported_counts().open
        return self.counter.open == self.backends() and reported_counts in (None, self.counter.open)

    def uses(self, number: int) -> bool:
        """Whether `number` connections are in use by the pool's own counts, if it has any."""
        return self.pool.reported_counts().used in (None, number)

    def settle(self) -> None:
        """Wait until all three agree and the limits are kept, while all clients are idle."""
        until(
            lambda: self.agreed() and self.uses(0) and self.counter.open <= self.most_idle,
            lambda: (
                f"at most {self.most_idle} open, none in use, and all agree: counter "
                f"{self.counter.open}, {self.pool.reported_counts()}, server {self.backends()}"
            ),
        )
        assert not self.pool.reported_counts().pending

    def settle_closed(self) -> None:
        """Once the pool is closed and everything given back: no connection is left anywhere."""
        until(
            lambda: self.counter.open == self.backends() == 0,
            lambda: f"no connection: counter {self.counter.open}, server {self.backends()}",
        )
        assert self.pool.reported_counts().open in (None, 0)

    def take(self, number: int) -> list[Any]:
        """As many connections, working or not."""
        return [self.holders.take() for _ in range(number)]

    def acquire(self, number: int) -> list[Any]:
        """As many connections, all of them working."""
        held = self.take(number)
        self.use(*held)
        return held

    def fill(self, capacity: int, held: list[Any] | None = None) -> list[Any]:
        """Acquire the rest of the connections that the limits allow; return all that are held."""
        assert self.capacity == capacity
        held = [] if held is None else held
        held += self.acquire(capacity - len(held))
        return held

    def use(self, *connections: Any) -> None:
        """Run a statement on each, where it is held; raises what the driver does."""
        for conn in connections:
            self.holders.do(conn, self.pool.execute, conn, "SELECT 1")

    def works(self, conn: Any) -> bool:
        """Whether a statement can be run on it."""
        try:
            self.use(conn)
        except Exception:  # noqa: BLE001 - each driver has its own
            return False
        return True

    def refuses(self) -> bool:
        """Whether the pool raises an error for exhaustion when asked for one more connection.

        If its callers wait, their timeout is short for that moment only, since some libraries
        apply it to statements and connects, too.
        """
        usual = {key: self.limits[key] for key in impatient(self.kind)}
        self.change(**impatient(self.kind))
        try:
            self.holders.take()
        except self.kind.exhausted:
            return True
        finally:
            self.change(**usual)
        return False

    def release(self, connections: list[Any]) -> None:
        for conn in connections:
            self.holders.give_back(conn)

    def release_broken(self, connections: list[Any]) -> None:
        """Release connections that the server closed; some drivers raise an error for that."""
        for conn in connections:
            with suppress(Exception):
                self.holders.give_back(conn)


class Crowd:
    """Threads that acquire, use and release connections until they are stopped."""

    def __init__(self, bench: Bench, size: int) -> None:
        self.operations = self.refusals = 0
        self.faults: list[Exception] = []
        self._bench = bench
        self._lock = threading.Lock()
        self._over, self._called = threading.Event(), threading.Event()
        self._meeting = threading.Barrier(size + 1)
        self._threads = [threading.Thread(target=self._run) for _ in range(size)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads)
        if self.faults:
            raise self.faults[0]

    def work(self, operations: int) -> None:
        """Wait until this many more operations are done."""
        goal = self.operations + operations
        until(lambda: self.operations >= goal or bool(self.faults), f"{operations} operations")

    def regroup(self) -> None:
        """Wait until all threads are idle and no connect is in progress, and reset the peak."""
        self._called.set()
        self._meeting.wait(PATIENCE)
        self._called.clear()
        counter, capacity = self._bench.counter, self._bench.capacity
        # A pool's own threads may still connect, and close surplus connections.
        until(
            lambda: (
                counter.came >= counter.passed and (capacity is None or counter.open <= capacity)
            ),
            lambda: (
                f"{counter.passed} have begun to connect, {counter.came} came, "
                f"{counter.open} are open"
            ),
        )
        counter.forget_peak()
        self._meeting.wait(PATIENCE)

    def _run(self) -> None:
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
                pool.execute(conn, "SELECT 1")
                pool.release(conn)
            except pool.exhausted:
                pass  # asyncpg has release end in the time that acquire has
            except Exception as fault:  # noqa: BLE001 - kept for the test to look at
                self.faults.append(fault)
                return
            with self._lock:
                self.operations += 1


class Waiter(threading.Thread):
    """A call of `acquire` in a thread of its own, and its result."""

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
    """Start `number` callers that wait in `acquire`; interrupt those that still wait at the end."""
    waiters = [Waiter(bench.pool.acquire) for _ in range(number)]
    try:
        until(lambda: pending(bench) == number, lambda: f"{number} wait, not {pending(bench)}")
        yield waiters
    finally:
        if any(waiter.is_alive() for waiter in waiters):
            bench.pool.interrupt()
        for waiter in waiters:
            waiter.finish()
            assert waiter.error is None or isinstance(
                waiter.error, (PoolStopped, psycopg2.Error, *bench.kind.exhausted)
            )


def pending(bench: Bench) -> int:
    """How many callers wait, by the pool's own count or, if it has none, by calls in progress."""
    reported = bench.pool.reported_counts().pending
    return bench.pool.inside if reported is None else reported


def patient(kind: type[Pool]) -> dict[str, Value]:
    """Limits with which callers wait longer than any test takes."""
    return timeouts(kind, LONG)


def impatient(kind: type[Pool]) -> dict[str, Value]:
    """Limits with which callers soon give up."""
    return timeouts(kind, 0.02)


def timeouts(kind: type[Pool], seconds: float) -> dict[str, Value]:
    """The limits that bound how long a caller waits, set to `seconds`."""
    return {
        key: seconds
        for key, limit in kind.limits.items()
        if isinstance(limit, Seconds) and "timeout" in key
    }


def sized(kind: type[Pool], capacity: int, kept: int) -> dict[str, Value]:
    """Limits of `kind` that allow `capacity` connections and keep `kept` of them, or as near to
    it as they can: with as few as possible that aren't at their default. {} where no limit is."""
    counts = {key: limit for key, limit in kind.limits.items() if isinstance(limit, Count)}
    keys = [*counts]
    wanted = (kept, capacity, capacity - kept)
    values = [[None, *(v for v in wanted if counts[key].minimum <= v)] for key in keys]
    found: dict[str, Value] | None = None
    rank: tuple[int, int] = (0, 0)
    for choice in product(*values):
        limits = {key: value for key, value in zip(keys, choice, strict=True) if value is not None}
        try:
            complete = kind.limits.complete(limits)
        except InputError:
            continue
        if kind.capacity(complete) == capacity:
            this = (abs(kind.kept(complete) - kept), len(limits))
            if found is None or this < rank:
                # Including those that stay at their default, for this may be a change.
                found, rank = {key: complete[key] for key in keys}, this
    if found is None:
        raise LookupError(f"{kind.id} can't have {capacity} connections")
    return found


def can_have(kind: type[Pool], capacity: int) -> bool:
    """Whether there are limits that allow exactly `capacity` connections."""
    try:
        sized(kind, capacity, capacity)
    except LookupError:
        return False
    return True


def rebuilds(kind: type[Pool]) -> bool:
    """Whether a change of the number of connections rebuilds the pool."""
    fewer, more = sized(kind, 1, 1), sized(kind, 5, 5)
    return any(
        fewer[key] != more[key] and kind.limits[key].effect is Effect.REBUILD for key in fewer
    )
