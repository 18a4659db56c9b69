"""Whether a run is to end: it was asked to, or its time is over."""

from __future__ import annotations

import threading
from time import perf_counter


class RunTime:
    """Until when a run goes on. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._stopped_at = 0.0
        self._end: float | None = None  # by perf_counter

    def stop(self) -> None:
        """End the run now."""
        if not self._stopped.is_set():
            self._stopped_at = perf_counter()
            self._stopped.set()

    def end_in(self, seconds: float) -> None:
        """End the run in that many seconds."""
        self._end = perf_counter() + seconds

    @property
    def over_for(self) -> float:
        """For how many seconds the run should have ended; negative while it goes on."""
        now = perf_counter()
        planned = -1.0 if self._end is None else now - self._end
        return max(planned, now - self._stopped_at) if self._stopped.is_set() else planned

    @property
    def over(self) -> bool:
        """Whether the run should have ended."""
        return self.over_for >= 0
