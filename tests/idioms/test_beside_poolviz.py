"""A plain script, written as its library's manual says, sees what poolviz sees.

Both run at the same time, on the same server and under the same faults. The errors must be the
same in kind, and in number within chance.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolviz.servers.embedded.server import EmbeddedServer
from tests.idioms.beside import (
    TASKS,
    Both,
    Watched,
    as_url,
    assert_alike,
    assert_cancelled,
    assert_same_kinds,
    await_both,
    few,
)
from tests.servers import pgbouncer
from tests.servers.fixtures import TcpServer, home, open_home, tcp_server

__all__ = ["home", "tcp_server"]


@pytest.fixture(scope="module")
def own_server() -> Iterator[EmbeddedServer]:
    """A server that no other test uses."""
    with open_home() as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("POOLVIZ_HOME", str(folder))
            started = EmbeddedServer.start()
        with started:
            yield started


@pytest.fixture
def watched(own_server: EmbeddedServer) -> Watched:
    return Watched(own_server.conninfo)


@pytest.fixture
def url(own_server: EmbeddedServer) -> str:
    return as_url(own_server.conninfo)


@pytest.mark.parametrize("script", few("sqlalchemy_connect", "psycopg_pool_connection"))
def test_killed_idle_backends(script: str, url: str, watched: Watched) -> None:
    killed: Counter[bool] = Counter()
    with Both(script, url) as both:
        await_both(watched)
        for _ in range(6):
            time.sleep(1)  # so that each connection is used
            killed += watched.kill_idle()
            await_both(watched)
        time.sleep(1)
        plain, poolviz = both.seen()
    assert_alike(plain, poolviz, rare=2)
    least, most = sorted(seen.errors.total() for seen in (plain, poolviz))
    if script == "dbutils_connection":  # it runs the statement again, on a new connection
        assert most <= 2, f"{plain} {poolviz}"
    elif script == "aiopg_acquire":  # it sees most connections end, before they are lent
        assert most < min(killed.values()) / 2, f"{plain} {poolviz}"
    else:
        assert least > 0, f"{plain} {poolviz}"
    if script.startswith("sqlalchemy"):  # the first error of each kill invalidates the pool
        assert max(plain.errors.total(), poolviz.errors.total()) < min(killed.values())


@pytest.mark.parametrize("script", few("asyncpg_acquire"))
def test_a_restarted_server(script: str, home: Path) -> None:
    with EmbeddedServer.start() as server, Both(script, as_url(server.conninfo)) as both:
        watched = Watched(server.conninfo)
        await_both(watched)
        for _ in range(2):
            time.sleep(1)
            server.restart()
            await_both(watched)
        time.sleep(1)
        plain, poolviz = both.seen()
    # What is in progress at a restart is up to chance, and all of it ends at once.
    assert_alike(plain, poolviz, rare=4)


@pytest.mark.parametrize("script", few("sqlalchemy_async_connect"))
def test_a_statement_timeout(script: str, url: str, watched: Watched) -> None:
    watched.execute("ALTER ROLE postgres SET statement_timeout = '100ms'")
    try:
        with Both(script, url, "SELECT pg_sleep(random() * 0.2)") as both:
            await_both(watched)
            time.sleep(5)
            plain, poolviz = both.seen()
    finally:
        watched.execute("ALTER ROLE postgres RESET statement_timeout")
    seen_by = f"plain: {plain}; poolviz: {poolviz}"
    assert set(plain.errors) == set(poolviz.errors) != set(), seen_by
    assert abs(plain.share - poolviz.share) < 0.3, seen_by  # half of the statements take longer


@pytest.mark.parametrize("script", few("psycopg_pool_connection"))
def test_behind_pgbouncer_in_transaction_mode(script: str, tcp_server: TcpServer) -> None:
    pgbouncer.require()
    watched = Watched(tcp_server.admin)
    with (
        pgbouncer.transaction_pooler(tcp_server.dsn()) as one,
        pgbouncer.transaction_pooler(tcp_server.dsn()) as other,
        Both(script, as_url(one), another_url=as_url(other)) as both,
    ):
        await_both(watched)
        time.sleep(6)
        plain, poolviz = both.seen()
    seen_by = f"plain: {plain}; poolviz: {poolviz}"
    prepares = script in {"psycopg_pool_connection", *TASKS} - {"aiopg_acquire"}
    assert {bool(seen.errors) for seen in (plain, poolviz)} == {prepares}, seen_by
    assert_same_kinds(plain, poolviz, rare=5)
    assert abs(plain.share - poolviz.share) < 0.3, seen_by


@pytest.mark.parametrize("script", few("asyncpg_acquire", of=TASKS))
def test_cancelled_acquires(script: str, url: str, watched: Watched) -> None:
    """Clients that are threads can't be cancelled inside acquire, by anyone."""
    with Both(script, url, "SELECT pg_sleep(0.05)", share=0.3) as both:
        await_both(watched)
        time.sleep(5)
        await_both(watched)  # the pool has not lost all of its connections
        connections = watched.backends()
        plain, poolviz = both.seen()
    assert_cancelled(plain, poolviz, connections)
