"""What a scenario's file may say, and the message for each mistake in it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from poolviz.load.faults import FAULT_PARAMETERS
from poolviz.load.settings import SETTINGS
from poolviz.model.errors import MOST_PROBLEMS, InputError
from poolviz.model.scenario import Change, Scenario
from poolviz.pools.registry import POOLS
from poolviz.runs.runner import Runner
from poolviz.scenarios.check import complete_draft, declared
from poolviz.scenarios.draft import Draft
from poolviz.scenarios.toml_file import KEYS, as_toml, draft_of, read_draft
from poolviz.sessions.thresholds import Threshold

THREADED = "psycopg2.ThreadedConnectionPool"


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Return a function that reads and checks a scenario in a folder of its own."""

    def read_and_check(text: str) -> Scenario:
        path = tmp_path / "own.toml"
        path.write_text(text, encoding="utf-8")
        return complete_draft(read_draft(path), Threshold.parse)

    return read_and_check


def problems(read: Any, text: str) -> list[str]:
    """Return the sentences about a scenario's mistakes, without its folder."""
    with pytest.raises(InputError) as caught:
        read(text)
    return [re.sub(r"^\S*/(?=own\.toml, line)", "", problem) for problem in caught.value.problems]


def test_five_mistakes_get_five_sentences_with_their_lines(read: Any) -> None:
    text = (
        'titel = "x"\nduration = "soon"\n\n[limits]\npool_size = "x"\n'
        '[[changes]]\nat = 5\non_exausted = 3\n[[changes]]\nat = "later"\nleak_every = 2\n'
    )
    assert problems(read, text) == [
        "own.toml, line 1: titel is no key of a scenario: perhaps title is meant.",
        "own.toml, line 2: duration is 'soon', which is not a time: give seconds, or a number with "
        "us, ms, s, min or h.",
        "own.toml, line 5: limits.pool_size is 'x': it takes a whole number, from 1 to 10000.",
        "own.toml, line 8: changes[0].on_exausted is no limit of sqlalchemy.QueuePool, "
        "setting of the load, fault or setting of the processes: perhaps on_exhausted is meant.",
        "own.toml, line 10: changes[1].at is 'later', which is not a time: give seconds, or a "
        "number with us, ms, s, min or h.",
    ]


