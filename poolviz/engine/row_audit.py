"""Compares the rows that clients report as committed with the rows that are in the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from poolviz.language import tr
from poolviz.load.statements import statement_class
from poolviz.model.errors import PoolvizError
from poolviz.model.messages import Rows
from poolviz.model.parameters import Value
from poolviz.servers.dispatch import count_rows

# Seconds that counting may take. The end of a run must not be held up for long.
_BEFORE_LIMIT, _AFTER_LIMIT = 5.0, 1.0


class RowAudit:
    """Counts the rows of the table before clients add to it and after the last has ended.

    `on_problem` gets a sentence if the rows can't be counted; there is no result then. Used by the
    control thread only.
    """

    def __init__(self, conninfo: str, on_problem: Callable[[str], None]) -> None:
        self._conninfo, self._on_problem = conninfo, on_problem
        self._before: int | None = None
        self._started = False

    def start(self, load: Mapping[str, Value]) -> None:
        """Count the rows that are there, if clients are about to add some for the first time."""
        if not self._started and statement_class(load).adds_row:
            self._started = True
            self._before = self._count(_BEFORE_LIMIT)

    def finish(self, committed: int) -> Rows | None:
        """Return the result, given how many rows were committed; None if no client added rows or
        they can't be counted."""
        if self._before is None:
            return None
        after = self._count(_AFTER_LIMIT)
        return None if after is None else Rows(committed, after - self._before)

    def _count(self, seconds: float) -> int | None:
        try:
            return count_rows(self._conninfo, seconds)
        except PoolvizError as error:
            self._on_problem(tr("The rows that clients add can't be counted. {error}", error=error))
            return None
