"""The tables of the statements: created, kept, replaced, dropped, and what else is there."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import msgspec
import psycopg2
import pymysql
import pytest
from psycopg2.extensions import make_dsn

from poolviz.load.settings import SETTINGS
from poolviz.load.statements import ACCOUNTS, statement_of
from poolviz.model.dialect import MYSQL, POSTGRESQL
from poolviz.model.errors import InputError, ServerError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.dispatch import drop_tables, prepare_tables
from poolviz.servers.embedded.server import EmbeddedServer
from poolviz.servers.mysql import tables as mysql_tables
from poolviz.servers.postgres import tables as postgres_tables
from tests.servers.fixtures import BOUND, TcpServer, tcp_server
from tests.servers.mysql_server import lacking, mariadb

__all__ = ["tcp_server"]

PASSWORD = "s3cret"


class Database(ABC):
    """A server without a schema poolviz, and a connection of the tests to it as administrator."""

    dialect: str
    conninfo: str
    make_schema: str
    drop_schema: str

    @abstractmethod
    def connect(self) -> Any:
        """Open a connection that commits each statement."""

    @abstractmethod
    def stranger(self) -> str:
        """Create a user without privileges and return its conninfo."""

    def do(self, *statements: str) -> list[tuple[Any, ...]]:
        """Execute statements and return the rows of the last."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def tables(self) -> set[str]:
        found = self.do(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'poolviz'"
        )
        return {name for (name,) in found}

    def has_schema(self) -> bool:
        schemas = "information_schema.schemata"
        return bool(self.do(f"SELECT 1 FROM {schemas} WHERE schema_name = 'poolviz'"))

    def count(self, table: str) -> int:
        return int(self.do(f"SELECT count(*) FROM poolviz.{table}")[0][0])


class PostgresDatabase(Database):
    dialect = POSTGRESQL
    make_schema = "CREATE SCHEMA poolviz"
    drop_schema = "DROP SCHEMA IF EXISTS poolviz CASCADE"

    def __init__(self, served: TcpServer) -> None:
        self._served = served
        self.conninfo = served.admin

    def connect(self) -> Any:
        connection = psycopg2.connect(self.conninfo)
        connection.autocommit = True
        return connection

    def stranger(self) -> str:
        self.do("DROP OWNED BY alice")
        return self._served.dsn()


class MySQLDatabase(Database):
    dialect = MYSQL
    make_schema = "CREATE DATABASE poolviz"
    drop_schema = "DROP DATABASE IF EXISTS poolviz"

    def __init__(self, url: str) -> None:
        self._address = msgspec.structs.replace(MySQLAddress.parse(url), database="mysql")
        self.conninfo = self._address.url

    def connect(self) -> Any:
        address = self._address
        return pymysql.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            autocommit=True,
        )

    def stranger(self) -> str:
        self.do(
            "DROP USER IF EXISTS alice@'%'",
            f"CREATE USER alice@'%' IDENTIFIED BY '{PASSWORD}'",
        )
        return msgspec.structs.replace(
            self._address, user="alice", password=PASSWORD, database=""
        ).url


@pytest.fixture(scope="module")
def maria() -> Iterator[str]:
    if lack := lacking():
        pytest.skip(lack)
    with mariadb() as url:
        yield url


@pytest.fixture(scope="module", params=[POSTGRESQL, MYSQL])
def any_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    if request.param == MYSQL:
        found: Database = MySQLDatabase(request.getfixturevalue("maria"))
    else:
        found = PostgresDatabase(request.getfixturevalue("tcp_server"))
    yield found
    found.do(found.drop_schema)
    found.stranger()


@pytest.fixture
def database(any_database: Database) -> Database:
    any_database.do(any_database.drop_schema)
    return any_database


