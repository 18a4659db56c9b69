"""What keeps new connections waiting, or out: the way to the server, as faults make it.

Every hook in which a library connects passes the gate first, within the time that it measures, and
so under whatever lock or limit of its own the library connects.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable, Iterator
from time import perf_counter

from poolviz.pools.base import Door, Refusal

_LOOK_AGAIN = 0.1  # seconds: a gate that opens, or shuts, is known as soon as this


class Gate:
    """Slows or refuses connections that are about to be made. Every attribute is one value, written
    by whoever inflicts a fault and read by whoever connects, so nothing guards them."""

    def __init__(self) -> None:
        self.slow_by = 0.0  # seconds that a new connection waits
        self._refusing = self._open_for_good = False

    def refuse(self, refusing: bool) -> None:
        """Let no new connection pass, or all again."""
        self._refusing = refusing

    def open_for_good(self) -> None:
        """Hold nobody up any more: the run is over."""
        self._open_for_good = True

    def knock(self, since: float) -> float:
        """Seconds that one who came at `since` (perf_counter) still has to wait; 0 or less where
        it may pass. Refusal where nobody may."""
        if self._open_for_good:
            return 0.0
        if self._refusing:
            raise Refusal("connections are refused, as refuse_connections has it")
        return since + self.slow_by - perf_counter() if self.slow_by else 0.0


def pass_gate(door: Door, refused: Callable[[str], Exception]) -> None:
    """Wait until `door` lets a new connection pass; `refused`, the driver's own error, where it
    refuses it."""
    for pause in _pauses(door, refused):
        time.sleep(pause)


async def pass_gate_async(door: Door, refused: Callable[[str], Exception]) -> None:
    """The same for a task."""
    for pause in _pauses(door, refused):
        await asyncio.sleep(pause)


def refused_by_mysql(error: type[Exception]) -> Callable[[str], Exception]:
    """What a driver of MySQL's raises where the server lets nobody in: its `error`, numbered."""
    return lambda sentence: error(2003, f"Can't connect to MySQL server ({sentence})")


def refused_by_system(sentence: str) -> Exception:
    """What a driver raises that hands the system's own errors on."""
    return ConnectionRefusedError(errno.ECONNREFUSED, sentence)


def _pauses(door: Door, refused: Callable[[str], Exception]) -> Iterator[float]:
    since = perf_counter()
    try:
        while (left := door.knock(since)) > 0:
            yield min(left, _LOOK_AGAIN)
    except Refusal as refusal:
        raise refused(str(refusal)) from None
