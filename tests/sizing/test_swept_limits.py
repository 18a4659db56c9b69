"""Which limits are swept, and how a pool gets from one size to another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.model.errors import InputError
from poolviz.pools.registry import pool_class
from poolviz.sizing.sweep import BLOCKS, SHORTEST_VISIT, affordable
from poolviz.sizing.swept_limits import (
    Range,
    check_range,
    in_order,
    limits_at,
    overflow_limits,
    size_limit,
)


@pytest.mark.parametrize(
    ("pool", "limit"),
    [
        ("psycopg2.ThreadedConnectionPool", "maxconn"),
        ("sqlalchemy.QueuePool", "pool_size"),
        ("psycopg_pool.ConnectionPool", "max_size"),
        ("psycopg_pool.NullConnectionPool", "max_size"),
        ("asyncpg.Pool", "max_size"),
        ("aiopg.Pool", "maxsize"),
        ("dbutils.PooledDB", "maxconnections"),
    ],
)
def test_the_limit_of_how_many_connections_there_are_is_found(pool: str, limit: str) -> None:
    kind = pool_class(pool)
    assert size_limit(kind, kind.limits.complete({})) == limit


def test_overflow_is_known_to_allow_further_connections() -> None:
    kind = pool_class("sqlalchemy.QueuePool")
    assert overflow_limits(kind, "pool_size", kind.limits.complete({})) == ["max_overflow"]


@pytest.mark.parametrize("pool", ["sqlalchemy.NullPool", "sqlalchemy.StaticPool"])
def test_a_pool_without_such_a_limit_has_no_size_to_find(pool: str) -> None:
    kind = pool_class(pool)
    with pytest.raises(InputError, match="no size to find"):
        size_limit(kind, kind.limits.complete({}))


@pytest.mark.parametrize(
    ("text", "said"), [("1..40", (1, 40)), (" 2 .. 3 ", (2, 3)), ("7", None), ("a..b", None)]
)
def test_a_range_is_read(text: str, said: tuple[int, int] | None) -> None:
    found = Range.parse("maxconn", text)
    assert (found and (found.low, found.high)) == said


@pytest.mark.parametrize("text", ["5..5", "9..2"])
def test_a_range_with_nothing_in_it_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="from a lower to a higher"):
        Range.parse("maxconn", text)


def test_only_whole_numbers_within_their_bounds_are_swept() -> None:
    kind = pool_class("sqlalchemy.QueuePool")
    with pytest.raises(InputError, match="not a whole number"):
        check_range(kind, Range("pool_timeout", 1, 3))
    with pytest.raises(InputError, match="pool_size"):
        check_range(kind, Range("pool_size", 0, 3))
    with pytest.raises(InputError, match="poolsize"):
        check_range(kind, Range("poolsize", 1, 3))


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_the_values_of_a_range_begin_and_end_with_it_and_rise(low: int, more: int) -> None:
    values = Range("maxconn", low, low + more).values()
    assert values[0] == low
    assert values[-1] == low + more
    assert values == sorted(set(values))


@pytest.mark.parametrize("pool", ["psycopg2.ThreadedConnectionPool", "psycopg_pool.ConnectionPool"])
@given(sizes=st.lists(st.integers(1, 60), min_size=2, max_size=8), floor=st.integers(0, 40))
def test_no_change_on_the_way_to_a_size_is_refused(pool: str, sizes: list[int], floor: int) -> None:
    kind = pool_class(pool)
    key = size_limit(kind, kind.limits.complete({}))
    lower = kind.limits[key].at_least
    assert lower is not None
    given_limits = kind.limits.complete({key: 60, lower: floor})
    now = limits_at(kind, given_limits, [key], [60])
    for size in sizes:
        wanted = limits_at(kind, given_limits, [key], [size])
        for change in in_order(kind, now, wanted):
            now = kind.limits.changed(now, dict([change]))
        assert now == wanted
        assert now[lower] == min(floor, size)


@given(
    ranges=st.lists(
        st.builds(
            lambda low, more: Range("x", low, low + more), st.integers(0, 300), st.integers(1, 300)
        ),
        min_size=1,
        max_size=2,
    ),
    seconds=st.floats(0.0, 400.0),
)
def test_a_sweep_begins_with_as_many_sizes_as_there_is_time_for(
    ranges: list[Range], seconds: float
) -> None:
    sizes = affordable(ranges, seconds)
    assert len(set(sizes)) == len(sizes)
    fewest = 3 if len(ranges) == 1 else 4
    assert len(sizes) * BLOCKS * SHORTEST_VISIT <= seconds or len(sizes) <= fewest
    for ends in ("low", "high"):
        assert tuple(getattr(each, ends) for each in ranges) in sizes
    assert sizes == affordable(ranges, seconds)
    assert len(affordable(ranges, seconds + 30)) >= len(sizes)
