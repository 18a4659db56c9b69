"""What psycopg's pools call for a connection: check, configure and reset, which may be changed.

The library reads each of them twice, to see whether there is one and to call it, so that another
must not take its place meanwhile. These stay, and are false while there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from poolviz.model.parameters import Value


class Check:
    """Calls the library's own `check_connection` while it is `on`."""

    def __init__(self) -> None:
        self.on = False

    def __bool__(self) -> bool:
        return self.on

    def __call__(self, connection: Connection[Any]) -> None:
        """Check a connection. Raises the driver's error if it is lost."""
        ConnectionPool.check_connection(connection)


class AsyncCheck(Check):
    """The same for connections of tasks."""

    async def __call__(self, connection: AsyncConnection[Any]) -> None:  # type: ignore[override]
        """Check a connection. Raises the driver's error if it is lost."""
        await AsyncConnectionPool.check_connection(connection)


class Script:
    """Executes its `sql` on a connection and commits, unless it is empty.

    A connection on which that fails is closed: the library would leave one that it can't configure
    to the garbage collector.
    """

    def __init__(self) -> None:
        self.sql = ""

    def __bool__(self) -> bool:
        return bool(self.sql)

    def __call__(self, connection: Connection[Any]) -> None:
        """Execute the script on a connection. Raises the driver's error if that fails."""
        sql: Any = self.sql
        if not sql:
            return
        try:
            connection.execute(sql, prepare=False)
            connection.commit()
        except BaseException:
            connection.close()
            raise


class AsyncScript(Script):
    """The same for connections of tasks."""

    async def __call__(self, connection: AsyncConnection[Any]) -> None:  # type: ignore[override]
        """Execute the script on a connection. Raises the driver's error if that fails."""
        sql: Any = self.sql
        if not sql:
            return
        try:
            await connection.execute(sql, prepare=False)
            await connection.commit()
        except BaseException:
            await connection.close()
            raise


class Upkeep:
    """The check, configure and reset of one pool, of tasks or of threads."""

    def __init__(self, *, tasks: bool) -> None:
        self._check = AsyncCheck() if tasks else Check()
        self._configure, self._reset = (AsyncScript() if tasks else Script() for _ in range(2))

    def options(self, limits: Mapping[str, Value]) -> dict[str, Any]:
        """Return `limits` as the library's constructors take them."""
        self.apply(limits)
        hooks = {"check": self._check, "configure": self._configure, "reset": self._reset}
        return {**limits, **hooks}

    def apply(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits of these names."""
        self._check.on = bool(limits["check"])
        self._configure.sql, self._reset.sql = str(limits["configure"]), str(limits["reset"])
