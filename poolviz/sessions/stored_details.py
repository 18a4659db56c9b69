"""The details of a session that was opened, read by a thread once a chart asks for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from poolviz.model.sample import TICK, PoolerView, Sample, ServerView
from poolviz.sessions.bins import BITS, SERVER_KEPT, T
from poolviz.sessions.details import (
    CELLS,
    CLIENTS,
    JOINED,
    POOLER,
    STATES,
    SUMS,
    ClientView,
    Details,
    DetailView,
    Seen,
    Table,
    level_for,
)
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.reader import SessionReader

_FINE = 2  # levels below this one are made of the samples when they are looked at
_CHUNKS_KEPT = 16
_NEWS = 8  # chunks between two calls of `grew`

_logger = logging.getLogger(__name__)


class StoredDetails:
    """Reads all chunks of a session, the first ones first, until `close`. Thread-safe.

    `grew` is called by that thread whenever there is more to see. What can't be read is left out;
    the session itself says so.
    """

    def __init__(self, reader: SessionReader, grew: Callable[[], object]) -> None:
        self._reader, self._grew = reader, grew
        self._lock = threading.Lock()  # guards the two below
        self._details = Details(finest=_FINE)
        self._seen = [Seen()]  # the newest views before each chunk
        stored = reader.stored
        self._chunks = [float(bins.tables()[-1][T, -1]) for bins in stored.bins]  # their ends
        self._rest: Sequence[Sample] = [
            sample
            for number, sample in enumerate(stored.newest, stored.newest_from)
            if number >= stored.chunked
        ]
        self._closed, self._complete = threading.Event(), threading.Event()
        self._near = lru_cache(_CHUNKS_KEPT)(self._near_table)
        self._thread = threading.Thread(target=self._run, name="session details", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until all is read."""
        self._complete.wait()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join()

    def view(self, start: float, end: float, points: int) -> DetailView:
        """Return the bins in [start, end] that were read, and one more at each side. Reads the
        samples of what is near."""
        level = level_for(end - max(start, 0.0), points)
        if level < _FINE:
            first, last = (int(np.searchsorted(self._chunks, at)) for at in (start, end))
            tables = [self._near(level, number) for number in range(max(first - 1, 0), last + 1)]
            return Table.joined(tables or [Table.empty()]).view(start, end, level)
        with self._lock:
            return self._details.view(start, end, points)

    def clients(self, start: float, end: float) -> ClientView:
        """Return the operations of each client in [start, end], or a little more, as far as they
        were read."""
        with self._lock:
            return self._details.clients(start, end)

    def _run(self) -> None:
        try:
            self._read()
        except Exception:  # the charts that need no details go on
            _logger.warning("the details of a session can't be read", exc_info=True)
        finally:
            self._complete.set()
            self._grew()

    def _read(self) -> None:
        for number in range(len(self._chunks)):
            if self._closed.is_set():
                return
            self._add(self._reader.chunk(number))
            if number % _NEWS == 0:
                self._grew()
        if self._rest:
            self._add(_columns_of(self._rest))

    def _add(self, columns: Columns) -> None:
        """Add the bins of the next chunk."""
        seen = self._seen[-1]
        table, firsts = table_of(columns, _FINE, seen)
        with self._lock:
            for row, index in enumerate(firsts.tolist()):
                self._details.add_bin(table.cut(row, row + 1), index)
            for t, index, clients in _clients_of(columns):
                self._details.add_clients(t, index, clients)
            self._seen.append(
                Seen(
                    _newest(columns, "server") or seen.server,
                    _newest(columns, "pooler") or seen.pooler,
                )
            )

    def _near_table(self, level: int, number: int) -> Table:
        """Return the bins of a chunk, or after the last one of what is in no chunk, at a level."""
        if number >= len(self._chunks):
            if number > len(self._chunks) or not self._rest:
                return Table.empty()
            columns = _columns_of(self._rest)
        else:
            columns = self._reader.chunk(number)
        with self._lock:
            seen = self._seen[number] if number < len(self._seen) else Seen()
        return table_of(columns, level, seen)[0]


def _columns_of(samples: Sequence[Sample]) -> Columns:
    return Columns.of(samples, [0] * len(samples))


