"""What psycopg's pools call for a connection: check, configure and reset, which may be changed.

The library reads each of them twice, to see whether there is one and to call it, so that another
must not take its place meanwhile. These stay, and are false while there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from psycopg import AsyncConnection, Connection, Error
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from poolviz.language import tr
from poolviz.model.errors import InputError
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
    """Executes its `sql` on a connection, outside a transaction, unless it is empty.

    A connection on which that fails is closed: the library would leave one that it can't configure
    to the garbage collector. `failed` has its errors
    of the driver.
    """

    def __init__(self) -> None:
        self.sql = ""
        self.failed: WeakSet[Error] = WeakSet()

    def __bool__(self) -> bool:
        return bool(self.sql)

    def __call__(self, connection: Connection[Any]) -> None:
        """Execute the script on a connection. Raises the driver's error if that fails."""
        sql: Any = self.sql
        if not sql:
            return
        try:
            autocommit = connection.autocommit
            connection.autocommit = True
            connection.execute(sql, prepare=False)
            connection.autocommit = autocommit
        except BaseException as error:
            if isinstance(error, Error):
                self.failed.add(error)
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
            autocommit = connection.autocommit
            await connection.set_autocommit(True)
            await connection.execute(sql, prepare=False)
            await connection.set_autocommit(autocommit)
        except BaseException as error:
            if isinstance(error, Error):
                self.failed.add(error)
            await connection.close()
            raise


class Upkeep:
    """The check, configure and reset of one pool, of tasks or of threads."""

    def __init__(self, *, tasks: bool) -> None:
        self._checking = AsyncCheck() if tasks else Check()
        self._configuring, self._resetting = (
            AsyncScript() if tasks else Script() for _ in range(2)
        )

    def options(self, limits: Mapping[str, Value]) -> dict[str, Any]:
        """Return `limits` as the library's constructors take them."""
        self.apply(limits)
        hooks = {"check": self._checking, "configure": self._configuring, "reset": self._resetting}
        return {**limits, **hooks}

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Raise InputError, in place of the driver's error, where the pool can't be started because
        a connection can't be configured."""
        try:
            yield
        except Error as error:
            if error not in self._configuring.failed:
                raise
            reason = " ".join(str(error).split())
            raise InputError(
                tr("configure can't be executed ({reason}): correct its SQL.", reason=reason)
            ) from error

    def apply(self, limits: Mapping[str, Value]) -> None:
        """Apply the limits of these names."""
        self._checking.on = bool(limits["check"])
        self._configuring.sql, self._resetting.sql = str(limits["configure"]), str(limits["reset"])
