from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poolviz.load.sql_script import SqlScript
from poolviz.load.statements import (
    STATEMENTS,
    check_statement,
    needs_tables,
    statement_of,
    statement_parameters,
)
from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE
from poolviz.model.errors import InputError
from poolviz.model.parameters import Parameters, Value
from poolviz.model.scenario import Change, Scenario

RNG = random.Random(1)
DECLARED = Parameters("setting", *statement_parameters())


def settings(**given: Value) -> dict[str, Value]:
    return DECLARED.complete(given)


def filled(text: str, dialect: str = POSTGRESQL, client: int = 3, operation: int = 7) -> list[str]:
    return list(SqlScript(text, dialect).filled(RNG, client, operation))


# The user's own SQL


def test_parameters_are_replaced_by_numbers() -> None:
    assert filled("SELECT :client, :n") == ["SELECT 3, 7"]
    assert filled("UPDATE t SET a=:n WHERE b IN(:client)") == ["UPDATE t SET a=7 WHERE b IN(3)"]


def test_random_numbers_lie_within_both_bounds_and_reach_them() -> None:
    script = SqlScript("SELECT :random(-1, 2)", POSTGRESQL)
    drawn = {script.filled(RNG, 0, 0)[0] for _ in range(500)}
    assert drawn == {f"SELECT {number}" for number in (-1, 0, 1, 2)}


def test_each_random_number_is_drawn_separately() -> None:
    script = SqlScript("SELECT :random(1,1000000), :random(1,1000000)", POSTGRESQL)
    a, b = re.findall(r"\d+", script.filled(RNG, 0, 0)[0])
    assert a != b


def test_the_same_seed_fills_in_the_same_numbers() -> None:
    script = SqlScript("SELECT :random(1,1000000)", POSTGRESQL)
    assert script.filled(random.Random(5), 1, 1) == script.filled(random.Random(5), 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT '1'::int, x::text",
        "SELECT ':n ; :client', \":n\"",
        "SELECT 'it''s :n'",
        r"SELECT E'\':n'",
        "SELECT 1 -- :n; :other",
        "SELECT /* :n; */ 1",
        "SELECT $$:n; 'x$$, $a$ $$ :n; $a$",
        "SELECT a[1:n], a[f(x):n]",
        "SELECT 100 % 7, '50%', '%s %d'",
        "SELECT d ? 'a', d #> '{a}'",
    ],
)
def test_casts_quoted_text_comments_and_percent_signs_are_left_alone(text: str) -> None:
    assert filled(text) == [text]
    assert filled(f"{text}\n; SELECT :n") == [text, "SELECT 7"]


@pytest.mark.parametrize(
    "text",
    [
        r"SELECT '\':n;', " + r'"\":n;"',
        "SELECT `:n;`",
        "SELECT 1 # :n;",
        "SELECT 1 -- :n;",
        "SET @a := 5",
    ],
)
def test_mysql_quotes_and_comments_in_its_own_way(text: str) -> None:
    assert filled(text, MYSQL) == [text]
    assert filled(f"{text}\n; SELECT :n", MYSQL) == [text, "SELECT 7"]


def test_two_dashes_before_a_number_are_not_a_comment_on_mysql() -> None:
    assert filled("SELECT 5--:n", MYSQL) == ["SELECT 5--7"]


def test_statements_are_separated_and_empty_ones_left_out() -> None:
    text = " ;SELECT 1;; -- nothing\n ; /* nor here */ ;UPDATE t SET a = ';' WHERE b = :n ; "
    assert filled(text) == ["SELECT 1", "UPDATE t SET a = ';' WHERE b = 7"]


