"""What keeps new connections waiting, or out: the way to the server, as faults make it.

Every hook in which a library connects passes the connect_faults first, within the time that it
measures, and so under whatever lock or limit of its own the library connects.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable, Iterator
from time import perf_counter

from poolviz.pools.base import ConnectionCounter, ConnectRefused

_LOOK_AGAIN = 0.1  # seconds: a connect_faults that opens, or shuts, is known as soon as this


class ConnectFaults:
    """Slows or refuses connections that are about to be made. Every attribute is one value, written
    by whoever injects a fault and read by whoever connects, so nothing guards them."""

    def __init__(self) -> None:
        self.slow_by = 0.0  # seconds that a new connection waits
        self._refusing = self._open_for_good = False

    def refuse(self, refusing: bool) -> None:
        """Let no new connection pass, or all again."""
        self._refusing = refusing

    def open_for_good(self) -> None:
        """Hold nobody up any more: the run is over."""
        self._open_for_good = True

    def check(self, since: float) -> float:
        """Seconds that one who came at `since` (perf_counter) still has to wait; 0 or less where
        it may pass. ConnectRefused where nobody may."""
        if self._open_for_good:
            return 0.0
        if self._refusing:
            raise ConnectRefused("connections are refused, as refuse_connections has it")
        return since + self.slow_by - perf_counter() if self.slow_by else 0.0


def wait_to_connect(counter: ConnectionCounter, refused: Callable[[str], Exception]) -> None:
    """Wait until `counter` lets a new connection pass; `refused`, the driver's own error, where it
    refuses it."""
    for pause in _pauses(counter, refused):
        time.sleep(pause)


async def wait_to_connect_async(
    counter: ConnectionCounter, refused: Callable[[str], Exception]
) -> None:
    """The same for a task."""
    for pause in _pauses(counter, refused):
        await asyncio.sleep(pause)


def refused_by_mysql(error: type[Exception]) -> Callable[[str], Exception]:
    """What a driver of MySQL's raises where the server lets nobody in: its `error`, numbered."""
    return lambda sentence: error(2003, f"Can't connect to MySQL server ({sentence})")


def refused_by_system(sentence: str) -> Exception:
    """What a driver raises that hands the system's own errors on."""
    return ConnectionRefusedError(errno.ECONNREFUSED, sentence)


def _pauses(counter: ConnectionCounter, refused: Callable[[str], Exception]) -> Iterator[float]:
    since = perf_counter()
    try:
        while (left := counter.check(since)) > 0:
            yield min(left, _LOOK_AGAIN)
    except ConnectRefused as refusal:
        raise refused(str(refusal)) from None