def table_of(
    columns: Columns, level: int, seen: Seen
) -> tuple[Table, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return successive samples as bins of a level, as `Details` makes them one by one, and the
    index of the first sample of each. `seen` are the newest views before them."""
    keys = columns["index"] >> (BITS * level)
    begins = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    bins = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, columns.count)))
    table = Table.empty(len(begins))
    table.t[:] = columns["t"][np.append(begins[1:], columns.count) - 1]
    cells = columns["wait.cells"]
    owners = np.repeat(bins, columns["wait.filled"])
    table.waits[:] = np.bincount(
        owners * CELLS + cells["bucket"] // JOINED,
        weights=cells["count"],
        minlength=len(begins) * CELLS,
    ).reshape(-1, CELLS)
    span = np.where(columns["span"] == 0, TICK, columns["span"])
    known, states = _carried(columns, "server", seen.server, STATES, ServerView())
    asked, counts = _carried(
        columns, "pooler", seen.pooler, (*POOLER, "maxwait"), PoolerView(cl_active=0)
    )
    aged = span * (columns["mean_age"] >= 0)
    sums = dict.fromkeys(SUMS, span) | {
        "opened": columns["opened"],
        "closed": columns["closed"],
        "connects": columns["create.count"],
        "connecting": columns["create.total"],
        "waiting": columns["pending.mean"] * span,
        "server_known": known * span,
        "age": np.maximum(columns["mean_age"], 0.0) * aged,
        "age_known": aged,
        "used": columns["used.mean"] * span,
    }
    sums |= {f"server_{state}": states[row] * span for row, state in enumerate(STATES)}
    sums |= {f"pooler_{name}": counts[row] * span for row, name in enumerate(POOLER)}
    sums["pooler_known"] = asked * span
    longest = np.where(asked, counts[-1], np.nan)
    table.maxwait[:] = np.fmax.reduceat(longest, begins)
    together = np.array([sums[name] for name in SUMS], dtype=np.float64)
    table.sums[:] = np.add.reduceat(together, begins, axis=1).T
    ages = np.where(columns["oldest_age"] >= 0, columns["oldest_age"], np.nan)
    table.oldest[:] = np.fmax.reduceat(ages, begins)
    return table, columns["index"][begins]


def _newest(columns: Columns, name: str) -> tuple[float, Any] | None:
    """Return the newest view of that name in a chunk, and when it was; None without one."""
    newest = max(columns.rare.get(name, {}).items(), default=None, key=lambda item: item[0])
    return None if newest is None else (float(columns["t"][newest[0]]), newest[1])


def _carried(
    columns: Columns, name: str, seen: tuple[float, Any] | None, counts: Sequence[str], none: Any
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.bool_]], np.ndarray[tuple[int, int], np.dtype[np.float64]]
]:
    """Return whether a view is known at the end of each sample, and its counts, one that it doesn't
    have as 0. `seen` is the one before them, and `none` stands where there is none."""
    t = columns["t"]
    views = [(-1, *(seen or (-np.inf, none)))]
    views += [(n, float(t[n]), v) for n, v in sorted(columns.rare.get(name, {}).items())]
    newest = np.searchsorted([n for n, _, _ in views], np.arange(columns.count), side="right") - 1
    known = t - np.array([at for _, at, _ in views])[newest] <= SERVER_KEPT
    rows = [[getattr(v, count) or 0 for _, _, v in views] for count in counts]
    values = np.array(rows, np.float64)
    return known, values[:, newest] * known


def _clients_of(columns: Columns) -> list[tuple[float, int, dict[int, int]]]:
    """Return the end of successive groups of samples, the index of their first, and the operations
    of each client in them."""
    keys = columns["index"] >> (BITS * CLIENTS)
    begins = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    ends = np.append(begins[1:], columns.count)
    places = np.append(0, np.cumsum(columns["per_client.filled"]))
    clients, values = columns["per_client.clients"], columns["per_client.values"]
    groups = []
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        part = slice(int(places[begin]), int(places[end]))
        found, where = np.unique(clients[part], return_inverse=True)
        sums = np.bincount(where, weights=values[part], minlength=len(found)).astype(np.int64)
        pairs = dict(zip(found.tolist(), sums.tolist(), strict=True))
        groups.append((float(columns["t"][end - 1]), int(columns["index"][begin]), pairs))
    return groups
