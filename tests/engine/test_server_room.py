"""Other programs that leave the server too few connections for the pool, on a small server."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing

import psycopg2
import pytest

from poolviz.commands.cli import run_command_line
from poolviz.engine.server_room import ServerRoom, most_connections
from poolviz.model.sample import ServerView
from poolviz.servers.dispatch import reach
from tests.servers.fixtures import TcpServer, tcp_server
from tests.sessions.builders import Tick, samples

__all__ = ["tcp_server"]


def warnings_of(views: list[ServerView], *, capacity: int | None, clients: int) -> list[str]:
    """What is said while the server gives these views, one after the other."""
    sentences: list[str] = []
    room = ServerRoom(sentences.append)
    for sample in samples(
        [Tick(server=view, capacity=capacity, clients=clients) for view in views]
    ):
        room.see(sample.server, most_connections(sample))
    return sentences


@pytest.mark.parametrize(
    ("view", "capacity", "clients", "lacking"),
    [
        (ServerView(idle=2, others=7, free=3), 5, 40, False),  # just enough
        (ServerView(idle=2, others=7, free=2), 5, 40, True),
        (ServerView(idle=2, others=7, free=2), None, 4, False),
        (ServerView(idle=2, others=7, free=2), None, 5, True),
        (ServerView(idle=2, others=0, free=2), 50, 90, False),  # nobody else is there
        (ServerView(idle=2), 50, 90, False),  # an older session's, or unknown
    ],
)
def test_a_lack_is_what_the_pool_may_open_beyond_what_is_free(
    view: ServerView, capacity: int | None, clients: int, *, lacking: bool
) -> None:
    assert bool(warnings_of([view], capacity=capacity, clients=clients)) is lacking


def test_a_lack_is_told_once_and_is_over_when_it_has_been_for_a_while() -> None:
    crowded = ServerView(idle=1, others=9, free=0)
    roomy = ServerView(idle=1, others=1, free=8)
    views = [crowded, roomy, crowded, crowded, *[roomy] * 5, roomy, crowded]
    assert [bool(each) for each in warnings_of(views, capacity=5, clients=9)] == [True, False, True]


def test_a_run_warns_of_other_programs_and_counts_them(
    tcp_server: TcpServer, capfd: pytest.CaptureFixture[str]
) -> None:
    dsn = tcp_server.dsn()
    free = reach(dsn).free_connections
    assert free is not None
    others = free - 4
    with ExitStack() as opened:
        for _ in range(others):
            connection = psycopg2.connect(dsn, application_name="another program")
            opened.enter_context(closing(connection))
        # One at first: the server's view needs a connection before the pool takes the last one.
        options = [*("--limit", "pool_size=1"), *("--limit", "max_overflow=0")]
        options += ["--at", "2:pool_size=6"]
        load = [*("--load", "clients=6"), *("--load", "hold_time=20ms")]
        run_command_line(["run", "--dsn", dsn, *options, *load, "--duration", "5", "--json"])
    printed = capfd.readouterr()
    assert json.loads(printed.out)["server_others_max"] == others
    assert f"poolviz: Other programs hold {others} connections of the server: " in printed.err
