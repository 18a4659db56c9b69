"""MySQL and SQLite as targets: what is told of them, and the view of a run."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.model.errors import InputError, ServerError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.model.sample import ServerView
from poolviz.pools.registry import check_server, pool_class
from poolviz.servers.monitor import Monitor, monitor_for
from poolviz.servers.target import reach, with_application_name
from tests.servers.fixtures import BOUND, PROJECT, wait_until
from tests.servers.mysql_server import lacking, mariadb

NAME = "poolviz 4711"


def connect(url: str, name: str = NAME) -> Any:
    """A connection as a run's pool makes it."""
    address = MySQLAddress.parse(with_application_name(url, name))
    options = msgspec.structs.asdict(address)
    del options["tls"]
    return pymysql.connect(**{key: value for key, value in options.items() if value})


@pytest.fixture
def monitor(mysql_url: str) -> Iterator[Monitor]:
    found = monitor_for(mysql_url, NAME)
    assert found is not None
    with closing(found):
        yield found


@pytest.fixture(scope="session")
def small_mysql() -> Iterator[str]:
    """A server with few connections that notes no names."""
    if lack := lacking():
        pytest.skip(lack)
    with mariadb(**{"max-connections": 10, "performance-schema": "OFF"}) as url:
        yield url


def wrong(url: str, **changed: Any) -> str:
    return msgspec.structs.replace(MySQLAddress.parse(url), **changed).url


def test_a_server_tells_what_it_is_and_what_it_has_left(mysql_url: str) -> None:
    target = reach(mysql_url)
    assert target.product in ("MySQL", "MariaDB")
    assert target.version[0].isdigit()
    assert target.max_connections is not None
    assert target.free_connections is not None
    assert 0 < target.free_connections <= target.max_connections
    assert target.shown.startswith("mysql://")
    password = MySQLAddress.parse(mysql_url).password
    for shown in (target.shown, repr(target), repr(target.describe()), target.about):
        assert not password or password not in shown


def test_free_connections_are_what_the_server_then_grants(small_mysql: str) -> None:
    free = reach(small_mysql).free_connections
    assert free is not None
    held = [connect(small_mysql) for _ in range(free)]
    assert reach(wrong(small_mysql)).free_connections == 0  # an administrator has one to spare
    held.append(connect(small_mysql))
    with pytest.raises(ServerError, match=r"has no connection left .*lower the pool's limit"):
        reach(small_mysql)
    for connection in held:
        connection.close()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": "wr0ng"}, r"refused user poolviz: check the user and the password"),
        ({"user": "nobody", "password": "wr0ng"}, r"refused user nobody"),
        ({"database": "nix"}, r"has no database nix: check the name"),
        ({"port": 1}, r"can't be reached \(connection refused\): check that it runs"),
        (
            {"host": "nowhere.invalid"},
            r"can't be reached \(no such host is known\): check the host",
        ),
        ({"unix_socket": "/no/socket"}, r"at /no/socket can't be reached \(no such file"),
    ],
)
def test_what_is_wrong_is_one_sentence_without_the_password(
    small_mysql: str, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ServerError, match=said) as it:
        reach(wrong(small_mysql, **changed))
    assert "\n" not in str(it.value)
    assert not any(secret in str(it.value) for secret in ("s3cret", "wr0ng"))


@pytest.mark.parametrize(
    "url",
    [
        "mysql:",
        "mysql://u:s3cret@x@h/d",
        "mysql://u:s3/cret@h/d",
        "mysql://u:s3cret@h:s3cret/d",
        "mysql://u:s3cret@h:99999/d",
        "mysql://h/d?sslca=x",
        "mysql://h/d?s3cret!=x",
        "mysql://h/d?charset=klingon",
        "mysql://h/d?connect_timeout=0",
    ],
)
def test_a_url_that_cannot_be_read_is_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises(InputError) as it:
        reach(url)
    assert len(it.value.problems) == 1
    assert "s3cret" not in str(it.value)


_words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


@given(user=_words, password=_words, database=_words, name=_words)
def test_an_address_survives_being_written_as_a_url(
    user: str, password: str, database: str, name: str
) -> None:
    address = MySQLAddress(
        user=user,
        password=password if user else "",
        host="::1",
        port=3307,
        database=database.lstrip("/"),
        program_name=name,
        tls={"ssl_ca": "/a b/c&d"},
    )
    assert MySQLAddress.parse(address.url) == address