@pytest.mark.parametrize("text", ["", "  ", ";;", "-- only this", "/* and this */;"])
def test_no_statement_is_a_mistake(text: str) -> None:
    with pytest.raises(InputError, match=r"^statement is sql, and sql holds none: give it one"):
        check_statement(settings(statement="sql", sql=text), POSTGRESQL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT :clients", r"sql has :clients, which is not a parameter: it takes :client, :n"),
        ("SELECT :random", r"sql has :random: it takes two whole numbers"),
        ("SELECT :random(1)", r"sql has :random\(1\): it takes two whole numbers"),
        ("SELECT :random(a,b)", r"sql has :random\(a,b\): it takes"),
        ("SELECT :random(5,1)", r"whose second number is less than the first"),
    ],
)
def test_an_unknown_parameter_is_named_with_the_known_ones(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_statement(settings(statement="sql", sql=text), POSTGRESQL)


# Pieces that mean the same to the server wherever they stand, with the value that it returns.
_LITERALS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(st.lists(_LITERALS, min_size=1, max_size=4), st.sampled_from([POSTGRESQL, MYSQL, SQLITE]))
@example([":n;", "'", "$$", "--", "%d"], POSTGRESQL)
def test_any_quoted_text_reaches_the_server_as_it_is(texts: list[str], dialect: str) -> None:
    quoted = [text.replace("'", "''") for text in texts]
    if dialect == MYSQL:
        quoted = [text.replace("\\", "\\\\") for text in quoted]
    statement = "SELECT " + ", ".join(f"'{text}'" for text in quoted)
    assert filled(f"{statement}; SELECT :n", dialect) == [statement, "SELECT 7"]


@pytest.fixture
def cursor(conninfo: str) -> Iterator[psycopg2.extensions.cursor]:
    with closing(psycopg2.connect(conninfo)) as connection, connection.cursor() as cursor:
        yield cursor


def test_a_server_understands_what_was_filled_in(cursor: psycopg2.extensions.cursor) -> None:
    statements = filled(
        "CREATE TEMP TABLE seen (a int, b text);"
        "INSERT INTO seen VALUES (:client, $x$:n; 50%$x$), (:random(8,8)::int, ':n');"
        "SELECT a, b FROM seen -- in order\n ORDER BY a;"
    )
    for statement in statements:
        cursor.execute(statement)
    assert cursor.fetchall() == [(3, ":n; 50%"), (8, ":n")]


# Every statement


@pytest.mark.parametrize("dialect", [POSTGRESQL, MYSQL])
def test_accounts_tellers_and_branches_are_drawn_within_the_scale(dialect: str) -> None:
    statement = statement_of(settings(statement="read_write", scale=3), dialect)
    seen: dict[str, set[int]] = {"aid": set(), "tid": set(), "bid": set()}
    for _ in range(3000):
        for key, value in re.findall(r"WHERE (\w+) = (\d+)", " ".join(statement.sql(RNG, 0, 0))):
            seen[key].add(int(value))
    assert seen["bid"] == {1, 2, 3}
    assert seen["tid"] == set(range(1, 31))
    assert 1 <= min(seen["aid"]) < 3000
    assert 297_000 < max(seen["aid"]) <= 300_000


def test_the_history_has_what_the_updates_did() -> None:
    statement = statement_of(settings(statement="read_write", scale=9), POSTGRESQL)
    account, _, teller, branch, history = statement.sql(RNG, 0, 0)
    delta = re.search(r"abalance \+ (-?\d+) ", account)
    numbers = [re.findall(r"\d+$", text)[0] for text in (teller, branch, account)]
    assert delta is not None
    assert f"VALUES ({', '.join([*numbers, delta[1]])}, CURRENT_TIMESTAMP)" in history


def test_reading_is_one_statement_on_an_account_of_the_scale() -> None:
    statement = statement_of(settings(statement="read", scale=2), POSTGRESQL)
    for _ in range(100):
        (text,) = statement.sql(RNG, 0, 0)
        assert 1 <= int(text.rpartition(" ")[2]) <= 200_000


def test_sleeping_takes_the_drawn_time_and_no_time_is_select_1() -> None:
    constant = {"statement_distribution": "constant"}
    asleep = statement_of(settings(statement_time=0.25, **constant), POSTGRESQL)
    assert list(asleep.sql(RNG, 0, 0)) == ["SELECT pg_sleep(0.250000)"]
    awake = statement_of(settings(statement_time=0, **constant), SQLITE)
    assert list(awake.sql(RNG, 0, 0)) == ["SELECT 1"]


@pytest.mark.parametrize("name", ["read", "read_write"])
def test_a_statement_on_tables_is_refused_on_sqlite_with_those_that_run(name: str) -> None:
    chosen = settings(statement=name)
    check_statement(chosen, POSTGRESQL)
    check_statement(chosen, MYSQL)
    with pytest.raises(InputError) as refused:
        check_statement(chosen, SQLITE)
    assert str(refused.value).startswith(
        f"statement is {name}, which runs on PostgreSQL and MySQL and MariaDB, but not on "
        "SQLite: use sleep, select_1"
    )
    assert " or " in str(refused.value)


def test_only_read_write_commits_by_default() -> None:
    assert {kind.name: kind.ends for kind in STATEMENTS if kind.ends != "default"} == {
        "read_write": "commit"
    }


def test_each_parameter_is_declared_once_and_shown_for_its_statement_alone() -> None:
    keys = [parameter.key for parameter in statement_parameters()]
    assert keys[0] == "statement"
    assert len(keys) == len(set(keys))
    for kind in STATEMENTS:
        assert kind.name in DECLARED["statement"].choices
        for parameter in kind.parameters:
            key, choices = parameter.only_when or ("", ())
            assert kind.name in choices if key == "statement" else key in keys


# Tables that a run needs


@pytest.mark.parametrize(
    ("load", "changes", "scale"),
    [
        ({}, [], 0),
        ({"scale": 7}, [], 0),
        ({"statement": "read", "scale": 7}, [], 7),
        ({"statement": "read_write"}, [(1, "scale", 5), (2, "scale", 3)], 5),
        ({"scale": 9}, [(1, "statement", "read"), (1, "scale", 2)], 2),
        ({"scale": 9}, [(1, "statement", "read"), (2, "scale", 2)], 9),
        ({"statement": "read", "scale": 2}, [(1, "statement", "sleep"), (2, "scale", 50)], 2),
        ({"statement": "read"}, [(1, "pool_size", 40)], 1),
    ],
)
def test_a_run_needs_tables_of_its_largest_scale(
    load: dict[str, Value], changes: list[tuple[float, str, Value]], scale: int
) -> None:
    scenario = Scenario(
        pool="sqlalchemy.QueuePool",
        limits={},
        load=settings(**load),
        changes=tuple(Change(*change) for change in changes),
    )
    assert needs_tables(scenario) == scale
