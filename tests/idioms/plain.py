"""What the plain scripts share: five clients that repeat an operation until standard input ends.

Arguments: the URL, a statement, and the share of operations that are cancelled inside acquire, for
which there are fewer connections than clients.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine

CLIENTS = 5
STATEMENT = sys.argv[2] if len(sys.argv) > 2 else "SELECT 1"
SHARE = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0  # of operations that are cancelled
SIZE = 2 if SHARE else CLIENTS  # of the pool
THINK = 0.02 if SHARE else 0.2  # seconds between two operations of a client, on average
LONGEST = 0.05  # seconds before a client is cancelled that still waits for a connection

_counts: Counter[str] = Counter()  # "" for operations that succeeded, else the error's class
_over = threading.Event()
_timers: dict[object, asyncio.TimerHandle] = {}  # by the task that one will cancel


def threads(once: Callable[[], object]) -> None:
    """Have threads call `once` again and again."""

    def client() -> None:
        while not _over.is_set():
            try:
                once()
                _counts[""] += 1
            except Exception as error:  # noqa: BLE001 - whatever an application would see
                _counts[_name(error)] += 1
            time.sleep(random.expovariate(1 / THINK))

    started = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in started:
        thread.start()
    sys.stdin.read()
    _over.set()
    for thread in started:
        thread.join()
    _print()


async def tasks(once: Callable[[], Coroutine[None, None, object]]) -> None:
    """Have tasks call `once` again and again, each time in a task of its own, as for a request."""

    async def client() -> None:
        due = False
        while not _over.is_set():
            due = due or random.random() < SHARE
            operation = asyncio.create_task(once())
            if due:
                when = random.random() * LONGEST
                _timers[operation] = asyncio.get_running_loop().call_later(when, operation.cancel)
            try:
                await operation
                _counts[""] += 1
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - as above
                _counts[_name(error)] += 1
                due = due and not isinstance(error, asyncio.CancelledError)
            acquired(operation)
            await asyncio.sleep(random.expovariate(1 / THINK))

    started = [asyncio.create_task(client()) for _ in range(CLIENTS)]
    await asyncio.to_thread(sys.stdin.read)
    _over.set()
    await asyncio.gather(*started)
    _print()


def acquired(task: object = None) -> None:
    """Let an operation that has a connection, or has ended, no longer be cancelled."""
    timer = _timers.pop(task or asyncio.current_task(), None)
    if timer is not None:
        timer.cancel()


def _name(error: BaseException) -> str:
    """Return the class of the driver's error, which SQLAlchemy wraps, with asyncpg's twice."""
    if driver := getattr(error, "orig", None):
        error = driver
        if type(error).__module__.startswith("sqlalchemy.") and error.__cause__:
            error = error.__cause__
    return type(error).__name__


def _print() -> None:
    operations = _counts.pop("", 0)
    sys.stdout.write(json.dumps({"operations": operations, "errors": _counts}) + "\n")