MISTAKES = {
    "title = 1": "line 1: title is 1: it takes a text of one line.",
    "dsn = ['hunter2']": "line 1: dsn is not right: it takes a text of one line.",
    "watch = 'this'": "line 1: watch is 'this': it takes a table, [watch].",
    "[watch]\nem = 'x'": "line 2: watch.em is not a language of poolviz: known are en, es.",
    "[watch]\nen = 5": "line 2: watch.en is 5: it takes a text.",
    "pool = 'sqlalchemy.QuePool'": "line 1: pool: sqlalchemy.QuePool is not a pool",
    "pool = 'no.py:Such'": "line 1: pool: ",
    "seed = true": "line 1: seed is true: it takes a whole number of at most 64 bits.",
    f"seed = {2**63}": "line 1: seed is a number of more than 64 bits: it takes",
    f"seed = 0x{'f' * 5000}": "line 1: seed is a number of more than 64 bits: it takes",
    "duration = 0": "line 1: duration is 0, which is not a time of more than 0 s.",
    "duration = -1": "line 1: duration is -1, which is not a time of more than 0 s.",
    "duration = nan": "line 1: duration is nan, which is not a time of more than 0 s.",
    "duration = []": "line 1: duration is an array, which is not a time: give seconds",
    "limits = []": "line 1: limits is an array: it takes a table, [limits].",
    "[limits]\npool_size = 1.5": "line 2: limits.pool_size is 1.5: it takes a whole number",
    f"[limits]\npool_size = {10**400}": "line 2: limits.pool_size is a number of more than 64 bits",
    "[limits]\npool_size = {a = 1}": "line 2: limits.pool_size is a table: it takes a whole number",
    "[limits]\npool_size = 2020-02-02": "line 2: limits.pool_size is 2020-02-02: it takes",
    "limits.pool_sise = 1": "line 1: limits.pool_sise is no limit of sqlalchemy.QueuePool: perhaps",
    "[limits]\nclients = 1": "line 2: limits.clients is no limit of sqlalchemy.QueuePool: it is a "
    "setting of the load, and belongs to [load].",
    "[load]\npool_size = 1": "line 2: load.pool_size is no setting of the load: it is a limit of "
    "sqlalchemy.QueuePool, and belongs to [limits].",
    "[load]\nkill_backend = true": "line 2: load.kill_backend is no setting of the load: it is a "
    "fault, and belongs to [[changes]] with the time at which it happens.",
    "[load]\narrivals = 'opne'": "line 2: load.arrivals is 'opne': it takes closed or open.",
    "[load]\n'a\\nb\"' = 1": 'line 2: load."a\\nb"" is no setting of the load',
    '[load]\n"a\\nb" = 1': 'line 2: load."a\\nb" is no setting of the load',
    "[load]\nthink_time = 'a\\u0007'": "line 2: load.think_time is 'a\\u0007': it takes a time",
    f"pool = '{THREADED}'\n[limits]\nminconn = 9\nmaxconn = 3": "line 3: limits.minconn is 9 and "
    "maxconn is 3: minconn may be at most maxconn.",
    "[load]\nthink_distribution = 'file'": "line 1: load: think_file is empty",
    "changes = 5": "line 1: changes is 5: it takes an array",
    "changes = [5]": "line 1: changes[0] is 5: it takes a table, [[changes]].",
    "[[changes]]\nclients = 5": "line 1: changes[0] has no time: give it an at = SECONDS.",
    "[[changes]]\nat = 5": "line 1: changes[0] changes nothing: give it a KEY = VALUE.",
    "[[changes]]\nat = 5\nclients = -1": "line 3: changes[0].clients is -1: it takes a whole",
    "duration = 3\n[[changes]]\nat = 5\nclients = 1": "line 3: changes[0].at is 5 s: the run is "
    "over by then, it takes 3 s.",
    "[[changes]]\nat = 5\nkill_backend = 'yes'": "line 3: changes[0].kill_backend is 'yes': it "
    "takes on or off.",
    "[[changes]]\nat = 5\nlock_table = 2": "line 3: changes[0].lock_table isn't possible "
    "here. This load",
    "dsn = 'postgresql://h/d'\n[[changes]]\nat = 5\nrestart_server = true": "line 4: "
    "changes[0].restart_server isn't possible here. Only the embedded PostgreSQL",
    f"pool = '{THREADED}'\n[limits]\nminconn = 5\n[[changes]]\nat = 5\nmaxconn = 3": "line 4: "
    "changes[0]: minconn is 5 and maxconn is 3: minconn may be at most maxconn.",
    "fail_if = 'errors > 0'": "line 1: fail_if is 'errors > 0': it takes an array",
    "fail_if = [\n'errors > 0',\n3]": "line 3: fail_if[1] is 3: it takes a text",
    "fail_if = [\n'wait > 3']": "line 2: fail_if[0] 'wait > 3': wait is no figure of a run",
    "fail_if = ['errors > 0 during lock_tabel']": "line 1: fail_if[0] 'errors > 0 during "
    "lock_tabel': lock_tabel is no fault that lasts: perhaps lock_table is meant",
    "fail_if = ['errors > 0 during kill_backend']": "line 1: fail_if[0] 'errors > 0 during "
    "kill_backend': kill_backend is no fault that lasts: ",
    "fail_if = ['errors > 0 after pool_sise']": "line 1: fail_if[0] 'errors > 0 after pool_sise': "
    "pool_sise is",
}


@pytest.mark.parametrize(
    ("text", "message"), MISTAKES.items(), ids=[repr(text)[:50] for text in MISTAKES]
)
def test_a_mistake_gets_one_sentence_with_its_line(read: Any, text: str, message: str) -> None:
    (sentence,) = problems(read, text)
    assert sentence.startswith(f"own.toml, {message}")
    assert sentence.endswith(".")
    assert "hunter2" not in sentence


NOT_TOML = {
    b"a = 1\nb = ": "line 2, column 5: it is not TOML",
    b"a = 1\na = 2": "it is not TOML",
    b"'": "it is not TOML",
    b"title = '\n": "line 1, column 10: it is not TOML",
    b"\n\n# \xff": "line 3: it is not text in UTF-8",
    b"a = " + b"[" * 50_000: "nested too deeply",
    b"a = " + b"9" * 5000: "is not TOML",
}


