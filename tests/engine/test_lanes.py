"""Lanes say who holds which connection, and agree with what the meter counts."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from poolviz.engine.meter import ConnectionEventBuffer, Meter, Tick
from poolviz.load import event_buffer as events
from poolviz.load.event_buffer import EventBuffer
from poolviz.model.lanes import MOST, UNIT, USED, Pieces, State
from poolviz.sessions.lane_pieces import LaneTick, pieces_between, standing_at


def lane_ticks(ticks: Sequence[Tick]) -> list[LaneTick]:
    began = ticks[0].start
    return [
        LaneTick((tick.start - began) // 1000, (tick.end - began) // 1000, tick.lanes)
        for tick in ticks
    ]


def pieces(ticks: Sequence[Tick]) -> Pieces:
    made = lane_ticks(ticks)
    return pieces_between(made, 0, made[-1].end)[0]


def check_pieces(shown: Pieces) -> None:
    """No two pieces of a lane overlap, and whoever uses a connection is named."""
    assert (shown.end > shown.begin).all()
    same = shown.lane[1:] == shown.lane[:-1]
    assert (shown.begin[1:][same] >= shown.end[:-1][same]).all()
    used = np.isin(shown.state, USED)
    assert (shown.client[used] >= 0).all()
    assert (shown.client[~used] == -1).all()


def used_at(shown: Pieces, at: int) -> int:
    inside = (shown.begin <= at) & (at < shown.end)
    return int((np.isin(shown.state, USED) & inside).sum())


def waiting_at(shown: Pieces, at: int) -> set[int]:
    return set(shown.client[(shown.begin <= at) & (at < shown.end)].tolist())


def acquire(buffer: EventBuffer, number: int, *, again: bool = False) -> None:
    if not again:
        buffer.note(events.REQUESTED)
        buffer.stamp()
    buffer.connections.append(number)
    buffer.note(events.ACQUIRED)
    buffer.stamp()


def finish(buffer: EventBuffer, kind: int = events.RELEASED) -> None:
    buffer.note(kind)
    buffer.stamp()


CLIENTS = st.integers(0, 4)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["use", "use", "use", "hold", "lose", "leak", "tick"]), st.integers(0, 4)
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=60)
@given(steps=STEPS, numbered=st.booleans())
def test_lanes_agree_with_the_counts(steps: list[tuple[str, int]], numbered: bool) -> None:
    """At the end of each tick as many lanes are in use as connections, whatever happens."""
    connections = ConnectionEventBuffer()
    buffers = [EventBuffer(number) for number in range(5)]
    meter = Meter(connections)
    idle: list[int] = []
    held: dict[int, int] = {}
    leaked: list[int] = []
    ticks = [meter.tick(buffers, kept=0)]
    for step, client in steps:
        buffer = buffers[client]
        if step == "use" and client not in held:
            number = idle.pop() if idle else connections.opened_next(0.001)
            held[client] = number
            acquire(buffer, number if numbered else -1)
        elif step == "use":
            idle.append(held.pop(client))
            finish(buffer)
        elif step == "hold" and client in held:
            (buffer.stamp_held if client % 2 else buffer.stamp_held_in_transaction)()
        elif step == "lose" and client in held:
            connections.closed_number(held.pop(client))
            finish(buffer, events.BROKEN)
        elif step == "leak" and client in held:
            leaked.append(held.pop(client))
            finish(buffer, events.LEAKED)
        elif step == "tick":
            ticks.append(meter.tick(buffers, kept=0))
    spend(5)  # what lasts less than a microsecond isn't seen
    ticks.append(meter.tick(buffers, kept=0))
    shown = pieces(ticks)
    check_pieces(shown)
    for tick, made in zip(ticks, lane_ticks(ticks), strict=True):
        assert used_at(shown, made.end - 1) <= tick.levels["used"].high
        if made is not lane_ticks(ticks)[-1]:
            continue
        assert used_at(shown, made.end - 1) == tick.levels["used"].last == len(held) + len(leaked)
    if leaked:
        assert (shown.state == State.LEAKED).any()


WAITS = st.lists(
    st.tuples(st.sampled_from(["ask", "get", "fail", "refuse", "free", "tick", "time"]), CLIENTS),
    max_size=60,
)


@settings(deadline=None, max_examples=60)
@given(steps=WAITS)
def test_waits_agree_with_the_counts(steps: list[tuple[str, int]]) -> None:
    """At the end of each tick those clients wait that asked and were not answered; what was left
    out of the waits before was short."""
    connections = ConnectionEventBuffer()
    buffers = [EventBuffer(number) for number in range(5)]
    meter = Meter(connections)
    waits: dict[int, bool] = {}  # whether it was refused, by client
    held: dict[int, int] = {}
    ticks, expected = [meter.tick(buffers, kept=0)], [set[int]()]
    for step, client in [*steps, ("tick", 0)]:
        buffer = buffers[client]
        if step == "ask" and client not in held and client not in waits:
            finish(buffer, events.REQUESTED)
            waits[client] = False
        elif step in ("get", "fail") and client in waits:
            if waits.pop(client):
                finish(buffer, events.RETRIED)
            if step == "get":
                held[client] = connections.opened_next(0.0)
                acquire(buffer, held[client], again=True)
            else:
                finish(buffer, events.TIMED_OUT)
        elif step == "refuse" and waits.get(client) is False:
            finish(buffer, events.REFUSED)
            waits[client] = True
        elif step == "free" and client in held:
            spend(20)  # no statement is quicker
            finish(buffer)
            connections.closed_number(held.pop(client))
        elif step == "time":
            spend(1100)
        elif step == "tick":
            ticks.append(meter.tick(buffers, kept=0))
            expected.append(set(waits))
    made = lane_ticks(ticks)
    shown = pieces_between(made, 0, made[-1].end).waits
    check_waits(shown)
    for tick, lane_tick, waiting in zip(ticks, made, expected, strict=True):
        found = waiting_at(shown, lane_tick.end - 1)
        assert waiting <= found | just_asked(shown, lane_tick.end, waiting)
        assert len(waiting) == tick.levels["pending"].last + tick.levels["retrying"].last
    # Reading may begin at any tick with what stands at its begin.
    half = len(made) // 2
    before, waits_before, _ = pieces_between(made[: half + 1], 0, made[half].end)
    standing = standing_at(before, waits_before, made[half].end)
    if made[half + 1 :]:
        rest = pieces_between(made[half + 1 :], made[half].end, made[-1].end, standing).waits
        for lane_tick in made[half + 1 :]:
            at = lane_tick.end - 1
            assert waiting_at(rest, at) == waiting_at(shown, at)


def just_asked(shown: Pieces, end: int, waiting: set[int]) -> set[int]:
    """Those whose wait begins in the same µs as the tick ends."""
    late = shown.begin >= end - 1
    return set(shown.client[late].tolist()) & waiting


def check_waits(shown: Pieces) -> None:
    """No two waits of a client overlap."""
    assert (shown.end > shown.begin).all()
    same = shown.client[1:] == shown.client[:-1]
    assert (shown.begin[1:][same] >= shown.end[:-1][same]).all()
    assert (shown.state == State.WAITING).all()


def test_a_short_wait_is_left_out_and_a_long_one_is_not() -> None:
    connections = ConnectionEventBuffer()
    buffer, meter = EventBuffer(3), Meter(connections)
    number = connections.opened_next(0.0)
    ticks = [meter.tick([buffer], kept=0)]
    finish(buffer, events.REQUESTED)
    acquire(buffer, number, again=True)
    finish(buffer)
    finish(buffer, events.REQUESTED)
    spend(2000)
    acquire(buffer, number, again=True)
    ticks.append(meter.tick([buffer], kept=0))
    made = lane_ticks(ticks)
    shown = pieces_between(made, 0, made[-1].end).waits
    assert shown.client.tolist() in ([3], [3, 3]), "the machine may have stood still in the first"
    assert (shown.end - shown.begin)[-1] >= 2000 - UNIT


def test_a_client_that_gets_a_connection_beyond_the_last_lane_waits_no_more() -> None:
    connections = ConnectionEventBuffer()
    buffer, meter = EventBuffer(3), Meter(connections)
    numbers = [connections.opened_next(0.0) for _ in range(MOST + 1)]
    ticks = [meter.tick([buffer], kept=0)]
    finish(buffer, events.REQUESTED)
    ticks.append(meter.tick([buffer], kept=0))
    acquire(buffer, numbers[-1], again=True)
    ticks.append(meter.tick([buffer], kept=0))
    spend(50)
    ticks.append(meter.tick([buffer], kept=0))
    made = lane_ticks(ticks)
    shown, waits, _ = pieces_between(made, 0, made[-1].end)
    assert waiting_at(waits, made[1].end - 1) == {3}
    assert waiting_at(waits, made[3].end - 1) == set()
    assert len(set(shown.lane.tolist())) == MOST


def test_each_operation_is_one_stretch_of_use_with_its_client_and_connection() -> None:
    connections = ConnectionEventBuffer()
    buffers, meter = [EventBuffer(7), EventBuffer(8)], Meter(connections)
    first, second = connections.opened_next(0.0), connections.opened_next(0.0)
    acquire(buffers[0], second)
    spend(50)
    buffers[0].stamp_held_in_transaction()
    spend(50)
    finish(buffers[0])
    acquire(buffers[1], first)
    spend(50)
    ticks = [meter.tick(buffers, kept=0)]
    spend(50)
    finish(buffers[1])
    spend(50)
    ticks.append(meter.tick(buffers, kept=0))
    shown = pieces(ticks)
    check_pieces(shown)
    found = [
        (lane, State(state), client, number)
        for lane, state, client, number in zip(
            shown.lane, shown.state, shown.client, shown.number, strict=True
        )
        if state != State.IDLE
    ]
    assert found == [
        (0, State.WORKING, 8, first),
        (1, State.WORKING, 7, second),
        (1, State.IN_TRANSACTION, 7, second),
    ]


def test_reading_may_begin_at_any_tick_that_says_what_stood_before() -> None:
    connections = ConnectionEventBuffer()
    buffer, meter = EventBuffer(3), Meter(connections)
    number = connections.opened_next(0.0)
    acquire(buffer, number)
    ticks = [meter.tick([buffer], kept=0) for _ in range(600)]
    made = lane_ticks(ticks)
    shown = pieces_between(made[512:], made[512].begin, made[-1].end).pieces
    assert shown.client.tolist() == [3]
    assert shown.begin.tolist() == [made[512].begin]
    assert 0 < shown.since[0] <= made[0].end, "it is known since when it is held"


def test_a_lane_is_free_again_once_its_connection_is_closed() -> None:
    """A pool that opens a connection for each operation needs no more lanes than are open."""
    connections = ConnectionEventBuffer()
    buffer, meter = EventBuffer(0), Meter(connections)
    ticks = []
    for _ in range(50):
        number = connections.opened_next(0.001)
        acquire(buffer, number)
        spend(5)
        finish(buffer)
        connections.closed_number(number)
        spend(5)
        if random.random() < 0.3:
            ticks.append(meter.tick([buffer], kept=0))
    ticks.append(meter.tick([buffer], kept=0))
    shown = pieces(ticks)
    assert set(shown.lane.tolist()) == {0}
    assert len(set(shown.number.tolist())) == 50


def test_what_cant_be_edges_is_left_out() -> None:
    ticks = [LaneTick(0, 50_000, bytes([255] * 40)), LaneTick(50_000, 100_000, b"\x01")]
    shown = pieces_between(ticks, 0, 100_000).pieces
    assert not len(shown.lane)


def spend(microseconds: int) -> None:
    from time import perf_counter_ns

    until = perf_counter_ns() + microseconds * 1000
    while perf_counter_ns() < until:
        pass
