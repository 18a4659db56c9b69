"""Each pool on offer, in a short whole run."""

from __future__ import annotations

import numpy as np
import pytest

from poolviz.engine.engine import Engine
from poolviz.model.lanes import USED, Edge, unpack_edges
from poolviz.model.sample import Sample
from poolviz.pools.listing import Listing, built_in_listings
from poolviz.sessions.lane_pieces import LaneTick, pieces_between
from tests.engine.runs import PATIENCE, running, scenario

ON_MYSQL = [
    one for one in built_in_listings() if not one.missing and "postgresql" not in one.load().servers
]
ON_POSTGRESQL = [one for one in built_in_listings() if one not in ON_MYSQL]


@pytest.mark.parametrize("one", ON_POSTGRESQL, ids=lambda one: one.id)
def test_a_short_run_has_no_errors_and_leaves_nothing_open(one: Listing, conninfo: str) -> None:
    _runs_well(one, conninfo)


@pytest.mark.parametrize("one", ON_MYSQL, ids=lambda one: one.id)
def test_a_short_run_on_mysql_has_no_errors_and_leaves_nothing_open(
    one: Listing, mysql_url: str
) -> None:
    _runs_well(one, mysql_url)


def _runs_well(one: Listing, conninfo: str) -> None:
    if one.missing:
        pytest.skip(f"{one.id} lacks its driver: {one.missing}")
    what = scenario(one.id, clients=1 if one.load().one_client else 4, duration=0.5)
    with running(Engine, conninfo, what) as (run, heard):
        assert run.wait(PATIENCE)
    assert not heard.ended.failure
    assert heard.ended.open_at_end == 0
    assert {name for sample in heard.samples for name in sample.errors} == set()
    assert heard.operations() > 0
    for sample in heard.samples:
        assert sample.idle.last + sample.used.last == sample.open.last
        assert sample.used.high <= 4
    _lanes_agree(one, heard.samples)
    last = heard.samples[-1]
    assert last.open.last == last.used.last == 0


def _lanes_agree(one: Listing, samples: list[Sample]) -> None:
    """Lanes know each connection, and show as many in use as the sample counts."""
    ticks = [LaneTick.of(sample.t, sample.span, sample.lanes) for sample in samples]
    shown = pieces_between(ticks, 0, ticks[-1].end).pieces
    seen = [edges for sample in samples if len((edges := unpack_edges(sample.lanes)).kind)]
    by_holder = any(edges.by_holder for edges in seen)
    assert by_holder == one.load().shares, "each connection is told from others"
    same = shown.lane[1:] == shown.lane[:-1]
    assert (shown.begin[1:][same] >= shown.end[:-1][same]).all()
    kinds = np.concatenate([unpack_edges(sample.lanes).kind for sample in samples])
    assert (kinds == Edge.ACQUIRED).sum() == sum(sample.operations for sample in samples)
    if one.load().shares:
        return
    used = np.isin(shown.state, USED)
    for sample, tick in zip(samples, ticks, strict=True):
        inside = (shown.begin < tick.end) & (shown.end >= tick.end)
        assert (used & inside).sum() == sample.used.last
