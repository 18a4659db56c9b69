"""The published schema accepts the presets, and exactly what the check accepts."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from poolviz.load.faults import FAULT_PARAMETERS
from poolviz.load.settings import SETTINGS
from poolviz.model.errors import InputError
from poolviz.model.parameters import Choice, File, Parameter
from poolviz.pools.registry import POOLS
from poolviz.scenarios import schema
from poolviz.scenarios.check import complete_draft, declared
from poolviz.scenarios.presets import presets
from poolviz.scenarios.toml_file import draft_of
from poolviz.sessions.thresholds import FIGURES, Threshold
from tests.servers.fixtures import PROJECT

PUBLISHED = json.loads(schema.as_json(FIGURES))
VALIDATOR = Draft202012Validator(PUBLISHED)
EXAMPLES = sorted((PROJECT / "resources" / "examples").rglob("*.toml"))
FILES = [*(preset.path for preset in presets()), *EXAMPLES]


def is_right(table: dict[str, Any]) -> bool:
    """Return whether poolviz itself accepts such a scenario."""
    try:
        complete_draft(draft_of(table), Threshold.parse)
    except InputError:
        return False
    return True


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(PUBLISHED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_preset_is_valid(path: Path) -> None:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    VALIDATOR.validate(table)
    assert is_right(table)


def test_the_scenarios_of_the_readme_are_right() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        VALIDATOR.validate(tomllib.loads(block))
        assert is_right(tomllib.loads(block))


def test_every_parameter_is_in_the_schema_with_its_help() -> None:
    known = PUBLISHED["$defs"]
    groups = [("load", SETTINGS), ("faults", FAULT_PARAMETERS)]
    groups += [(f"limits.{id}", pool.limits) for id, pool in POOLS.items()]
    groups += [
        (f"connect.{id}", arguments)
        for id, pool in POOLS.items()
        for arguments in pool.connect.values()
        if len(pool.connect) == 1
    ]
    for name, parameters in groups:
        assert list(known[name]["properties"]) == list(parameters)
        for key, parameter in parameters.items():
            assert parameter.help in known[name]["properties"][key]["description"]
            assert known[name]["properties"][key]["default"] == parameter.default


# Values around the bounds, of every type that TOML has. What only poolviz itself can check is left
# out: which values may stand together, whether a file exists, and the size of times in text.
ODD = (0.5, -0.5, 2.0, True, False, "x", "", [], {})


def values_for(parameter: Parameter) -> st.SearchStrategy[Any]:
    bounds = parameter.bounds or (0, 1)
    near = [int(min(bound, 1e9)) + step for bound in bounds for step in (-1, 0, 1)]
    words = parameter.choices if isinstance(parameter, Choice) else ()
    return st.sampled_from(
        [*near, *parameter.special, *parameter.special.values(), *words, parameter.default, *ODD]
    )


def checked_alone(parameter: Parameter) -> bool:
    return not isinstance(parameter, File) and parameter.at_least is None


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_schema_and_check_agree_about_each_value(data: Any) -> None:
    pool = data.draw(st.sampled_from(list(POOLS)))
    known = declared(pool)
    floors = {parameter.at_least for parameter in known.limits.values()}
    section, parameters = data.draw(
        st.sampled_from(
            [("limits", known.limits), ("load", known.load), ("connect", known.connect)]
        )
    )
    keys = [key for key, p in parameters.items() if checked_alone(p) and key not in floors]
    if section == "connect":  # of which the schema has those of every kind of server
        several = len(POOLS[pool].connect) > 1
        keys = [key for key in keys if not parameters[key].only_when and not several]
    if not keys:
        return
    key = data.draw(st.sampled_from(keys))
    table = {"pool": pool, section: {key: data.draw(values_for(parameters[key]))}}
    assert VALIDATOR.is_valid(table) == is_right(table) or needs_more(table)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_schema_and_check_agree_about_each_change(data: Any) -> None:
    pool = data.draw(st.sampled_from(list(POOLS)))
    known = declared(pool)
    keys = [key for group in known.changeable for key, p in group.items() if checked_alone(p)]
    keys = [key for key in keys if key not in {p.at_least for p in known.limits.values()}]
    key = data.draw(st.sampled_from([*keys, "no_such_key"]))
    value = data.draw(values_for(known.find(key)) if key != "no_such_key" else st.just(1))
    at = data.draw(st.sampled_from([0, 2, "50ms", 1.5, -1, "soon", True, None]))
    change = {key: value} if at is None else {"at": at, key: value}
    table = {"pool": pool, "changes": [change]}
    assert VALIDATOR.is_valid(table) == is_right(table) or needs_more(table)


def needs_more(table: dict[str, Any]) -> bool:
    """Return whether poolviz refuses a value only because it needs more: a file, SQL, tables."""
    with pytest.raises(InputError) as caught:
        complete_draft(draft_of(table))
    reasons = ("file is empty", "sql holds none", "isn't possible here", "are allowed")
    return all(any(word in problem for word in reasons) for problem in caught.value.problems)


WRONG: dict[str, dict[str, Any]] = {
    "an unknown key": {"titel": "x"},
    "a pool that doesn't exist": {"pool": "sqlalchemy.QuePool"},
    "a limit of another pool": {"limits": {"maxconn": 3}},
    "a limit of another pool, named": {"pool": "asyncpg.Pool", "limits": {"pool_size": 3}},
    "a setting among the limits": {"limits": {"clients": 3}},
    "no table": {"limits": 3},
    "a change without a time": {"changes": [{"clients": 3}]},
    "a change of nothing": {"changes": [{"at": 3}]},
    "no duration": {"duration": 0},
    "a duration of words": {"duration": "soon"},
    "a seed that is none": {"seed": "x"},
    "a seed beyond 64 bits": {"seed": 2**63},
    "a condition on nothing": {"fail_if": ["wait > 3"]},
    "one condition alone": {"fail_if": "errors > 0"},
    "a language": {"watch": {"xx": "y"}},
}  # fmt: skip


@pytest.mark.parametrize("table", WRONG.values(), ids=WRONG.keys())
def test_schema_and_check_both_refuse(table: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(table)
    assert not is_right(table)


RIGHT: dict[str, dict[str, Any]] = {
    "nothing": {},
    "times with units": {"duration": "2min", "load": {"think_time": " 5 ms"}},
    "the usual pool's limits": {"limits": {"pool_size": 3, "max_overflow": -1}},
    "conditions": {"fail_if": ["wait_p95 > 50ms", " errors>=1 "]},
    "a fault among changes": {"changes": [{"at": "5s", "leak_every": 3, "clients": 9}]},
    "whole numbers as floats": {"load": {"clients": 3.0}},
}


@pytest.mark.parametrize("table", RIGHT.values(), ids=RIGHT.keys())
def test_schema_and_check_both_accept(table: dict[str, Any]) -> None:
    VALIDATOR.validate(table)
    assert is_right(table)


def test_the_text_for_people_names_every_key() -> None:
    text = schema.as_text()
    for key in (*PUBLISHED["properties"], *SETTINGS, *FAULT_PARAMETERS):
        assert f" {key}" in text
