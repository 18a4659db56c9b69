"""What limits a load is named rightly, of loads that are made to have that limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import poolviz
from poolviz.sizing.advice import Bottleneck
from tests.servers.fixtures import home

__all__ = ["home"]

_COMPUTES = "SELECT count(*) FROM generate_series(1, 300000)"
_LOCKED = "SELECT pg_advisory_xact_lock(1); SELECT pg_sleep(0.01)"


@pytest.mark.on_demand
@pytest.mark.parametrize(
    ("load", "named"),
    [
        ({"statement": "sql", "sql": _LOCKED, "transaction": "commit"}, Bottleneck.LOCKS),
        ({"statement": "sql", "sql": _COMPUTES}, Bottleneck.CPU),
        ({"statement": "sleep", "statement_time": 0.002, "hold_time": 0.03}, Bottleneck.HOLD),
        ({"statement": "sleep", "statement_time": 0.03}, Bottleneck.CLIENTS),
    ],
    ids=["locks", "processors", "held", "clients"],
)
def test_what_limits_a_real_load_is_named(
    home: Path, load: dict[str, Any], named: Bottleneck
) -> None:
    assert home.exists()
    given = {"clients": 8, "think_time": 0.005, "hold_time": 0, **load}
    found = poolviz.size(load=given, sweep={"pool_size": (1, 8)}, budget=30.0, seed=1)
    assert found.bottleneck is named, found.sentence
