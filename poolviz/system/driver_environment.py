"""The environment variables of PostgreSQL's drivers: PGHOST, PGOPTIONS, PGSERVICE, PGTZ and others.

They are meant for servers of the user's. The PostgreSQL that poolviz brings must be reached, and
behave, the same whatever they say.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PREFIX = "PG"
_lock = threading.Lock()  # guards what follows and the changes of the environment
_hiding = 0
_hidden: dict[str, str] = {}


def remove_driver_variables() -> None:
    """Remove them from this process for good. For a process of poolviz' own alone."""
    for name in [name for name in os.environ if name.startswith(_PREFIX)]:
        del os.environ[name]


@contextmanager
def driver_variables_hidden() -> Iterator[None]:
    """Hide them for the time that it takes to connect, in a process that others use too.

    Other threads don't see them meanwhile. Blocks may overlap; the last that ends restores them.
    """
    global _hiding  # noqa: PLW0603 - as the environment is
    with _lock:
        _hiding += 1
        for name in [name for name in os.environ if name.startswith(_PREFIX)]:
            _hidden[name] = os.environ.pop(name)
    try:
        yield
    finally:
        with _lock:
            _hiding -= 1
            if not _hiding:
                os.environ.update(_hidden)
                _hidden.clear()
