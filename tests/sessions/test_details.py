"""Details add up to what was recorded, at every resolution, live and in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolviz.model.histogram import Histogram
from poolviz.model.messages import SampleTaken
from poolviz.model.sample import ServerView
from poolviz.sessions.details import BOUNDS, CELLS, Details
from poolviz.sessions.recorder import Recorder
from tests.sessions.builders import Tick, began, ended, samples

WAITS = st.lists(st.floats(1e-7, 5e3), max_size=6)


@settings(max_examples=30, deadline=None)
@given(st.lists(WAITS, min_size=1, max_size=300), st.sampled_from([1, 5, 40, 10_000]))
def test_the_cells_of_all_bins_count_every_wait(waits: list[list[float]], points: int) -> None:
    details, total = Details(), np.zeros(CELLS, dtype=np.int64)
    for sample in samples([Tick(waits=tuple(each)) for each in waits]):
        details.add(sample)
    for each in waits:
        for wait in each:
            total[
                min(int(np.searchsorted(BOUNDS, wait * 1.0001, side="right")) - 1, CELLS - 1)
            ] += 1
    view = details.view(0.0, 1e9, points)
    assert view.waits.sum() == sum(map(len, waits))
    assert (np.diff(view.t) > 0).all()
    apart = np.abs(np.cumsum(view.waits.sum(axis=0) - total))
    assert apart.max(initial=0) <= sum(map(len, waits)) * 0.1 + 2, "but for those at a cell's edge"


@pytest.mark.parametrize("points", [3, 30, 300, 5000])
def test_a_file_has_the_details_of_the_run(tmp_path: Path, points: int) -> None:
    ticks = [
        Tick(
            used=(number % 5,),
            waits=(0.001 * (number % 7 + 1),) * (number % 3),
            operations=number % 4,
            server=ServerView(active=2, idle=1, idle_in_transaction=3)
            if number % 20 == 0
            else None,
        )
        for number in range(2500)
    ]
    path = tmp_path / "run.poolviz"
    with Recorder(path) as live:
        live.add(began())
        for sample in samples(ticks):
            live.add(SampleTaken(sample))
        live.add(ended())
        seen = live.details(0.0, live.duration, points)
        clients = live.clients(0.0, live.duration)
    with Recorder.open(path) as stored:
        again = stored.details(0.0, stored.duration, points, complete=True)
        assert stored.clients(0.0, stored.duration).operations.sum() == clients.operations.sum()
    assert again.bin == seen.bin
    np.testing.assert_array_equal(again.t, seen.t)
    np.testing.assert_array_equal(again.waits, seen.waits)
    for name in seen.sums:
        np.testing.assert_allclose(again.sums[name], seen.sums[name], atol=1e-9)
    assert seen.mean("server_idle_in_transaction", "server_known")[0] == pytest.approx(3.0)
    assert seen.waits.sum() == sum(len(tick.waits) for tick in ticks)


def test_what_is_in_a_cell_is_between_its_bounds() -> None:
    histogram = Histogram()
    for cell in range(CELLS - 1):
        histogram.clear()
        histogram.add(np.array([BOUNDS[cell] * 1.05, BOUNDS[cell + 1] * 0.95]))
        details = Details()
        (sample,) = samples([Tick(waits=(BOUNDS[cell] * 1.05, BOUNDS[cell + 1] * 0.95))])
        details.add(sample)
        assert details.view(0.0, 1.0, 10).waits[0, cell] == 2