def test_the_tables_are_those_of_pgbench(database: Database) -> None:
    assert prepare_tables(database.conninfo, 2)
    assert database.tables() == {"accounts", "tellers", "branches", "history", "made"}
    counted = {table: database.count(table) for table in ("accounts", "tellers", "branches")}
    assert counted == {"accounts": 200_000, "tellers": 20, "branches": 2}
    assert database.count("history") == 0
    for table in ("accounts", "tellers"):
        key = table[0] + "id"
        spread = database.do(
            f"SELECT bid, min({key}), max({key}) FROM poolviz.{table} GROUP BY bid ORDER BY bid"
        )
        each = counted[table] // 2
        assert spread == [(1, 1, each), (2, each + 1, 2 * each)]
    assert database.do(
        "SELECT count(*) FROM information_schema.table_constraints"
        " WHERE table_schema = 'poolviz' AND constraint_type = 'PRIMARY KEY'"
    ) == [(3,)]


def test_existing_tables_are_kept_and_only_history_is_emptied(database: Database) -> None:
    prepare_tables(database.conninfo, 1)
    database.do(
        "UPDATE poolviz.accounts SET abalance = 77 WHERE aid = 7",
        "INSERT INTO poolviz.history VALUES (1, 1, 7, 77, CURRENT_TIMESTAMP, '')",
    )
    assert not prepare_tables(database.conninfo, 1)
    assert database.do("SELECT aid FROM poolviz.accounts WHERE abalance = 77") == [(7,)]
    assert database.count("history") == 0


def test_smaller_tables_are_replaced_and_larger_ones_kept(database: Database) -> None:
    prepare_tables(database.conninfo, 1)
    said: list[str] = []
    assert prepare_tables(database.conninfo, 2, said.append)
    assert said[0] == (
        "Replacing the tables of scale 1 in schema poolviz: tables of scale 2 with 200,000 accounts"
    )
    assert database.count("accounts") == 200_000
    assert not prepare_tables(database.conninfo, 1, said.append)
    assert database.count("accounts") == 200_000


def test_progress_is_reported_in_tenths_and_not_when_there_is_nothing_to_do(
    database: Database,
) -> None:
    said: list[str] = []
    prepare_tables(database.conninfo, 1, said.append)
    assert said == [
        "Creating schema poolviz: tables of scale 1 with 100,000 accounts",
        *(f"{tenth}0 % of the accounts are inserted" for tenth in range(1, 11)),
    ]
    prepare_tables(database.conninfo, 1, said.append)
    assert len(said) == 11


@pytest.mark.parametrize("table", ["history", "accounts"])
def test_if_a_table_is_missing_all_are_created_again(database: Database, table: str) -> None:
    prepare_tables(database.conninfo, 1)
    database.do("UPDATE poolviz.branches SET bbalance = 5", f"DROP TABLE poolviz.{table}")
    assert prepare_tables(database.conninfo, 1)
    assert database.count("accounts") == ACCOUNTS
    assert database.do("SELECT bbalance FROM poolviz.branches") == [(0,)]


class Interrupted(BaseException):
    """Stands for Ctrl+C."""


def interrupt_halfway(sentence: str) -> None:
    if sentence.startswith("50 %"):
        raise Interrupted


def test_an_interruption_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(Interrupted):
        prepare_tables(database.conninfo, 1, interrupt_halfway)
    assert not database.has_schema()
    assert prepare_tables(database.conninfo, 1)


def test_an_interrupted_replacement_leaves_nothing_incomplete(database: Database) -> None:
    prepare_tables(database.conninfo, 1)
    with pytest.raises(Interrupted):
        prepare_tables(database.conninfo, 2, interrupt_halfway)
    there = database.tables()
    assert there == set() or database.count("accounts") == ACCOUNTS
    assert prepare_tables(database.conninfo, 2)
    assert database.count("accounts") == 2 * ACCOUNTS


def test_a_process_killed_on_mysql_leaves_tables_that_are_created_again(database: Database) -> None:
    if database.dialect != MYSQL:
        pytest.skip("a transaction on PostgreSQL leaves nothing")
    prepare_tables(database.conninfo, 1)
    database.do(
        "UPDATE poolviz.made SET scale = 0", "DELETE FROM poolviz.accounts WHERE aid > 30000"
    )
    assert prepare_tables(database.conninfo, 1)
    assert database.count("accounts") == ACCOUNTS


# What poolviz didn't create


