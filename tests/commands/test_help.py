"""`poolviz help`: what is declared is found there, each with its bounds, default and help."""

from __future__ import annotations

import pytest

from poolviz.commands.cli import run_command_line
from poolviz.commands.help import TOPICS
from poolviz.load.faults import FAULT_PARAMETERS
from poolviz.load.settings import SETTINGS
from poolviz.pools.registry import POOLS


def shown(capsys: pytest.CaptureFixture[str], topic: str) -> str:
    assert run_command_line(["help", topic]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_every_connect_argument_is_there_with_the_pools_that_take_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, "connect")
    for id, pool in POOLS.items():
        for arguments in pool.connect.values():
            for key, argument in arguments.items():
                assert f"{key}: {argument.allowed()}; " in text, (id, key)
                assert argument.help in text
    assert "prepare_threshold: a whole number, from 0 to 1000000, or -1 (never); 5 by" in text
    (lifetime,) = (part for part in text.split("Taken by ") if "max_cached_statement" in part)
    assert "300 s by default" in lifetime
    after = text.partition("max_cached_statement_lifetime:")[2].partition("Taken by ")[2]
    assert after.startswith("sqlalchemy.AsyncAdaptedQueuePool, asyncpg.Pool.")


def test_a_key_of_several_servers_says_for_which(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "connect")
    assert "sqlalchemy.QueuePool (mysql)" in text.partition("read_timeout:")[2].partition("by")[2]
    assert "asyncpg.Pool (" not in text


@pytest.mark.parametrize(
    "topic", ["limits", "limit", "load", "faults", "at", "own-pool", "FAIL_IF"]
)
def test_topics_have_all_that_is_declared(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, topic)
    expected = {
        "limits": [key for pool in POOLS.values() for key in pool.limits],
        "load": list(SETTINGS),
        "faults": list(FAULT_PARAMETERS),
        "own-pool": ["acquire", "release", "url", "clients"],
        "FAIL_IF": ["wait_…", "open_after_close"],
    }
    same = {"limit": "limits", "at": "faults"}
    assert all(key in text for key in expected[same.get(topic, topic)])


def test_every_topic_is_named_by_the_help_of_help(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "help")
    assert all(f" {topic} " in text for topic in TOPICS)


def test_a_mistyped_topic_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["help", "conect"]) == 2
    assert "perhaps connect" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("wait_p95", "db.client.connection.wait_time"),
        ("QueuePool", "callers wait, for pool_timeout at most"),
        ("pool_size", "sqlalchemy.SingletonThreadPool"),
        ("lock-table", "begins a segment"),
        ("undersized", "pool_size = 10"),
        (".csv", ".events.csv"),
        ("keys", "Shift+F5"),
        ("licences", "SQLAlchemy"),
        ("run", "--fail-if"),
    ],
)
def test_a_topic_is_explained(topic: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in shown(capsys, topic)


def test_without_a_topic_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["help"]) == 0
    listed = capsys.readouterr().out
    for name in ("wait_time", "sqlalchemy.QueuePool", "max_overflow", "leak", "doctor", "fail-if"):
        assert f" {name}" in listed


def test_words_are_searched_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["help", "--search", "idle in transaction"]) == 0
    assert "server_backends\n" in capsys.readouterr().out
    assert run_command_line(["help", "--search", "xyzzyplugh"]) == 2
    assert "No topic has 'xyzzyplugh'" in capsys.readouterr().err
    assert run_command_line(["help", "leak", "--search", "leak"]) == 2
    assert "not both" in capsys.readouterr().err
