"""poolviz leaves the loggers of other libraries as they are, and its terminal quiet."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap

import pytest

from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from tests.pools.conftest import Benches

POOLS = [
    pool_class(f"psycopg_pool.{name}")
    for name in ("ConnectionPool", "NullConnectionPool", "AsyncConnectionPool")
]


def test_importing_all_pools_changes_no_logger_of_a_library() -> None:
    program = """
        import logging
        import aiomysql, aiopg, asyncpg, asyncpg.pool, dbutils, psycopg, psycopg_pool
        import psycopg2, pymysql, sqlalchemy, sqlalchemy.pool, sqlalchemy.ext.asyncio

        def state():
            return {
                name: (logger.level, list(logger.handlers), logger.propagate, logger.disabled)
                for name, logger in logging.root.manager.loggerDict.items()
                if isinstance(logger, logging.Logger) and not name.startswith("poolviz")
            }

        before = state()
        from poolviz.pools.registry import POOLS
        assert list(POOLS.values())
        after = state()
        print({name for name in before if before[name] != after[name]})
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (ended.stdout.strip(), ended.stderr) == ("set()", "")


@pytest.mark.parametrize("kind", POOLS, ids=lambda kind: kind.id)
def test_a_connection_released_in_a_transaction_is_not_logged(
    bench: Benches, kind: type[Pool], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "psycopg"):
        one = bench(kind)
        one.release(one.acquire(1))
        one.settle()
    assert caplog.records == []