def test_a_schema_that_others_created_is_refused_and_left_as_it_is(database: Database) -> None:
    database.do(
        database.make_schema,
        "CREATE TABLE poolviz.accounts (aid int)",
        "CREATE TABLE poolviz.made (scale int, alone boolean)",
        "INSERT INTO poolviz.made VALUES (9, true)",
    )
    for attempt in (
        lambda: prepare_tables(database.conninfo, 1),
        lambda: drop_tables(database.conninfo),
    ):
        with pytest.raises(ServerError) as refused:
            attempt()
        assert str(refused.value) == (
            "The server has a schema poolviz that poolviz didn't create, with accounts, made in "
            "it, and it was left as it is: rename it, or use another database or server."
        )
    assert database.tables() == {"accounts", "made"}
    assert database.count("accounts") == 0


def test_an_empty_schema_is_used_and_stays_when_the_tables_are_dropped(database: Database) -> None:
    database.do(database.make_schema)
    assert not drop_tables(database.conninfo)
    assert prepare_tables(database.conninfo, 1)
    prepare_tables(database.conninfo, 2)
    said: list[str] = []
    assert drop_tables(database.conninfo, said.append)
    assert said == ["Schema poolviz was kept, because it isn't poolviz' alone"]
    assert database.has_schema()
    assert database.tables() == set()


def test_dropping_leaves_nothing_of_ours_and_all_that_is_not(database: Database) -> None:
    prepare_tables(database.conninfo, 1)
    assert drop_tables(database.conninfo)
    assert not database.has_schema()
    assert not drop_tables(database.conninfo)
    prepare_tables(database.conninfo, 1)
    database.do("CREATE TABLE poolviz.mine (a int)", "INSERT INTO poolviz.mine VALUES (5)")
    prepare_tables(database.conninfo, 2)
    assert drop_tables(database.conninfo)
    assert database.tables() == {"mine"}
    assert database.do("SELECT a FROM poolviz.mine") == [(5,)]


def test_what_depends_on_the_tables_is_never_dropped_with_them(database: Database) -> None:
    if database.dialect != POSTGRESQL:
        pytest.skip("a view on MySQL depends on nothing")
    prepare_tables(database.conninfo, 1)
    database.do("CREATE VIEW rich AS SELECT * FROM poolviz.accounts WHERE abalance > 0")
    try:
        for attempt in (
            lambda: drop_tables(database.conninfo),
            lambda: prepare_tables(database.conninfo, 2),
        ):
            with pytest.raises(ServerError, match=r"depends on its tables .*: drop that first\."):
                attempt()
        assert database.count("accounts") == ACCOUNTS
        assert database.do("SELECT count(*) FROM rich") == [(0,)]
    finally:
        database.do("DROP VIEW rich")


# Privileges


def test_an_error_says_which_privilege_it_takes_to_create_them(database: Database) -> None:
    stranger = database.stranger()
    with pytest.raises(ServerError) as refused:
        prepare_tables(stranger, 1)
    sentence, _, grant = str(refused.value).rstrip(".").rpartition("ask for ")
    assert "alice may not" in sentence
    assert "s3cret" not in str(refused.value)
    database.do(grant)
    assert prepare_tables(stranger, 1)
    assert drop_tables(stranger)


def test_an_error_says_which_privilege_it_takes_to_use_them(database: Database) -> None:
    stranger = database.stranger()
    prepare_tables(database.conninfo, 1)
    with pytest.raises(ServerError) as refused:
        prepare_tables(stranger, 1)
    _, _, grants = str(refused.value).rstrip(".").rpartition("ask for ")
    database.do(*grants.split(" and "))
    assert not prepare_tables(stranger, 1)


def test_an_error_says_that_a_user_of_the_tables_may_not_replace_them(database: Database) -> None:
    stranger = database.stranger()
    prepare_tables(database.conninfo, 1)
    rights = "SELECT, INSERT, UPDATE"
    database.do(
        *(
            ("GRANT USAGE ON SCHEMA poolviz TO alice",
             f"GRANT {rights} ON ALL TABLES IN SCHEMA poolviz TO alice")
            if database.dialect == POSTGRESQL
            else (f"GRANT {rights} ON poolviz.* TO alice@'%'",)
        )
    )  # fmt: skip
    for attempt in (lambda: prepare_tables(stranger, 2), lambda: drop_tables(stranger)):
        with pytest.raises(ServerError, match=r"^User alice may not (create|drop) .*ask for"):
            attempt()
    assert database.count("accounts") == ACCOUNTS
    assert not prepare_tables(stranger, 1)


