"""What the window is made of, without a window."""

from __future__ import annotations

import math
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from poolviz.load.faults import FAULT_PARAMETERS
from poolviz.load.settings import SETTINGS
from poolviz.model.errors import InputError
from poolviz.model.parameters import Numeric, Value
from poolviz.pools.registry import POOLS, pool_class
from poolviz.sessions.folder import SessionsFolder
from poolviz.ui.frame_rate import FASTEST, SLOWEST, FrameRate
from poolviz.ui.panel.slider_scale import SliderScale
from poolviz.ui.session.load_validator import LoadValidator
from poolviz.ui.session.requested_settings import RequestedSettings
from poolviz.ui.session.worker import Inbox, Worker
from tests.ui.running import THREADED

QUEUE, SIMPLE = "sqlalchemy.QueuePool", "psycopg2.SimpleConnectionPool"

NUMBERS = {
    parameter.key: parameter
    for declared in (SETTINGS, FAULT_PARAMETERS, *(pool.limits for pool in POOLS.values()))
    for parameter in declared.values()
    if isinstance(parameter, Numeric)
}


def test_a_call_may_have_those_after_it_made() -> None:
    inbox = Inbox()
    made: list[str] = []

    def closing() -> None:
        inbox.deliver()
        made.append("closing")

    inbox.post(closing)
    inbox.post(lambda: made.append("the next"))
    inbox.deliver()
    assert made == ["the next", "closing"]


def test_what_is_found_late_of_an_earlier_load_is_dropped(tmp_path: Path) -> None:
    inbox = Inbox()
    file_worker = Worker("test", inbox)
    found: list[str] = []
    validator = LoadValidator(file_worker, lambda: found.append(validator.mistake))
    missing = {"hold_distribution": "file", "hold_file": str(tmp_path / "none.csv")}
    try:
        validator.validate(SETTINGS.complete(missing), "postgresql", names_a_file=True)
        validator.validate(SETTINGS.complete({}), "postgresql", names_a_file=False)
    finally:
        assert file_worker.close(30)
    inbox.deliver()
    assert found == [""]


def test_what_is_found_in_a_file_is_told(tmp_path: Path) -> None:
    inbox = Inbox()
    file_worker = Worker("test", inbox)
    found: list[str] = []
    validator = LoadValidator(file_worker, lambda: found.append(validator.mistake))
    missing = {"hold_distribution": "file", "hold_file": str(tmp_path / "none.csv")}
    validator.validate(SETTINGS.complete(missing), "postgresql", names_a_file=True)
    assert file_worker.close(30)
    inbox.deliver()
    assert "none.csv" in found[0]


def follow(
    requested: RequestedSettings, steps: list[tuple[str, Value]], limits: dict[str, Value]
) -> None:
    """Apply steps one by one, as the engine does, which refuses what isn't allowed."""
    for key, value in steps:
        if key in limits:
            limits.update(requested.pool.limits.changed(limits, {key: value}))


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=8))
def test_every_step_of_a_change_is_allowed_by_itself_and_undo_takes_all_back(
    pairs: list[tuple[int, int]],
) -> None:
    requested = RequestedSettings(pool_class(THREADED))
    engine = dict(requested.limits)
    history = [dict(requested.limits)]
    for low, high in pairs:
        changes: dict[str, Value] = {"minconn": low, "maxconn": high}
        if low > high:
            before = dict(requested.limits)
            with pytest.raises(InputError):
                requested.change(changes)
            assert requested.limits == before
            continue
        steps = requested.change(changes)
        follow(requested, steps, engine)
        assert engine == requested.limits
        if steps:
            history.append(dict(requested.limits))
    for earlier in reversed(history[:-1]):
        follow(requested, requested.undo(), engine)
        assert engine == requested.limits == earlier
    assert requested.undo() == []
    for later in history[1:]:
        follow(requested, requested.redo(), engine)
        assert engine == requested.limits == later


def test_a_refused_change_leaves_nothing_to_undo() -> None:
    requested = RequestedSettings(pool_class(THREADED))
    requested.change({"clients": 20})
    requested.change({"maxconn": 30})
    requested.refuse("maxconn", 10)
    assert requested["maxconn"] == 10
    assert requested.undo() == [("clients", 8)]


def test_a_pool_that_is_chosen_again_has_the_limits_it_was_left_with() -> None:
    requested = RequestedSettings(pool_class(THREADED))
    requested.change({"maxconn": 33, "clients": 5})
    requested.take_pool(pool_class("sqlalchemy.QueuePool"))
    assert requested.undo() == []
    requested.take_pool(pool_class(THREADED))
    assert (requested["maxconn"], requested["clients"]) == (33, 5)


def test_clients_that_nobody_chose_are_as_many_as_the_pool_is_made_for() -> None:
    requested = RequestedSettings(pool_class(THREADED))
    for id, clients in ((SIMPLE, 1), (QUEUE, 8), ("sqlalchemy.AssertionPool", 1), (SIMPLE, 1)):
        requested.take_pool(pool_class(id))
        assert requested["clients"] == clients
        assert requested.parameter("clients").default == clients


