"""The longest times that clients had connections, made of pieces of lanes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolviz.model.lanes import USED, Pieces, State

US = 1e-6
LONGEST = 10  # holds that are remembered of a run
_SAME = 200  # µs: what a hold's begin may differ by where it is read twice
_STATES = len(State)


class Hold(NamedTuple):
    """A client holds a connection: since when and until when, in seconds since the run began, what
    it did with it last, and what it did with it for most of that time. `connection` is its number,
    -1 where that isn't known."""

    lane: int
    connection: int
    client: int
    since: float
    until: float
    state: State
    mostly: State
    member: str = ""  # whose pool it is, of a run that has several

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return self.until - self.since


class _Open(NamedTuple):
    """A hold that goes on at the end of pieces: µs since which, and those in each state."""

    client: int
    since: int
    spent: NDArray[np.float64]


class LongestHolds:
    """Finds the `most` longest holds in pieces that follow one another. Not thread-safe."""

    def __init__(self, most: int = LONGEST) -> None:
        self._most = most
        self._open: dict[int, _Open] = {}  # by lane
        self._holds: dict[tuple[int, int, int], Hold] = {}

    @property
    def holds(self) -> list[Hold]:
        """The longest up to now, the longest first."""
        return sorted(self._holds.values(), key=lambda hold: hold.seconds, reverse=True)

    def add(self, pieces: Pieces) -> None:
        """Add the pieces that follow those before. Each lane's are in the order of time."""
        used = np.isin(pieces.state, USED) & (pieces.client >= 0)
        lane, state, begin, end, client, number, since = (column[used] for column in pieces)
        if not len(lane):
            self._open = {}
            return
        first = np.ones(len(lane), dtype=np.bool_)
        first[1:] = (lane[1:] != lane[:-1]) | (since[1:] != since[:-1])
        starts = np.flatnonzero(first)
        ends = np.append(starts[1:], len(lane)) - 1
        group = np.cumsum(first) - 1
        spent = np.bincount(
            group * _STATES + state, weights=end - begin, minlength=len(starts) * _STATES
        ).reshape(-1, _STATES)
        since = since[starts]
        for place in np.flatnonzero(begin[starts] > since).tolist():
            before = self._open.get(int(lane[starts[place]]))
            same = before is not None and before.client == client[starts[place]]
            if before is not None and same and abs(before.since - since[place]) <= _SAME:
                spent[place] += before.spent
                since[place] = before.since
        until = int(pieces.end.max())
        self._open = {
            int(lane[starts[place]]): _Open(
                int(client[starts[place]]), int(since[place]), spent[place]
            )
            for place in np.flatnonzero(end[ends] == until).tolist()
        }
        length = end[ends] - since
        longest = np.argsort(length)[: -self._most - 1 : -1] if self._most else ends[:0]
        for place in longest.tolist():
            row, last = int(starts[place]), int(ends[place])
            key = int(lane[row]), int(client[row]), int(since[place])
            self._holds[key] = Hold(
                *(key[0], int(number[row]), key[1]),
                *(key[2] * US, int(end[last]) * US),
                *(State(int(state[last])), State(int(spent[place].argmax()))),
            )
        kept = sorted(self._holds.items(), key=lambda item: item[1].seconds, reverse=True)
        self._holds = dict(kept[: self._most])


def longest_in(stretches: Sequence[Pieces], most: int = LONGEST) -> list[Hold]:
    """Return the longest holds in pieces that follow one another, the longest first."""
    found = LongestHolds(most)
    for pieces in stretches:
        found.add(pieces)
    return found.holds


def holders(pieces: Pieces, moment: int, most: int = LONGEST) -> list[Hold]:
    """Return who holds connections at a moment, in µs, the longest holder first."""
    now = (pieces.begin < moment) & (pieces.end >= moment)
    return longest_in([Pieces(*(column[now] for column in pieces))], most)
