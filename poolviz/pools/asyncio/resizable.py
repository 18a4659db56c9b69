"""What aiopg's pool, and aiomysql's that descends from it, lack for limits that change in use."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from poolviz.model.sample import ReportedCounts


class _Upstream:
    """What both libraries' pools are, as far as it is needed here."""

    if TYPE_CHECKING:
        _minsize: int
        _free: deque[Any]
        _used: set[Any]
        _cond: asyncio.Condition
        maxsize: int
        size: int

        async def _fill_free_pool(self, override_min: bool) -> None: ...
        async def _wakeup(self) -> None: ...
        def release(self, conn: Any) -> asyncio.Future[None]: ...
        def close(self) -> None: ...
        async def wait_closed(self) -> None: ...


class ResizableConditionPool(_Upstream):
    """A mixin before the library's pool. Everything but `reported_counts` is called on the pool's
    loop.

    As in the library a connection is made, and free ones are given out, by whoever holds `_cond`;
    a connection in use is given back without it.
    """

    def release(self, conn: Any) -> asyncio.Future[None]:
        """As the library's, but it closes what the limit has no room for, where the library
        would have its queue drop another open one; and where a connection comes back closed it
        tells a waiter, who may now open one."""
        if conn.closed or self.size > self.maxsize:
            conn.close()  # one that was lost too: it may be held by its client, but not by us
        done = super().release(conn)
        return asyncio.ensure_future(self._wakeup()) if conn.closed else done

    async def fill(self) -> None:
        """Open what minsize asks for; raises where that can't be opened."""
        async with self._cond:
            await self._fill_free_pool(False)

    async def change_sizes(self, least: int, most: int) -> None:
        """Put both in force: close free connections beyond, open missing ones, wake waiters."""
        async with self._cond:
            self._minsize = least
            while self._free and self.size > most:
                self._free.popleft().close()  # the one that rested longest
            self._free = deque(self._free, maxlen=most)
            try:
                await self._fill_free_pool(False)
            finally:
                self._cond.notify_all()

    def reported_counts(self) -> ReportedCounts:
        """The pool's counts, from any thread. Those who wait for the lock to tell of a release
        are pending too, in the short time that it takes them."""
        free, used = len(self._free), len(self._used)
        condition: Any = self._cond
        waiting = len(condition._waiters) + len(condition._lock._waiters or ())
        return ReportedCounts(open=free + used, used=used, pending=waiting)

    async def end(self) -> None:
        """Close every connection; those in use once they are given back."""
        self.close()
        await self.wait_closed()
