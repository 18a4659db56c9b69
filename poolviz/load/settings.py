"""The settings of the load, declared once for the window, the command line and scenarios.

Those of a shape, a distribution, a spacing or a statement are declared with it and collected here.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from poolviz.language import tr
from poolviz.load.arrivals import Arrivals
from poolviz.load.cancellation import cancel_parameters, of_threads
from poolviz.load.distributions import draw_of, time_parameters
from poolviz.load.shapes import shape_of, shape_parameters
from poolviz.load.spacings import arrival_parameters
from poolviz.load.statements import check_statement, statement_parameters
from poolviz.model.dialect import POSTGRESQL, SQLITE
from poolviz.model.errors import InputError
from poolviz.model.parameters import Choice, Count, Parameter, Parameters, Seconds, Value
from poolviz.pools.base import Pool, TaskPool

MOST_CLIENTS = 2000
USUAL = "usual"  # of `use`, where no pool is known
USES = ("connection", "session", "raw_connection", "getconn", "acquire", "pool")
_USE = "how the pool is used"  # groups
_RARE = "more"

SETTINGS = Parameters(
    "setting of the load",
    Count(
        key="clients",
        default=8,
        maximum=MOST_CLIENTS,
        slider=(0, 100),
        help="How many clients use the pool at once, each in its own thread or task. The default "
        "is 1 for a pool that is made for one client.",
    ),
    *arrival_parameters(),
    *statement_parameters(),
    *time_parameters(
        "hold",
        0.004,
        "How long a client keeps its connection after the statement, for work of its own.",
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
        key="use",
        group=_USE,
        default=USUAL,
        choices=(USUAL, *USES),
        help="How clients use the pool. Each pool has ways of its own, the usual one of its "
        "library first, and `poolviz pools` lists them.",
    ),
    Choice(
        key="transaction",
        group=_USE,
        default="default",
        choices=("default", "autocommit", "commit", "rollback", "open"),
        help="default: as this use of the pool does it; read_write commits. autocommit: each "
        "statement is a transaction of its own. commit, rollback: the client ends it. open: the "
        "client doesn't end it, so that the connection is held and released idle in transaction.",
    ),
    Choice(
        key="transaction_ends",
        group=_USE,
        default="before_hold",
        choices=("before_hold", "after_hold"),
        help="When a client commits or rolls back: at once after the statements, or after the "
        "hold, so that its connection is idle in transaction meanwhile. What a use of a pool does "
        "by itself comes after the hold.",
    ),
    Count(
        key="checkouts",
        group=_USE,
        default=1,
        minimum=1,
        maximum=10,
        slider=(1, 5),
        help="How many connections an operation acquires, each while it holds those before.",
    ),
    Choice(
        key="on_exhausted",
        default="fail",
        choices=("fail", "retry"),
        help="What a client does if the pool has no connection and doesn't wait for one: count an "
        "error and go on, or pause and try again.",
    ),
    Seconds(
        key="retry_backoff",
        default=0.005,
        minimum=0.0001,
        maximum=60,
        slider=(0.001, 1),
        log_slider=True,
        only_when=("on_exhausted", ("retry",)),
        help="The longest pause before the first retry. It doubles with each further retry, up to "
        "64 times the first; each pause is random, at least half of the longest.",
    ),
    Seconds(
        key="error_pause",
        group=_RARE,
        default=0.01,
        maximum=60,
        slider=(0, 1),
        log_slider=True,
        help="How long a client pauses after an error, so that a failing client isn't a busy loop.",
    ),
    *cancel_parameters(_RARE),
)


def settings_for(pool: type[Pool]) -> Parameters:
    """Return SETTINGS adapted to `pool`.

    A pool made for one client gets one by default, a pool that gives a client the same connection
    each time allows one checkout, and for a pool that waits what concerns retries is folded away.

    Raises InputError if a limit of the pool, which may be the user's own, has a setting's name.
    """
    for key in pool.limits:
        if key in SETTINGS:
            raise InputError(
                tr(
                    "{pool} has a parameter {key}, which is also a setting of the load: rename it.",
                    pool=pool.id,
                    key=key,
                )
            )
    adapted: dict[str, Parameter] = {"use": _use_setting(pool)}
    if not issubclass(pool, TaskPool):
        adapted["cancel_in"] = of_threads(_RARE)
    if pool.one_client:
        adapted["clients"] = msgspec.structs.replace(SETTINGS["clients"], default=1)
    if not pool.nests:
        adapted["checkouts"] = msgspec.structs.replace(SETTINGS["checkouts"], maximum=1)
    if pool.waits:
        for key in ("on_exhausted", "retry_backoff"):
            adapted[key] = msgspec.structs.replace(SETTINGS[key], group=_RARE)
    return Parameters(SETTINGS.noun, *{**SETTINGS, **adapted}.values())


def _use_setting(pool: type[Pool]) -> Choice:
    """Return the setting `use` for a pool, with the ways in which that is used."""
    usual, *others = pool.uses
    ways = [
        f"{usual.name} (default): {usual.code}.",
        *(f"{use.name}: {use.code}." for use in others),
    ]
    return Choice(
        key="use",
        group=_USE,
        default=usual.name,
        choices=tuple(use.name for use in pool.uses),
        help=f"How clients use the pool. {' '.join(ways)}",
    )


def check_load(settings: Mapping[str, Value], dialect: str = POSTGRESQL) -> None:
    """Raise InputError if settings that are right in themselves can't be run.

    That is a file that can't be read, a statement that the server doesn't have, or too many
    clients. It reads files, so it may take long.
    """
    mistakes = []
    for check in (
        lambda: check_statement(settings, dialect),
        lambda: draw_of("hold", settings),
        lambda: draw_of("think", settings),
        lambda: _check_clients(settings),
        lambda: _check_cancellation(settings, dialect),
        lambda: Arrivals(settings, seed=0),
    ):
        try:
            check()
        except InputError as error:
            mistakes.append(error)
    if mistakes:
        raise InputError.merged(mistakes)


def _check_cancellation(settings: Mapping[str, Value], dialect: str) -> None:
    if dialect == SQLITE and settings["cancel_share"]:
        raise InputError(tr("SQLite has no statement timeout: leave cancel_share at 0."))


def _check_clients(settings: Mapping[str, Value]) -> None:
    clients, highest = int(settings["clients"]), shape_of(settings).highest
    if settings["arrivals"] == "closed" and clients * highest > MOST_CLIENTS:
        raise InputError(
            tr(
                "clients is {clients} and shape = {settings} makes up to {highest:.0f} of them: "
                "at most {most_clients} are allowed.",
                clients=clients,
                settings=settings["shape"],
                highest=clients * highest,
                most_clients=MOST_CLIENTS,
            )
        )