@pytest.mark.parametrize("chosen", [1, 8, 40])
def test_clients_that_somebody_chose_stay_with_another_pool(chosen: int) -> None:
    requested = RequestedSettings(pool_class(QUEUE if chosen != 8 else SIMPLE))
    requested.change({"clients": chosen})
    for id in (SIMPLE, THREADED, SIMPLE, QUEUE):
        requested.take_pool(pool_class(id))
        assert requested["clients"] == chosen


@pytest.mark.parametrize("back", ["undo", "default", "load"])
def test_clients_that_are_back_at_the_default_are_not_chosen(back: str) -> None:
    requested = RequestedSettings(pool_class(QUEUE))
    requested.change({"clients": 40})
    if back == "undo":
        requested.undo()
    elif back == "default":
        requested.change({"clients": 8})
    else:
        requested.take_load({"clients": 8})
    requested.take_pool(pool_class(SIMPLE))
    assert requested["clients"] == 1


@given(st.sampled_from(sorted(NUMBERS)), st.floats(0, 1))
def test_a_slider_stands_where_its_value_is(key: str, share: float) -> None:
    parameter = NUMBERS[key]
    scale = SliderScale(parameter)
    value = scale.value(round(share * scale.last))
    assert parameter.check(value) is not None
    assert scale.low <= value <= scale.high
    assert scale.value(scale.position(value)) == pytest.approx(value, rel=0.06)


@given(st.sampled_from(sorted(NUMBERS)), st.floats(0, 1), st.floats(0, 1))
def test_a_slider_never_runs_backwards(key: str, first: float, second: float) -> None:
    scale = SliderScale(NUMBERS[key])
    low, high = sorted(round(share * scale.last) for share in (first, second))
    assert scale.value(low) <= scale.value(high)


def test_special_values_stand_at_the_sliders_end() -> None:
    overflow = NUMBERS["max_overflow"]
    scale = SliderScale(overflow)
    assert scale.position(-1) == scale.last
    assert overflow.show(overflow.check(-1)) == "no limit"


@given(st.sampled_from(sorted(NUMBERS)), st.integers(0, 400), st.sampled_from([-10, -1, 1, 10]))
def test_steps_stay_within_what_is_allowed_and_move(key: str, times: int, steps: int) -> None:
    parameter = NUMBERS[key]
    value = float(parameter.default)
    for _ in range(times % 40):
        moved = float(parameter.check(parameter.stepped(value, steps)))
        if steps > 0:
            assert moved > value or moved == parameter.maximum
        value = moved


def test_stepping_down_from_the_least_reaches_the_special_value_and_back() -> None:
    overflow = NUMBERS["max_overflow"]
    assert overflow.stepped(1, -1) == 0
    assert overflow.stepped(0, -1) == -1
    assert overflow.stepped(-1, -1) == -1
    assert overflow.stepped(-1, 1) == 0


@pytest.mark.parametrize(
    ("value", "steps", "after"),
    [(0.004, 1, 0.0045), (0.012, 1, 0.013), (0.001, -1, 0.00095), (30.0, 1, 35.0), (0.0, 1, 0.001)],
)
def test_times_step_in_round_strides(value: float, steps: int, after: float) -> None:
    assert NUMBERS["hold_time"].stepped(value, steps) == pytest.approx(after)


@given(st.floats(0, 1), st.floats(0, 0.5))
def test_the_window_paints_15_to_30_times_a_second_and_less_when_the_machine_is_full(
    machine: float, cost: float
) -> None:
    frame_rate = FrameRate()
    assert frame_rate.frames_per_second == FASTEST
    for _ in range(50):
        frame_rate.note_frame(cost)
    frame_rate.note_machine(machine)
    assert SLOWEST <= frame_rate.frames_per_second <= FASTEST
    idle = frame_rate.frames_per_second
    frame_rate.note_machine(1.0)
    assert frame_rate.frames_per_second == SLOWEST <= idle


def test_jobs_are_done_in_order_by_a_thread_and_reported_to_the_inbox(qtbot: QtBot) -> None:
    inbox = Inbox()
    worker = Worker("test", inbox)
    found: list[object] = []
    threads: list[str] = []
    for number in range(3):
        worker.do(
            lambda number=number: threads.append(threading.current_thread().name) or number,
            found.append,
        )
    worker.do(lambda: 1 / 0, found.append, lambda error: found.append(type(error)))
    worker.do(lambda: sys.exit(4), found.append, lambda error: found.append(type(error)))
    worker.do(lambda: math.sqrt(-1), found.append)
    worker.do(lambda: "the last", found.append)
    assert worker.close(30)
    assert found == []
    with qtbot.capture_exceptions() as unexpected:
        inbox.deliver()
    assert found == [0, 1, 2, ZeroDivisionError, SystemExit, "the last"]
    assert [str(error) for _, error, _ in unexpected] == ["math domain error"]
    assert threads == ["poolviz test"] * 3


def test_a_sessions_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "sessions"
    SessionsFolder(folder).new_path()
    assert folder.stat().st_mode & 0o077 == 0
