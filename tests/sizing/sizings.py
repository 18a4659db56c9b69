"""Sizings of points whose truth is known, to be drawn and written."""

from __future__ import annotations

from typing import Any

from poolviz.sessions.sweep_record import KeptNote, SweepRecord
from poolviz.sizing.advice import nested_bound
from poolviz.sizing.points import Point
from poolviz.sizing.sizing import Sizing, conclude
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


def concluded(
    points: list[Point],
    *targets: str,
    limits: tuple[str, ...] = ("pool_size",),
    load: dict[str, Any] = LOAD,
    server: str = "embedded PostgreSQL",
    **changes: Any,
) -> Sizing:
    kept = SweepRecord(
        tuple((key, 1, 24) for key in limits),
        targets,
        **{
            "free": 94,
            "max_connections": 100,
            "lower_bound": nested_bound(load),
            "rules": (("HikariCP: 2 × cores + 1 disk", 5), ("All", 900)),
            "notes": (KeptNote("deadlocks", {"bound": 7}),),
            "complete": True,
            **changes,
        },
    )
    return conclude(
        measured(points),
        Aim.parse(*targets),
        kept,
        pool="sqlalchemy.QueuePool",
        server=server,
        load=load,
        session=None,
    )
