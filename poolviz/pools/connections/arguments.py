"""Arguments with which the drivers' connections are made, declared once for every pool.

They have the drivers' own names, units and defaults, and only those that are given are passed on.
A pool's `connect` holds them by kind of server. They apply when the pool is made, so that a change
needs a new run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from psycopg2.extensions import make_dsn

from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE
from poolviz.model.parameters import (
    Choice,
    Count,
    Effect,
    Parameter,
    Parameters,
    Seconds,
    Switch,
    Text,
    Value,
)

GROUP = "Connect"
PSYCOPG2, PSYCOPG = "psycopg2", "psycopg"  # of the argument `driver`
_DAY = 86_400.0
_COMMON: dict[str, Any] = {
    "group": GROUP,
    "effect": Effect.NEW_RUN,
    "effect_help": "The pool passes it on when it connects, and is made when a run starts.",
}
_SYSTEMS = "system"

CONNECT_TIMEOUT = Seconds(
    key="connect_timeout",
    default=5.0,
    maximum=3600,
    slider=(0, 60),
    whole=True,
    special={0: "no limit"},
    help="The longest time that connecting may take. Without it the DSN's applies, or 5 s; "
    "there is none on the PostgreSQL that poolviz brings.",
    **_COMMON,
)
OPTIONS = Text(
    key="options",
    default="",
    help="Options for the server process, such as '-c statement_timeout=5s -c search_path=app'.",
    **_COMMON,
)
_KEEPALIVES = (
    Switch(
        key="keepalives",
        default=True,
        help="Whether the operating system probes an idle connection, so that one whose server "
        "has vanished is found.",
        **_COMMON,
    ),
    Seconds(
        key="keepalives_idle",
        default=0.0,
        maximum=_DAY,
        slider=(0, 3600),
        whole=True,
        special={0: _SYSTEMS},
        help="How long a connection is idle before the first probe.",
        **_COMMON,
    ),
    Seconds(
        key="keepalives_interval",
        default=0.0,
        maximum=_DAY,
        slider=(0, 300),
        whole=True,
        special={0: _SYSTEMS},
        help="The time after which a probe without an answer is repeated.",
        **_COMMON,
    ),
    Count(
        key="keepalives_count",
        default=0,
        maximum=1000,
        slider=(0, 20),
        special={0: _SYSTEMS},
        help="The number of probes without an answer after which the connection is lost.",
        **_COMMON,
    ),
    Count(
        key="tcp_user_timeout",
        default=0,
        maximum=86_400_000,
        slider=(0, 60_000),
        special={0: _SYSTEMS},
        help="In milliseconds, as in libpq: how long sent data may stay unacknowledged before the "
        "connection is lost. Linux only.",
        **_COMMON,
    ),
)
LIBPQ = (CONNECT_TIMEOUT, *_KEEPALIVES, OPTIONS)
# Without a connect_timeout, which libpq ignores where a program connects in steps.
LIBPQ_IN_STEPS = (*_KEEPALIVES, OPTIONS)
PREPARE_THRESHOLD = Count(
    key="prepare_threshold",
    default=5,
    maximum=1_000_000,
    slider=(0, 100),
    special={-1: "never"},
    help="The number of times that a statement is executed before it is prepared on the server; "
    "0 prepares it at once. never, which is None in psycopg, is for a pooler in transaction mode.",
    **_COMMON,
)
AUTOCOMMIT = Switch(
    key="autocommit",
    default=False,
    help="Whether each statement is a transaction of its own.",
    **_COMMON,
)
ASYNCPG = (
    Count(
        key="statement_cache_size",
        default=100,
        maximum=1_000_000,
        slider=(0, 1000),
        help="The number of prepared statements that a connection keeps. 0 keeps none, for a "
        "pooler in transaction mode.",
        **_COMMON,
    ),
    Seconds(
        key="max_cached_statement_lifetime",
        default=300.0,
        maximum=30 * _DAY,
        slider=(1, 3600),
        log_slider=True,
        whole=True,
        special={0: "no limit"},
        help="How long a prepared statement is kept.",
        **_COMMON,
    ),
    Count(
        key="max_cacheable_statement_size",
        default=15_360,
        maximum=1_000_000_000,
        slider=(0, 100_000),
        special={0: "no limit"},
        help="The length in bytes of the longest statement that is kept prepared.",
        **_COMMON,
    ),
    Seconds(
        key="command_timeout",
        default=0.0,
        maximum=_DAY,
        slider=(0, 60),
        special={0: "no limit"},
        help="The longest time that a statement may take before its caller gets an error; None by "
        "asyncpg's own default.",
        **_COMMON,
    ),
    Seconds(
        key="connect_timeout",
        default=5.0,
        maximum=3600,
        slider=(0, 60),
        special={0: "60 s"},
        help="The longest time that connecting may take, which asyncpg calls timeout. Without it "
        "the DSN's connect_timeout applies, or 5 s, and asyncpg's 60 s on the PostgreSQL that "
        "poolviz brings.",
        **_COMMON,
    ),
    OPTIONS,
)
_INIT_COMMAND = Text(
    key="init_command",
    default="",
    help="A statement that each new connection executes, such as SET SESSION wait_timeout = 60.",
    **_COMMON,
)
_MYSQL_CONNECT_TIMEOUT = Seconds(
    key="connect_timeout",
    default=5.0,
    minimum=1,
    maximum=3600,
    slider=(1, 60),
    whole=True,
    help="The longest time that connecting may take. Without it the DSN's applies, or 5 s.",
    **_COMMON,
)
AIOMYSQL = (_MYSQL_CONNECT_TIMEOUT, AUTOCOMMIT, _INIT_COMMAND)
PYMYSQL = (
    _MYSQL_CONNECT_TIMEOUT,
    Seconds(
        key="read_timeout",
        default=0.0,
        maximum=_DAY,
        slider=(0, 60),
        special={0: "no limit"},
        help="How long the server may be silent before the caller gets an error; None by "
        "PyMySQL's own default.",
        **_COMMON,
    ),
    Seconds(
        key="write_timeout",
        default=0.0,
        maximum=_DAY,
        slider=(0, 60),
        special={0: "no limit"},
        help="How long sending to the server may be held up before the caller gets an error; None "
        "by PyMySQL's own default.",
        **_COMMON,
    ),
    AUTOCOMMIT,
    _INIT_COMMAND,
)
SQLITE3 = (
    Seconds(
        key="timeout",
        default=5.0,
        maximum=_DAY,
        slider=(0, 60),
        help="How long a statement waits for a lock of another connection before it fails.",
        **_COMMON,
    ),
)
DRIVER = Choice(
    key="driver",
    default=PSYCOPG2,
    choices=(PSYCOPG2, PSYCOPG),
    help="The driver below SQLAlchemy: psycopg2, or psycopg 3 as in a URL that begins with "
    "postgresql+psycopg://.",
    **_COMMON,
)
NAME_FUNCTION = Choice(
    key="prepared_statement_name_func",
    default="default",
    choices=("default", "uuid4"),
    help="How SQLAlchemy names prepared statements. uuid4 gives each a name that no other "
    "connection has, as its manual advises for a pooler in transaction mode.",
    **_COMMON,
)
STATEMENT_CACHE = Count(
    key="prepared_statement_cache_size",
    default=100,
    maximum=1_000_000,
    slider=(0, 1000),
    help="The number of prepared statements that SQLAlchemy keeps for each connection, beside "
    "asyncpg's own statement_cache_size. 0 keeps none.",
    **_COMMON,
)
RESET_ON_RETURN = Choice(
    key="pool_reset_on_return",
    default="rollback",
    choices=("rollback", "commit", "none"),
    help="What the pool does to a connection that is given back. none, which is None in "
    "SQLAlchemy, does nothing, and saves a round trip.",
    **_COMMON,
)


def isolation_level(*levels: str) -> Choice:
    """Return create_engine's isolation_level, for a kind of server that has these levels."""
    return Choice(
        key="isolation_level",
        default="default",
        choices=("default", *levels, "AUTOCOMMIT"),
        help="The isolation level that the engine sets on each new connection. AUTOCOMMIT has the "
        "driver begin no transactions.",
        **_COMMON,
    )


