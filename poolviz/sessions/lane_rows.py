"""All that lanes show of a session as rows, for exports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import numpy as np

from poolviz.model.lanes import Edges, Pieces, State
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.kept_lanes import ticks_of
from poolviz.sessions.lane_pieces import has_standing, pieces_between, standing_at
from poolviz.sessions.lane_states import LaneStates
from poolviz.sessions.lanes import damaged_lanes

# Of each row: the number of the connection and its lane, -1 where a client waits or they aren't
# known; the client, -1 where nobody has the connection or it isn't known; its state; from when to
# when, in seconds since the run began; and in which part of that time it was so: less than 1 where
# only the states of bins are kept, and connections and who had them aren't known.
ROWS = ("connection", "lane", "client", "state", "begin_s", "end_s", "share")
Row: TypeAlias = tuple[int, int, int, str, float, float, float]

_SAME = 2  # µs: what times of successive samples may differ by
_NAMES = {int(state): state.name.lower() for state in State}
_Key: TypeAlias = tuple[int, int, int, int]  # lane, state, client, connection


def lane_rows(
    all_columns: Iterable[Columns], states: Callable[[int, int], Iterable[LaneStates]]
) -> Iterator[list[Row]]:
    """Yield the rows of successive samples: what goes on from one part to the next is one row.
    `states` are those of lanes between two moments, in µs, where samples have none. InputError if
    lanes are damaged."""
    open_: dict[_Key, int] = {}  # since when, in µs, what goes on is so
    standing: Edges | None = None
    until = 0
    for columns in all_columns:
        ticks = ticks_of(columns) if columns.rare.get("lanes") else []
        if not ticks:
            yield _rows(open_, until)
            open_, standing = {}, None
            t, span = columns["t"], columns["span"]
            for each in states(round((t[0] - span[0]) * 1e6), round(t[-1] * 1e6)):
                yield _coarse_rows(each)
            continue
        before = None if has_standing(ticks[0].body) else standing
        begin, end = ticks[0].begin, ticks[-1].end
        pieces, waits, damaged = pieces_between(ticks, begin, end, before)
        if damaged:
            raise damaged_lanes(*damaged[0])
        standing = standing_at(pieces, waits, end)
        waits = waits._replace(lane=np.full_like(waits.lane, -1))
        parts = [_joined(each, open_, (begin, end)) for each in (pieces, waits)]
        yield _rows({key: since for key, since in open_.items() if since < begin}, until)
        open_ = {key: since for _, goes_on in parts for key, since in goes_on.items()}
        until = end
        yield [row for rows, _ in parts for row in rows]
    yield _rows(open_, until)


def _coarse_rows(states: LaneStates) -> list[Row]:
    """Return a row for each state of a lane, and each client that waits, in a bin."""
    rows: list[Row] = []
    starts = (states.begin + np.arange(len(states.lanes)) * states.width) / 1e6
    width = states.width / 1e6
    for place, lane, state in np.argwhere(states.lanes > 0).tolist():
        begin, share = float(starts[place]), float(states.lanes[place, lane, state])
        rows.append((-1, lane, -1, _NAMES[state], begin, begin + width, round(share, 3)))
    clients = states.clients.tolist()
    for place, row in np.argwhere(states.waits > 0).tolist():
        begin, share = float(starts[place]), float(states.waits[place, row])
        waits = _NAMES[State.WAITING]
        rows.append((-1, -1, clients[row], waits, begin, begin + width, round(share, 3)))
    return rows


def _joined(
    pieces: Pieces, before: dict[_Key, int], span: tuple[int, int]
) -> tuple[list[Row], dict[_Key, int]]:
    """Return the rows that end in pieces, and what goes on at their end. What they go on with is
    taken out of `before`."""
    begin, end = span
    rows: list[Row] = []
    goes_on: dict[_Key, int] = {}
    for lane, state, first, until, client, number, _ in zip(
        *(column.tolist() for column in pieces), strict=True
    ):
        key = lane, state, client, number
        since = before.pop(key, first) if first <= begin + _SAME else first
        if until >= end - _SAME:
            goes_on[key] = since
        else:
            rows.append((number, lane, client, _NAMES[state], since / 1e6, until / 1e6, 1.0))
    return rows, goes_on


def _rows(ended: dict[_Key, int], until: int) -> list[Row]:
    return [
        (number, lane, client, _NAMES[state], since / 1e6, until / 1e6, 1.0)
        for (lane, state, client, number), since in ended.items()
    ]