@pytest.mark.parametrize(("data", "message"), NOT_TOML.items(), ids=range(len(NOT_TOML)))
def test_a_file_that_is_not_toml_gets_the_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_draft(path)
    (sentence,) = caught.value.problems
    assert message in sentence
    assert str(path) in sentence
    assert sentence.isprintable()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path, tmp_path / ("x" * 5000), Path("a\0b")):
        with pytest.raises(InputError, match="Can't read") as caught:
            read_draft(path)
        assert caught.value.problems[0].isprintable()


# A scenario as people and editors write it: mostly real keys, with any values.
KNOWN = [*SETTINGS, *FAULT_PARAMETERS, *POOLS[THREADED].limits, "pool_size"]
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
PLAIN = st.one_of(
    TEXTS,
    st.sampled_from(["5ms", "2min", "poisson", "open", "errors > 0", "nan"]),
    st.integers(),
    st.integers(0, 50),
    st.floats(),
    st.booleans(),
    st.datetimes(),
)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=2), max_leaves=3)
SECTIONS = st.dictionaries(st.one_of(st.sampled_from(KNOWN), TEXTS), VALUES, max_size=4)
MOMENTS = st.builds(lambda at, keys: {"at": at} | keys, st.one_of(PLAIN), SECTIONS)
ANY: dict[str, st.SearchStrategy[Any]] = {
    "pool": st.one_of(st.sampled_from([*POOLS, "x:y", ":", "a.py:B", "é\0.py:B"]), PLAIN),
    "limits": st.one_of(SECTIONS, VALUES),
    "load": st.one_of(SECTIONS, VALUES),
    "changes": st.one_of(st.lists(st.one_of(MOMENTS, SECTIONS, VALUES), max_size=3), VALUES),
    "fail_if": st.one_of(st.lists(PLAIN, max_size=2), VALUES),
    "watch": st.one_of(st.dictionaries(st.sampled_from(["en", "fr"]), VALUES), VALUES),
    **dict.fromkeys(("title", "dsn", "duration", "seed"), VALUES),
}
SCENARIOS = st.builds(
    lambda known, other: {**other, **known},
    st.fixed_dictionaries({}, optional=ANY),
    st.dictionaries(TEXTS, VALUES, max_size=1),
)


