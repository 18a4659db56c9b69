"""Which limit of the load generator was crossed."""

from __future__ import annotations

import pytest

from poolviz.model.load_generator import is_overloaded, limits_crossed


@pytest.mark.parametrize(
    ("cpu", "lag", "crossed"),
    [
        (0.24, 0.0051, "timers 5.1 ms late, limit 5 ms"),
        (0.95, 0.001, "95 % of a core, limit 90 %"),
        (1.2, 0.02, "timers 20.0 ms late, limit 5 ms and 120 % of a core, limit 90 %"),
        (0.9, 0.005, ""),
    ],
)
def test_only_what_was_crossed_is_named(cpu: float, lag: float, crossed: str) -> None:
    assert limits_crossed(cpu, lag) == crossed
    assert is_overloaded(cpu, lag) is bool(crossed)