def test_backends_of_the_run_are_counted_by_state(mysql_url: str, monitor: Monitor) -> None:
    assert monitor.look() == ServerView()
    with closing(connect(mysql_url)), closing(connect(mysql_url)) as busy:
        wait_until(lambda: monitor.look() == ServerView(idle=2), "two are idle")
        sleeping = threading.Thread(target=_sleep, args=(busy,))
        sleeping.start()
        wait_until(lambda: monitor.look() == ServerView(active=1, idle=1), "one is active")
        assert wait_until(monitor.cancel_statements, "its statement is broken off") == 1
        sleeping.join(BOUND)
        assert not sleeping.is_alive()
        with closing(connect(mysql_url, "another program")):
            wait_until(lambda: monitor.look() == ServerView(idle=2), "both are idle again")
    assert monitor.trouble == ""


def _sleep(connection: Any) -> None:
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT SLEEP(60)")
        except pymysql.OperationalError as error:
            assert error.args[0] == 1317  # "Query execution was interrupted"


def test_statements_of_others_are_not_broken_off(mysql_url: str, monitor: Monitor) -> None:
    with closing(connect(mysql_url, "another program")) as other:
        working = threading.Thread(target=other.query, args=("SELECT SLEEP(0.3)",))
        working.start()
        while working.is_alive():
            assert monitor.cancel_statements() == 0


def test_a_server_without_names_is_a_sentence_and_no_view(small_mysql: str) -> None:
    monitor = monitor_for(small_mysql, NAME)
    assert monitor is not None
    with closing(monitor):
        assert monitor.look() is None
        assert "keeps no names of connections; performance_schema=ON" in monitor.trouble


def test_a_server_that_is_gone_is_a_sentence_and_no_view() -> None:
    monitor = monitor_for("mysql://u:s3cret@127.0.0.1:1/d", NAME)
    assert monitor is not None
    with closing(monitor):
        assert monitor.look() is None
        assert monitor.cancel_statements() == 0
        assert "can't be reached (connection refused)" in monitor.trouble
        assert "s3cret" not in monitor.trouble


def test_a_pool_is_only_run_on_a_server_that_it_knows() -> None:
    check_server(pool_class("asyncpg.Pool"), None)
    check_server(pool_class("asyncpg.Pool"), "host=x")
    check_server(pool_class("aiomysql.Pool"), "mariadb://h/d")
    for dsn in (None, "postgresql://h/d", "sqlite:///f.db"):
        with pytest.raises(InputError, match=r"^aiomysql\.Pool runs on MySQL: .* mysql://"):
            check_server(pool_class("aiomysql.Pool"), dsn)
    with pytest.raises(InputError, match=r"^asyncpg\.Pool runs on PostgreSQL: .* postgresql://"):
        check_server(pool_class("asyncpg.Pool"), "mysql://u:s3cret@h/d")


def test_the_tests_own_server_is_gone_with_its_folder_when_they_are_killed() -> None:
    if lack := lacking():
        pytest.skip(lack)
    code = "import sys\nfrom tests.servers.mysql_server import mariadb\n"
    code += "with mariadb() as url:\n    print(url, flush=True)\n    sys.stdin.read()\n"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    ) as tests:
        assert tests.stdout is not None
        url = tests.stdout.readline().strip()
        started = psutil.Process(tests.pid).children(recursive=True)
        (server,) = [one for one in started if one.name() == "mariadbd"]
        (data,) = [part for part in server.cmdline() if part.startswith("--datadir=")]
        folder = Path(data.partition("=")[2]).parent
        assert folder.exists()
        os.kill(tests.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(started, timeout=BOUND)
    assert url
    assert not alive
    assert not folder.exists()


def test_sqlite_is_reached_without_making_a_file(tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    target = reach(f"sqlite:///{file}")
    assert (target.product, target.version) == ("SQLite", sqlite3.sqlite_version)
    assert target.max_connections is target.free_connections is None
    assert target.has_room_for(10_000)
    assert "max_connections" not in target.describe()
    assert not file.exists()
    assert reach("sqlite://").conninfo == "sqlite://"
    assert monitor_for(target.conninfo, NAME) is None


def test_a_sqlite_file_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database " * 100)
    for name, said in (
        ("no/file.db", "There is no folder"),
        ("", "is a folder"),
        ("text.db", "can't be read as a SQLite database"),
    ):
        with pytest.raises(ServerError, match=said):
            reach(f"sqlite:///{tmp_path}/{name}")
    with pytest.raises(InputError, match=r"write it as sqlite:///file\.db"):
        reach("sqlite://file.db")
