"""Threads that wait for a connection of a user's pool, on a condition or a semaphore of it.

Private names used here, as in Python 3.11 to 3.13:
    threading.Condition: _waiters
    threading.Semaphore: _cond
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from poolviz.pools.custom.library_pools import attributes

_MORE_THAN_CALLERS = 5_000
_LOCK_TIMEOUT = 0.2  # seconds to wait for a lock that may be held while its holder connects


def waiting(pool: Any) -> Iterator[int]:
    """Yield how many threads wait on each condition and each semaphore of the pool."""
    for found in attributes(pool):
        if isinstance(found, threading.Condition):
            yield len(found._waiters)  # type: ignore[attr-defined]
        elif isinstance(found, threading.Semaphore):
            yield len(found._cond._waiters)  # type: ignore[attr-defined]


def wake(pool: Any, *, over: bool) -> None:
    """Wake all threads that wait on a condition of the pool, to test again what they wait for.

    If the pool is `over`, let all threads that wait for a semaphore through, too.
    """
    for found in attributes(pool):
        if isinstance(found, threading.Condition) and found.acquire(timeout=_LOCK_TIMEOUT):
            try:
                found.notify_all()
            finally:
                found.release()
        elif over and isinstance(found, threading.Semaphore):
            # A BoundedSemaphore's own release would refuse.
            threading.Semaphore.release(found, _MORE_THAN_CALLERS)
