"""What lanes show by columns of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolviz.model.lanes import Pieces, State
from poolviz.sessions.holds import US
from poolviz.sessions.lane_pieces import Shares, shares_of
from poolviz.sessions.lanes import Less
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.axes import Frame

_NEAR = 15.0  # seconds of a frame, up to which pieces are drawn, beyond which shares


def columns_of(
    recorder: Recorder, frame: Frame, columns: int, most: int, less: Sequence[Less]
) -> tuple[Shares, int] | None:
    """Return by column of pixels, lane and state their part, of the first `most` lanes at least,
    and how many lanes there were; None if too much would be read. In the parts that `less` names
    there are shares only."""
    start, end = round(frame.start / US), round(frame.end / US)
    width = (end - start) / columns
    if frame.span <= _NEAR and not any(each.width for each in less):
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


def waiting_of(
    recorder: Recorder, frame: Frame, columns: int, less: Sequence[Less]
) -> tuple[Shares, list[int]]:
    """Return by column of pixels and client which part of it the client waited, and the clients
    that did, in the order of their numbers."""
    start, end = round(frame.start / US), round(frame.end / US)
    width = (end - start) / columns
    nothing = np.zeros((columns, 0), dtype=np.float32)
    if frame.span <= _NEAR and not any(each.width for each in less):
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
