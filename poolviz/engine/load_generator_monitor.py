"""Whether the load generator keeps up: how late its timers fire, and how much CPU it uses."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from math import ceil
from time import perf_counter, process_time

INTERVAL = 0.01  # seconds between two timers
_LAGS = 200  # timers whose lag is kept: those of two seconds
_CPU_SPAN = 1.0  # seconds that the CPU is averaged over


class LoadGeneratorMonitor:
    """Measures how late timers fire that are due every 10 ms: in a thread of its own, or on the
    `loop` on which the clients run. Starts at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._lags: deque[float] = deque(maxlen=_LAGS)  # one thread appends, another copies
        self._cpu = deque([(perf_counter(), process_time())])
        # A thread waits for the next timer by waiting for this lock, which only `close` releases:
        # 100 times a second, an Event's wait would cost half a per cent of a busy core.
        self._closing = threading.Lock()
        self._closing.acquire()
        self._loop = loop
        self._due = perf_counter() + INTERVAL
        self._thread: threading.Thread | None = None
        if loop is None:
            self._thread = threading.Thread(target=self._run, name="load monitor", daemon=True)
            self._thread.start()
        else:
            loop.call_soon_threadsafe(self._fire_on_loop)

    @property
    def lag(self) -> float:
        """Return how late, in seconds, the timers of the last two seconds fired: the p99."""
        lags = sorted(self._lags.copy())
        return lags[ceil(0.99 * len(lags)) - 1] if lags else 0.0

    def cpu(self) -> float:
        """Return how many cores this process used in the last second. Call from one thread."""
        now, used = perf_counter(), process_time()
        self._cpu.append((now, used))
        while len(self._cpu) > 2 and now - self._cpu[1][0] >= _CPU_SPAN:
            self._cpu.popleft()
        since, before = self._cpu[0]
        return (used - before) / max(now - since, 1e-9)

    def close(self) -> None:
        """Stop measuring."""
        if self._closing.locked():
            self._closing.release()
        if self._thread is not None:
            self._thread.join(1.0)

    def _fired(self) -> float:
        """Record that a timer fired; return the seconds until the next is due."""
        now = perf_counter()
        self._lags.append(max(now - self._due, 0.0))
        # Timers that were missed count as one that was late.
        self._due = max(self._due, now - INTERVAL) + INTERVAL
        return max(self._due - now, 0.0)

    def _run(self) -> None:
        pause = INTERVAL
        while not self._closing.acquire(timeout=pause):
            pause = self._fired()

    def _fire_on_loop(self) -> None:
        if self._closing.locked():
            assert self._loop is not None
            self._loop.call_later(self._fired(), self._fire_on_loop)