# Several at once


def test_of_several_that_prepare_at_once_one_creates_them(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: prepare_tables(database.conninfo, 1), range(4)))
    assert sorted(made) == [False, False, False, True]
    assert database.count("accounts") == ACCOUNTS


def test_tables_that_stay_in_use_are_not_waited_for_without_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_tables(database.conninfo, 1)
    for module in (postgres_tables, mysql_tables):
        monkeypatch.setattr(module, "LOCK_LIMIT", 2)
    with closing(database.connect()) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM poolviz.tellers")
        assert not prepare_tables(database.conninfo, 1)
        with pytest.raises(ServerError, match=r"^The tables in schema poolviz were in use by"):
            prepare_tables(database.conninfo, 2)
        cursor.execute("COMMIT")
    assert prepare_tables(database.conninfo, 2)


def test_a_load_goes_on_while_another_run_prepares_its_tables(database: Database) -> None:
    """Two runs on one server: the second one's `prepare` takes nothing from under the first."""
    prepare_tables(database.conninfo, 1)
    statement = statement_of(SETTINGS.complete({"statement": "read_write"}), database.dialect)
    over, faults, done = threading.Event(), list[Exception](), 0

    def work() -> None:
        nonlocal done
        rng = random.Random(3)
        with closing(database.connect()) as connection, connection.cursor() as cursor:
            while not over.is_set():
                try:
                    for text in ("BEGIN", *statement.sql(rng, 0, done), "COMMIT"):
                        cursor.execute(text)
                except Exception as fault:  # noqa: BLE001 - for the test to see
                    faults.append(fault)
                    return
                done += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        deadline = time.monotonic() + BOUND
        while done < 30 and thread.is_alive() and time.monotonic() < deadline:
            assert not prepare_tables(database.conninfo, 1)
    finally:
        over.set()
        thread.join(BOUND)
    assert not faults
    assert done >= 30


# The statements on them


def test_the_sums_of_all_tables_agree_after_transactions_that_write(database: Database) -> None:
    prepare_tables(database.conninfo, 1)
    statement = statement_of(SETTINGS.complete({"statement": "read_write"}), database.dialect)
    rng = random.Random(1)
    for operation in range(20):
        database.do("BEGIN", *statement.sql(rng, 0, operation), "COMMIT")
    assert database.count("history") == 20
    sums = [
        database.do(f"SELECT sum({column}) FROM poolviz.{table}")[0][0]
        for table, column in (
            ("history", "delta"),
            ("accounts", "abalance"),
            ("tellers", "tbalance"),
            ("branches", "bbalance"),
        )
    ]
    assert len(set(sums)) == 1
    assert database.do(
        "SELECT count(*) FROM poolviz.history h JOIN poolviz.accounts a ON a.aid = h.aid"
        " JOIN poolviz.tellers t ON t.tid = h.tid JOIN poolviz.branches b ON b.bid = h.bid"
    ) == [(20,)]


def test_reading_finds_its_account(database: Database) -> None:
    prepare_tables(database.conninfo, 1)
    statement = statement_of(SETTINGS.complete({"statement": "read"}), database.dialect)
    rng = random.Random(1)
    assert [database.do(*statement.sql(rng, 0, n)) for n in range(20)] == [[(0,)]] * 20


# Elsewhere


def test_sqlite_has_no_such_tables() -> None:
    with pytest.raises(InputError, match=r"not on SQLite: give the --dsn of such a server\.$"):
        prepare_tables("sqlite:///nowhere.db", 1)


def test_no_way_to_the_server_is_one_sentence(server: EmbeddedServer) -> None:
    with pytest.raises(ServerError, match=r"has no database nowhere"):
        prepare_tables(make_dsn(server.conninfo, dbname="nowhere"), 1)
