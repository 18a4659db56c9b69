"""A plain script of aiomysql sees what poolviz sees, on MariaDB, as the others do on PostgreSQL."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.idioms.beside import (
    MYSQL,
    Both,
    WatchedMySQL,
    assert_alike,
    assert_cancelled,
    await_both,
)
from tests.servers.mysql_server import lacking, mariadb

STATEMENT = "SELECT SLEEP(0.01)"
pytestmark = pytest.mark.on_demand


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server that no other test uses."""
    if lack := lacking():
        pytest.skip(lack)
    with mariadb() as started:
        yield started


def test_killed_idle_connections(url: str) -> None:
    watched = WatchedMySQL(url)
    killed: Counter[bool] = Counter()
    with Both(MYSQL, url, STATEMENT) as both:
        await_both(watched)
        for _ in range(6):
            time.sleep(1)  # so that each connection is used
            killed += watched.kill_idle()
            await_both(watched)
        time.sleep(1)
        plain, poolviz = both.seen()
    assert_alike(plain, poolviz, rare=2)
    assert min(killed.values()) > 5


def test_a_restarted_server(url: str) -> None:
    watched = WatchedMySQL(url)
    with Both(MYSQL, url, STATEMENT) as both:
        await_both(watched)
        for _ in range(2):
            time.sleep(1)
            watched.execute("SHUTDOWN")
            watched.await_it()
            await_both(watched)
        time.sleep(1)
        plain, poolviz = both.seen()
    assert_alike(plain, poolviz, rare=2)


def test_a_statement_timeout(url: str) -> None:
    watched = WatchedMySQL(url)
    watched.execute("SET GLOBAL max_statement_time = 0.1")
    try:
        with Both(MYSQL, url, "SELECT SLEEP(rand() * 0.2)") as both:
            await_both(watched)
            time.sleep(5)
            plain, poolviz = both.seen()
    finally:
        watched.execute("SET GLOBAL max_statement_time = 0")
    seen_by = f"plain: {plain}; poolviz: {poolviz}"
    assert set(plain.errors) == set(poolviz.errors) != set(), seen_by
    assert abs(plain.share - poolviz.share) < 0.3, seen_by  # half of the statements take longer


def test_cancelled_acquires(url: str) -> None:
    watched = WatchedMySQL(url)
    with Both(MYSQL, url, "SELECT SLEEP(0.05)", share=0.3) as both:
        await_both(watched)
        time.sleep(5)
        await_both(watched)
        connections = watched.connections()
        plain, poolviz = both.seen()
    assert_cancelled(plain, poolviz, connections)
