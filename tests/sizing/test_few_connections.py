"""Sweeps on a server that has few connections left, or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg2
import pytest

from poolviz.commands.cli import run_command_line
from poolviz.servers.dispatch import reach
from tests.servers.fixtures import TcpServer, tcp_server

__all__ = ["tcp_server"]


@contextmanager
def only(server: TcpServer, free: int) -> Iterator[None]:
    """Hold all of a user's connections but so many."""
    with ExitStack() as held:
        while True:
            left = reach(server.dsn()).free_connections
            assert left is not None
            if left <= free:
                break
            held.enter_context(closing(psycopg2.connect(server.dsn())))
        yield


@pytest.mark.parametrize(("free", "said"), [(1, "the server has 0"), (3, "the server has 1")])
def test_too_few_connections_are_one_sentence(
    tcp_server: TcpServer, free: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with only(tcp_server, free):
        status = run_command_line(["size", "--dsn", tcp_server.dsn(), "--load", "clients=4"])
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert "There is no room for this sweep" in printed.err and said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert "s3cret" not in printed.err


def test_no_connection_at_all_is_one_sentence(
    tcp_server: TcpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with only(tcp_server, 1), closing(psycopg2.connect(tcp_server.dsn())):
        status = run_command_line(["size", "--dsn", tcp_server.dsn(), "--load", "clients=4"])
    printed = capsys.readouterr()
    assert (status, printed.out) == (3, "")
    assert len(printed.err.splitlines()) == 1


def test_the_few_that_are_left_are_swept(
    tcp_server: TcpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--load", "clients=4", "--load", "statement_time=20ms", "--budget", "15"]
    with only(tcp_server, 4):
        status = run_command_line(["size", "--dsn", tcp_server.dsn(), "--no-keep", *options])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    assert "pool_size above 2 wasn't tried: the server has 2 for the sweep." in printed.out
