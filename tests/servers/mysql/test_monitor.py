"""The monitor of MySQL and MariaDB: what it counts, and what it says when it can't."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pymysql
import pytest

from poolviz.model.sample import ServerView
from poolviz.servers.dispatch import monitor_for, reach
from poolviz.servers.monitor import Monitor
from tests.servers.fixtures import BOUND, wait_until
from tests.servers.mysql_server import NAME, connect


@pytest.fixture
def monitor(mysql_url: str) -> Iterator[Monitor]:
    found = monitor_for(mysql_url, NAME)
    assert found is not None
    with closing(found):
        yield found


def of_run(monitor: Monitor) -> ServerView | None:
    """What the monitor sees of its run, without other programs."""
    view = monitor.view()
    return None if view is None else msgspec.structs.replace(view, others=None, free=None)


def test_others_and_what_they_leave_are_counted(mysql_url: str, monitor: Monitor) -> None:
    free = reach(mysql_url).free_connections
    assert free is not None
    with closing(connect(mysql_url)), closing(connect(mysql_url, "another program")):

        def seen() -> bool:
            view = monitor.view()
            return view is not None and (view.total, view.free) == (1, free - 3)

        wait_until(seen, "one of the run, one of another program and its own")
        view = monitor.view()
        assert view is not None and view.others is not None and view.others >= 1


def test_backends_of_the_run_are_counted_by_state(mysql_url: str, monitor: Monitor) -> None:
    assert of_run(monitor) == ServerView()
    with closing(connect(mysql_url)), closing(connect(mysql_url)) as busy:
        wait_until(lambda: of_run(monitor) == ServerView(idle=2), "two are idle")
        sleeping = threading.Thread(target=_sleep, args=(busy,))
        sleeping.start()
        wait_until(lambda: of_run(monitor) == ServerView(active=1, idle=1), "one is active")
        assert wait_until(monitor.cancel_statements, "its statement is cancelled") == 1
        sleeping.join(BOUND)
        assert not sleeping.is_alive()
        with closing(connect(mysql_url, "another program")):
            wait_until(lambda: of_run(monitor) == ServerView(idle=2), "both are idle again")
    assert monitor.problem == ""


def _sleep(connection: Any) -> None:
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT SLEEP(60)")
        except pymysql.OperationalError as error:
            assert error.args[0] == 1317  # "Query execution was interrupted"


def test_statements_of_others_are_not_cancelled(mysql_url: str, monitor: Monitor) -> None:
    with closing(connect(mysql_url, "another program")) as other:
        working = threading.Thread(target=other.query, args=("SELECT SLEEP(0.3)",))
        working.start()
        while working.is_alive():
            assert monitor.cancel_statements() == 0


def test_a_server_without_connection_names_gives_no_view_but_a_sentence(small_mysql: str) -> None:
    monitor = monitor_for(small_mysql, NAME)
    assert monitor is not None
    with closing(monitor):
        assert monitor.view() is None
        assert "doesn't record the names of connections; performance_schema=ON" in monitor.problem


def test_a_server_that_is_gone_gives_no_view_but_a_sentence() -> None:
    monitor = monitor_for("mysql://u:s3cret@127.0.0.1:1/d", NAME)
    assert monitor is not None
    with closing(monitor):
        assert monitor.view() is None
        assert monitor.cancel_statements() == 0
        assert "can't be reached (connection refused)" in monitor.problem
        assert "s3cret" not in monitor.problem
