"""The log records of the libraries that are measured."""

from __future__ import annotations

import logging
from dataclasses import dataclass


def keep_off_terminal(name: str) -> None:
    """Keep records of a library's logger off standard error if logging isn't set up for them.

    Handlers of the root logger still get them. Called where a pool is made, which is in the
    engine's process, so that importing poolviz changes nothing in the program that does so.
    """
    logger = logging.getLogger(name)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def drop_records(name: str, beginning: str) -> None:
    """Drop those records of a library's logger whose message begins so, from now on.

    For what a library reports of each use that is made of it here. Called as `keep_off_terminal`.
    """
    logger = logging.getLogger(name)
    if _Dropped(beginning) not in logger.filters:
        logger.addFilter(_Dropped(beginning))


@dataclass(frozen=True)
class _Dropped:
    """A filter of a logger."""

    beginning: str  # of the message, before its arguments are put in

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to keep a record."""
        return not str(record.msg).startswith(self.beginning)
