"""The log records of the libraries that are measured."""

from __future__ import annotations

import logging


def keep_off_terminal(name: str) -> None:
    """Keep records of a library's logger off standard error if logging isn't set up for them.

    Handlers of the root logger still get them. Called where a pool is made, which is in the
    engine's process, so that importing poolviz changes nothing in the program that does so.
    """
    logger = logging.getLogger(name)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
