"""What a sweep of sizes keeps in its session beside the run that it measured.

It is in the session file under "sweep" in `meta`, written anew after each measurement, so that a
sweep that was cancelled or killed can be answered from too. `sizing/` makes and reads it.
"""

from __future__ import annotations

import math

import msgspec

SWEEP = "sweep"  # its key in `meta`
SIZING_OF = "poolviz.sizing.sizing:sizing_of"  # answers from a recorder that has such a record
MOST_LIMITS = 2  # that are swept at once
_ACTIVITIES = 6  # what a server's connections may be doing


class KeptVisit(msgspec.Struct, array_like=True, frozen=True):
    """A time of the run in which the swept limits had the values `sizes`, with which the pool may
    have so many `connections`. `begin` and `end` are seconds since the start."""

    sizes: tuple[int, ...]
    connections: int
    begin: float
    end: float


class KeptObservation(msgspec.Struct, array_like=True, frozen=True):
    """What the server did `at` seconds: how many of its connections did what, and which share of
    all processors was busy; None for what wasn't known."""

    at: float
    activity: tuple[int, ...] | None
    cpu: float | None


class KeptNote(msgspec.Struct, array_like=True, frozen=True):
    """A remark on a sweep: which one it is, and the values in its text."""

    key: str
    values: dict[str, str | int] = {}


class SweepRecord(msgspec.Struct, array_like=True, frozen=True):
    """A sweep. `ranges` are the swept limits with the lowest and highest value of each, `targets`
    the conditions, `rules` the field's rules of thumb by name. `free` is how many connections the
    server had left, of `max_connections`, and `lower_bound` how many the pool needs so that its
    clients can't wait for one another for ever."""

    ranges: tuple[tuple[str, int, int], ...]
    targets: tuple[str, ...] = ()
    budget: float = 0.0
    free: int | None = None
    max_connections: int | None = None
    lower_bound: int = 1
    rules: tuple[tuple[str, int], ...] = ()
    notes: tuple[KeptNote, ...] = ()
    complete: bool = False
    visits: tuple[KeptVisit, ...] = ()
    observations: tuple[KeptObservation, ...] = ()

    def pack(self) -> bytes:
        """Return it as it is kept."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def unpack(cls, body: bytes) -> SweepRecord:
        """Return what was kept. ValueError if no sweep keeps that."""
        found = msgspec.msgpack.decode(body, type=cls)
        if not found._is_plausible():
            raise ValueError("no sweep is like that")
        return found

    def anonymous(self) -> SweepRecord:
        """Return it without notes whose values may name a server, a file or a person."""
        known = {key for key, _, _ in self.ranges}
        notes = tuple(
            note
            for note in self.notes
            if all(isinstance(each, int) or each in known for each in note.values.values())
        )
        return msgspec.structs.replace(self, notes=notes)

    def _is_plausible(self) -> bool:
        last = 0.0
        for visit in self.visits:
            fits = len(visit.sizes) == len(self.ranges) and visit.connections > 0
            if not (fits and last <= visit.begin <= visit.end < math.inf):
                return False
            last = visit.end
        return 1 <= len(self.ranges) <= MOST_LIMITS and all(
            math.isfinite(each.at)
            and (each.activity is None or _are_counts(each.activity))
            and (each.cpu is None or math.isfinite(each.cpu))
            for each in self.observations
        )


def _are_counts(activity: tuple[int, ...]) -> bool:
    return len(activity) == _ACTIVITIES and min(activity) >= 0
