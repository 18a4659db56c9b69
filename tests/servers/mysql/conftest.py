"""Fixtures and helpers of the tests on MySQL and MariaDB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.mysql_server import lacking, mariadb


@pytest.fixture(scope="session")
def small_mysql() -> Iterator[str]:
    """A server with few connections that doesn't record their names."""
    if lack := lacking():
        pytest.skip(lack)
    with mariadb(**{"max-connections": 10, "performance-schema": "OFF"}) as url:
        yield url
