"""Counting the rows that clients added: on every server that has them, and within bounds."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from poolviz.model.errors import PoolvizError, ServerError
from poolviz.model.messages import Rows
from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.dispatch import count_rows, drop_tables, prepare_tables
from poolviz.servers.mysql.connection import connect

ROW = "INSERT INTO poolviz.history (tid, bid, aid, delta, mtime) VALUES (1, 1, 1, 5, now())"


@pytest.fixture
def tables(conninfo: str) -> Iterator[str]:
    """The session's server with new tables, which are gone afterwards."""
    drop_tables(conninfo)
    prepare_tables(conninfo, 1)
    yield conninfo
    drop_tables(conninfo)


def test_only_what_is_committed_counts(tables: str) -> None:
    assert count_rows(tables, 5) == 0
    with closing(psycopg2.connect(tables)) as connection, connection.cursor() as cursor:
        cursor.execute(ROW)
        cursor.execute(ROW)
        assert count_rows(tables, 5) == 0
        connection.commit()
        assert count_rows(tables, 5) == 2


def test_a_missing_table_is_one_sentence(conninfo: str) -> None:
    drop_tables(conninfo)
    with pytest.raises(ServerError, match=r'relation "poolviz\.history" does not exist'):
        count_rows(conninfo, 5)


def test_a_locked_table_is_not_waited_for_beyond_the_limit(tables: str) -> None:
    with closing(psycopg2.connect(tables)) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE poolviz.history IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ServerError, match=r"couldn't be counted within 0\.3 s"):
            count_rows(tables, 0.3)


def test_a_server_that_never_answers_is_not_waited_for_beyond_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ServerError, match=r"couldn't be counted within 0\.3 s"):
            count_rows(f"host=127.0.0.1 port={port}", 0.3)


def test_a_server_that_is_gone_is_one_sentence() -> None:
    with pytest.raises(PoolvizError, match=r"Nothing listens at 127\.0\.0\.1:1"):
        count_rows("host=127.0.0.1 port=1", 5)


def test_rows_are_counted_on_mysql_too(mysql_url: str) -> None:
    drop_tables(mysql_url)
    with pytest.raises(ServerError):
        count_rows(mysql_url, 5)
    prepare_tables(mysql_url, 1)
    try:
        address = MySQLAddress.parse(mysql_url)
        with closing(connect(address)) as connection, connection.cursor() as cursor:
            cursor.execute(ROW)
        assert count_rows(mysql_url, 5) == 1
    finally:
        drop_tables(mysql_url)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (Rows(3, 3), "3 operations committed, and all of their rows are in the table."),
        (Rows(1204, 871), "1,204 operations committed, and 871 rows are in the table: 333 were"),
        (Rows(2, 1), "1 was undone by others."),
        (Rows(2, 3), "2 operations committed by the clients' count, and 3 rows are in the table"),
    ],
)
def test_the_audit_says_what_it_means(rows: Rows, sentence: str) -> None:
    assert sentence in rows.sentence
