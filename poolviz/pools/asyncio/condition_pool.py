"""What aiopg's pool and aiomysql's, which descends from it, have in common.

Both let callers wait on one asyncio.Condition, and neither can be resized.

Private names used here, as in aiopg 1.4.0 and aiomysql 0.3.2:
    Pool: _acquiring _cond _fill_free_pool _free _loop _minsize _recycle _used _wakeup
Private names used here, as in Python 3.11 to 3.13:
    asyncio.Condition: _lock _waiters
    asyncio.Lock: _waiters
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from poolviz.model.parameters import Count, Seconds, Value
from poolviz.model.sample import ReportedCounts
from poolviz.model.use import Use
from poolviz.pools.base import TaskPool

LONGEST = 86_400.0  # seconds
_MOST = 10_000


class _Upstream:
    """The members of the libraries' pools that are used here."""

    if TYPE_CHECKING:
        _minsize: int
        _acquiring: int
        _recycle: float
        _loop: asyncio.AbstractEventLoop
        _free: deque[Any]
        _used: set[Any]
        _cond: asyncio.Condition
        maxsize: int
        size: int

        async def _wakeup(self) -> None: ...
        def release(self, conn: Any) -> asyncio.Future[None]: ...
        def close(self) -> None: ...
        async def wait_closed(self) -> None: ...


class ResizableConditionPool(_Upstream):
    """A mixin before the library's pool, with limits that may be changed while it is in use.

    Everything except `reported_counts` is called on the pool's loop. As in the library, `_cond`
    is held while connections are opened and free ones handed out, but not to release one. The
    libraries' `_fill_free_pool` has no hook for how to connect, so that it is written anew here.
    """

    @property
    def _most(self) -> float:
        """How many connections there may be; the libraries take a maxsize of 0 for no limit."""
        return self.maxsize or inf

    @abstractmethod
    async def connect(self) -> Any:
        """Return a new connection, which is counted."""

    @abstractmethod
    def is_lost(self, conn: Any) -> bool:
        """Return whether a free connection can't be used any more."""

    def count_out(self, conn: Any) -> None:
        """Count a connection as closed that the library drops because it is `closed` already."""
        conn.close()

    async def _fill_free_pool(self, override_min: bool) -> None:
        """Do as the libraries do: drop free connections that are lost or too old, open missing ones
        up to minsize, and with `override_min` another one if none is free and there may be one."""
        for _ in range(len(self._free)):
            conn = self._free[-1]
            too_old = -1 < self._recycle < self._loop.time() - conn.last_usage
            if too_old or self.is_lost(conn):
                self._free.pop()
                conn.close()
            else:
                self._free.rotate()
        while self.size < self._minsize:
            await self._open_another()
        if override_min and not self._free and self.size < self._most:
            await self._open_another()
        for conn in self._free:
            if conn.closed:  # lost meanwhile: the library drops it with an AssertionError
                self.count_out(conn)

    async def _open_another(self) -> None:
        self._acquiring += 1
        try:
            self._free.append(await self.connect())
            self._cond.notify()
        finally:
            self._acquiring -= 1

    def release(self, conn: Any) -> asyncio.Future[None]:
        """Give a connection back, as in the library, with two differences.

        One that the limit has no room for is closed; the library's queue would drop another one
        without closing it. If the connection is closed, a caller that waits is woken, for it may
        open one now.
        """
        if conn.closed:
            self.count_out(conn)
        elif self.size > self._most:
            conn.close()
        done = super().release(conn)
        return asyncio.ensure_future(self._wakeup()) if conn.closed else done

    async def fill(self) -> None:
        """Open minsize connections. Raises the driver's error if one can't be opened."""
        async with self._cond:
            await self._fill_free_pool(False)

    async def change_sizes(self, minsize: int, maxsize: int) -> None:
        """Apply both: close free connections beyond them, open missing ones, wake callers."""
        async with self._cond:
            self._minsize = minsize
            while self._free and self.size > maxsize:
                self._free.popleft().close()  # the one that has been idle longest
            self._free = deque(self._free, maxlen=maxsize)
            try:
                await self._fill_free_pool(False)
            finally:
                self._cond.notify_all()

    @abstractmethod
    def change_times(self, timeout: float, recycle: float) -> None:
        """Apply both."""

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's counts. Called from any thread.

        A task that waits for the condition's lock to report a release counts as pending, for the
        short time that this takes.
        """
        free, used = len(self._free), len(self._used)
        condition: Any = self._cond
        waiting = len(condition._waiters) + len(condition._lock._waiters or ())
        return ReportedCounts(open=free + used, used=used, pending=waiting)

    async def end(self) -> None:
        """Close all connections; those in use when they are given back."""
        self.close()
        await self.wait_closed()


def size_limits(library: str) -> tuple[Count, Count, Seconds]:
    """Return the limits that both pools have: minsize, maxsize and pool_recycle."""
    return (
        Count(
            key="minsize",
            default=1,
            maximum=_MOST,
            slider=(0, 50),
            help="Connections opened at the start, and reopened when they are lost.",
            effect_help="Raised: missing connections are opened at once, one by one, while callers "
            "wait. Lowered: no connection is closed.",
        ),
        Count(
            key="maxsize",
            default=10,
            minimum=1,
            maximum=_MOST,
            slider=(1, 50),
            at_least="minsize",
            help="The most connections, in use and idle together. They stay open: "
            f"{library} never shrinks its pool.",
            effect_help="Raised: callers that wait get a connection at once. Lowered: surplus "
            "connections are closed, idle ones at once, others when they are given back.",
        ),
        Seconds(
            key="pool_recycle",
            default=-1.0,
            maximum=30 * LONGEST,
            slider=(1, 3600),
            log_slider=True,
            special={-1: "never"},
            help="The longest time that a connection may be idle. One that was idle longer is "
            "closed at the next acquire.",
            effect_help="Applies from the next acquire.",
        ),
    )


class ConditionTaskPool(TaskPool):
    """The limits of both pools and how they are called."""

    waits = True
    exhausted = (TimeoutError,)
    uses = (Use("acquire", "async with pool.acquire() as connection"),)
    _pool: Any

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """Return maxsize."""
        return int(limits["maxsize"])

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return maxsize: neither library closes idle connections."""
        return int(limits["maxsize"])

    @abstractmethod
    def make(self, limits: Mapping[str, Value]) -> ResizableConditionPool:
        """Return a pool without any connection yet."""

    async def open(self) -> None:
        """Make the pool and open minsize connections. Raises the driver's error if it can't."""
        self._pool = self.make(self.initial_limits)
        try:
            await self._pool.fill()
        except BaseException:
            await self.close()
            raise

    async def release(self, connection: Any) -> None:
        """Give a connection back."""
        await self._pool.release(connection)

    async def resize(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits. Raises the driver's error if minsize can't be opened."""
        self._pool.change_times(float(limits["timeout"]), float(limits["pool_recycle"]))
        await self._pool.change_sizes(int(limits["minsize"]), int(limits["maxsize"]))

    def reported_counts(self) -> ReportedCounts:
        """Return the pool's own counts."""
        reported: ReportedCounts = self._pool.reported_counts()
        return reported

    async def close(self) -> None:
        """Close all connections; those in use when they are given back."""
        await self._pool.end()
