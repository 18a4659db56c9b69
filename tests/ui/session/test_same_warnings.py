"""The same warnings for the same request, wherever it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

import poolviz
from poolviz.commands.cli import run_command_line
from poolviz.runs.request import check_draft
from poolviz.runs.warnings import TOPICS, warnings_before
from poolviz.scenarios.draft import Draft
from poolviz.servers.dispatch import drop_tables, reach
from poolviz.ui.session.controller import State
from poolviz.ui.window import Window
from tests.servers.fixtures import TcpServer, tcp_server
from tests.ui.running import allow_tables, servers_home, until, window

__all__ = ["servers_home", "tcp_server", "window"]


@pytest.fixture
def dsn(conninfo: str) -> Iterator[str]:
    try:
        yield conninfo
    finally:
        drop_tables(conninfo)


DRAFTS = {
    "tables": Draft(load={"statement": "read", "clients": 2}, duration=0.3),
    "more clients than the pool is made for": Draft(
        pool="psycopg2.SimpleConnectionPool", load={"clients": 2}, duration=0.3
    ),
    "a change that wants tables and clients": Draft(
        pool="psycopg2.SimpleConnectionPool",
        changes=[{"at": 0.2, "clients": 3}, {"at": 0.2, "statement": "read"}],
        duration=0.4,
    ),
}


@pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS.keys())
def test_the_window_gives_the_warnings_of_a_request(
    draft: Draft, dsn: str, window: Window, qtbot: QtBot
) -> None:
    expected = [warning.sentence for warning in warnings_before(check_draft(draft), reach(dsn))]
    assert expected
    controller = window.controller
    controller.plan(check_draft(draft))
    controller.connect_to(dsn)
    until(qtbot, lambda: controller.target is not None)
    before = [controller.notices.standing(topic) for topic in TOPICS]
    assert [sentence for sentence in before if sentence] == expected
    said: list[str] = []
    controller.notices.said.connect(lambda notice: said.append(notice.sentence))
    allow_tables(window)
    controller.start()
    until(qtbot, lambda: controller.state is State.READY and controller.recorder is not None)
    heard = [sentence for sentence in said if sentence in expected]
    assert heard[-len(expected) :] == expected  # before that, those of a start that was refused


@pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS.keys())
def test_the_command_and_python_give_the_same_warnings_of_it(
    draft: Draft, dsn: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    expected = [warning.sentence for warning in warnings_before(check_draft(draft), reach(dsn))]
    with poolviz.run(_mapping(draft), dsn=dsn, create_tables=True) as result:
        found = [warning.sentence for warning in result.warnings]
    assert found[: len(expected)] == expected
    drop_tables(dsn)
    capfd.readouterr()
    scenario = tmp_path / "scenario.toml"
    _write(draft, scenario)
    options = ["--dsn", dsn, "--create-tables", "--json"]
    assert run_command_line(["run", str(scenario), *options]) == 0
    printed = capfd.readouterr().err
    assert [line for line in expected if f"poolviz: {line}\n" in printed] == expected


def test_a_server_with_too_little_room_is_warned_about_with_the_one_that_watches(
    tcp_server: TcpServer, capfd: pytest.CaptureFixture[str]
) -> None:
    dsn = tcp_server.dsn()
    free = reach(dsn).free_connections
    assert free is not None
    limits, load = {"pool_size": free, "max_overflow": 0}, {"clients": free}
    with poolviz.run(limits=limits, load=load, dsn=dsn, duration=0.3) as result:
        (warning,) = result.warnings
    assert warning.topic == "connections"
    assert f"may open {free} connections and poolviz one more" in warning.sentence
    assert f"has {free} of 12 free" in warning.sentence
    fitting = {"pool_size": free - 1, "max_overflow": 0}
    with poolviz.run(limits=fitting, load=load, dsn=dsn, duration=0.3) as result:
        assert result.warnings == ()
    options = [*("--limit", f"pool_size={free}"), *("--limit", "max_overflow=0")]
    run_command_line(
        ["run", "--dsn", dsn, *options, "--load", f"clients={free}", "--duration", "0.3", "--json"]
    )
    assert f"poolviz: {warning.sentence}\n" in capfd.readouterr().err


def _mapping(draft: Draft) -> dict[str, object]:
    return {
        "pool": draft.pool,
        "load": draft.load,
        "changes": draft.changes,
        "duration": draft.duration,
    }


def _write(draft: Draft, path: Path) -> None:
    lines = [f"pool = '{draft.pool}'", f"duration = {draft.duration}", "[load]"]
    lines += [f"{key} = {value!r}" for key, value in draft.load.items()]
    for change in draft.changes:
        lines += ["[[changes]]", *(f"{key} = {value!r}" for key, value in change.items())]
    path.write_text("\n".join(lines))
