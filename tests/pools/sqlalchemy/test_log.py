"""What SQLAlchemy logs about its pools stays out of poolviz' own log."""

from __future__ import annotations

import logging
from contextlib import suppress

import psycopg2
import pytest

from poolviz.pools.sqlalchemy.resizable_queue_pool import ResizableQueuePool


def test_neither_checkouts_nor_lost_connections_are_logged(
    conninfo: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "poolviz"):
        pool = ResizableQueuePool(lambda: psycopg2.connect(conninfo), pool_size=1)
        connection = pool.connect()
        assert connection.dbapi_connection is not None
        connection.dbapi_connection.close()  # as if the server had ended it
        with suppress(psycopg2.Error):
            connection.close()
        pool.dispose()
    assert caplog.records == []
