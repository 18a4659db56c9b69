"""What DBUtils' own pool does, where poolviz departs from it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import psycopg2
import pytest
from dbutils.pooled_db import (  # type: ignore[import-untyped]
    PooledDB,
)

from tests.pools.bench import Waiter, until


@pytest.fixture
def bare(conninfo: str) -> Iterator[Any]:
    """The library's own pool, of up to 4 connections."""
    pool = PooledDB(psycopg2, maxconnections=4, blocking=True, dsn=conninfo)
    yield pool
    pool.close()


def bounds_of_its_wait(thread: Waiter) -> list[float | None]:
    """The timeouts of the waits that a thread is in."""
    assert thread.ident is not None
    frame: FrameType | None = sys._current_frames()[thread.ident]
    found: list[float | None] = []
    while frame is not None:
        if frame.f_code.co_name == "wait":
            found.append(frame.f_locals["timeout"])
        frame = frame.f_back
    return found


def test_callers_wait_without_a_timeout(bare: Any) -> None:
    held = [bare.connection() for _ in range(4)]
    waiter = Waiter(bare.connection)
    until(lambda: len(bare._lock._waiters) == 1, "one waits")
    until(lambda: bounds_of_its_wait(waiter) == [None], "its wait has no end")
    held.pop().close()
    waiter.finish().connection.close()
    for conn in held:
        conn.close()


def test_a_lowered_maxconnections_closes_nothing(bare: Any) -> None:
    held = [bare.connection() for _ in range(4)]
    with bare._lock:
        bare._maxconnections = 1
        bare._lock.notify_all()
    for conn in held:
        conn.close()
    assert len(bare._idle_cache) == 4


def test_connections_keep_the_maxusage_they_were_opened_with(bare: Any) -> None:
    bare.connection().close()
    with bare._lock:
        bare._maxusage = 1
    (steady,) = bare._idle_cache
    conn = bare.connection()
    assert conn._con is steady
    assert steady._maxusage == 0
    conn.close()
