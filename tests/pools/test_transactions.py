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


class Desk:
    """A pool, a table to write to, and a look at it from outside the pool."""

    def __init__(self, one: Bench) -> None:
        self.one = one
        self.table = f"written_by_{one.name.replace(' ', '_')}"
        if isinstance(one.place, MySQL):
            self.table = f"{urlsplit(one.place.conninfo(one.name)).path[1:]}.{self.table}"
        self.look(f"CREATE TABLE {self.table} (number int)")

    def write(self, number: int, *, transaction: bool, end: str = "") -> Any:
        """A connection, held, on which `number` was written in one of the ways there are."""
        (conn,) = self.one.take(1)
        self.write_on(conn, number, transaction=transaction, end=end)
        return conn

    def write_on(self, conn: Any, number: int, *, transaction: bool, end: str = "") -> None:
        pool, do = self.one.pool, self.one.hands.do
        do(conn, pool.begin, conn, transaction)
        do(conn, pool.execute, conn, f"INSERT INTO {self.table} VALUES ({number})")
        do(conn, pool.execute, conn, f"SELECT number FROM {self.table}")
        do(conn, pool.execute, conn, f"UPDATE {self.table} SET number = number WHERE 1 = 0")
        if end:
            do(conn, getattr(pool, end), conn)

    def seen(self) -> set[int]:
        """The numbers that another connection sees."""
        return {row[0] for row in self.look(f"SELECT number FROM {self.table}")}

    def in_transaction(self, number: int) -> None:
        """Wait until so many of the pool's connections are in a transaction."""
        place = self.one.place
        assert isinstance(place, Server)
        deadline = time.monotonic() + PATIENCE
        while (found := place.in_transaction(self.one.name)) != number:
            assert time.monotonic() < deadline, f"{found} are in a transaction, not {number}"
            time.sleep(0.11)  # asked again within 0.1 s, InnoDB repeats its last answer

    def look(self, statement: str) -> Any:
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
def desk(kind: type[Pool], dialect: str, bench: Benches) -> Iterator[Desk]:
    if dialect not in kind.servers:
        pytest.skip(f"{kind.id} isn't for {dialect}")
    made = Desk(bench(kind, dialect=dialect))
    yield made
    made.one.hands.end()
    made.one.pool.close()
    made.look(f"DROP TABLE {made.table}")


@SERVERS
def test_what_was_committed_is_there_for_others(desk: Desk) -> None:
    conn = desk.write(1, transaction=True)
    assert desk.seen() == set()
    desk.one.hands.do(conn, desk.one.pool.commit, conn)
    assert desk.seen() == {1}
    desk.one.release([conn])
    assert desk.seen() == {1}


@SERVERS
def test_what_was_rolled_back_is_gone_and_the_connection_goes_on(desk: Desk) -> None:
    conn = desk.write(1, transaction=True, end="rollback")
    assert desk.seen() == set()
    desk.write_on(conn, 2, transaction=True, end="commit")
    desk.one.release([conn])
    assert desk.seen() == {2}
    desk.one.settle()


@SERVERS
def test_each_statement_commits_by_itself_where_it_is_told_to(desk: Desk) -> None:
    conn = desk.write(1, transaction=False)
    assert desk.seen() == {1}
    desk.one.release([conn])
    assert desk.seen() == {1}


@SERVERS
def test_what_is_left_open_is_undone_by_the_return(desk: Desk) -> None:
    conn = desk.write(1, transaction=True)
    desk.one.release([conn])
    conn = desk.write(2, transaction=False)
    assert desk.seen() == {2}
    desk.one.release([conn])
    desk.one.settle()


@SERVERS
def test_a_connection_may_be_used_in_one_way_and_then_in_another(desk: Desk) -> None:
    for number in range(0, 12, 4):
        for way, (transaction, end) in enumerate(
            [(True, "commit"), (False, ""), (True, "rollback"), (True, "")]
        ):
            conn = desk.write(number + way, transaction=transaction, end=end)
            desk.one.release([conn])
    assert desk.seen() == {0, 1, 4, 5, 8, 9}
    desk.one.settle()


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_the_server_sees_a_transaction_until_it_ends(desk: Desk) -> None:
    conn = desk.write(1, transaction=True)
    desk.in_transaction(1)
    for end in ("commit", "rollback"):
        desk.one.hands.do(conn, getattr(desk.one.pool, end), conn)
        desk.in_transaction(0)
        desk.write_on(conn, 2, transaction=True)
        desk.in_transaction(1)
    desk.one.release([conn])
    desk.in_transaction(0)


@SERVERS
def test_a_pool_says_whether_its_driver_begins_transactions_untold(desk: Desk) -> None:
    (conn,) = desk.one.take(1)
    desk.one.hands.do(conn, desk.one.pool.execute, conn, f"INSERT INTO {desk.table} VALUES (1)")
    assert (desk.seen() == set()) is desk.one.kind.transactional
    desk.one.release([conn])


def test_what_begins_a_transaction_by_sql_is_for_tasks(kind: type[Pool]) -> None:
    assert kind.transactional or issubclass(kind, TaskPool)
