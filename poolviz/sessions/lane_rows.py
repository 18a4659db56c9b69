"""All that lanes show of a session as rows, for exports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np

from poolviz.model.lanes import Edges, Pieces, State
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.lanes import has_standing, pieces_between, standing_at, ticks_of

# Of each row: the number of the connection and its lane, -1 where a client waits or they aren't
# known; the client, -1 where nobody has the connection; its state; and from when to when, in
# seconds since the run began.
ROWS = ("connection", "lane", "client", "state", "begin_s", "end_s")
Row: TypeAlias = tuple[int, int, int, str, float, float]

_SAME = 2  # µs: what times of successive samples may differ by
_NAMES = {int(state): state.name.lower() for state in State}
_Key: TypeAlias = tuple[int, int, int, int]  # lane, state, client, connection


def lane_rows(all_columns: Iterable[Columns]) -> Iterator[list[Row]]:
    """Yield the rows of successive samples: what goes on from one part to the next is one row."""
    open_: dict[_Key, int] = {}  # since when, in µs, what goes on is so
    standing: Edges | None = None
    until = 0
    for columns in all_columns:
        ticks = ticks_of(columns) if columns.rare.get("lanes") else []
        if not ticks:
            yield _rows(open_, until)
            open_, standing = {}, None
            continue
        before = None if has_standing(ticks[0].body) else standing
        begin, end = ticks[0].begin, ticks[-1].end
        pieces, waits = pieces_between(ticks, begin, end, before)
        standing = standing_at(pieces, waits, end)
        waits = waits._replace(lane=np.full_like(waits.lane, -1))
        parts = [_joined(each, open_, (begin, end)) for each in (pieces, waits)]
        yield _rows({key: since for key, since in open_.items() if since < begin}, until)
        open_ = {key: since for _, goes_on in parts for key, since in goes_on.items()}
        until = end
        yield [row for rows, _ in parts for row in rows]
    yield _rows(open_, until)


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
            rows.append((number, lane, client, _NAMES[state], since / 1e6, until / 1e6))
    return rows, goes_on


def _rows(ended: dict[_Key, int], until: int) -> list[Row]:
    return [
        (number, lane, client, _NAMES[state], since / 1e6, until / 1e6)
        for (lane, state, client, number), since in ended.items()
    ]
