"""Samples as columns: exactly those that they were made of, whatever is in them."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from poolviz.model.histogram import CELL, Durations
from poolviz.model.sample import (
    ErrorCount,
    ErrorKind,
    Level,
    ReportedCounts,
    Sample,
    ServerView,
)
from poolviz.sessions.file.arrays import pack_array, unpack_array
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.format import Damage, Settings
from tests.sessions.builders import durations, far_apart, samples, ticks

any_int = st.integers(-(2**63) + 1, 2**63 - 1)
any_float = st.floats(allow_nan=False)
counts = st.none() | st.integers(-(2**63), 2**64 - 1)
levels = st.builds(Level, any_int, any_int, any_int, any_float)
names = st.text(max_size=5)
histograms = st.lists(st.floats(1e-7, 1e5), max_size=20).map(lambda times: durations(*times))
runs = st.lists(
    st.builds(
        Sample,
        index=any_int,
        t=any_float,
        span=any_float,
        segment=any_int,
        **dict.fromkeys(
            ("open", "used", "idle", "overflow", "pending", "retrying", "backlog"), levels
        ),
        **dict.fromkeys(("wait", "use", "create", "retry"), histograms),
        operations=any_int,
        errors=st.dictionaries(names, any_int, max_size=2),
        timeout_names=st.dictionaries(names, any_int, max_size=2),
        per_client=st.dictionaries(any_int, any_int, max_size=4),
        longest_waits=st.dictionaries(any_int, any_float, max_size=4),
        capacity=st.none() | any_int,
        reported_counts=st.builds(ReportedCounts, counts, counts, counts),
        server=st.none() | st.builds(ServerView, any_int, any_int, any_int, any_int),
        cpu=any_float,
        overloaded=st.booleans(),
        ending=st.booleans(),
        error_kinds=st.lists(st.builds(ErrorKind, names, any_float, names), max_size=2),
        error_counts=st.lists(st.builds(ErrorCount, any_int, any_int, any_float), max_size=2),
        limits=st.just({}),
        load=st.just({}),
    ),
    min_size=1,
    max_size=5,
)


def encoded(run: list[Sample]) -> list[bytes]:
    return [msgspec.msgpack.encode(sample) for sample in run]


@settings(max_examples=100, deadline=None)
@given(runs)
def test_what_is_packed_is_what_is_unpacked(run: list[Sample]) -> None:
    body = Columns.of(run, [0] * len(run)).pack()
    assert encoded(list(Columns.unpack(body).samples([Settings()]))) == encoded(run)


def test_a_busy_run_is_the_same_and_takes_a_fraction_of_the_room() -> None:
    run = [
        msgspec.structs.replace(sample, limits={}, load={}, faults={})
        for sample in samples(ticks(1024))
    ]
    body = Columns.of(run, [0] * len(run)).pack()
    assert encoded(list(Columns.unpack(body).samples([Settings()]))) == encoded(run)
    assert len(body) < sum(map(len, encoded(run))) / 3


def test_the_greatest_numbers_come_back() -> None:
    run = [
        msgspec.structs.replace(sample, limits={}, load={}, faults={})
        for sample in far_apart(samples(ticks(10)))
    ]
    body = Columns.of(run, [0] * len(run)).pack()
    assert encoded(list(Columns.unpack(body).samples([Settings()]))) == encoded(run)


@given(arrays.arrays(np.int64, st.integers(0, 30)))
def test_whole_numbers_are_exact(array: np.ndarray) -> None:
    back = unpack_array(pack_array(array))
    assert back.dtype == np.int64
    assert back.tobytes() == array.tobytes()


@given(arrays.arrays(np.float64, st.integers(0, 30)))
def test_fractions_are_exact_to_the_last_bit(array: np.ndarray) -> None:
    back = unpack_array(pack_array(array))
    assert back.dtype == np.float64
    assert back.tobytes() == array.tobytes()


@given(arrays.arrays(CELL, st.integers(0, 30)))
def test_cells_are_exact(array: np.ndarray) -> None:
    assert unpack_array(pack_array(array)).tobytes() == array.tobytes()


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_other_bytes_are_damage(body: bytes) -> None:
    for packed in (body, zlib.compress(body)):
        with pytest.raises(Damage):
            Columns.unpack(packed)


def test_a_body_that_unpacks_without_end_is_damage() -> None:
    with pytest.raises(Damage):
        Columns.unpack(zlib.compress(bytes(100_000_000)))


@pytest.mark.parametrize("name", ["t", "settings", "open.mean", "wait.cells", "per_client.values"])
@pytest.mark.parametrize("change", ["missing", "shorter", "other"])
def test_columns_that_dont_fit_together_are_damage(name: str, change: str) -> None:
    run = list(samples(ticks(20)))
    columns = dict(Columns.of(run, [0] * len(run)).columns)
    column = columns.pop(name)
    if change == "shorter":
        columns[name] = column[:-1]
    elif change == "other":
        columns[name] = np.zeros(len(column), dtype=np.int64 if name != "settings" else np.float64)
        if name == "per_client.values":
            columns[name] = columns[name].astype(np.float64)
    with pytest.raises(Damage):
        Columns.unpack(Columns(20, columns).pack())


def test_cells_beyond_the_last_bucket_are_damage() -> None:
    cells = np.array([(1400, 1)], dtype=CELL).tobytes()
    (sample,) = samples(ticks(1))
    odd = msgspec.structs.replace(sample, wait=Durations(1, 1.0, 1.0, 1.0, cells))
    with pytest.raises(Damage):
        Columns.unpack(Columns.of([odd], [0]).pack())


def test_settings_that_are_missing_are_damage() -> None:
    run = list(samples(ticks(3)))
    columns = Columns.unpack(Columns.of(run, [0, 0, 1]).pack())
    with pytest.raises(Damage):
        list(columns.samples([Settings()]))
