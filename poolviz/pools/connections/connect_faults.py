"""Faults on the way to the server: new connections that are slowed down, refused, or get no answer.

Each place where a library connects waits here first, inside the time that it reports as the
connection's creation time, and so under whatever lock or limit the library connects.
"""

from __future__ import annotations

import asyncio
import errno
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

from poolviz.language import tr
from poolviz.pools.base import ConnectionCounter, ConnectRefused

_POLL_INTERVAL = 0.1  # seconds until a fault that begins or ends is noticed by those who wait


@dataclass(frozen=True)
class ConnectTimeout:
    """What a driver does while a server doesn't answer: it waits for `seconds`, None for no limit,
    and then raises what `error` makes."""

    seconds: float | None
    error: Callable[[], Exception]


class ConnectFaults:
    """Slows or refuses connections that are about to be made, or leaves them without an answer.

    Every attribute is a single value, written by the thread that injects a fault and read by those
    that connect, so there is no lock.
    """

    def __init__(self) -> None:
        self.slow_by = 0.0  # seconds that each new connection waits
        self.disabled = threading.Event()  # the run is over
        self._refusing = self._silent = False

    def refuse(self, refusing: bool) -> None:
        """Refuse new connections, or stop refusing them."""
        self._refusing = refusing

    def silence(self, silent: bool) -> None:
        """Leave new connections without an answer, or stop doing so."""
        self._silent = silent

    def disable(self) -> None:
        """End all faults for good, so that they hold up nothing once the run is over."""
        self.disabled.set()

    def check(self, since: float) -> float:
        """Return the seconds that a connection attempted at `since` (perf_counter) still waits.

        0 or less: it may be made; infinity: there is no answer yet. Raises ConnectRefused while
        connections are refused.
        """
        if self.disabled.is_set():
            return 0.0
        if self._silent:
            return math.inf
        if self._refusing:
            raise ConnectRefused(tr("the fault refuse_connections is active"))
        return since + self.slow_by - perf_counter() if self.slow_by else 0.0


def wait_to_connect(
    counter: ConnectionCounter,
    refused: Callable[[str], Exception],
    timeout: Callable[[], ConnectTimeout] | None = None,
) -> float:
    """Wait until `counter` allows a new connection; return when the wait began (perf_counter).

    `refused` makes the error of the driver that is raised while connections are refused. `timeout`
    is called while there is no answer; without it the wait has no limit.
    """
    began = perf_counter()
    for pause in _pauses(counter, refused, timeout, began):
        time.sleep(pause)
    return began


async def wait_to_connect_async(
    counter: ConnectionCounter,
    refused: Callable[[str], Exception],
    timeout: Callable[[], ConnectTimeout] | None = None,
) -> float:
    """Do as `wait_to_connect`, for a task."""
    began = perf_counter()
    for pause in _pauses(counter, refused, timeout, began):
        await asyncio.sleep(pause)
    return began


def refused_by_mysql(error: type[Exception]) -> Callable[[str], Exception]:
    """Return a function that makes a MySQL driver's `error` for a server that can't be reached."""
    return lambda reason: error(2003, f"Can't connect to MySQL server ({reason})")


def refused_by_system(reason: str) -> Exception:
    """Make the error of a driver that passes on the operating system's errors."""
    return ConnectionRefusedError(errno.ECONNREFUSED, reason)


def _pauses(
    counter: ConnectionCounter,
    refused: Callable[[str], Exception],
    timeout: Callable[[], ConnectTimeout] | None,
    began: float,
) -> Iterator[float]:
    try:
        while (left := counter.check(began)) > 0:
            if left == math.inf and timeout is not None:
                left = _until_timeout(timeout(), began)
            yield min(left, _POLL_INTERVAL)
    except ConnectRefused as refusal:
        raise refused(str(refusal)) from None


def _until_timeout(timeout: ConnectTimeout, began: float) -> float:
    """Return the seconds until a driver gives up an attempt that began at `began`, or raise its
    error."""
    if timeout.seconds is None:
        return math.inf
    left = began + timeout.seconds - perf_counter()
    if left <= 0:
        raise timeout.error()
    return left
