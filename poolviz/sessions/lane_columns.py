"""What lanes show by columns of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poolviz.model.lanes import Pieces, State
from poolviz.sessions.holds import US
from poolviz.sessions.lane_pieces import Shares, shares_of
from poolviz.sessions.lanes import Less
from poolviz.sessions.recorder import Recorder

Lane: TypeAlias = tuple[str, int]  # a member, "" where there is none, and a lane or a client in it

Span: TypeAlias = tuple[float, float]  # from when to when, in seconds

_NEAR = 15_000_000  # µs up to which pieces are drawn, beyond which shares


class LaneColumns(NamedTuple):
    """What lanes show: by column, lane and state its part, and by column and client that
    waits. `total` is how many lanes there are, of which these are the first, and `less` where less
    is known of them than their edges."""

    table: Shares
    lanes: list[Lane]
    total: int
    waits: Shares
    clients: list[Lane]
    less: list[Less]


def lane_columns(recorder: Recorder, span: Span, columns: int, most: int) -> LaneColumns | None:
    """Return what is drawn of the lanes of a run, those of one member after the other; of the first
    `most` of each at least. None if too much would be read. InputError as `Recorder.lane_pieces`.
    """
    parts = []
    for member in recorder.members or ("",):
        source = recorder.member(member) if member else recorder
        part = _of_one(source, span, columns, most, member)
        if part is None:
            return None
        parts.append(part)
    if len(parts) == 1:
        return parts[0]
    tables, lanes, totals, waits, clients, less = zip(*parts, strict=True)
    return LaneColumns(
        np.concatenate(tables, axis=1),
        [each for some in lanes for each in some],
        sum(totals),
        np.concatenate(waits, axis=1),
        [each for some in clients for each in some],
        [each for some in less for each in some],
    )


def _in_us(span: Span) -> tuple[int, int]:
    start, end = span
    return round(start / US), round(end / US)


def _of_one(
    recorder: Recorder, span: Span, columns: int, most: int, member: str
) -> LaneColumns | None:
    less = recorder.less_of_lanes(*_in_us(span))
    found = _columns(recorder, span, columns, most, less)
    if found is None:
        return None
    table, lanes = found
    seen = np.flatnonzero(table[:, :, 1:].any(axis=(0, 2)))
    total = lanes if lanes > table.shape[1] else int(seen.max(initial=-1)) + 1
    table = table[:, :total]
    waits, clients = _waiting(recorder, span, columns, less)
    return LaneColumns(
        *(table, [(member, lane) for lane in range(table.shape[1])], total),
        *(waits, [(member, client) for client in clients], less),
    )


def _columns(
    recorder: Recorder, span: Span, columns: int, most: int, less: Sequence[Less]
) -> tuple[Shares, int] | None:
    """Return by column, lane and state their part, of the first `most` lanes at least,
    and how many lanes there were; None if too much would be read. In the parts that `less` names
    there are shares only."""
    start, end = _in_us(span)
    width = (end - start) / columns
    if end - start <= _NEAR and not any(each.width for each in less):
        pieces = recorder.lane_pieces(start, end)
        if pieces is None:
            return None
        lanes = int(pieces.lane.max()) + 1 if len(pieces.lane) else 0
        return shares_of(pieces, start, width, columns, max(lanes, 1)), lanes
    found = recorder.lane_shares(start, end)
    if found is None:
        return None
    first, length, parts = found
    if not len(parts):
        return np.zeros((columns, 1, len(State)), dtype=np.float32), 0
    edges = start + np.arange(columns + 1) * width
    return _resampled(parts[:, :most], first, length, edges), parts.shape[1]


def _resampled(parts: Shares, first: int, length: int, edges: NDArray[np.floating[Any]]) -> Shares:
    """Return shares of bins, which are `length` long from `first` on, as those between `edges`."""
    places = np.clip(np.rint((edges - first) / length), 0, len(parts)).astype(np.int64)
    low = np.minimum(places[:-1], len(parts) - 1)
    counts = np.maximum(np.diff(places), 1).astype(np.float32)
    # Of columns narrower than a bin, each has the bin that it lies in. Bins are added in turns: of
    # 100 lanes and a minute `reduceat` takes 2.7 ms, this 0.2 ms.
    table: Shares = parts[low]
    for turn in range(1, int(counts.max())):
        wider = np.flatnonzero(counts > turn)
        table[wider] += parts[low[wider] + turn]
    table /= counts.reshape(-1, *[1] * (parts.ndim - 1))
    table[(edges[1:] <= max(first, 0)) | (edges[:-1] >= first + length * len(parts))] = 0.0
    return table


def _waiting(
    recorder: Recorder, span: Span, columns: int, less: Sequence[Less]
) -> tuple[Shares, list[int]]:
    """Return by column and client which part of it the client waited, and the clients
    that did, in the order of their numbers."""
    start, end = _in_us(span)
    width = (end - start) / columns
    nothing = np.zeros((columns, 0), dtype=np.float32)
    if end - start <= _NEAR and not any(each.width for each in less):
        waits = recorder.waits(start, end)
        if waits is None:
            return nothing, []
        shown = (waits.end > start) & (waits.begin < end)
        waits = Pieces(*(column[shown] for column in waits))
        clients, rows = np.unique(waits.client, return_inverse=True)
        waits = waits._replace(lane=rows)
        parts = shares_of(waits, start, width, columns, max(len(clients), 1))[:, :, State.WAITING]
        return parts[:, : len(clients)], clients.tolist()
    found = recorder.wait_shares(start, end)
    if found is None or not len(found.parts):
        return nothing, []
    edges = start + np.arange(columns + 1) * width
    table = _resampled(found.parts, found.begin, found.width, edges)[:, : len(found.clients)]
    order = np.argsort(found.clients[: table.shape[1]])
    order = order[table[:, order].sum(axis=0) > 0]
    return table[:, order], [found.clients[place] for place in order.tolist()]
