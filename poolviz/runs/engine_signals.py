"""The signals that the engine's process ignores, before it loads anything that takes its time."""

from __future__ import annotations

import signal
import sys

_FOR_THE_PARENT = ("SIGINT", "SIGTERM", "SIGHUP")


def ignore_signals() -> None:
    """Ignore the signals that reach a whole terminal or process group: the parent decides what
    becomes of the run, and the engine ends when its pipe closes. Call it from the main thread."""
    for name in _FOR_THE_PARENT:
        if number := getattr(signal, name, None):  # Windows has no SIGHUP
            signal.signal(number, signal.SIG_IGN)
            if sys.platform != "win32":
                # Blocked by the parent while it started this process, whose first steps take time.
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
