"""What lanes showed, as shares of bins in few bytes: that is kept where edges would be too many."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolviz.model.lanes import MOST, Pieces, State
from poolviz.sessions.lane_pieces import BIN, COARSE, Shares, shares_of

MOST_CLIENTS = 64  # of whose waits shares are kept
_HEADER = struct.Struct("<qqHHH")  # begin, width, bins, lanes, clients
_FIRST = State.CONNECTING  # nothing is stored of lanes that show none
_DEPTH = len(State) - _FIRST
_WHOLE = 255  # a bin that is one state
_MOST_BINS = 4096
_LARGEST = _MOST_BINS * (MOST * _DEPTH + MOST_CLIENTS) + 8 * MOST_CLIENTS + _HEADER.size


class LaneStates(NamedTuple):
    """Shares of bins, the first of which begins at `begin`, each `width` µs long: by bin, lane and
    state, and by bin and client that waits. `clients` are the numbers of these."""

    begin: int
    width: int
    lanes: Shares
    waits: Shares
    clients: NDArray[np.int64]

    @classmethod
    def of(
        cls, pieces: Pieces, waits: Pieces, begin: int, end: int, width: int = BIN * COARSE
    ) -> LaneStates:
        """Return those of what lanes showed between two moments, in µs."""
        first = begin // width
        bins = max(-(-end // width) - first, 1)
        lanes = int(pieces.lane.max()) + 1 if len(pieces.lane) else 0
        clients, rows = np.unique(waits.client, return_inverse=True)
        shown = rows < MOST_CLIENTS
        own = Pieces(*(column[shown] for column in waits._replace(lane=rows)))
        clients = clients[:MOST_CLIENTS]
        start = first * width
        of_waits = shares_of(own, start, width, bins, max(len(clients), 1))[:, :, State.WAITING]
        return cls(
            start,
            width,
            shares_of(pieces, start, width, bins, max(lanes, 1))[:, :lanes],
            of_waits[:, : len(clients)],
            clients,
        )

    @property
    def end(self) -> int:
        """Where the last bin ends, in µs."""
        return self.begin + len(self.lanes) * self.width

    def coarser(self) -> LaneStates:
        """Return the same in bins 32 times as long."""
        width = self.width * COARSE
        first = self.begin // width
        places = (self.begin - first * width) // self.width + np.arange(len(self.lanes))
        bins = places // COARSE
        lanes = np.zeros((int(bins[-1]) + 1, *self.lanes.shape[1:]), dtype=np.float32)
        waits = np.zeros((len(lanes), self.waits.shape[1]), dtype=np.float32)
        np.add.at(lanes, bins, self.lanes / COARSE)
        np.add.at(waits, bins, self.waits / COARSE)
        return LaneStates(first * width, width, lanes, waits, self.clients)

    def pack(self) -> bytes:
        """Return these as bytes."""
        bins, lanes, _ = self.lanes.shape
        header = _HEADER.pack(self.begin, self.width, bins, lanes, len(self.clients))
        # By lane and state first: neighbours in time are alike.
        table = _bytes_of(self.lanes[:, :, _FIRST:]).transpose(1, 2, 0)
        parts = (table.tobytes(), self.clients.astype("<i8").tobytes(), _bytes_of(self.waits.T))
        return zlib.compress(header + b"".join(map(bytes, parts)), 6)

    @classmethod
    def unpack(cls, body: bytes) -> LaneStates:
        """Return what was packed. ValueError if nothing was."""
        unpacking = zlib.decompressobj()
        try:
            raw = unpacking.decompress(body, _LARGEST)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        if not unpacking.eof or len(raw) < _HEADER.size:
            raise ValueError("states are cut off")
        begin, width, bins, lanes, clients = _HEADER.unpack_from(raw)
        if width not in _WIDTHS or begin % width or not 0 <= begin < 1 << 53:
            raise ValueError("there are no such bins")
        if not 0 < bins <= _MOST_BINS or lanes > MOST or clients > MOST_CLIENTS:
            raise ValueError("there can't be so many")
        place = _HEADER.size
        sizes = (bins * lanes * _DEPTH, 8 * clients, bins * clients)
        if len(raw) != place + sum(sizes):
            raise ValueError("states are cut off")
        table = np.frombuffer(raw, np.uint8, sizes[0], place).reshape(lanes, _DEPTH, bins)
        whole = np.zeros((bins, lanes, len(State)), dtype=np.float32)
        whole[:, :, _FIRST:] = table.transpose(2, 0, 1) / np.float32(_WHOLE)
        place += sizes[0]
        numbers = np.frombuffer(raw, "<i8", clients, place).astype(np.int64)
        place += sizes[1]
        waits = np.frombuffer(raw, np.uint8, sizes[2], place).reshape(clients, bins).T
        return cls(begin, width, whole, (waits / np.float32(_WHOLE)).astype(np.float32), numbers)


def summed(
    parts: Sequence[LaneStates], width: int, span: tuple[int, int] | None = None
) -> LaneStates:
    """Return the shares of all `parts` in bins of `width`, which theirs are multiples of: between
    two moments, or of all. Of clients that wait there are the first `MOST_CLIENTS`."""
    start = min((each.begin for each in parts), default=0) if span is None else max(span[0], 0)
    end = max((each.end for each in parts), default=0) if span is None else span[1] + 1
    first = start // width
    bins = max(-(-end // width) - first, 0)
    lanes = max((each.lanes.shape[1] for each in parts), default=0)
    clients: dict[int, int] = {}
    for each in parts:
        for client in each.clients.tolist():
            if len(clients) < MOST_CLIENTS:
                clients.setdefault(client, len(clients))
    whole = np.zeros((bins, lanes, len(State)), dtype=np.float32)
    waits = np.zeros((bins, len(clients)), dtype=np.float32)
    for each in parts:
        fold = each.width // width
        begin = each.begin // width - first
        low, high = max(begin, 0), min(begin + len(each.lanes) * fold, bins)
        if high <= low:
            continue
        rows = (np.arange(low, high) - begin) // fold
        whole[low:high, : each.lanes.shape[1]] += each.lanes[rows]
        known = [place for place, n in enumerate(each.clients.tolist()) if n in clients]
        places = [clients[n] for n in each.clients[known].tolist()]
        waits[low:high, places] += each.waits[rows][:, known]
    numbers = np.array(list(clients), dtype=np.int64)
    return LaneStates(first * width, width, whole, waits, numbers)


_WIDTHS = (BIN * COARSE, BIN * COARSE * COARSE)


def _bytes_of(shares: Shares) -> NDArray[np.uint8]:
    """Return shares in steps of 1/255; what there was at all is at least one."""
    steps = np.rint(np.minimum(shares, 1.0) * _WHOLE)
    return np.where((shares > 0) & (steps < 1), 1, steps).astype(np.uint8)
