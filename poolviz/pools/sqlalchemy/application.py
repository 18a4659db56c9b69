"""An application's own Engine, AsyncEngine, sessionmaker, async_sessionmaker or pool object.

Its pool counts what it connects, by its creator, an attribute of that one pool. Its limits are
changed in use if it is a QueuePool or an AsyncAdaptedQueuePool of the library's: then the engine
gets one of ours that is made as the library makes its pool anew, which `dispose()` does, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Engine, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
from sqlalchemy.orm import scoped_session, sessionmaker
from sqlalchemy.pool import AsyncAdaptedQueuePool, Pool, QueuePool
from sqlalchemy.util import await_only

from poolviz.model.parameters import Value
from poolviz.pools.base import ConnectionCounter
from poolviz.pools.connections.asyncpg import asyncpg_arguments
from poolviz.pools.connections.connect_faults import (
    refused_by_system,
    wait_to_connect,
    wait_to_connect_async,
)
from poolviz.pools.sqlalchemy.resizable_queue_pool import ResizableQueuePool

Opened = Callable[[Any, float], object]  # gets a connection, and when connecting it began
_DIALECTS = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}


def engine_of(target: Any) -> Engine | None:
    """Return the engine behind an application's object; None if it is none of SQLAlchemy's."""
    if isinstance(target, scoped_session):
        target = target.session_factory
    if isinstance(target, (sessionmaker, async_sessionmaker)):
        target = target.kw.get("bind")
    if isinstance(target, AsyncEngine):
        return target.sync_engine
    return target if isinstance(target, Engine) else None


def is_sqlalchemys(target: Any) -> bool:
    """Return whether an application's object is one of SQLAlchemy's that lends connections."""
    kinds = (Engine, AsyncEngine, sessionmaker, async_sessionmaker, scoped_session, Pool)
    return isinstance(target, kinds)


def is_async(target: Any) -> bool:
    """Return whether clients of one of SQLAlchemy's objects are tasks."""
    if isinstance(target, Pool):
        return target._dialect.is_async
    return isinstance(target, (AsyncEngine, async_sessionmaker))


def acquire_of(target: Any) -> str:
    """Return the name of the method that gives a connection, or a session."""
    sessions = (sessionmaker, async_sessionmaker, scoped_session)
    if isinstance(target, scoped_session):
        return "session_factory"
    return "__call__" if isinstance(target, sessions) else "connect"


def server_of(engine: Engine) -> str:
    """Return the kind of server that an engine connects to, as `dialect_of`; "" for another."""
    return _DIALECTS.get(engine.url.get_backend_name(), "")


def queue_limits_of(pool: Pool) -> dict[str, Value] | None:
    """Return the limits that a QueuePool has now; None if it is a pool of another class."""
    if type(pool) not in (QueuePool, AsyncAdaptedQueuePool):
        return None
    assert isinstance(pool, QueuePool)
    if not pool._pool.maxsize:  # no limit, which ours have only beyond pool_size
        return None
    return {
        "pool_size": pool._pool.maxsize,
        "max_overflow": -1 if pool._max_overflow < 0 else pool._max_overflow,
        "pool_timeout": float(pool._timeout or 0),
        "pool_recycle": float(pool._recycle),
        "pool_pre_ping": bool(pool._pre_ping),
        "pool_use_lifo": bool(pool._pool.use_lifo),
    }


def make_resizable(engine: Engine, limits: Mapping[str, Value]) -> None:
    """Give an engine a pool like its own, with `limits` that may be changed in use."""
    pool = engine.pool
    made: Any = ResizableQueuePool
    if isinstance(pool, AsyncAdaptedQueuePool):
        from poolviz.pools.sqlalchemy.async_queue_pool import (  # noqa: PLC0415 - needs asyncpg
            ResizableAsyncQueuePool,
        )

        made = ResizableAsyncQueuePool
    assert isinstance(pool, QueuePool)
    new = made(
        pool._creator,
        pool_size=pool._pool.maxsize,
        max_overflow=pool._max_overflow,
        pre_ping=pool._pre_ping,
        use_lifo=pool._pool.use_lifo,
        timeout=pool._timeout,
        recycle=pool._recycle,
        echo=pool.echo,
        logging_name=pool._orig_logging_name,
        reset_on_return=pool._reset_on_return,
        _dispatch=pool.dispatch,
        dialect=pool._dialect,
    )
    new.apply_limits(limits)
    if not engine.dialect.is_async:  # what an asyncio pool has opened is another loop's
        pool.dispose()
    engine.pool = new


def count_connections(pool: Pool, counter: ConnectionCounter, opened: Opened) -> None:
    """Have a pool tell `opened` of each connection that it makes from now on."""
    connect = pool._invoke_creator
    asynchronous = pool._dialect.is_async
    refused = _refused(pool)

    def creator(connection_record: Any = None) -> Any:
        if asynchronous:
            began = await_only(wait_to_connect_async(counter, refused))
        else:
            began = wait_to_connect(counter, refused)
        made = connect(connection_record)
        opened(getattr(made, "driver_connection", made), began)
        return made

    pool._creator = creator


def _refused(pool: Pool) -> Callable[[str], Exception]:
    """Return what makes the error for a connection that is refused."""
    dialect = pool._dialect
    if dialect.is_async:
        return refused_by_system
    error: type[Exception] = getattr(
        getattr(dialect, "loaded_dbapi", None), "OperationalError", ConnectionRefusedError
    )
    return error


def name_connections(engine: Engine, name: str) -> None:
    """Have the server show an engine's connections under a name, where libpq doesn't do so."""

    def add(dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        if dialect.driver == "asyncpg":
            settings = {"application_name": name, **(parameters.get("server_settings") or {})}
            parameters["server_settings"] = settings
        elif dialect.driver in ("pymysql", "aiomysql") and name:
            parameters.setdefault("program_name", name)

    event.listen(engine, "do_connect", add)


def redirect(engine: Engine, conninfo: str, url: str) -> None:
    """Have an engine connect to the run's server, with the arguments of its own beside the URL."""
    positional: list[Any]
    named: dict[str, Any]
    own = set(engine.dialect.create_connect_args(engine.url)[1])
    if engine.dialect.driver == "asyncpg":
        positional, named = [], asyncpg_arguments(conninfo)
    else:
        new = make_url(url).set(drivername=engine.url.drivername)
        arguments, keywords = engine.dialect.create_connect_args(new)
        positional, named = list(arguments), dict(keywords)

    def to_run(_dialect: Any, _record: Any, arguments: list[Any], parameters: Any) -> None:
        kept = {key: value for key, value in parameters.items() if key not in own}
        arguments[:] = positional
        parameters.clear()
        parameters.update(named | kept)

    event.listen(engine, "do_connect", to_run)
