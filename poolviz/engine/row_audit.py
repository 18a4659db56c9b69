"""What clients committed by their own account, held against the rows that are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from poolviz.load.statements import statement_kind
from poolviz.model.errors import PoolvizError
from poolviz.model.messages import Rows
from poolviz.model.parameters import Value
from poolviz.servers.dispatch import count_rows

_BEFORE, _AFTER = 5.0, 1.0  # seconds that counting may take: a run's end is not held up for long


class RowAudit:
    """Counts the rows that a run adds: opened before its clients write, closed after they left.

    `tell` is called with a sentence where the rows can't be counted; then there is no account.
    Used by the control thread alone.
    """

    def __init__(self, conninfo: str, tell: Callable[[str], None]) -> None:
        self._conninfo, self._tell = conninfo, tell
        self._before: int | None = None
        self._opened = False

    def open(self, load: Mapping[str, Value]) -> None:
        """Count the rows that are there, if clients are about to add some for the first time."""
        if not self._opened and statement_kind(load).adds_row:
            self._opened = True
            self._before = self._count(_BEFORE)

    def close(self, committed: int) -> Rows | None:
        """The account, where so many were committed; None where there was nothing to count, or no
        way to."""
        if self._before is None:
            return None
        after = self._count(_AFTER)
        return None if after is None else Rows(committed, after - self._before)

    def _count(self, seconds: float) -> int | None:
        try:
            return count_rows(self._conninfo, seconds)
        except PoolvizError as error:
            self._tell(f"The rows that clients add can't be counted. {error}")
            return None
