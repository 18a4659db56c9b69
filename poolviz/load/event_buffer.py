"""What a client notes of itself: events and when they happened, in buffers of its own."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from time import perf_counter_ns

# What can happen to a client.
REQUESTED = 0  # it calls acquire
ACQUIRED = 1  # acquire gave a connection
TIMED_OUT = 2  # acquire waited and gave up
FAILED = 3  # acquire raised
REFUSED = 4  # no connection; the client pauses before it asks again
RETRIED = 5  # and asks again
GAVE_UP = 6  # or doesn't, because the run is over
RELEASED = 7  # the operation is done, the client calls release
BROKEN = 8  # the same after an error
BEGUN = 9  # it calls acquire for a request that was due, in open load
ACQUIRED_LATE = 10  # acquire gave a connection, so long after the request was due: see `late`
TIMED_OUT_LATE = 11  # acquire gave up, likewise
RETURNED = 12  # it releases a connection that was taken beside another, within one operation
LEAKED = 13  # the operation is done, and its connection is never released
RECLAIMED = 14  # but at the run's end it is
KINDS = 15


def stamper(stamps: array[int]) -> Callable[[], None]:
    """A call that appends the clock's reading to `stamps`, in one step.

    Both the reading and the append run inside one call of C code, where the interpreter's lock
    doesn't change actions; two calls from Python would leave a gap between them.
    """
    return map(stamps.append, iter(perf_counter_ns, None)).__next__


class EventBuffer:
    """What one client noted. The client's thread appends; the sampler's takes from the front.

    Always `note(kind)` first and `stamp()` then: whatever is stamped has its kind.
    """

    __slots__ = (
        "_kinds", "_last", "_stamps",
        "errors", "known", "late", "note", "number", "own_waits", "stamp",
    )  # fmt: skip

    def __init__(self, number: int) -> None:
        self.number = number
        self.known = False  # a tick has named this client
        self._kinds = bytearray()
        self._stamps = array("q")
        self._last = 0  # the last stamp taken: where the next duration begins
        self.note = self._kinds.append
        self.stamp = stamper(self._stamps)
        self.errors: list[str] = []  # names of exceptions
        self.own_waits = array("d")  # seconds that the client spent asking again and again
        self.late = array("q")  # ns from a request's being due to its begin, noted before a _LATE

    def take(self, until: int) -> tuple[array[int], bytearray, int] | None:
        """Stamps up to `until`, their kinds, and the stamp before the first of them."""
        stamps, kinds = self._stamps, self._kinds
        n = len(stamps)
        if n and stamps[n - 1] > until:
            n = bisect_right(stamps, until, 0, n)
        if not n:
            return None
        taken = stamps[:n], kinds[:n], self._last
        del stamps[:n], kinds[:n]
        self._last = taken[0][-1]
        return taken

    @property
    def empty(self) -> bool:
        """Nothing is left to take."""
        return not (self._stamps or self.errors or self.own_waits)
