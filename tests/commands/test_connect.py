"""Connect arguments on the command line, from there to the result and back, and DATABASE_URL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import poolviz
from poolviz.commands.cli import run_command_line
from poolviz.scenarios.toml_file import read_draft

SHORT = ["--quiet", "--load", "clients=2", "--duration", "0.5"]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any) -> Any:
    """Runs a command line in an empty folder; its status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        status = run_command_line(list(arguments))
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return command


def test_connect_arguments_are_named_wherever_the_run_is(run: Any, conninfo: str) -> None:
    given = ["--connect", "prepare_threshold=never", "--connect", "keepalives_idle=30s"]
    files = ["--out", "own.json", "--out", "own.toml", "--out", "own.poolviz"]
    pool = ["--pool", "psycopg_pool.ConnectionPool", "--dsn", conninfo]
    status, out, _ = run("run", *pool, *SHORT, *given, *files, "--json")
    expected = {"prepare_threshold": -1, "keepalives_idle": 30.0}
    assert status == 0
    assert json.loads(out)["connect"] == expected
    written = json.loads(Path("own.json").read_text())
    assert written["connect"] == written["manifest"]["scenario"]["connect"] == expected
    assert read_draft(Path("own.toml")).connect == expected
    with poolviz.open_session("own.poolviz") as session:
        assert session.scenario.connect == session.summary().connect == expected
    again = ["own.toml", "--dsn", conninfo, "--quiet"]
    assert json.loads(run("run", *again, "--json")[1])["connect"] == expected
    assert (
        "  connect       prepare_threshold=never, keepalives_idle=30 s\n" in run("run", *again)[1]
    )


MISTAKES = {
    ("--connect", "statement_cache_size=0"): "asyncpg.Pool have it.",
    ("--connect", "prepare_treshold=0"): "perhaps prepare_threshold is meant.",
    ("--connect", "max_size=3"): "and belongs to [limits].",
    ("--connect", "prepare_threshold"): "it takes KEY=VALUE, such as prepare_threshold=never.",
    ("--connect", "prepare_threshold=-2"): "from 0 to 1000000, or -1 (never).",
    ("--limit", "autocommit=on"): "and belongs to [connect].",
    ("--at", "0.1:autocommit=on"): "applies when the pool is made: start a new run with it.",
}


@pytest.mark.parametrize("given", MISTAKES)
def test_a_mistake_is_answered_in_a_sentence(run: Any, given: tuple[str, str]) -> None:
    status, out, err = run("run", "--pool", "psycopg_pool.ConnectionPool", *SHORT, *given)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert MISTAKES[given] in err


def test_database_url_is_offered_and_not_used(
    run: Any, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:s3cret@nowhere.invalid/app")
    _, out, err = run("run", "--load", "clients=1", "--duration", "0.3")
    assert " on embedded PostgreSQL" in out
    assert "DATABASE_URL is set, and isn't used unless you say so: --dsn" in err
    assert "s3cret" not in err
    assert "nowhere" not in err
    _, _, err = run("run", "--load", "clients=1", "--duration", "0.3", "--dsn", conninfo)
    assert "DATABASE_URL" not in err


def test_connect_arguments_from_python() -> None:
    given = {"statement_cache_size": 0}
    with poolviz.run(pool="asyncpg.Pool", connect=given, duration=0.3) as result:
        assert result.connect == given
        scenario = result.session.scenario
    with poolviz.run(scenario, duration=0.3) as again:
        assert again.to_dict()["connect"] == given
    with poolviz.run(scenario, pool="asyncpg.Pool", duration=0.3) as other:
        assert other.connect == {}
