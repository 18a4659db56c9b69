"""Sizings of points whose truth is known, to be drawn and written."""

from __future__ import annotations

from typing import Any

from poolviz.sizing.points import Point
from poolviz.sizing.sizing import Rule, Sizing, conclude
from poolviz.sizing.target import Aim
from tests.sizing.test_advice import LOAD, SIZES, measured, point


def sizing(*targets: str, **changes: Any) -> Sizing:
    """A sizing of nine sizes of one limit."""
    return concluded([point(size) for size in SIZES], *targets, **changes)


def grid(second: int) -> Sizing:
    """A sizing of two limits, with so many values of the second one."""
    points = [
        point(size + more, sizes=(size, more)) for size in SIZES[:5] for more in range(second)
    ]
    return concluded(points, limits=("pool_size", "max_overflow"))


def concluded(points: list[Point], *targets: str, **changes: Any) -> Sizing:
    facts: dict[str, Any] = {
        "pool": "sqlalchemy.QueuePool",
        "server": "embedded PostgreSQL",
        "limits": ("pool_size",),
        "load": LOAD,
        "free": 94,
        "max_connections": 100,
        "rules": [Rule(name="HikariCP: 2 × cores + 1 disk", size=5), Rule(name="All", size=900)],
        "notes": ["A note & more."],
        "complete": True,
        "session": None,
    }
    return conclude(measured(points), Aim.parse(*targets), **{**facts, **changes})
