"""What is drawn of lanes agrees with what was recorded, live and from a session file."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import binary

from poolviz.model.errors import InputError
from poolviz.model.lanes import Edge, Edges, State, pack_edges, pieces_of, unpack_edges
from poolviz.model.messages import SampleTaken
from poolviz.model.sample import Sample
from poolviz.sessions import lanes
from poolviz.sessions.bins import ServerSeen
from poolviz.sessions.derived import Scope, derived
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.format import CHUNK_BITS
from poolviz.sessions.file.kept_lanes import KeptLanes, states_of
from poolviz.sessions.file.stored_bins import KeptOfLanes, StoredBins
from poolviz.sessions.holds import US, holders
from poolviz.sessions.lane_pieces import shares_of
from poolviz.sessions.lane_states import LaneStates
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.report import as_object
from tests.sessions.builders import began, digest, ended, record, reports, samples, ticks

TICK = 50_000  # µs
LANES = 3
CHUNK = 1 << CHUNK_BITS  # samples


def with_lanes(count: int) -> Iterator[Sample]:
    """Samples in each of which client n has connection n + 10 from 10 to 30 ms, and works for 15 of
    these; client 9 keeps connection 13 from the second sample on."""
    for made in samples(ticks(count)):
        sample = msgspec.structs.replace(made, t=(made.index + 1) * 0.05, span=0.05)
        rows: list[tuple[int, int, int, int]] = []
        if sample.index % 256 == 0:
            rows = [(Edge.OPENED, lane, -2_000_000_000, lane + 10) for lane in range(LANES + 1)]
            if sample.index:
                rows.append((Edge.ACQUIRED, LANES, 60_000 - sample.index * TICK, 9))
        if sample.index == 1:
            rows.append((Edge.ACQUIRED, LANES, 10_000, 9))
        for lane in range(LANES):
            rows.append((Edge.ACQUIRED, lane, 10_000, lane))
            rows.append((Edge.IN_TRANSACTION, lane, 25_000, -1))
            rows.append((Edge.RELEASED, lane, 30_000, -1))
        # Client 20 waits in each sample, client 21 from the second one on.
        rows += [(Edge.WAITING, 0, 16_000, 20), (Edge.GAVE_UP, 0, 32_000, 20)]
        if sample.index == 1:
            rows.append((Edge.WAITING, 0, 0, 21))
        elif sample.index and sample.index % 256 == 0:
            rows.append((Edge.WAITING, 0, (1 - sample.index) * TICK, 21))
        rows.sort(key=lambda row: row[2])
        kind, lane, at, who = np.array(rows, dtype=np.int64).T
        edges = Edges(kind, lane, at, who, np.zeros_like(kind), False, sample.index % 256 == 0)
        yield msgspec.structs.replace(sample, lanes=pack_edges(edges))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lanes") / "a.poolviz"
    with Recorder(made) as recorder:
        recorder.add(began())
        for sample in with_lanes(2300):
            recorder.add(SampleTaken(sample))
        recorder.add(ended())
    return made


@pytest.mark.parametrize("start", [0.0, 0.2, 40.0, 51.1, 110.0])
def test_a_session_shows_what_was_recorded_live(path: Path, start: float) -> None:
    moments = round(start / US), round((start + 2) / US)
    with Recorder() as live, Recorder.open(path) as opened:
        for sample in with_lanes(2300):
            live.add(SampleTaken(sample))
            if sample.index % 7 == 0:  # as a window draws them
                live.lane_shares(*moments)
        for recorder in (live, opened):
            pieces = recorder.lane_pieces(*moments)
            assert pieces is not None
            near = shares_of(pieces, moments[0], 10_000, 200, LANES + 1)
            found = recorder.lane_shares(*moments)
            assert found is not None
            begin, width, far = found
            assert (begin, width) == (moments[0] // TICK * TICK, TICK)
            np.testing.assert_allclose(
                far[2:38, 1], near[:, 1].reshape(40, 5, -1).mean(axis=1)[2:38], atol=1e-5
            )
            assert far[5, 1, State.WORKING] == pytest.approx(0.3)
            assert far[5, 1, State.IN_TRANSACTION] == pytest.approx(0.1)
            assert far[5, 1, State.IDLE] == pytest.approx(0.6)
            assert far[5, LANES, State.WORKING] == 1.0
            waits = recorder.waits(*moments)
            assert waits is not None
            assert set(waits.client.tolist()) == {20, 21}
            shares = recorder.wait_shares(*moments)
            assert shares is not None
            assert (shares.begin, shares.width) == (begin, width)
            rows = {client: shares.parts[5, row] for row, client in enumerate(shares.clients)}
            assert rows == {20: pytest.approx(0.32), 21: pytest.approx(1.0)}


def test_the_longest_holder_is_known_with_its_connection_and_since_when(path: Path) -> None:
    with Recorder.open(path) as recorder:
        pieces = recorder.lane_pieces(99_990_000, 100_000_000)
        assert pieces is not None
        (holder,) = holders(pieces, 100_000_000)
        longest = as_object(recorder)["longest_holders"][0]
    assert (holder.client, holder.connection, holder.lane) == (9, 13, LANES)
    assert holder.since == pytest.approx(0.06)
    assert (longest["client"], longest["connection"], longest["leaked"]) == (9, 13, False)
    assert longest["held_s"] == pytest.approx(114.94)


def test_connecting_comes_before_opened_and_never_over_another_connection() -> None:
    kind = np.array([Edge.OPENED, Edge.ACQUIRED, Edge.RELEASED, Edge.CLOSED, Edge.OPENED])
    at = np.array([5_000, 6_000, 9_000, 10_000, 11_000])
    who, took = np.array([1, 4, -1, -1, 2]), np.array([2_000, 0, 0, 0, 4_000])
    edges = unpack_edges(pack_edges(Edges(kind, np.zeros(5, np.int64), at, who, took)))
    pieces = pieces_of(edges, 0, 20_000)
    found = zip(map(State, pieces.state.tolist()), pieces.begin, pieces.end, strict=True)
    assert list(found) == [
        (State.CONNECTING, 3_000, 5_000),
        (State.IDLE, 5_000, 6_000),
        (State.WORKING, 6_000, 9_000),
        (State.IDLE, 9_000, 10_000),
        (State.CONNECTING, 10_000, 11_000),
        (State.IDLE, 11_000, 20_000),
    ]


def bytes_of_lanes(path: Path) -> tuple[list[int], list[int]]:
    """Return by chunk how many bytes of a session file edges of lanes take, and states."""
    edges, states = [], []
    with closing(sqlite3.connect(path)) as connection:
        for (sealed,) in connection.execute("SELECT body FROM chunks ORDER BY idx"):
            columns = Columns.unpack(sealed[4:])
            rare = {name: each for name, each in columns.rare.items() if name != "lanes"}
            edges.append(len(sealed) - 4 - len(replace(columns, rare=rare).pack()))
        for (sealed,) in connection.execute("SELECT body FROM bins ORDER BY idx"):
            states.append(len(StoredBins.unpack(sealed[4:]).states))
    return edges, states


@pytest.fixture(scope="module")
def run() -> list[Sample]:
    return list(with_lanes(5 * CHUNK))


def recorded(path: Path, run: list[Sample], bound: int | None) -> Path:
    with Recorder(path, lanes=bound) as recorder:
        record(recorder, reports(run))
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, run: list[Sample]) -> Path:
    return recorded(tmp_path_factory.mktemp("whole") / "whole.poolviz", run, None)


def test_beyond_the_bound_the_oldest_lanes_keep_their_states(
    tmp_path: Path, run: list[Sample], whole: Path
) -> None:
    edges, states = bytes_of_lanes(whole)
    assert len(edges) == 4  # and the newest samples are in no chunk
    assert all(edges)
    bound = round(2.5 * edges[0]) + sum(states)
    path = recorded(tmp_path / "bounded.poolviz", run, bound)
    edges, states = bytes_of_lanes(path)
    assert edges[:2] == [0, 0]
    assert all(edges[2:])
    assert all(states)
    assert sum(edges) + sum(states) <= bound
    with Recorder.open(path) as opened, Recorder.open(whole) as exact:
        found = list(opened.samples())
        assert opened.summary() == exact.summary()
        blank = [msgspec.structs.replace(each, lanes=b"") for each in run]
        assert digest(msgspec.structs.replace(each, lanes=b"") for each in found) == digest(blank)
        # Ten seconds around the end of the second chunk: states, then edges.
        end = 2 * CHUNK * TICK
        (less,) = opened.less_of_lanes(end - 5_000_000, end + 5_000_000)
        assert (less.begin, less.end, less.width, less.damaged) == (
            *(CHUNK * TICK, end, 32 * TICK),
            False,
        )
        assert opened.less_of_lanes(end, end + 5_000_000) == []
        for moment in (0, 20_000_000, end - 5_000_000):
            near = opened.lane_shares(moment, moment + 5_000_000)
            expected = exact.lane_shares(moment, moment + 5_000_000)
            assert near is not None
            assert expected is not None
            assert near[:2] == expected[:2] == (moment, TICK)
            np.testing.assert_allclose(
                near[2][64:96].mean(axis=0), expected[2][64:96].mean(axis=0), atol=0.01
            )
            found_waits = opened.wait_shares(moment, moment + 5_000_000)
            assert found_waits is not None
            assert set(found_waits.clients) == {20, 21}


def test_a_part_of_a_session_has_the_states_of_its_time(
    tmp_path: Path, run: list[Sample], whole: Path
) -> None:
    bound = 2 * sum(bytes_of_lanes(whole)[1])
    path = recorded(tmp_path / "states.poolviz", run[: 2 * CHUNK + 30], bound)
    with Recorder.open(path) as opened:
        assert opened.less_of_lanes(0, 90_000_000)
        for scope in (Scope(20.0, 40.0), Scope(20.0, 90.0, anonymous=True)):
            with derived(opened, scope) as part:
                found = part.lane_shares(25_000_000, 30_000_000)
                assert found is not None
                assert found[2][64:96, 1, State.WORKING].mean() == pytest.approx(0.3, abs=0.01)
                assert part.less_of_lanes(25_000_000, 30_000_000)
                waits = part.waits(25_000_000, 30_000_000)
                assert waits is not None
                shares = part.wait_shares(25_000_000, 30_000_000)
                assert shares is not None
                assert set(shares.clients) == {20, 21}


@pytest.mark.parametrize("share", [0.0, 0.3, 1.2, 3.0, 9.5])
def test_lanes_never_take_more_than_the_bound_and_none_goes_without_a_word(
    run: list[Sample], share: float
) -> None:
    columns = Columns.of(run[:CHUNK], [0] * CHUNK)
    bins = StoredBins.of(columns, ServerSeen())
    states = len(states_of(columns).pack())
    bare = replace(columns, rare={n: each for n, each in columns.rare.items() if n != "lanes"})
    edges = len(columns.pack()) - len(bare.pack())
    bound = round(share * states) if share < 5 else round(share * edges)
    kept, chunks, by_number = KeptLanes(bound), {}, {}
    for number in range(12):
        for table, (which, *_), body in kept.rows(
            (number, number * CHUNK, CHUNK, 0), columns, bins
        ):
            if table == "chunks":
                chunks[which] = edges if body == columns.pack() else 0
            else:
                by_number[which] = StoredBins.unpack(body)
        assert sum(chunks.values()) + sum(len(e.states) for e in by_number.values()) <= bound
    for number, found in by_number.items():
        exact = found.lanes == KeptOfLanes.ALL
        assert exact == bool(chunks[number])
        assert bool(found.states) == (found.lanes in (KeptOfLanes.ALL, KeptOfLanes.STATES))
        assert found.lanes != KeptOfLanes.UNKNOWN
    numbers = [number for number, found in by_number.items() if found.lanes == KeptOfLanes.ALL]
    assert numbers == list(range(12))[12 - len(numbers) :]  # the newest


def test_an_hour_is_drawn_from_states(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_CHUNKS", 2)  # that are read at once
    with Recorder.open(whole) as opened:
        found = opened.lane_shares(0, 5 * CHUNK * TICK)
        assert found is not None
        begin, width, shares = found
        assert (begin, width) == (0, 32 * TICK)
        assert len(shares) == 5 * CHUNK // 32
        assert shares[10, 1, State.WORKING] == pytest.approx(0.3, abs=0.01)
        assert shares[110, LANES, State.WORKING] == pytest.approx(1.0, abs=0.01)
        assert shares[-2, 1, State.IDLE] == pytest.approx(0.6, abs=0.01)
        waits = opened.wait_shares(0, 5 * CHUNK * TICK)
        assert waits is not None
        assert waits.parts[10].tolist() == pytest.approx([0.32, 1.0], abs=0.01)


def test_lanes_that_are_damaged_are_said_and_left_out(tmp_path: Path, run: list[Sample]) -> None:
    broken = [
        msgspec.structs.replace(each, lanes=b"\1\2\3") if each.index == 300 else each
        for each in run[: CHUNK + 20]
    ]
    path = recorded(tmp_path / "damaged.poolviz", broken, None)
    with Recorder.open(path) as opened:
        begin, end = 300 * TICK, 512 * TICK  # where a sample says what stands
        assert opened.less_of_lanes(0, 30_000_000) == [(begin, end, 0, True)]
        pieces = opened.lane_pieces(10_000_000, 30_000_000)
        assert pieces is not None
        assert not ((pieces.end > begin) & (pieces.begin < end)).any()
        assert (pieces.begin >= end).any()
        assert (pieces.begin < begin).any()
        out = tmp_path / "run.lanes.csv"
        with pytest.raises(InputError, match=r"lanes from 15\.0 to 25\.6 s are damaged"):
            exporter_for(out).export(opened, out)


@given(binary(max_size=300))
def test_bytes_that_are_no_states_are_refused(body: bytes) -> None:
    for given_ in (body, zlib.compress(body)):
        with pytest.raises(ValueError, match=r"."):
            LaneStates.unpack(given_)
