"""`poolviz doctor --dsn` tests a server, and changes nothing there."""

from __future__ import annotations

import json

import pytest

from poolviz.commands.cli import run_command_line
from tests.servers.fixtures import TcpServer, tcp_server
from tests.servers.pgbouncer import pgbouncer

__all__ = ["pgbouncer", "tcp_server"]


def test_a_server_is_described_for_people(
    tcp_server: TcpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["doctor", "--dsn", tcp_server.dsn()]) == 0
    out = capsys.readouterr().out
    assert "ok  PostgreSQL" in out
    assert 'GRANT pg_monitor TO "alice"' in out
    assert "connections are free" in out
    assert "s3cret" not in out


def test_a_pooler_is_described_for_programs(
    pgbouncer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["doctor", "--dsn", pgbouncer, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pooler"]["mode"] == "transaction"
    assert found["pooler"]["name"].startswith("PgBouncer")
    assert (
        "prepare_threshold=never"
        in {each["topic"]: each for each in found["findings"]}["prepared"]["remedy"]
    )


def test_a_server_that_refuses_is_one_sentence_and_a_status(
    tcp_server: TcpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["doctor", "--dsn", tcp_server.dsn(password="s3cret no")]) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1 and "refused the password" in printed.err
    assert "s3cret" not in printed.err
