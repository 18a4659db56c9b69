"""The options of a pool of one's own: in a scenario, on the command line, from Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poolviz.commands.cli import run_command_line
from poolviz.model.errors import InputError
from poolviz.pools.custom.own_options import split_id, with_options
from poolviz.pools.registry import load_pool, pool_id
from poolviz.scenarios.presets import open_scenario
from poolviz.scenarios.toml_file import as_toml

FILE = """
from psycopg2.pool import ThreadedConnectionPool

class Mine:
    def __init__(self, dsn, size=4):
        self.pool = ThreadedConnectionPool(1, size, dsn)
    def hand_out(self):
        return self.pool.getconn()
    def take_in(self, conn):
        self.pool.putconn(conn)
"""
OPTIONS = {"acquire": "hand_out", "release": "take_in"}


def test_options_are_part_of_the_id_and_of_the_scenario_that_is_written(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text('pool = "db.py:Pool"\n[own_pool]\nrelease = "take_in"\nacquire = "hand_out"\n')
    draft = open_scenario(path)
    assert draft.mistakes == ()
    assert draft.pool == "db.py:Pool?acquire=hand_out&release=take_in"
    assert split_id(draft.pool) == ("db.py:Pool", OPTIONS)
    path.write_text(as_toml(draft))
    assert open_scenario(path).pool == draft.pool
    assert 'pool = "db.py:Pool"' in path.read_text()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('[own_pool]\naquire = "x"', "own_pool.aquire is no option of a pool of one's own"),
        ("[own_pool]\nacquire = 3", "own_pool.acquire takes a text, the name of a method"),
        ('[own_pool]\nacquire = "a b"', "own_pool.acquire is 'a b': it takes the name of a method"),
        ('[own_pool]\nurl = "mine"', "own_pool.url is 'mine': it takes 'run' or 'own'"),
        ("own_pool = 3", "own_pool is 3: it takes a table"),
    ],
)
def test_a_wrong_option_is_a_mistake_of_the_scenario(
    tmp_path: Path, written: str, said: str
) -> None:
    path = tmp_path / "scenario.toml"
    if not written.startswith("["):
        path.write_text(f'{written}\npool = "db.py:Pool"\n')
    else:
        path.write_text(f'pool = "db.py:Pool"\n{written}\n')
    draft = open_scenario(path)
    assert said in str(draft.refused(draft.mistakes))


def test_options_of_a_pool_of_poolviz_are_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text('[own_pool]\nacquire = "getconn"\n')
    draft = open_scenario(path)
    assert "is for a pool of your own" in str(draft.refused(draft.mistakes))


def test_an_id_with_a_wrong_option_is_refused_in_one_sentence() -> None:
    with pytest.raises(InputError, match=r"db\.py:Pool.* can't be used: acqire is no option"):
        pool_id("db.py:Pool?acqire=x")
    assert with_options("db.py:Pool?url=run", {"acquire": "x"}) == "db.py:Pool?acquire=x&url=run"


def test_the_command_line_names_the_methods(
    conninfo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "db.py"
    path.write_text(FILE)
    said = [each for key, value in OPTIONS.items() for each in ("--own-pool", f"{key}={value}")]
    how = ["--dsn", conninfo, "--load", "clients=2", "--duration", "0.5", "--json", "--quiet"]
    status = run_command_line(["run", "--pool", f"{path}:Mine", *said, *how])
    result = json.loads(capsys.readouterr().out)
    assert status == 0
    assert result["operations"] > 5
    assert (result["connections"]["open_max"], result["connections"]["open_after_close"]) == (2, 0)
    assert result["pool"] == f"{path}:Mine?acquire=hand_out&release=take_in"


def test_a_method_that_isnt_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "db.py"
    path.write_text(FILE)
    with pytest.raises(InputError, match="no method hand_over: perhaps hand_out is meant"):
        load_pool(f"{path}:Mine?acquire=hand_over")
    with pytest.raises(InputError, match=r"--own-pool acquire=NAME and release=NAME"):
        load_pool(f"{path}:Mine")
