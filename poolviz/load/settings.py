"""The settings of the load, declared once for the sliders, the command line and scenarios.

What a shape, a distribution or a statement can be set to stands with it; here it is gathered.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from poolviz.load.arrival_schedule import arrival_parameters
from poolviz.load.arrivals import Arrivals
from poolviz.load.distributions import draw_of, time_parameters
from poolviz.load.shapes import shape_of, shape_parameters
from poolviz.load.statements import check_statement, statement_parameters
from poolviz.model.dialect import POSTGRESQL
from poolviz.model.errors import InputError
from poolviz.model.parameters import Choice, Count, Parameters, Seconds, Value
from poolviz.pools.base import Pool

MOST_CLIENTS = 2000
_RARE = "more"

SETTINGS = Parameters(
    "setting of the load",
    Count(
        key="clients",
        default=8,
        maximum=MOST_CLIENTS,
        slider=(0, 100),
        help="How many clients use the pool at once, each in its own thread or task.",
    ),
    *arrival_parameters(),
    *statement_parameters(),
    *time_parameters(
        "hold",
        0.004,
        "How long a client keeps its connection after the statement, doing its own work.",
        maximum=3600,
        slider=(0, 1),
    ),
    *time_parameters(
        "think",
        0.008,
        "How long a client pauses, without a connection, between two operations.",
        maximum=3600,
        slider=(0, 10),
        only_when=("arrivals", ("closed",)),
    ),
    *shape_parameters(),
    Choice(
        key="transaction",
        group=_RARE,
        default="default",
        choices=("default", "autocommit", "commit", "rollback", "open"),
        help="default: as driver and pool have it, and read_write commits. autocommit: each "
        "statement by itself. commit, rollback: at once after the statements. open: begun and not "
        "ended, so that the connection is held, and given back, idle in transaction.",
    ),
    Count(
        key="checkouts",
        group=_RARE,
        default=1,
        minimum=1,
        maximum=10,
        slider=(1, 5),
        help="How many connections an operation takes, each while it holds those before.",
    ),
    Choice(
        key="on_exhausted",
        default="fail",
        choices=("fail", "retry"),
        help="What a client does when the pool has no connection and doesn't wait by itself: "
        "count an error and go on, or pause and ask again.",
    ),
    Seconds(
        key="retry_backoff",
        default=0.005,
        minimum=0.0001,
        maximum=60,
        slider=(0.001, 1),
        log_slider=True,
        only_when=("on_exhausted", ("retry",)),
        help="The first pause before asking again; each further one is up to twice as long, "
        "drawn at random, and at most 64 times the first.",
    ),
    Seconds(
        key="error_pause",
        group=_RARE,
        default=0.01,
        maximum=60,
        slider=(0, 1),
        log_slider=True,
        help="How long a client pauses after an error, so that failing clients don't spin.",
    ),
)


def settings_for(pool: type[Pool]) -> Parameters:
    """SETTINGS as they suit `pool`: one client by default where it is made for one, one checkout
    where it gives a client the same connection however often it asks, and out of the way what is
    for pools that don't wait where it does.

    InputError where a limit of the pool, which may be a user's own, has the name of a setting.
    """
    for key in pool.limits:
        if key in SETTINGS:
            raise InputError(
                f"{pool.id} has a parameter {key}, which is a setting of the load: rename it."
            )
    suited = {}
    if pool.one_client:
        suited["clients"] = msgspec.structs.replace(SETTINGS["clients"], default=1)
    if not pool.nests:
        suited["checkouts"] = msgspec.structs.replace(SETTINGS["checkouts"], maximum=1)
    if pool.waits:
        for key in ("on_exhausted", "retry_backoff"):
            suited[key] = msgspec.structs.replace(SETTINGS[key], group=_RARE)
    return Parameters(SETTINGS.noun, *{**SETTINGS, **suited}.values()) if suited else SETTINGS


def check_load(settings: Mapping[str, Value], dialect: str = POSTGRESQL) -> None:
    """InputError where settings that are right by themselves can't be carried out: files that
    can't be read, a statement that such a server doesn't know, too many clients."""
    mistakes = []
    for check in (
        lambda: check_statement(settings, dialect),
        lambda: draw_of("hold", settings),
        lambda: draw_of("think", settings),
        lambda: _check_clients(settings),
        lambda: Arrivals(settings, seed=0),
    ):
        try:
            check()
        except InputError as error:
            mistakes.append(error)
    if mistakes:
        raise InputError.merged(mistakes)


def _check_clients(settings: Mapping[str, Value]) -> None:
    clients, highest = int(settings["clients"]), shape_of(settings).highest
    if settings["arrivals"] == "closed" and clients * highest > MOST_CLIENTS:
        raise InputError(
            f"clients is {clients} and shape = {settings['shape']} makes up to "
            f"{clients * highest:.0f} of it: {MOST_CLIENTS} are the most."
        )
