"""The settings of the load, declared once for the sliders, the command line and scenarios."""

from __future__ import annotations

import msgspec

from poolviz.model.errors import InputError
from poolviz.model.parameters import Kind, Parameter, Parameters
from poolviz.pools.base import Pool

SETTINGS = Parameters(
    "setting of the load",
    Parameter(
        key="clients",
        kind=Kind.COUNT,
        default=8,
        maximum=2000,
        slider=(0, 100),
        help="How many clients use the pool at once, each in its own thread.",
    ),
    Parameter(
        key="statement_time",
        kind=Kind.SECONDS,
        default=0.004,
        maximum=3600,
        slider=(0, 1),
        log_slider=True,
        help="How long the server works on each statement, on average. At 0 it is SELECT 1.",
    ),
    Parameter(
        key="hold_time",
        kind=Kind.SECONDS,
        default=0.004,
        maximum=3600,
        slider=(0, 1),
        log_slider=True,
        help="How long a client keeps its connection after the statement, doing its own work.",
    ),
    Parameter(
        key="think_time",
        kind=Kind.SECONDS,
        default=0.008,
        maximum=3600,
        slider=(0, 10),
        log_slider=True,
        help="How long a client pauses, without a connection, between two operations.",
    ),
    Parameter(
        key="distribution",
        kind=Kind.CHOICE,
        default="exponential",
        choices=("exponential", "constant"),
        help="Whether the times above vary around their mean, as real ones do, or never.",
    ),
    Parameter(
        key="on_exhausted",
        kind=Kind.CHOICE,
        default="fail",
        choices=("fail", "retry"),
        help="What a client does when the pool has no connection and doesn't wait by itself: "
        "count an error and go on, or pause and ask again.",
    ),
    Parameter(
        key="retry_backoff",
        kind=Kind.SECONDS,
        default=0.005,
        minimum=0.0001,
        maximum=60,
        slider=(0.001, 1),
        log_slider=True,
        only_when=("on_exhausted", ("retry",)),
        help="The first pause before asking again; each further one is up to twice as long, "
        "drawn at random, and at most 64 times the first.",
    ),
    Parameter(
        key="error_pause",
        kind=Kind.SECONDS,
        default=0.01,
        maximum=60,
        slider=(0, 1),
        log_slider=True,
        help="How long a client pauses after an error, so that failing clients don't spin.",
    ),
)


def settings_for(pool: type[Pool]) -> Parameters:
    """SETTINGS with the defaults that suit `pool`: one client where it is made for one.

    InputError where a limit of the pool, which may be a user's own, has the name of a setting.
    """
    for key in pool.limits:
        if key in SETTINGS:
            raise InputError(
                f"{pool.id} has a parameter {key}, which is a setting of the load: rename it."
            )
    if not pool.one_client:
        return SETTINGS
    one = msgspec.structs.replace(SETTINGS["clients"], default=1)
    return Parameters(SETTINGS.what, *{**SETTINGS, "clients": one}.values())
