"""The events of one client with their times, in buffers that it alone appends to."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from itertools import count, repeat, starmap
from time import perf_counter_ns

from poolviz.load.error_kinds import CountedKind

# The kinds of events.
REQUESTED = 0  # the client calls acquire
ACQUIRED = 1  # acquire returned a connection
TIMED_OUT = 2  # acquire waited and gave up
FAILED = 3  # acquire raised
REFUSED = 4  # the pool has no connection, and the client pauses before it tries again
RETRIED = 5  # it tries again
GAVE_UP = 6  # it doesn't, because the run is over or the setting has changed
RELEASED = 7  # the operation is done, and the client calls release
BROKEN = 8  # the client calls release after an error
BEGUN = 9  # the client calls acquire for a request of an open load
ACQUIRED_LATE = 10  # acquire returned a connection; `late` has the time since it was due
TIMED_OUT_LATE = 11  # acquire gave up; `late` has the time since the request was due
RETURNED = 12  # the client releases a further connection of one operation
LEAKED = 13  # the operation is done, and its connection isn't released
RECLAIMED = 14  # a leaked connection is released at the end of the run
CUT_SHORT = 15  # the end of the run ended acquire, or the client was cancelled
CUT_SHORT_LATE = 16  # the same of a request of an open load; `late` as with ACQUIRED_LATE
KINDS = 17
_WAITING = frozenset({REQUESTED, RETRIED, BEGUN})
_keys = count()


def stamper(stamps: array[int] | list[int]) -> Callable[[], None]:
    """Return a function that appends the clock's reading to `stamps` in one step.

    The reading and the append run inside one call of C code, where the interpreter's lock doesn't
    change hands; two calls from Python would leave a gap between them.
    """
    return map(stamps.append, starmap(perf_counter_ns, repeat(()))).__next__


class EventBuffer:
    """The events of one client. The client's thread appends; the sampler's takes from the front.

    `note(kind)` is always called before `stamp()`, so that whatever has a time has its kind.
    What each operation appends goes to lists: appending to one takes a tenth of what appending to
    an array takes.
    """

    __slots__ = (
        "_kinds", "_last", "_last_kind", "_stamps", "connections",
        "errors", "held", "held_in_transaction", "key", "known", "late", "note", "number",
        "own_waits", "stamp", "stamp_held", "stamp_held_in_transaction", "timeouts",
    )  # fmt: skip

    def __init__(self, number: int) -> None:
        self.number = number
        self.key = next(_keys)  # another one for each buffer
        self.known = False  # a sample has named this client
        self._kinds: list[int] = []
        self._stamps: list[int] = []
        self._last = 0  # the last stamp that was taken: there the next duration begins
        self._last_kind = KINDS
        self.note = self._kinds.append
        self.stamp = stamper(self._stamps)
        self.errors: list[CountedKind] = []  # but for those that are counted as timeouts
        self.own_waits = array("d")  # seconds of each acquire that needed retries
        self.late = array("q")  # ns from when a request was due to its begin, added before a _LATE
        self.timeouts: list[CountedKind] = []  # of each TIMED_OUT, added before it
        # The number of the connection of each ACQUIRED, added before it; -1 if it isn't known.
        self.connections: list[int] = []
        # When the statements were done that precede a hold, by whether a transaction was open.
        self.held, self.held_in_transaction = array("q"), array("q")
        self.stamp_held = stamper(self.held)
        self.stamp_held_in_transaction = stamper(self.held_in_transaction)

    def take(self, until: int) -> tuple[list[int], bytes, int] | None:
        """Take the stamps up to `until`, with their kinds and the stamp before the first of them.

        Return None if there are none.
        """
        stamps, kinds = self._stamps, self._kinds
        n = len(stamps)
        if n and stamps[n - 1] > until:
            n = bisect_right(stamps, until, 0, n)
        if not n:
            return None
        taken = stamps[:n], bytes(kinds[:n]), self._last
        del stamps[:n], kinds[:n]
        self._last, self._last_kind = taken[0][-1], taken[1][-1]
        return taken

    @property
    def waiting_since(self) -> int:
        """The moment at which the client called acquire, if it is still waiting by what was taken;
        else 0."""
        return self._last if self._last_kind in _WAITING else 0

    @property
    def empty(self) -> bool:
        """Whether nothing is left to take."""
        return not (self._stamps or self.errors or self.own_waits)
