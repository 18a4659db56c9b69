"""Transactions, for every pool on every server that it runs on."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from poolviz.pools.base import Pool, TaskPool
from tests.pools.bench import Bench
from tests.pools.conftest import Benches
from tests.pools.driven import PATIENCE
from tests.pools.places import MySQL, Postgres, Server


class WrittenTable:
    """A pool, a table that its clients write to, and queries from outside the pool."""

    def __init__(self, one: Bench) -> None:
        self.one = one
        self.name = f"written_by_{one.name.replace(' ', '_')}"
        if isinstance(one.place, MySQL):
            self.name = f"{urlsplit(one.place.conninfo(one.name)).path[1:]}.{self.name}"
        self.query(f"CREATE TABLE {self.name} (number int)")

    def write(self, number: int, *, transaction: bool, end: str = "") -> Any:
        """Acquire a connection, and write `number` on it."""
        (conn,) = self.one.take(1)
        self.write_on(conn, number, transaction=transaction, end=end)
        return conn

    def write_on(self, conn: Any, number: int, *, transaction: bool, end: str = "") -> None:
        pool, do = self.one.pool, self.one.holders.do
        do(conn, pool.begin, conn, transaction)
        do(conn, pool.execute, conn, f"INSERT INTO {self.name} VALUES ({number})")
        do(conn, pool.execute, conn, f"SELECT number FROM {self.name}")
        do(conn, pool.execute, conn, f"UPDATE {self.name} SET number = number WHERE 1 = 0")
        if end:
            do(conn, getattr(pool, end), conn)

    def seen(self) -> set[int]:
        """The numbers that another connection sees."""
        return {row[0] for row in self.query(f"SELECT number FROM {self.name}")}

    def in_transaction(self, number: int) -> None:
        """Wait until `number` of the pool's connections are in a transaction."""
        place = self.one.place
        assert isinstance(place, Server)
        deadline = time.monotonic() + PATIENCE
        while (found := place.in_transaction(self.one.name)) != number:
            assert time.monotonic() < deadline, f"{found} are in a transaction, not {number}"
            time.sleep(0.11)  # within 0.1 s, InnoDB would return its last answer

    def query(self, statement: str) -> Any:
        place = self.one.place
        if isinstance(place, MySQL):
            return place._do(statement)
        if isinstance(place, Postgres):
            with place.admin.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else ()
        file = place.conninfo(self.one.name).removeprefix("sqlite:///")
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()


SERVERS = pytest.mark.parametrize("dialect", ["postgresql", "mysql", "sqlite"])


@pytest.fixture
def table(kind: type[Pool], dialect: str, bench: Benches) -> Iterator[WrittenTable]:
    if dialect not in kind.servers:
        pytest.skip(f"{kind.id} isn't for {dialect}")
    made = WrittenTable(bench(kind, dialect=dialect))
    yield made
    made.one.holders.end()
    made.one.pool.close()
    made.query(f"DROP TABLE {made.name}")


@SERVERS
def test_committed_rows_are_visible_to_others(table: WrittenTable) -> None:
    conn = table.write(1, transaction=True)
    assert table.seen() == set()
    table.one.holders.do(conn, table.one.pool.commit, conn)
    assert table.seen() == {1}
    table.one.release([conn])
    assert table.seen() == {1}


@SERVERS
def test_rolled_back_rows_are_gone_and_the_connection_is_usable(table: WrittenTable) -> None:
    conn = table.write(1, transaction=True, end="rollback")
    assert table.seen() == set()
    table.write_on(conn, 2, transaction=True, end="commit")
    table.one.release([conn])
    assert table.seen() == {2}
    table.one.settle()


@SERVERS
def test_each_statement_is_committed_with_autocommit(table: WrittenTable) -> None:
    conn = table.write(1, transaction=False)
    assert table.seen() == {1}
    table.one.release([conn])
    assert table.seen() == {1}


@SERVERS
def test_an_open_transaction_is_rolled_back_on_release(table: WrittenTable) -> None:
    conn = table.write(1, transaction=True)
    table.one.release([conn])
    conn = table.write(2, transaction=False)
    assert table.seen() == {2}
    table.one.release([conn])
    table.one.settle()


@SERVERS
def test_a_connection_can_switch_between_transactions_and_autocommit(table: WrittenTable) -> None:
    for number in range(0, 12, 4):
        for way, (transaction, end) in enumerate(
            [(True, "commit"), (False, ""), (True, "rollback"), (True, "")]
        ):
            conn = table.write(number + way, transaction=transaction, end=end)
            table.one.release([conn])
    assert table.seen() == {0, 1, 4, 5, 8, 9}
    table.one.settle()


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_the_server_sees_a_transaction_until_it_ends(table: WrittenTable) -> None:
    conn = table.write(1, transaction=True)
    table.in_transaction(1)
    for end in ("commit", "rollback"):
        table.one.holders.do(conn, getattr(table.one.pool, end), conn)
        table.in_transaction(0)
        table.write_on(conn, 2, transaction=True)
        table.in_transaction(1)
    table.one.release([conn])
    table.in_transaction(0)


@SERVERS
def test_a_pool_declares_whether_its_driver_begins_transactions(table: WrittenTable) -> None:
    (conn,) = table.one.take(1)
    table.one.holders.do(conn, table.one.pool.execute, conn, f"INSERT INTO {table.name} VALUES (1)")
    assert (table.seen() == set()) is table.one.kind.transactional
    table.one.release([conn])


def test_only_task_pools_begin_transactions_with_sql(kind: type[Pool]) -> None:
    assert kind.transactional or issubclass(kind, TaskPool)
