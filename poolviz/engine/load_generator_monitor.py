"""Whether the load generator itself keeps up: timers that should fire each 10 ms, and its CPU."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from math import ceil
from time import perf_counter, process_time

BEAT = 0.01  # seconds
_BEATS = 200  # that the lag is taken from: two seconds
_CPU_SPAN = 1.0  # seconds that the CPU is averaged over
MOST_LAG, MOST_CPU = 0.005, 0.9  # seconds, cores: beyond, the figures may be the generator's own


class LoadGeneratorMonitor:
    """Notes how late its beats come. The beats come from its own thread, or, with a `loop`, from
    that, since it is the loop then that clients wait for."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._lags: deque[float] = deque(maxlen=_BEATS)  # one thread appends, another one copies
        self._cpu = deque([(perf_counter(), process_time())])
        self._over = threading.Event()
        self._loop = loop
        self._due = perf_counter() + BEAT
        self._thread: threading.Thread | None = None
        if loop is None:
            self._thread = threading.Thread(target=self._beat, name="load_monitor", daemon=True)
            self._thread.start()
        else:
            loop.call_soon_threadsafe(self._beat_on_loop)

    @property
    def lag(self) -> float:
        """How late, in seconds, the beats of the last two seconds came, but for the latest 1 %."""
        lags = sorted(self._lags.copy())
        return lags[ceil(0.99 * len(lags)) - 1] if lags else 0.0

    def cpu(self) -> float:
        """Cores that this process used in the last second. One thread at a time asks."""
        now, used = perf_counter(), process_time()
        self._cpu.append((now, used))
        while len(self._cpu) > 2 and now - self._cpu[1][0] >= _CPU_SPAN:
            self._cpu.popleft()
        since, before = self._cpu[0]
        return (used - before) / max(now - since, 1e-9)

    def close(self) -> None:
        """No further beat comes."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _note(self) -> float:
        """Note a beat; seconds until the next one."""
        now = perf_counter()
        self._lags.append(max(now - self._due, 0.0))
        # What was slept through is one late beat, not many.
        self._due = max(self._due, now - BEAT) + BEAT
        return max(self._due - now, 0.0)

    def _beat(self) -> None:
        pause = BEAT
        while not self._over.wait(pause):
            pause = self._note()

    def _beat_on_loop(self) -> None:
        if not self._over.is_set():
            assert self._loop is not None
            self._loop.call_later(self._note(), self._beat_on_loop)
