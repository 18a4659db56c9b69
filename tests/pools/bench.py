"""What the pools' tests share: a pool on a real server, and a crowd of threads that uses it."""

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
    """Wait for `condition`, which somebody else brings about."""
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


class Hands:
    """Threads that hold connections, each thread one, and give each back where it was taken:
    some libraries lend a connection to a thread. Where one client is all that a pool is made
    for, one thread holds everything."""

    def __init__(self, pool: Any, *, one: bool) -> None:
        self._pool, self._one = pool, one
        self._all: list[ThreadPoolExecutor] = []
        self._busy: list[tuple[Any, ThreadPoolExecutor]] = []

    def take(self) -> Any:
        """A connection in a hand that was free, which holds it now."""
        busy = [] if self._one else [hand for _, hand in self._busy]
        hand = next((hand for hand in self._all if hand not in busy), None)
        if hand is None:
            hand = ThreadPoolExecutor(1, "hand")
            self._all.append(hand)
        conn = hand.submit(self._pool.acquire).result()
        self._busy.append((conn, hand))
        return conn

    def do(self, conn: Any, what: Callable[..., Any], *args: Any) -> Any:
        """Call `what` in the thread that holds `conn`, or in this one where none does."""
        for held, hand in self._busy:
            if held is conn:
                return hand.submit(what, *args).result()
        return what(*args)

    def give_back(self, conn: Any) -> None:
        """Release `conn`; what can't be released is no longer held all the same."""
        try:
            self.do(conn, self._pool.release, conn)
        finally:
            held = [held is conn for held, _ in self._busy]
            if any(held):
                del self._busy[held.index(True)]

    def end(self) -> None:
        """Give everything back and end the threads."""
        try:
            while self._busy:
                self.give_back(self._busy[0][0])
        finally:
            for hand in self._all:
                hand.shutdown()


class Bench:
    """A pool with its counter, and the view of the place that it connects to."""

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
        self.hands = Hands(self.pool, one=bool(kind.one_client))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.hands.end()
        finally:
            self.pool.close()

    @property
    def capacity(self) -> int | None:
        return self.kind.capacity(self.limits)

    @property
    def most_idle(self) -> int:
        """How many connections may be open once nobody is at work."""
        kept, capacity = self.kind.kept(self.limits), self.capacity
        return kept if capacity is None or not self.kind.lingers else capacity

    def change(self, **limits: Value) -> None:
        self.limits = self.kind.limits.complete({**self.limits, **limits})
        self.pool.resize(self.limits)

    def change_anyhow(self, **limits: Value) -> None:
        """The same; a pool that can't connect in the time that it is given may say so."""
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
        # A pool may connect anew at once.
        until(
            lambda: self.backends() <= self.counter.came - before,
            "the server has ended its backends",
        )

    def agreed(self) -> bool:
        """The counter, the pool's reported_counts and the server have the same count."""
        reported_counts = self.pool.reported_counts().open
        return self.counter.open == self.backends() and reported_counts in (None, self.counter.open)

    def uses(self, number: int) -> bool:
        """The pool's reported_counts say that so many are in use; or they keep no such count."""
        return self.pool.reported_counts().used in (None, number)

    def settle(self) -> None:
        """With nobody at work: all three agree, and the limits in force hold."""
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
        return [self.hands.take() for _ in range(number)]

    def acquire(self, number: int) -> list[Any]:
        """As many connections, all of them working."""
        held = self.take(number)
        self.use(*held)
        return held

    def fill(self, capacity: int, held: list[Any] | None = None) -> list[Any]:
        """All connections that the limits allow, held: those that are, and the rest."""
        assert self.capacity == capacity
        held = [] if held is None else held
        held += self.acquire(capacity - len(held))
        return held

    def use(self, *connections: Any) -> None:
        """Run a statement on each, where it is held; raises what the driver does."""
        for conn in connections:
            self.hands.do(conn, self.pool.execute, conn, "SELECT 1")

    def works(self, conn: Any) -> bool:
        """Whether a statement can be run on it."""
        try:
            self.use(conn)
        except Exception:  # noqa: BLE001 - each driver has its own
            return False
        return True

    def refuses(self) -> bool:
        """Whether the pool, asked for one more connection, says that it is exhausted.

        One that waits is made impatient for that moment only: some bound statements and connects
        by the same time.
        """
        usual = {key: self.limits[key] for key in impatient(self.kind)}
        self.change(**impatient(self.kind))
        try:
            self.hands.take()
        except self.kind.exhausted:
            return True
        finally:
            self.change(**usual)
        return False

    def release(self, connections: list[Any]) -> None:
        for conn in connections:
            self.hands.give_back(conn)

    def release_broken(self, connections: list[Any]) -> None:
        """Give back connections that the server ended: some drivers tell, all free the place."""
        for conn in connections:
            with suppress(Exception):
                self.hands.give_back(conn)


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
        if self.faults:
            raise self.faults[0]

    def work(self, operations: int) -> None:
        """Wait until so many more operations are done."""
        goal = self.operations + operations
        until(lambda: self.operations >= goal or bool(self.faults), f"{operations} operations")

    def regroup(self) -> None:
        """Let everybody finish, connects in progress too; then all go on, and the peak is new."""
        self._called.set()
        self._meeting.wait(PATIENCE)
        self._called.clear()
        counter, capacity = self._bench.counter, self._bench.capacity
        # A pool's own threads may still connect, and close again what there is no room for.
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
    """How many wait, by the pool's own reported_counts; by the callers inside, where it keeps
    none."""
    said = bench.pool.reported_counts().pending
    return bench.pool.inside if said is None else said


def patient(kind: type[Pool]) -> dict[str, Value]:
    """Limits with which a pool that waits waits longer than any test takes."""
    return timeouts(kind, LONG)


def impatient(kind: type[Pool]) -> dict[str, Value]:
    """Limits with which a pool that waits gives up soon."""
    return timeouts(kind, 0.02)


def timeouts(kind: type[Pool], seconds: float) -> dict[str, Value]:
    """How long a caller waits, in each limit that says so."""
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
                # Those that stay must be said too, since this may be a change.
                found, rank = {key: complete[key] for key in keys}, this
    if found is None:
        raise LookupError(f"{kind.id} can't have {capacity} connections")
    return found


def can_have(kind: type[Pool], capacity: int) -> bool:
    """Whether there are limits that allow so many connections and no more."""
    try:
        sized(kind, capacity, capacity)
    except LookupError:
        return False
    return True


def rebuilds(kind: type[Pool]) -> bool:
    """A change of how many connections there may be makes the pool anew."""
    fewer, more = sized(kind, 1, 1), sized(kind, 5, 5)
    return any(
        fewer[key] != more[key] and kind.limits[key].effect is Effect.REBUILD for key in fewer
    )