@settings(max_examples=300, deadline=None)  # a pool's library is loaded with its first example
@given(SCENARIOS)
def test_any_table_is_a_scenario_or_gets_its_sentences(table: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.toml"
        path.write_text(tomli_w.dumps(table), encoding="utf-8")
        drafts = [read_draft(path), draft_of(table)]
    for draft in drafts:
        try:
            scenario = complete_draft(draft, Threshold.parse)
        except InputError as error:
            assert error.problems
            for sentence in error.problems:
                assert sentence.isprintable()
                assert sentence[-1] in ".?"
            if draft.source is not None:
                assert len(set(error.problems)) == len(error.problems)
                assert all(
                    problem.startswith(f"{path}, line ")
                    for problem in error.problems[:MOST_PROBLEMS]
                )
        else:
            assert isinstance(scenario, Scenario)
            assert set(scenario.load) == set(SETTINGS)


@given(st.binary(max_size=40) | st.text("[]{}=.\"'\n\\#a1, ", max_size=40).map(str.encode))
def test_any_bytes_are_a_draft_or_get_a_sentence(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.toml"
        path.write_bytes(data)
        try:
            assert isinstance(read_draft(path), Draft)
        except InputError as error:
            (sentence,) = error.problems
            assert sentence.isprintable()


def test_a_scenario_means_what_it_says(read: Any) -> None:
    scenario = read(
        f'title = "Small"\npool = "{THREADED}"\nduration = "2min"\nseed = 7\n'
        'fail_if = ["errors > 0"]\nwatch = {en = "Look. There.", es = "Mira. Ahí."}\n'
        '[limits]\nmaxconn = 4\n[load]\nclients = 3\nthink_time = "20ms"\n'
        '[[changes]]\nat = "500ms"\nleak_every = 5\n'
        "[[changes]]\nat = 0.25\nmaxconn = 3\nclients = 6\n"
        "[[changes]]\nat = 9\nkill_backend = true\n"
    )
    assert (scenario.title, scenario.pool, scenario.seed) == ("Small", THREADED, 7)
    assert (scenario.duration, scenario.fail_if) == (120.0, ("errors > 0",))
    assert scenario.watch == {"en": "Look. There.", "es": "Mira. Ahí."}
    assert scenario.limits == {"minconn": 2, "maxconn": 4} or scenario.limits["maxconn"] == 4
    assert scenario.load == {
        **SETTINGS.defaults(),
        "use": "getconn",
        "clients": 3,
        "think_time": 0.02,
    }
    assert scenario.changes == (
        Change(0.25, "maxconn", 3),
        Change(0.25, "clients", 6),
        Change(0.5, "leak_every", 5),
        Change(9.0, "kill_backend", True),
    )


def test_a_change_is_checked_against_what_is_then_in_force(read: Any) -> None:
    head = f'pool = "{THREADED}"\n[limits]\nminconn = 2\nmaxconn = 4\n'
    raised = "[[changes]]\nat = 1\nmaxconn = 20\n"
    assert read(head + raised + "[[changes]]\nat = 2\nminconn = 15\n")
    assert problems(read, head + "[[changes]]\nat = 2\nminconn = 15\n")
    assert read(head + "[[changes]]\nat = 2\nminconn = 15\nmaxconn = 15\n")


def test_files_are_searched_in_the_folder_of_the_scenario(
    read: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "think.txt").write_text("5ms\n7ms\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    scenario = read("[load]\nthink_distribution = 'file'\nthink_file = 'think.txt'\n")
    assert scenario.load["think_file"] == str(tmp_path / "think.txt")
    later = "[[changes]]\nat = 1\nthink_distribution = 'file'\nthink_file = 'none.txt'\n"
    (sentence,) = problems(read, later)
    assert "none.txt can't be read" in sentence


def test_a_pool_may_be_in_the_folder_of_the_scenario(read: Any, tmp_path: Path) -> None:
    (tmp_path / "neighbour_pool.py").write_text(
        "class Own:\n"
        "    def __init__(self, dsn: str, size: int = 3) -> None: ...\n"
        "    def getconn(self): ...\n"
        "    def putconn(self, connection): ...\n"
    )
    with Runner() as runner:
        runner.learn(f"{tmp_path / 'neighbour_pool.py'}:Own")
    scenario = read("pool = 'neighbour_pool.py:Own'\n[limits]\nsize = 2\n")
    assert scenario.pool == f"{tmp_path / 'neighbour_pool.py'}:Own"
    assert scenario.limits == {"size": 2}


def test_a_mistake_in_an_option_is_not_reported_for_the_file(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("seed = 3\n[limits]\npool_size = 'x'\n")
    draft = (
        read_draft(path).with_values(limits={"pool_size": 4}).with_fields(duration="soon", seed=5)
    )
    with pytest.raises(InputError) as caught:
        complete_draft(draft)
    (sentence,) = caught.value.problems
    assert sentence.startswith("duration is 'soon', which")
    assert complete_draft(draft.with_fields(duration=2)).limits["pool_size"] == 4
    assert complete_draft(draft.with_fields(duration=2)).seed == 5


def test_a_shorter_duration_drops_later_changes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        "duration = 9\n[[changes]]\nat = 1\nclients = 3\n[[changes]]\nat = 5\nclients = 4\n"
    )
    scenario = complete_draft(read_draft(path).with_fields(duration="3s"))
    assert (scenario.duration, scenario.changes) == (3.0, (Change(1.0, "clients", 3),))


@st.composite
def right_drafts(draw: Any) -> Draft:
    """Draw a draft without mistakes: any pool, numbers and switches within their bounds."""
    pool = draw(st.sampled_from(list(POOLS)))
    known = declared(pool)

    def some(parameters: Any, keys: list[str]) -> dict[str, object]:
        chosen = draw(st.lists(st.sampled_from(keys), unique=True, max_size=3)) if keys else []
        return {key: parameters[key].default for key in chosen}

    times = st.floats(0, 9, allow_subnormal=False)
    return Draft(
        title=draw(TEXTS.filter(lambda text: text == "" or text.isprintable())),
        watch=draw(
            st.dictionaries(
                st.sampled_from(["en", "es"]), TEXTS.filter(lambda text: "\0" not in text)
            )
        ),
        pool=pool,
        limits=some(known.limits, list(known.limits)),
        load=some(known.load, list(known.load)) | {"think_time": draw(times)},
        connect=some(known.connect, [k for k, p in known.connect.items() if not p.only_when]),
        changes=[
            {"at": draw(times), **some(known.load, ["clients"]), "hold_time": draw(times)}
            for _ in range(draw(st.integers(0, 3)))
        ],
        duration=10.0,
        seed=draw(st.integers(-(2**63) + 1, 2**63 - 1)),
        fail_if=["errors > 0"],
    )


@given(right_drafts())
def test_what_is_written_is_read_again(draft: Draft) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "again.toml"
        path.write_text(as_toml(draft, "first\nline", "second"), encoding="utf-8", newline="")
        assert complete_draft(read_draft(path)) == complete_draft(draft)


def test_a_server_and_its_password_are_never_written() -> None:
    assert "hunter2" not in as_toml(Draft(dsn="postgresql://ann:hunter2@h/d"))


def test_every_key_with_a_help_is_read() -> None:
    # The options of a pool of one's own are a part of its id in a draft.
    not_written = {"source", "mistakes", "replays"}
    assert set(KEYS) - {"own_pool"} == set(Draft.__struct_fields__) - not_written


CONNECT = {
    "statement_cache_size = 0": "is no connect argument of psycopg_pool.ConnectionPool: "
    "sqlalchemy.AsyncAdaptedQueuePool and asyncpg.Pool have it.",
    "preparethreshold = 3": "perhaps prepare_threshold is meant.",
    "max_size = 4": "it is a limit of psycopg_pool.ConnectionPool, and belongs to [limits].",
    "clients = 4": "it is a setting of the load, and belongs to [load].",
    "host = 'x'": "it says where the server is, and belongs to the DSN.",
    "pgbouncer = true": "for a pooler in transaction mode give --connect prepare_threshold=never",
    "search_path = 'app'": "give --connect options='-c search_path=NAME'.",
    "keepalives_idle = 1.5": "it takes a time in whole seconds",
    "prepare_threshold = 'sometimes'": "it takes a whole number, from 0 to 1000000, or -1 (never).",
}


@pytest.mark.parametrize("line", CONNECT)
def test_a_connect_argument_that_the_driver_does_not_take(read: Any, line: str) -> None:
    text = f"pool = 'psycopg_pool.ConnectionPool'\n[connect]\n{line}\n"
    (problem,) = problems(read, text)
    assert problem.startswith(f"own.toml, line 3: connect.{line.partition(' ')[0]} ")
    assert CONNECT[line] in problem


def test_a_connect_argument_is_kept_as_it_was_given(read: Any) -> None:
    text = "pool = 'psycopg_pool.ConnectionPool'\n[connect]\nprepare_threshold = {}\n"
    for written in ("-1", "'never'", "'None'", "'NEVER'"):
        assert read(text.format(written)).connect == {"prepare_threshold": -1}
    assert read(text.format(5)).connect == {"prepare_threshold": 5}
    assert read("[connect]\nkeepalives_idle = '30s'\n").connect == {"keepalives_idle": 30.0}
    on_mysql = "dsn = 'mysql://u@h/d'\n[connect]\nread_timeout = '2s'\n"
    assert read(on_mysql).connect == {"read_timeout": 2.0}


def test_a_connect_argument_is_not_changed_during_a_run(read: Any) -> None:
    text = "pool = 'asyncpg.Pool'\n[[changes]]\nat = 1\nstatement_cache_size = 0\n"
    assert problems(read, text) == [
        "own.toml, line 4: changes[0].statement_cache_size is a connect argument of asyncpg.Pool, "
        "which applies when the pool is made: start a new run with it."
    ]
    (problem,) = problems(read, "[limits]\ndriver = 'psycopg'\n")
    assert problem.endswith("and belongs to [connect].")


def test_a_connect_argument_that_needs_another_one(read: Any) -> None:
    needs = "[connect]\nprepare_threshold = 0\n"
    (problem,) = problems(read, needs)
    assert problem.startswith("own.toml, line 2: connect.prepare_threshold has an effect only with")
    assert read(f"{needs}driver = 'psycopg'\n").connect == {
        "prepare_threshold": 0,
        "driver": "psycopg",
    }
