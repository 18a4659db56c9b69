"""The meter counts exactly, at one consistent moment, whatever threads do meanwhile."""

from __future__ import annotations

import random
import threading
from collections import deque
from itertools import pairwise
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.engine.meter import ConnectionEventBuffer, Meter, Tick
from poolviz.load import event_buffer as events
from poolviz.load.error_kinds import ErrorKinds
from poolviz.load.event_buffer import EventBuffer

COUNTS = ("open", "used", "idle", "overflow", "pending", "retrying")


def check_levels(tick: Tick) -> None:
    levels = tick.levels
    assert levels["idle"].last + levels["used"].last == levels["open"].last
    assert levels["idle"].mean + levels["used"].mean == pytest.approx(levels["open"].mean)
    for name in COUNTS:
        level = levels[name]
        assert 0 <= level.low <= level.last <= level.high, name
        assert level.low - 1e-9 <= level.mean <= level.high + 1e-9, name


def operate(buffer: EventBuffer, *kinds: int) -> None:
    for kind in kinds:
        buffer.note(kind)
        buffer.stamp()


def test_an_operation_is_counted_with_its_wait_and_its_use() -> None:
    connections, buffer = ConnectionEventBuffer(), EventBuffer(3)
    meter = Meter(connections)
    connections.opened(0.002)
    operate(buffer, events.REQUESTED, events.ACQUIRED, events.RELEASED)
    tick = meter.tick([buffer], kept=0)
    assert (tick.operations, tick.opened, tick.closed, tick.timeouts) == (1, 1, 0, 0)
    assert tick.per_client == {3: 1}
    assert (tick.wait.count, tick.use.count, tick.create.count) == (1, 1, 1)
    assert tick.create.summary().max == 0.002
    assert tick.levels["used"].high == 1
    assert tick.levels["used"].last == 0
    assert tick.levels["overflow"].last == 1
    check_levels(tick)


def test_a_spike_between_two_ticks_shows_in_the_highest_value() -> None:
    buffers = [EventBuffer(number) for number in range(5)]
    meter = Meter(ConnectionEventBuffer())
    for buffer in buffers:
        operate(buffer, events.REQUESTED)
    for buffer in buffers:
        operate(buffer, events.FAILED)
    tick = meter.tick(buffers, kept=0)
    assert tick.levels["pending"].high == 5
    assert tick.levels["pending"].last == 0


def test_a_connection_that_is_lost_in_use_is_open_until_it_is_released() -> None:
    connections, buffer = ConnectionEventBuffer(), EventBuffer(0)
    meter = Meter(connections)
    connections.opened(0.001)
    operate(buffer, events.REQUESTED, events.ACQUIRED)
    connections.closed()
    lost = meter.tick([buffer], kept=0)
    check_levels(lost)
    assert (lost.closed, lost.levels["open"].last, lost.levels["used"].last) == (1, 1, 1)
    operate(buffer, events.BROKEN)
    after = meter.tick([buffer], kept=0)
    check_levels(after)
    assert (after.levels["open"].last, after.levels["used"].last, meter.open) == (0, 0, 0)


def spend(seconds: float) -> None:
    """Let time pass without giving the processor away."""
    until = perf_counter() + seconds
    while perf_counter() < until:
        pass


def test_one_connection_in_two_hands_is_one_connection() -> None:
    connections = ConnectionEventBuffer()
    buffers, meter = [EventBuffer(number) for number in range(3)], Meter(connections)
    connections.opened(0.001)
    for buffer in buffers:
        operate(buffer, events.REQUESTED, events.ACQUIRED)
    shared = meter.tick(buffers, kept=0).levels
    assert (shared["used"].high, shared["open"].high, shared["idle"].high) == (1, 1, 1)
    for buffer in buffers[:2]:
        operate(buffer, events.RELEASED)
    assert meter.tick(buffers, kept=0).levels["used"].last == 1
    operate(buffers[2], events.RELEASED)
    levels = meter.tick(buffers, kept=0).levels
    assert (levels["used"].last, levels["open"].last) == (0, 1)


