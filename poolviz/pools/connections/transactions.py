"""Whether a transaction is open on a driver's connection, as the driver knows without asking."""

from __future__ import annotations

from typing import Any

_IN_TRANSACTION = 1  # a bit of the status that MySQL sends with each result
_OPEN = (2, 3)  # libpq's statuses in a transaction: one that goes on, and one that has failed


def in_transaction(raw: Any) -> bool:
    """Return whether a transaction is open on a connection of psycopg2, psycopg, asyncpg, PyMySQL,
    aiomysql or sqlite3; False for other drivers. Called by whoever holds it."""
    status = getattr(getattr(raw, "info", None), "transaction_status", None)
    if status is not None:
        return status in _OPEN
    asked = getattr(raw, "is_in_transaction", None)
    if asked is not None:
        return bool(asked())
    status = getattr(raw, "server_status", None)
    if isinstance(status, int):
        return bool(status & _IN_TRANSACTION)
    return getattr(raw, "in_transaction", False) is True
