"""Running a session again: on its own pool, on any other, and what a strange session says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolviz
from poolviz.commands.cli import run_command_line
from poolviz.load.faults import FAULT_PARAMETERS
from poolviz.load.settings import settings_for
from poolviz.model.errors import InputError
from poolviz.model.messages import MarkAdded, RunStarted, SampleTaken
from poolviz.model.sample import Mark, MarkKind
from poolviz.model.scenario import Scenario
from poolviz.pools.registry import POOLS, pool_class
from poolviz.runs.repetition import Replay
from poolviz.runs.request import check_draft
from poolviz.sessions.recorder import Recorder
from tests.sessions import builders

QUEUE_POOL = "sqlalchemy.QueuePool"
EMBEDDED = {"server": "embedded PostgreSQL"}
QUICK = {"clients": 3, "statement": "select_1", "think_time": 0.01}
FAULT, CHANGE = MarkKind.FAULT, MarkKind.CHANGE


def mark(t: float, key: str, new: Any, kind: MarkKind = CHANGE) -> Mark:
    return Mark(t=t, kind=kind, text=f"{key} → {new}", key=key, old=0, new=new)


def scenario_of(pool: str, **fields: Any) -> Scenario:
    kind = pool_class(pool)
    load = settings_for(kind).defaults()
    return Scenario(pool=pool, limits=kind.limits.defaults(), load=load, seed=7, **fields)


def replay_of(scenario: Scenario, marks: list[Mark], seconds: float = 30.0) -> Replay:
    return Replay.of("a.poolviz", RunStarted(0.0, scenario, EMBEDDED), marks, seconds)


def session_at(
    path: Path, scenario: Scenario, *marks: Mark, environment: dict[str, str] | None = None
) -> Path:
    with Recorder(path) as recorder:
        recorder.add(builders.began(scenario=scenario, environment=environment or EMBEDDED))
        for sample in builders.samples(builders.ticks(30)):
            recorder.add(SampleTaken(sample))
        for each in marks:
            recorder.add(MarkAdded(each))
        recorder.add(builders.ended())
    return path


@pytest.mark.parametrize("other", sorted(POOLS))
def test_what_happened_to_any_pool_can_be_repeated_on_any_other(other: str) -> None:
    """Every limit, setting and fault is changed, so that nothing of any pool can be in the way."""
    for id, pool in POOLS.items():
        settings = settings_for(pool)
        values = {**pool.limits.defaults(), **settings.defaults()}
        marks = [mark(1.0 + n / 10, key, value) for n, (key, value) in enumerate(values.items())]
        marks += [mark(20.0, key, FAULT_PARAMETERS[key].default, FAULT) for key in FAULT_PARAMETERS]
        conditions = tuple(f"errors > 1000 after {key}" for key in pool.limits)
        replay = replay_of(scenario_of(id, fail_if=conditions), marks)
        draft, left_out = replay.fitted(replay.draft.with_fields(pool=other))
        scenario = check_draft(draft)
        assert scenario.pool == other
        assert scenario.replays == "a.poolviz"
        shared = pool.limits.keys() & POOLS[other].limits.keys()
        changed = {change.key for change in scenario.changes}
        assert shared & changed == {
            key for key in shared if POOLS[other].limits[key].takes(values[key])
        }
        assert settings.keys() - changed <= {"use", "checkouts", "cancel_in"}
        if other == id:
            assert not left_out
            assert changed >= values.keys()


def test_limits_of_the_same_name_are_kept_and_others_are_named() -> None:
    recorded = scenario_of(QUEUE_POOL)
    limits = {**recorded.limits, "pool_size": 3, "max_overflow": 1}
    recorded = msgspec.structs.replace(recorded, limits=limits)
    replay = replay_of(recorded, [mark(1.0, "pool_size", 4), mark(2.5, "max_overflow", 0)])
    draft, left_out = replay.fitted(
        replay.draft.with_fields(pool="sqlalchemy.AsyncAdaptedQueuePool")
    )
    assert (draft.limits["pool_size"], draft.limits["max_overflow"]) == (3, 1)
    assert len(draft.changes) == 2
    assert not left_out
    draft, left_out = replay.fitted(replay.draft.with_fields(pool="asyncpg.Pool", duration=2.0))
    assert draft.changes == draft.fail_if == []
    said = " ".join(left_out)
    assert "asyncpg.Pool has no pool_size, max_overflow" in said
    assert "Left out at 1 s: pool_size, which asyncpg.Pool doesn't have." in said
    assert "1 of its changes come after the end at 2 s" in said


def test_faults_that_the_server_does_not_take_are_left_out() -> None:
    marks = [mark(1.0, "restart_server", True, FAULT), mark(2.0, "kill_backend", 1, FAULT)]
    replay = replay_of(scenario_of(QUEUE_POOL), marks)
    draft, left_out = replay.fitted(replay.draft.with_fields(dsn="postgresql://db/app"))
    assert [set(change) for change in draft.changes] == [{"at", "kill_backend"}]
    assert "restart_server" in left_out[0]


@pytest.mark.parametrize(
    ("fields", "marks", "words"),
    [
        ({"pool": "no.Such"}, [], "no.Such"),
        ({"pool": "/nowhere/evil.py:Pool"}, [], "nowhere"),
        ({"pool": "\x1b[31m:\n"}, [], "\\x1b"),
        ({}, [mark(1.0, "pool_sise", 3)], "pool_sise"),
        ({}, [mark(1.0, "pool_size", "many")], "pool_size"),
        ({}, [mark(1.0, "at", 3)], "'at'"),
        ({}, [mark(1.0, "at", "x")], "'at'"),
        ({}, [mark(1.0, "\x1b]0;x", 1)], "x1b"),
        ({"limits": {"pool_size": -7}}, [], "pool_size"),
        ({"load": {"clients": "all"}}, [], "clients"),
        ({"fail_if": ("nonsense",)}, [], "nonsense"),
    ],
)
def test_a_strange_session_is_refused_in_a_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fields: dict[str, Any],
    marks: list[Mark],
    words: str,
) -> None:
    scenario = msgspec.structs.replace(scenario_of(QUEUE_POOL), **fields)
    path = session_at(tmp_path / "strange.poolviz", scenario, *marks)
    assert run_command_line(["run", str(path), "--no-keep"]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert "\x1b" not in said


def test_a_session_of_a_users_server_needs_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {"server": "postgresql://ann@db:5432/app"}
    path = session_at(tmp_path / "a.poolviz", scenario_of(QUEUE_POOL), environment=environment)
    assert run_command_line(["run", str(path)]) == 2
    said = capsys.readouterr().err
    assert "a.poolviz was recorded on postgresql://ann@db:5432/app" in said
    assert "--dsn" in said
    with pytest.raises(InputError, match="--dsn"):
        poolviz.run(path)


def test_a_session_is_run_again_and_the_result_names_it(
    conninfo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = msgspec.structs.replace(
        scenario_of(QUEUE_POOL), load={**scenario_of(QUEUE_POOL).load, **QUICK}
    )
    path = session_at(tmp_path / "first.poolviz", scenario, mark(0.4, "pool_size", 2))
    again = tmp_path / "again.poolviz"
    command = ["run", str(path), "--dsn", conninfo, "--limit", "pool_size=1"]
    status = run_command_line([*command, "--duration", "0.8", "--json", "--out", str(again)])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    result = json.loads(printed.out)
    assert result["replays"] == "first.poolviz"
    assert [segment["limits"]["pool_size"] for segment in result["segments"]] == [1, 2]
    assert "This replays first.poolviz" in printed.err
    with poolviz.open_session(again) as session:
        assert session.scenario.seed == scenario.seed
        other = "psycopg_pool.ConnectionPool"
        with poolviz.run(session, pool=other, dsn=conninfo, limits={"max_size": 3}) as replayed:
            assert replayed.replays == "again.poolviz"
            assert replayed.session.scenario.limits["max_size"] == 3
            assert replayed.duration_s == pytest.approx(0.8, abs=0.3)
            assert any("pool_size" in warning.sentence for warning in replayed.warnings)


OWN_POOL = """
from pathlib import Path
from psycopg2.pool import ThreadedConnectionPool
Path(__file__).with_suffix(".imported").touch()
class Own(ThreadedConnectionPool):
    pass