def test_a_wait_that_spans_ticks_is_counted_whole_when_it_ends() -> None:
    buffer, meter = EventBuffer(0), Meter(ConnectionEventBuffer())
    before = perf_counter()
    operate(buffer, events.REQUESTED)
    began = perf_counter()
    spend(0.01)
    first = meter.tick([buffer], kept=0)
    spend(0.01)
    over = perf_counter()
    operate(buffer, events.TIMED_OUT)
    after = perf_counter()
    second = meter.tick([buffer], kept=0)
    assert first.wait.count == 0
    assert first.levels["pending"].last == 1
    assert second.timeouts == second.wait.count == 1
    longest = second.wait.summary().max
    assert longest is not None
    assert over - began <= longest <= after - before
    assert second.longest_waits == {0: longest}


def test_refusals_move_a_client_from_pending_to_retrying_and_back() -> None:
    buffer, meter = EventBuffer(0), Meter(ConnectionEventBuffer())
    operate(buffer, events.REQUESTED, events.REFUSED)
    assert meter.tick([buffer], kept=0).levels["retrying"].last == 1
    operate(buffer, events.RETRIED)
    assert meter.tick([buffer], kept=0).levels["pending"].last == 1
    operate(buffer, events.REFUSED, events.GAVE_UP)
    buffer.own_waits.append(0.25)
    kind = ErrorKinds().kind(ValueError("refused"))
    buffer.errors.append(kind)
    tick = meter.tick([buffer], kept=0)
    assert tick.levels["retrying"].last == tick.levels["pending"].last == 0
    assert tick.retry.summary().max == 0.25
    assert tick.errors == {kind: 1}


def test_a_timeout_is_counted_by_its_kind_in_the_tick_that_has_its_moment() -> None:
    buffer, meter = EventBuffer(0), Meter(ConnectionEventBuffer())
    kind = ErrorKinds().kind(TimeoutError("no connection"), timeout=True)
    operate(buffer, events.REQUESTED)
    buffer.timeouts.append(kind)
    between = meter.tick([buffer], kept=0)
    assert (between.timeouts, between.errors) == (0, {})
    operate(buffer, events.TIMED_OUT, events.REQUESTED)
    buffer.timeouts.append(kind)
    after = meter.tick([buffer], kept=0)
    assert (after.timeouts, after.errors) == (1, {kind: 1})


@given(st.lists(st.integers(0, 3), max_size=200), st.sets(st.integers(0, 199)))
def test_every_event_is_in_exactly_one_tick(moves: list[int], ticks: set[int]) -> None:
    """Clients make random steps of valid operations; ticks fall anywhere between."""
    paths = {
        0: [events.REQUESTED, events.ACQUIRED, events.RELEASED],
        1: [events.REQUESTED, events.FAILED],
        2: [events.REQUESTED, events.TIMED_OUT],
        3: [events.REQUESTED, events.REFUSED, events.RETRIED, events.ACQUIRED, events.BROKEN],
    }
    connections, buffers = ConnectionEventBuffer(), [EventBuffer(0), EventBuffer(1), EventBuffer(2)]
    meter = Meter(connections)
    for _ in buffers:
        connections.opened(0.001)
    todo: list[deque[int]] = [deque() for _ in buffers]
    expected = [0] * 4
    taken = [meter.tick(buffers, kept=1)]
    for place, move in enumerate(moves):
        which = place % len(buffers)
        if not todo[which]:
            todo[which].extend(paths[move])
            expected[move] += 1
        operate(buffers[which], todo[which].popleft())
        if place in ticks:
            taken.append(meter.tick(buffers, kept=1))
    for which, rest in enumerate(todo):
        operate(buffers[which], *rest)
    taken.append(meter.tick(buffers, kept=1))
    for tick in taken:
        check_levels(tick)
    assert sum(tick.operations for tick in taken) == expected[0]
    assert sum(tick.timeouts for tick in taken) == expected[2]
    assert sum(tick.use.count for tick in taken) == expected[0] + expected[3]
    assert sum(tick.wait.count for tick in taken) == expected[0] + expected[2] + expected[3]
    assert taken[-1].levels["used"].last == taken[-1].levels["pending"].last == 0
    for before, after in pairwise(taken):
        assert before.end == after.start


