"""What the command line says of a request before it runs: options that change nothing, changes that
are left out, scenarios that another pool can't run."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolviz.commands.drafts import check_for_pool, cut_off, draft_from, ineffective, with_options
from poolviz.model.errors import InputError
from poolviz.scenarios.draft import Draft


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (
            ["rate=200"],
            ["--load rate", "arrivals = open."],
        ),
        (["rate=200", "arrivals=open"], []),
        (
            ["sql=SELECT 1"],
            ["--load sql", "statement = sql."],
        ),
        (["think_time=1s"], []),
        (["clients=4", "much=3"], []),
    ],
)
def test_settings_without_effect_are_named(load: list[str], said: list[str]) -> None:
    draft = with_options(Draft(pool="sqlalchemy.QueuePool"), {"load": load})
    sentence = " changes nothing: it has an effect only with "
    assert list(ineffective(draft, load)) == ([sentence.join(said)] if said else [])


def test_setting_has_an_effect_if_a_change_gives_it_one() -> None:
    load = ["rate=200"]
    draft = with_options(Draft(pool="sqlalchemy.QueuePool"), {"load": load}, ["3:arrivals=open"])
    assert not list(ineffective(draft, load))


def test_changes_after_the_end_are_counted() -> None:
    draft, _ = draft_from(Path("leak"))
    assert cut_off(draft, "3") == (
        "2 changes of the scenario come after the end at 3 s, and are left out."
    )
    assert cut_off(draft, "15s").startswith("1 change ")
    assert cut_off(draft, None) == cut_off(draft, "1h") == cut_off(draft, "soon") == ""


def test_scenario_of_another_pool_says_how_it_is_run_there() -> None:
    draft, _ = draft_from(Path("leak"))
    other = draft.with_fields(pool="psycopg_pool.ConnectionPool", limits={}, connect={})
    with pytest.raises(InputError) as refused:
        check_for_pool(other, Path("leak"), draft.pool)
    assert "leak is written for sqlalchemy.QueuePool" in refused.value.problems[-1]
    assert "`poolviz run session.poolviz --pool psycopg_pool" in refused.value.problems[-1]
    check_for_pool(draft, Path("leak"), draft.pool)