"""


def test_a_pool_of_the_users_is_imported_by_its_own_run_alone(
    conninfo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, imported = tmp_path / "own.py", tmp_path / "own.imported"
    file.write_text(OWN_POOL)
    first = tmp_path / "first.poolviz"
    quick = ["--duration", "0.4", "--dsn", conninfo, "--no-keep"]
    load = [f"--load={key}={value}" for key, value in QUICK.items()]
    assert (
        run_command_line(["run", "--pool", f"{file}:Own", *load, *quick, "--out", str(first)]) == 0
    )
    imported.unlink()
    assert Replay.open(first).draft.pool == f"{file}:Own"
    other = ["--pool", "psycopg2.ThreadedConnectionPool"]
    assert run_command_line(["run", str(first), *other, *quick]) == 0
    assert not imported.exists()
    assert run_command_line(["run", str(first), *quick]) == 0
    assert imported.exists()
    file.unlink()
    capsys.readouterr()
    assert run_command_line(["run", str(first), *quick]) == 2
    assert "own.py" in capsys.readouterr().err


def test_a_session_of_several_pools_is_refused() -> None:
    began = RunStarted(0.0, scenario_of(QUEUE_POOL), EMBEDDED)
    with pytest.raises(InputError, match=r"a\.poolviz holds several pools \(web and jobs\)"):
        Replay.of("a.poolviz", began, [], 1.0, ("web", "jobs"))


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e8),
            st.sampled_from(
                [*POOLS[QUEUE_POOL].limits, *FAULT_PARAMETERS, "clients", "at", "", "x"]
            ),
            st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans(), st.text()),
            st.sampled_from(MarkKind),
        ),
        max_size=6,
    ),
    st.floats(0, 1e8),
    st.sampled_from(sorted(POOLS)),
    st.sampled_from([None, "sqlite:///x.db", "postgresql://h/d", "mysql://h/d", "nonsense"]),
)
def test_whatever_a_session_says_is_a_scenario_or_a_sentence(
    moments: list[tuple[float, str, Any, MarkKind]], duration: float, pool: str, dsn: str | None
) -> None:
    marks = [mark(t, key, new, kind) for t, key, new, kind in moments]
    try:
        replay = replay_of(scenario_of(QUEUE_POOL), marks, duration)
        draft, said = replay.fitted(replay.draft.with_fields(pool=pool, dsn=dsn))
        assert all(sentence.isprintable() for sentence in said)
        check_draft(draft)
    except InputError as error:
        assert str(error)
