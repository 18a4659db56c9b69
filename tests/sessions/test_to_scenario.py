"""A session as a scenario: running it repeats what was run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from poolviz.load.faults import FAULT_PARAMETERS
from poolviz.load.settings import settings_for
from poolviz.model.sample import Mark, MarkKind
from poolviz.model.scenario import Change, Scenario
from poolviz.pools.registry import POOLS
from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.toml_file import read_draft
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.to_scenario import to_toml
from tests.sessions import builders

QUEUE_POOL = POOLS["sqlalchemy.QueuePool"]
BEGUN = Scenario(
    pool=QUEUE_POOL.id,
    title="A session",
    limits=QUEUE_POOL.limits.defaults(),
    load=settings_for(QUEUE_POOL).defaults(),
    changes=(Change(100.0, "pool_size", 3),),  # planned, and not reached
    duration=500.0,
    seed=11,
    fail_if=("errors > 0",),
)
CHANGES = st.one_of(
    st.tuples(st.just("pool_size"), st.integers(1, 50)),
    st.tuples(st.just("pool_timeout"), st.floats(0.001, 60)),
    st.tuples(st.just("clients"), st.integers(0, 200)),
    st.tuples(st.just("think_time"), st.floats(0, 10)),
    st.tuples(st.just("think_distribution"), st.sampled_from(["constant", "uniform"])),
)
FAULTS = st.one_of(
    st.tuples(st.just("leak_every"), st.integers(0, 9)),
    st.tuples(st.just("kill_backend"), st.just(True)),
    st.tuples(st.just("refuse_connections"), st.floats(0.1, 5)),
)
MOMENTS = st.lists(st.tuples(st.floats(0, 60), st.one_of(CHANGES, FAULTS)), max_size=8)


def marks(moments: list[tuple[float, tuple[str, Any]]]) -> list[Mark]:
    """Marks as the engine makes them, and a note between them."""
    made = [Mark(t=0.5, kind=MarkKind.NOTE, text="look")]
    for t, (key, value) in sorted(moments, key=lambda moment: moment[0]):
        kind = MarkKind.FAULT if key in FAULT_PARAMETERS else MarkKind.CHANGE
        made.append(Mark(t=t, kind=kind, text=f"{key} →{value}", key=key, old=0, new=value))
    return made


def checked_again(text: str) -> Scenario:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "again.toml"
        path.write_text(text, encoding="utf-8")
        return complete_draft(read_draft(path))


@given(MOMENTS, st.floats(0, 61))
def test_a_session_becomes_the_scenario_that_repeats_it(
    moments: list[tuple[float, tuple[str, Any]]], ran: float
) -> None:
    made = marks(moments)
    scenario = checked_again(to_toml(builders.began(scenario=BEGUN), made, ran))
    for field in ("pool", "title", "limits", "load", "seed", "fail_if"):
        assert getattr(scenario, field) == getattr(BEGUN, field)
    happened = {(round(mark.t, 3), mark.key): mark.new for mark in made if mark.key}
    assert {(c.at, c.key): c.value for c in scenario.changes} == happened
    assert [c.at for c in scenario.changes] == sorted(c.at for c in scenario.changes)
    last = max((change.at for change in scenario.changes), default=0.0)
    assert scenario.duration is not None
    assert max(ran, last) - 1e-9 <= scenario.duration <= max(ran, last) + 0.002


def test_settings_without_effect_are_left_out_unless_they_were_set() -> None:
    text = to_toml(builders.began(scenario=BEGUN), [], 5.0)
    assert "clients" in text
    assert "rate" not in text
    load = {**BEGUN.load, "rate": 55.0, "shape": "sine"}
    text = to_toml(builders.began(scenario=msgspec.structs.replace(BEGUN, load=load)), [], 5.0)
    assert "rate = 55.0" in text
    assert "sine_period" in text
    assert checked_again(text).load == load


def test_a_run_that_reached_its_end_keeps_its_planned_duration() -> None:
    began = builders.began(scenario=BEGUN)
    assert checked_again(to_toml(began, [], 500.013)).duration == 500.0
    assert checked_again(to_toml(began, [], 499.98)).duration == 500.0
    assert checked_again(to_toml(began, [], 123.4561)).duration == 123.457


def test_no_server_and_no_password_is_in_it(tmp_path: Path) -> None:
    environment = {
        "server": "postgresql://ann:hunter2@db:5432/app\nx = 1",
        "server version": "18.6",
    }
    recorder = Recorder()
    with recorder:
        builders.record(recorder, builders.reports(builders.samples(builders.ticks(3))))
        recorder.add(builders.began(scenario=BEGUN, environment=environment))
        path = tmp_path / "again.toml"
        assert exporter_for(path).export(recorder, path) == (path,)
    text = path.read_text(encoding="utf-8")
    assert "hunter2" not in text
    assert text.startswith("# Recorded on postgresql://ann@db:5432/app")
    assert read_draft(path).dsn is None
    assert complete_draft(read_draft(path)).limits == BEGUN.limits
