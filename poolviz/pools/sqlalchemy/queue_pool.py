"""SQLAlchemy's QueuePool, whose waiting callers may be overtaken by new ones.

It is the pool that the window opens with: nothing here imports SQLAlchemy before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from poolviz.model.parameters import Count, Effect, Parameters, Seconds, Switch, Value
from poolviz.pools.base import on_first_use
from poolviz.pools.connections.arguments import sqlalchemy_arguments
from poolviz.pools.listing import Listing
from poolviz.pools.sqlalchemy.base import (
    MOST,
    NO_LIMIT,
    POOL_PRE_PING,
    POOL_RECYCLE,
    SQLAlchemyPool,
)

if TYPE_CHECKING:
    from poolviz.pools.sqlalchemy.resizable_queue_pool import ResizableQueuePool

LISTING = Listing(
    "sqlalchemy.QueuePool",
    "SQLAlchemy QueuePool",
    rank=20,
    classes=("sqlalchemy.pool.impl:QueuePool", "sqlalchemy.pool:QueuePool", "sqlalchemy:QueuePool"),
)


def queue_limits(id: str) -> Parameters:
    """Return the limits of a QueuePool, or of a pool derived from it."""
    return Parameters(
        f"limit of {id}",
        Count(
            key="pool_size",
            default=5,
            minimum=1,
            maximum=MOST,
            slider=(1, 50),
            help="The most connections kept idle. None is opened before it is needed.",
            effect_help="Raised: callers that wait get a connection at once. Lowered: surplus "
            "connections are closed, idle ones at once, others when they are given back.",
        ),
        Count(
            key="max_overflow",
            default=5,
            maximum=MOST,
            slider=(0, 50),
            special={NO_LIMIT: "no limit"},
            help="The most connections beyond pool_size. They are closed when they are given back.",
            effect_help="Raised: callers that wait get a connection at once. Lowered: surplus "
            "connections are closed when they are given back.",
        ),
        Seconds(
            key="pool_timeout",
            default=30.0,
            maximum=86_400,
            slider=(0, 60),
            log_slider=True,
            special={0: "fail at once"},
            effect=Effect.NEW_REQUESTS,
            help="The longest time that a caller waits for a connection before it gets an error.",
            effect_help="Callers that already wait keep their timeout.",
        ),
        POOL_RECYCLE,
        POOL_PRE_PING,
        Switch(
            key="pool_use_lifo",
            default=False,
            help="Whether the connection that was given back last is checked out first, so that "
            "the others stay idle, instead of each in turn.",
            effect_help="Applies from the next checkout.",
        ),
    )


def _exhausted() -> tuple[type[Exception], ...]:
    from sqlalchemy.exc import TimeoutError as UpstreamTimeoutError  # noqa: PLC0415 - see above

    return (UpstreamTimeoutError,)


def _pool_class() -> type[ResizableQueuePool]:
    from poolviz.pools.sqlalchemy import resizable_queue_pool  # noqa: PLC0415 - see above

    return resizable_queue_pool.ResizableQueuePool


class QueuePool(SQLAlchemyPool):
    """`sqlalchemy.pool.QueuePool`."""

    id, title = LISTING.id, LISTING.title
    about = "When all connections are in use, callers wait, for pool_timeout at most."
    waits = True
    exhausted = on_first_use(_exhausted)
    limits = queue_limits(id)
    connect = sqlalchemy_arguments(id)
    pool_class = on_first_use(_pool_class)

    @classmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """Return pool_size + max_overflow; None if max_overflow is -1."""
        overflow = int(limits["max_overflow"])
        return None if overflow == NO_LIMIT else int(limits["pool_size"]) + overflow

    @classmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """Return pool_size: no more connections are kept idle."""
        return int(limits["pool_size"])
