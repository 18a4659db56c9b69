"""What is drawn of lanes agrees with what was recorded, live and from a session file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from poolviz.model.lanes import Edge, Edges, State, pack_edges, pieces_of, unpack_edges
from poolviz.model.messages import SampleTaken
from poolviz.model.sample import Sample
from poolviz.sessions.file import packing
from poolviz.sessions.file.format import CHUNK_BITS
from poolviz.sessions.holds import US, holders
from poolviz.sessions.lanes import shares_of
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
            rows = [(Edge.OPENED, lane, -200_000_000, lane + 10) for lane in range(LANES + 1)]
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


def test_the_oldest_lanes_give_way_once_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = list(with_lanes(5 * CHUNK))
    one = sum(len(each.lanes) for each in run[:CHUNK])
    monkeypatch.setattr(packing, "MOST_LANES", round(2.5 * one))
    path = tmp_path / "bounded.poolviz"
    with Recorder(path) as recorder:
        record(recorder, reports(run))
        summary = recorder.summary()
    with Recorder.open(path) as opened:
        found = list(opened.samples())
        assert opened.summary() == summary
    kept = [bool(each.lanes) for each in found]
    # Of four chunks two keep them, and so do the samples that are in none.
    assert not any(kept[: 2 * CHUNK])
    assert kept[2 * CHUNK :] == [bool(each.lanes) for each in run[2 * CHUNK :]]
    blank = [msgspec.structs.replace(each, lanes=b"") for each in run]
    assert digest(msgspec.structs.replace(each, lanes=b"") for each in found) == digest(blank)
