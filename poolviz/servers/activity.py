"""What the server's backends of a run are doing at a moment."""

from __future__ import annotations

from typing import NamedTuple


class Activity(NamedTuple):
    """How many backends of a run execute a statement, by what that waits for: `running` for
    nothing, `locked` for a lock, `reading` for the disk, `sleeping` because the statement says so,
    `other` for something else. `in_transaction` are idle within a transaction."""

    running: int = 0
    locked: int = 0
    reading: int = 0
    sleeping: int = 0
    other: int = 0
    in_transaction: int = 0
