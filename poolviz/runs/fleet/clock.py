"""What another machine's clock shows, estimated as NTP does, from round trips.

A clock was read there between a request and its answer. So it differs from ours by what lies in
the middle of both, give or take half of the round trip, however that was divided between the way
there and the way back. The shortest round trip says most. What it said grows old, as clocks drift
apart: an older one has a wider bound.

Two clocks of each machine are used. The steady one (`perf_counter`) orders what happens: nobody
sets it while a run goes on. The wall clock is the one that people compare.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

DRIFT = 1e-4  # seconds a second that two clocks may drift apart: twice what quartz does
_KEPT = 30.0  # seconds for which a round trip is of use


class Reading(NamedTuple):
    """Both clocks of a machine at one moment, in seconds."""

    steady: float
    wall: float


class Offset(NamedTuple):
    """How many seconds another clock is ahead of ours, and by how many that may be wrong."""

    ahead: float
    bound: float

    def __str__(self) -> str:
        return f"{self.ahead:+.4f} s ± {self.bound * 1000:.1f} ms"


class _RoundTrip(NamedTuple):
    at: float  # when its answer came, by our steady clock
    ahead: float
    half: float

    def bound(self, now: float) -> float:
        return self.half + DRIFT * max(now - self.at, 0.0)


class ClockEstimate:
    """Follows the clocks of another machine. Not thread-safe."""

    def __init__(self) -> None:
        self._trips: deque[_RoundTrip] = deque()
        self._theirs = self._ours = Reading(0.0, 0.0)  # at the newest round trip

    def add(self, sent: Reading, theirs: Reading, received: Reading) -> None:
        """Add a round trip: our clocks before the request and after the answer, and theirs in
        between."""
        middle = (sent.steady + received.steady) / 2
        half = max(received.steady - sent.steady, 0.0) / 2
        self._trips.append(_RoundTrip(received.steady, theirs.steady - middle, half))
        while received.steady - self._trips[0].at > _KEPT:
            self._trips.popleft()
        self._theirs, self._ours = theirs, received

    def steady(self) -> Offset:
        """Return how far their steady clock is ahead. There was a round trip."""
        now = self._ours.steady
        best = min(self._trips, key=lambda trip: trip.bound(now))
        return Offset(best.ahead, best.bound(now))

    def wall(self) -> Offset:
        """Return how far their wall clock is ahead, as it is set now. There was a round trip."""
        ahead, bound = self.steady()
        theirs, ours = self._theirs, self._ours
        return Offset(theirs.wall - theirs.steady + ahead - (ours.wall - ours.steady), bound)

    def in_our_wall_time(self, moment: float) -> float:
        """Return what our wall clock shows when theirs shows `moment`, both as they are set now."""
        return moment - self.wall().ahead
