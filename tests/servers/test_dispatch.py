"""The choice of what speaks to a server, and what is imported for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from poolviz.model.errors import InputError, ServerError
from poolviz.servers import dispatch
from tests.servers.fixtures import BOUND, PROJECT


def test_mysql_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    for use in (
        lambda: dispatch.reach("mysql://u@h/d"),
        lambda: dispatch.monitor_for("mariadb://u@h/d", "a"),
        lambda: dispatch.prepare_tables("mysql+pymysql://u@h/d", 1),
        lambda: dispatch.count_rows("mysql://u@h/d", 1.0),
    ):
        with pytest.raises(InputError, match=r"pip install 'poolviz\[mysql\]'\.$"):
            use()


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        (
            "poolviz.servers.dispatch",
            ("psycopg2", "pymysql", "numpy", "sqlite3", "poolviz.servers.embedded"),
        ),
        ("poolviz.servers.embedded.server", ("psycopg2", "pymysql", "numpy", "sqlite3")),
        ("poolviz.servers.postgres.access", ("pymysql", "numpy", "sqlite3")),
    ],
)
def test_importing_it_loads_no_driver_that_is_not_needed(
    module: str, unneeded: tuple[str, ...]
) -> None:
    code = f"import sys, {module}\nprint(*(set({unneeded}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=True,
    )
    assert done.stdout.split() == []


class OtherDriversError(Exception):
    """As asyncpg's: with a SQLSTATE, and the server's words."""

    sqlstate = "28P01"


@pytest.mark.parametrize(
    "error",
    [
        psycopg2.OperationalError('password authentication failed for user "u"'),
        OtherDriversError('password authentication failed for user "u"'),
    ],
)
def test_an_error_of_any_driver_for_postgresql_is_described(error: Exception) -> None:
    described = dispatch.describe_error(error, "host=h user=u password=s3cret")
    assert isinstance(described, ServerError)
    assert str(described).startswith("The server at h:5432 refused the password of user u: ")
    assert described.code == "28P01"


def test_an_error_of_the_network_is_described() -> None:
    described = dispatch.describe_error(ConnectionRefusedError("Connection refused"), "host=h")
    assert str(described).startswith("Nothing listens at h:5432: ")


@pytest.mark.parametrize("conninfo", ["host=h", "mysql://u@h/d", "sqlite://"])
def test_an_error_of_no_driver_is_not_described(conninfo: str) -> None:
    assert dispatch.describe_error(ValueError("made"), conninfo) is None


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("DATABASE_URL=", "DATABASE_URL="),
        ('export DATABASE_URL="', 'export DATABASE_URL="'),
        ("DATABASE_URL: ", "DATABASE_URL:"),
        ('"', "a quotation mark"),
        ("jdbc:", "jdbc:"),
    ],
)
@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "mysql+pymysql", "sqlite"])
def test_what_was_copied_with_a_url_is_named(before: str, said: str, scheme: str) -> None:
    with pytest.raises(InputError) as caught:
        dispatch.reach(f"{before}{scheme}://me:s3cret@127.0.0.1:1/db")
    assert f"The DSN has {said} before its URL: leave that out" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_keywords_whose_values_resemble_urls_are_read(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="socket"):
        dispatch.reach(f"host={tmp_path} dbname=a password=b:c://d")
