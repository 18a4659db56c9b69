"""A stall of the server shows in full in an open load: requests keep coming due."""

from __future__ import annotations

import pytest

from poolviz.engine.engine import Engine
from poolviz.servers import dispatch
from tests.engine.runs import QUEUE_POOL, changes, running, scenario


@pytest.mark.parametrize(
    ("pool", "size"),
    [
        (QUEUE_POOL, {"pool_size": 4, "max_overflow": 0, "pool_timeout": 30}),
        ("asyncpg.Pool", {"max_size": 4}),
    ],
)
def test_a_stalled_pool_shows_waits_as_long_as_the_stall(
    pool: str, size: dict[str, int], conninfo: str
) -> None:
    dispatch.prepare_tables(conninfo, 1, lambda words: None)
    what = scenario(
        pool, duration=5.0, arrivals="open", rate=100, clients=20, statement="read_write",
        changes=changes((1.0, "lock_table", 2.0)), **size,
    )  # fmt: skip
    with running(Engine, conninfo, what) as (engine, heard):
        assert engine.wait(60)
    before = [sample for sample in heard.samples if sample.t < 1.0]
    longest = max(sample.wait.high for sample in heard.samples)
    assert 1.7 < longest < 4.5
    # Some 200 requests came due meanwhile: four held a connection, 16 waited, and the rest are
    # counted with the time before any client began them.
    assert max(sample.backlog.high for sample in heard.samples) > 100
    waits = sum(sample.wait.count for sample in heard.samples if sample.t > 3.0)
    assert waits > 150
    assert max(sample.wait.high for sample in before) < 1.0
    assert sum(sum(sample.errors.values()) for sample in heard.samples) == 0