def test_counts_are_consistent_in_every_tick_while_threads_race() -> None:
    """Threads pass a few tokens around; no tick sees more of them used than were opened."""
    connections = ConnectionEventBuffer()
    meter = Meter(connections)
    tokens: deque[int] = deque()
    free = threading.Semaphore(0)
    for token in range(3):
        connections.opened(0.0)
        tokens.append(token)
        free.release()
    done = threading.Event()
    buffers = [EventBuffer(number) for number in range(6)]
    made = [0] * len(buffers)

    def use(buffer: EventBuffer) -> None:
        while not done.is_set():
            operate(buffer, events.REQUESTED)
            free.acquire()
            token = tokens.popleft()
            operate(buffer, events.ACQUIRED)
            made[buffer.number] += 1
            operate(buffer, events.RELEASED)
            tokens.append(token)
            free.release()

    threads = [threading.Thread(target=use, args=(buffer,)) for buffer in buffers]
    for thread in threads:
        thread.start()
    ticks = []
    try:
        while sum(tick.operations for tick in ticks) < 30_000:
            ticks.append(meter.tick(buffers, kept=2))
    finally:
        done.set()
        for thread in threads:
            thread.join()
    ticks.append(meter.tick(buffers, kept=2))
    for tick in ticks:
        check_levels(tick)
        assert tick.levels["open"].high <= 3
        assert tick.levels["used"].high <= 3
    assert sum(tick.operations for tick in ticks) == sum(made)
    total: dict[int, int] = {}
    for tick in ticks:
        for number, count in tick.per_client.items():
            total[number] = total.get(number, 0) + count
    assert total == dict(enumerate(made))


def test_the_mean_is_weighted_by_time() -> None:
    """Used for a part of the tick: the mean is that part, by the meter's own clock."""
    buffer, meter = EventBuffer(0), Meter(ConnectionEventBuffer())
    operate(buffer, events.REQUESTED, events.ACQUIRED)
    until = perf_counter() + 0.01
    while perf_counter() < until:
        random.random()
    operate(buffer, events.RELEASED)
    tick = meter.tick([buffer], kept=0)
    span = (tick.end - tick.start) * 1e-9
    assert tick.levels["used"].mean == pytest.approx(tick.use.total / span, rel=1e-6)


def test_durations_keep_within_one_percent_in_the_histogram() -> None:
    from poolviz.model.histogram import Histogram

    rng = np.random.default_rng(1)
    values = rng.lognormal(-6, 2, 20_000)
    half = Histogram()
    half.add(values[:9_000])
    whole = Histogram()
    whole.add(values[9_000:])
    whole.merge(half.pack())
    for share, found in zip((0.5, 0.95, 0.99), whole.percentiles(0.5, 0.95, 0.99), strict=True):
        true = np.quantile(values, share, method="inverted_cdf")
        assert found == pytest.approx(true, rel=0.011)
    assert whole.count == len(values)
    assert whole.mean == pytest.approx(values.mean())
    assert (whole.low, whole.high) == (values.min(), values.max())


def test_ages_are_those_of_the_connections_that_are_open() -> None:
    connections = ConnectionEventBuffer()
    meter = Meter(connections)
    first, second = connections.opened_next(0.0), connections.opened_next(0.0)
    tick = meter.tick([], kept=0)
    assert 0 < tick.mean_age < tick.oldest_age < tick.end * 1e-9
    connections.closed_number(first)
    later = meter.tick([], kept=0)
    assert later.oldest_age == pytest.approx(later.mean_age)  # of the second alone
    assert later.oldest_age == pytest.approx(
        2 * tick.mean_age - tick.oldest_age + (later.end - tick.end) * 1e-9, abs=1e-6
    )
    connections.closed_number(second)
    assert meter.tick([], kept=0).oldest_age == 0.0


def test_a_connection_that_nobody_can_name_is_counted_out_all_the_same() -> None:
    connections = ConnectionEventBuffer()
    meter = Meter(connections)
    connections.opened(0.0)
    connections.opened(0.0)
    connections.closed()
    tick = meter.tick([], kept=0)
    assert (tick.levels["open"].last, tick.oldest_age) == (1, pytest.approx(tick.mean_age))
