"""Servers that don't answer: what each driver does about one, and which can be silent at all."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiomysql
import aiopg
import asyncpg
import psycopg
import psycopg2
import pymysql
import pytest

from poolviz.model.mysql_url import MySQLAddress
from poolviz.pools.asyncio import aiomysql as counted_aiomysql
from poolviz.pools.asyncio import aiopg as counted_aiopg
from poolviz.pools.asyncio.asyncpg import AsyncpgPool
from poolviz.pools.connections import mysql, postgres
from poolviz.pools.connections import psycopg as psycopg3
from poolviz.pools.connections.network import over_network
from poolviz.pools.psycopg import async_pool
from tests.pools.bench import RecordingCounter


@pytest.fixture
def black_hole() -> Iterator[int]:
    """The port of a socket whose queue is full, so that no attempt to connect is answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            yield port
        finally:
            for filler in fillers:
                filler.close()


def silent() -> RecordingCounter:
    counter = RecordingCounter()
    counter.connect_faults.silence(True)
    return counter


def libpq(port: int) -> str:
    return f"host=127.0.0.1 port={port} user=nobody dbname=none connect_timeout=2"


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


async def from_pool(port: int) -> None:
    dsn = libpq(port)
    pool = AsyncpgPool(dsn, silent(), AsyncpgPool.limits.complete({}))
    await pool._connect(host="127.0.0.1", port=port, user="nobody", timeout=0.5)


async def by_aiopg(port: int) -> None:
    await aiopg.connect(libpq(port), timeout=0.5)


def mysql_url(port: int) -> MySQLAddress:
    return MySQLAddress.parse(f"mysql://nobody@127.0.0.1:{port}/none?connect_timeout=1")


MYSQL = {"host": "127.0.0.1", "user": "nobody", "connect_timeout": 1}
# For each driver: an attempt as its library makes it, and one of ours under the fault.
ATTEMPTS: dict[str, tuple[Callable[[int], Any], Callable[[int], Any]]] = {
    "psycopg2": (
        lambda port: psycopg2.connect(libpq(port)),
        lambda port: psycopg2.connect(
            libpq(port), connection_factory=postgres.counted_connection(silent())
        ),
    ),
    "psycopg": (
        lambda port: psycopg.connect(libpq(port)),
        lambda port: psycopg3.counted_connection(silent()).connect(libpq(port)),
    ),
    "psycopg async": (
        lambda port: run(psycopg.AsyncConnection.connect(libpq(port))),
        lambda port: run(async_pool.counted_connection(silent()).connect(libpq(port))),
    ),
    "asyncpg": (
        lambda port: run(asyncpg.connect(host="127.0.0.1", port=port, user="nobody", timeout=0.5)),
        lambda port: run(from_pool(port)),
    ),
    "aiopg": (
        lambda port: run(by_aiopg(port)),
        lambda port: run(counted_aiopg._connect(libpq(port), counter=silent(), timeout=0.5)),
    ),
    "PyMySQL": (
        lambda port: pymysql.connect(port=port, **MYSQL),
        lambda port: mysql.creator(mysql_url(port).url, silent())(),
    ),
    "aiomysql": (
        lambda port: run(aiomysql.connect(port=port, **MYSQL)),
        lambda port: run(
            counted_aiomysql._connect(counter=silent(), closing=set(), port=port, **MYSQL)
        ),
    ),
}


@pytest.mark.parametrize("driver", ATTEMPTS)
def test_a_silent_server_is_given_up_as_the_driver_gives_up_one_that_never_answers(
    driver: str, black_hole: int
) -> None:
    def give_up(attempt: Callable[[int], Any]) -> tuple[Exception, float]:
        began = time.perf_counter()
        with pytest.raises(Exception) as failure:
            attempt(black_hole)
        return failure.value, time.perf_counter() - began

    with ThreadPoolExecutor() as threads:
        (theirs, until_theirs), (ours, until_ours) = threads.map(give_up, ATTEMPTS[driver])
    assert type(ours) is type(theirs)
    assert str(ours).strip() == str(theirs).strip()
    assert until_ours == pytest.approx(until_theirs, abs=0.5)


def test_an_attempt_goes_on_when_the_network_does(conninfo: str) -> None:
    counter = silent()
    factory = postgres.counted_connection(counter)
    made: list[Any] = []

    def connect() -> None:
        made.append(psycopg2.connect(conninfo, connection_factory=factory))

    caller = threading.Thread(target=connect)
    caller.start()
    caller.join(0.3)
    assert caller.is_alive()
    assert not made
    counter.connect_faults.silence(False)
    caller.join(30)
    assert made[0].closed == 0
    assert max(counter.seconds) >= 0.3
    made[0].close()


@pytest.mark.parametrize(
    ("dsn", "network"),
    [
        ("postgresql://u@db.example:5432/d", True),
        ("postgresql+psycopg2://u@127.0.0.1/d", True),
        ("host=/var/run/postgresql dbname=d", False),
        ("host=@abstract", False),
        ("postgresql://u@/d?host=/tmp", False),
        ("hostaddr=10.0.0.1 host=/tmp", True),
        ("host=/tmp,db.example", True),
        ("dbname=d", False),
        ("service=mine", True),
        ("host=", False),
        ("no such = thing =", True),
        ("mysql://u@127.0.0.1:3306/d", True),
        ("mysql://u@/d?unix_socket=/tmp/s", False),
        ("mysql://", True),
        ("sqlite:///file.db", False),
    ],
)
def test_which_servers_are_reached_by_a_network(
    dsn: str, network: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("PGHOST", "PGHOSTADDR", "PGSERVICE"):
        monkeypatch.delenv(variable, raising=False)
    assert over_network(dsn) is network


def test_what_a_dsn_leaves_out_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    assert over_network("dbname=d")
    monkeypatch.setenv("PGHOST", "/tmp")
    assert not over_network("dbname=d")
