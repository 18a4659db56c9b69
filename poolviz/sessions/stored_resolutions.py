"""The resolutions of a session that was opened: what is far away is stored, and what is near is
made of the samples when it is looked at."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from poolviz.model.errors import InputError
from poolviz.model.sample import TICK
from poolviz.sessions.bins import BITS, HEIGHT, RESOLUTIONS, Numbers, ServerSeen, T
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.reader import SessionReader
from poolviz.sessions.file.stored_bins import FINE, levels_of
from poolviz.sessions.resolutions import SLACK, View, as_view, no_view

_CHUNKS_KEPT = 64  # of which the fine bins are kept, for scrolling back and forth

_logger = logging.getLogger(__name__)


class StoredResolutions:
    """The bins of a whole session at every resolution. Thread-safe; may read the session file.

    `trouble` is a sentence once a part of the file couldn't be read; then what is drawn of it is
    coarser. Damage if what is stored can't be bins.
    """

    def __init__(self, reader: SessionReader) -> None:
        self.trouble = ""
        self._reader, stored = reader, reader.stored
        self._seen = [bins.server_before for bins in stored.bins]
        tables = [bins.tables() for bins in stored.bins]
        self._ends = np.array([levels[-1][T, -1] for levels in tables])  # of each chunk
        self._rest: list[Numbers] = []  # the fine levels of what is in no chunk
        rest = [s for n, s in enumerate(stored.newest, stored.newest_from) if n >= stored.chunked]
        if rest:
            seen = ServerSeen()
            newest = [s for s in stored.newest if s.server is not None and s.t < rest[0].t]
            if newest:
                seen.at(newest[-1])
            levels = levels_of(Columns.of(rest, [0] * len(rest)), seen)
            tables.append(levels[FINE:])
            self._rest = levels[:FINE]
        self._coarse: Sequence[Numbers] = [
            np.concatenate(level, axis=1) for level in zip(*tables, strict=True)
        ]
        self._fine = lru_cache(_CHUNKS_KEPT)(self._fine_levels)

    def view(self, start: float, end: float, points: int) -> View:
        """Return the bins in [start, end] and one more at each side, at the finest level that gives
        at most `points` bins (up to 1 % more)."""
        if not self._coarse:
            return no_view()
        level = self._level_for(start, end, points)
        bins: Numbers | None = None
        if level < FINE:
            try:
                bins = self._near(level, start, end)
            except InputError as error:
                if not self.trouble:
                    _logger.warning("a part of a session can't be read", exc_info=True)
                self.trouble = str(error)
                level = FINE
        if bins is None:
            bins = self._coarse[level - FINE]
        first = max(int(np.searchsorted(bins[T], start)) - 1, 0)
        last = int(np.searchsorted(bins[T], end, side="right"))
        return as_view(bins[:, first : last + 1], TICK * (1 << (BITS * level)))

    def _level_for(self, start: float, end: float, points: int) -> int:
        seconds = min(end, float(self._coarse[0][T, -1])) - max(start, 0.0)
        for level in range(RESOLUTIONS):
            if seconds <= points * SLACK * TICK * (1 << (BITS * level)):
                return level
        return RESOLUTIONS - 1

    def _near(self, level: int, start: float, end: float) -> Numbers:
        """Return the bins of a fine level that are in [start, end], and some at each side."""
        first = int(np.searchsorted(self._ends, start))
        last = int(np.searchsorted(self._ends, end))
        tables = [self._part(level, number) for number in range(first, last + 1)]
        if first and (not tables[0].shape[1] or tables[0][T, 0] >= start):
            tables.insert(0, self._part(level, first - 1))
        if not tables[-1].shape[1] or tables[-1][T, -1] <= end:
            tables.append(self._part(level, last + 1))
        return np.concatenate(tables, axis=1)

    def _part(self, level: int, number: int) -> Numbers:
        """Return the bins of a chunk, or after the last one of what is in no chunk."""
        if number < len(self._ends):
            return self._fine(number)[level]
        if number == len(self._ends) and self._rest:
            return self._rest[level]
        return np.empty((HEIGHT, 0))

    def _fine_levels(self, number: int) -> list[Numbers]:
        return levels_of(self._reader.chunk(number), self._seen[number], FINE)