LEVELS = ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


def arguments_of(id: str, **by_server: tuple[Parameter, ...]) -> Mapping[str, Parameters]:
    """Return the `connect` of the pool `id`: what each kind of server, by its name, takes."""
    noun = f"connect argument of {id}"
    return {server: Parameters(noun, *declared) for server, declared in by_server.items()}


def drivers_of(**by_server: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Return the `drivers` of a pool: those that it connects with to each kind of server."""
    return by_server


def with_libpq_arguments(conninfo: str, connect: Mapping[str, Value]) -> str:
    """Return a libpq connection string with those of `connect` that are libpq's own."""
    own = {parameter.key for parameter in LIBPQ}
    given = {key: _as_libpq(value) for key, value in connect.items() if key in own}
    return make_dsn(conninfo, **given) if given else conninfo


def _as_libpq(value: Value) -> str:
    """Return a switch as 1 or 0, and whole seconds without a fraction."""
    return str(int(value)) if isinstance(value, (bool, float)) else str(value)


def psycopg_arguments(connect: Mapping[str, Value]) -> dict[str, Any]:
    """Return those of `connect` that are psycopg's, and not libpq's, as psycopg takes them."""
    given: dict[str, Any] = {
        key: connect[key] for key in ("prepare_threshold", "autocommit") if key in connect
    }
    if given.get("prepare_threshold") == -1:
        given["prepare_threshold"] = None
    return given


def asyncpg_own_arguments(connect: Mapping[str, Value]) -> dict[str, Any]:
    """Return those of `connect` that are asyncpg's own, as its `connect` takes them."""
    own = {parameter.key for parameter in ASYNCPG} - {OPTIONS.key, CONNECT_TIMEOUT.key}
    given: dict[str, Any] = {key: value for key, value in connect.items() if key in own}
    if "max_cached_statement_lifetime" in given:
        given["max_cached_statement_lifetime"] = int(given["max_cached_statement_lifetime"])
    if given.get("command_timeout") == 0:
        given["command_timeout"] = None
    if connect.get(CONNECT_TIMEOUT.key):
        given["timeout"] = float(connect[CONNECT_TIMEOUT.key])
    return given


def mysql_own_arguments(connect: Mapping[str, Value]) -> dict[str, Any]:
    """Return those of `connect` that PyMySQL and aiomysql take, as these take them."""
    given: dict[str, Any] = dict(connect)
    if "connect_timeout" in given:
        given["connect_timeout"] = int(given["connect_timeout"])
    for key in ("read_timeout", "write_timeout", "init_command"):
        if key in given and not given[key]:
            given[key] = None
    known = {parameter.key for parameter in PYMYSQL}
    return {key: value for key, value in given.items() if key in known}


def engine_arguments(connect: Mapping[str, Value]) -> dict[str, Any]:
    """Return those of `connect` that are `create_engine`'s, as it takes them."""
    given: dict[str, Any] = {}
    if connect.get("isolation_level", "default") != "default":
        given["isolation_level"] = connect["isolation_level"]
    if RESET_ON_RETURN.key in connect:
        how = connect[RESET_ON_RETURN.key]
        given[RESET_ON_RETURN.key] = None if how == "none" else how
    return given


def sqlalchemy_arguments(id: str) -> Mapping[str, Parameters]:
    """Return the `connect` of a pool of SQLAlchemy's for threads."""
    with_psycopg = (DRIVER.key, (PSYCOPG,))
    threshold = msgspec.structs.replace(PREPARE_THRESHOLD, only_when=with_psycopg)
    return arguments_of(
        id,
        **{
            POSTGRESQL: (DRIVER, *LIBPQ, threshold, isolation_level(*LEVELS), RESET_ON_RETURN),
            MYSQL: (*PYMYSQL, isolation_level(*LEVELS), RESET_ON_RETURN),
            SQLITE: (
                *SQLITE3,
                isolation_level("READ UNCOMMITTED", "SERIALIZABLE"),
                RESET_ON_RETURN,
            ),
        },
    )
