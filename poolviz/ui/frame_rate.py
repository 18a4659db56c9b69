"""How often the window paints: less often on a busy machine, to leave its CPU to the load."""

from __future__ import annotations

FASTEST = 30.0
SLOWEST = 15.0
_FULL = 0.70  # share of the machine in use above which painting slows down
_OWN_SHARE = 0.30  # share of a core that painting may use


class FrameRate:
    """The frame rate that suits the load of the machine and the cost of a frame."""

    def __init__(self) -> None:
        self.most = FASTEST  # frames a second, as the user has set it
        self._machine = 0.0
        self._cost = 0.0  # seconds of CPU a frame, smoothed

    def note_machine(self, share: float) -> None:
        """Take note of the share of the machine in use, from 0 to 1. Called once a second."""
        self._machine = share

    def note_frame(self, seconds: float) -> None:
        """Take note of the GUI thread's CPU time for one frame, in seconds."""
        self._cost += 0.1 * (seconds - self._cost)

    @property
    def frames_per_second(self) -> float:
        """Between 15 and 30, and never more than `most`."""
        crowded = min(max((self._machine - _FULL) / (1 - _FULL), 0.0), 1.0)
        wanted = FASTEST - (FASTEST - SLOWEST) * crowded
        affordable = _OWN_SHARE / self._cost if self._cost else FASTEST
        return min(self.most, max(SLOWEST, min(wanted, affordable)))

    @property
    def milliseconds(self) -> int:
        """The time between two frames, for a timer."""
        return round(1000 / self.frames_per_second)
