"""What the plain scripts share: five clients that repeat an operation until standard input ends."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable

CLIENTS = 5
THINK = 0.2  # seconds between two operations of a client, on average
STATEMENT = sys.argv[2] if len(sys.argv) > 2 else "SELECT 1"

_counts: Counter[str] = Counter()  # "" for operations that succeeded, else the error's class
_over = threading.Event()


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


async def tasks(once: Callable[[], Awaitable[object]]) -> None:
    """Have tasks call `once` again and again."""

    async def client() -> None:
        while not _over.is_set():
            try:
                await once()
                _counts[""] += 1
            except Exception as error:  # noqa: BLE001 - whatever an application would see
                _counts[_name(error)] += 1
            await asyncio.sleep(random.expovariate(1 / THINK))

    started = [asyncio.create_task(client()) for _ in range(CLIENTS)]
    await asyncio.to_thread(sys.stdin.read)
    _over.set()
    await asyncio.gather(*started)
    _print()


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
