"""Tables on the command line: made by a run that needs them, or by a command of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

import poolviz
from poolviz.commands.cli import run_command_line
from tests.servers.fixtures import ask

if sys.platform != "win32":
    import pty

QUICK = ("--load", "clients=2", "--load", "hold_time=0", "--load", "think_time=1ms", "--json")


@pytest.fixture
def dsn(conninfo: str) -> Iterator[str]:
    """A database without a schema poolviz."""
    with closing(psycopg2.connect(conninfo)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE poolviz_tables")
            yield make_dsn(conninfo, dbname="poolviz_tables")
            cursor.execute("DROP DATABASE poolviz_tables WITH (FORCE)")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any) -> Any:
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        status = run_command_line(list(arguments))
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return command


def schemas(dsn: str) -> int:
    return int(ask(dsn, "SELECT count(*) FROM pg_namespace WHERE nspname = 'poolviz'"))


def test_a_run_that_writes_makes_its_tables_and_says_so(run: Any, dsn: str) -> None:
    status, out, err = run(
        *("run", "--dsn", dsn, "--load", "statement=read_write", "--duration", "1", *QUICK),
        "--create-tables",
    )
    result = json.loads(out)
    assert status == 0
    assert result["errors"] == {}
    assert result["operations"] == ask(dsn, "SELECT count(*) FROM poolviz.history") > 0
    assert "poolviz: Creating schema poolviz: tables of scale 1 with 100,000 accounts\n" in err
    assert "poolviz: 100 % of the accounts are inserted\n" in err
    assert "stays there until you drop it, with `poolviz tables --drop`" in err


def test_a_run_that_changes_to_reading_later_has_its_tables_by_then(run: Any, dsn: str) -> None:
    status, out, err = run(
        *("run", "--dsn", dsn, "--load", "statement=select_1", "--duration", "0.8", *QUICK),
        *("--at", "0.4:statement=read", "--create-tables"),
    )
    assert status == 0
    assert json.loads(out)["errors"] == {}
    assert "Creating schema poolviz" in err


def test_nothing_is_created_on_a_users_server_that_was_not_allowed(run: Any, dsn: str) -> None:
    request = ("run", "--dsn", dsn, "--load", "statement=read", "--duration", "0.3", *QUICK)
    status, out, err = run(*request)
    assert (status, out) == (2, "")
    assert "creates nothing there unless you allow it: with --create-tables" in err
    assert schemas(dsn) == 0
    with pytest.raises(poolviz.PoolvizError, match="create_tables=True"):
        poolviz.run(load={"statement": "read"}, dsn=dsn, duration=0.3)
    assert schemas(dsn) == 0
    run("tables", "--dsn", dsn)
    assert run(*request)[0] == 0  # they are there now
    status, _, err = run(*request, "--load", "scale=2")
    assert status == 2
    assert ask(dsn, "SELECT count(*) FROM poolviz.accounts") == 100_000


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 2), ("\n", 2), ("\x04", 2)])
def test_at_a_terminal_the_user_is_asked(dsn: str, answer: str, status: int) -> None:
    command = [sys.executable, "-m", "poolviz", "run", "--dsn", dsn, "--duration", "0.3", *QUICK]
    terminal, end = pty.openpty()
    try:
        with subprocess.Popen(
            [*command, "--load", "statement=read"], stdin=end, stderr=end, stdout=subprocess.PIPE
        ) as process:
            shown = ""
            while "[y/N]" not in shown:
                shown += os.read(terminal, 1000).decode()
            assert schemas(dsn) == 0
            os.write(terminal, answer.encode())
            assert process.stdout is not None
            out = process.stdout.read()
            assert process.wait(60) == status
    finally:
        os.close(end)
        os.close(terminal)
    assert bool(out) == (status == 0)
    assert schemas(dsn) == (1 if status == 0 else 0)


def test_a_run_that_needs_no_tables_makes_none(run: Any, dsn: str) -> None:
    status, _, err = run("run", "--dsn", dsn, "--load", "scale=3", "--duration", "0.3", *QUICK)
    assert status == 0
    assert schemas(dsn) == 0
    assert "schema" not in err


def test_what_is_in_the_way_ends_the_run_before_it_begins(run: Any, dsn: str) -> None:
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA poolviz CREATE TABLE mine (a int)")
    status, out, err = run("run", "--dsn", dsn, "--load", "statement=read", *QUICK)
    assert (status, out) == (3, "")
    assert err.splitlines()[-1].startswith(
        "poolviz: The server has a schema poolviz that poolviz didn't create, with mine in it"
    )


def test_the_command_makes_and_drops_them(run: Any, dsn: str) -> None:
    status, out, err = run("tables", "--dsn", dsn, "--scale", "2")
    assert status == 0
    assert out.startswith("Made tables of scale 2 in schema poolviz on postgresql://")
    assert "200,000 accounts" in err
    assert ask(dsn, "SELECT count(*) FROM poolviz.accounts") == 200_000
    status, out, err = run("tables", "--dsn", dsn)
    assert status == 0
    assert "are there already, of scale 1 or more." in out
    assert err == ""
    status, out, err = run("tables", "--dsn", dsn, "--drop")
    assert status == 0
    assert out.startswith("Dropped the tables in schema poolviz on ")
    assert schemas(dsn) == 0
    status, out, err = run("tables", "--dsn", dsn, "--drop")
    assert status == 0
    assert out.startswith("There is no schema poolviz on ")


def test_a_scale_that_is_none_is_wrong_use(run: Any, dsn: str) -> None:
    assert run("tables", "--dsn", dsn, "--scale", "0") == (
        2,
        "",
        "poolviz: scale is 0: it takes a whole number, from 1 to 10000.\n",
    )
    assert schemas(dsn) == 0


def test_a_statement_that_the_server_does_not_run_is_wrong_use(run: Any, tmp_path: Path) -> None:
    status, out, err = run(
        "run", "--dsn", f"sqlite:///{tmp_path / 'x.db'}", "--load", "statement=read", *QUICK
    )
    assert (status, out) == (2, "")
    assert "statement is read, which runs on PostgreSQL and MySQL and MariaDB" in err
    status, out, err = run("run", "--load", "statement=sql", *QUICK)
    assert (status, out) == (2, "")
    assert "statement is sql, and sql holds none" in err
