"""An application's engines on MySQL or MariaDB, as its file has them."""

from __future__ import annotations

import pytest

from poolviz.runs.runner import Runner
from tests.pools.custom.test_shapes import Write, runner, sound, write
from tests.pools.custom.test_user_classes import run
from tests.servers.mysql_server import mysql_url

__all__ = ["mysql_url", "runner", "write"]  # fixtures

ENGINES = """
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

engine = create_engine("mysql+pymysql://{address}", pool_size=3, max_overflow=0)
Session = sessionmaker(engine)
async_engine = create_async_engine("mysql+aiomysql://{address}", pool_size=3, max_overflow=0)
AsyncSession = async_sessionmaker(async_engine)

def make_engine(url):
    return create_engine(url, pool_size=3, max_overflow=0)

def make_async_engine(database_url):
    return create_async_engine(database_url, pool_size=3, max_overflow=0)
"""


@pytest.mark.parametrize(
    "name",
    ["engine", "Session", "async_engine", "AsyncSession", "make_engine", "make_async_engine"],
)
def test_an_engine_on_mysql_is_measured(
    mysql_url: str, runner: Runner, write: Write, name: str
) -> None:
    pool = write(ENGINES.format(address=mysql_url.partition("://")[2]), name)
    summary = sound(run(runner, mysql_url, pool))
    assert 1 <= summary.connections.opened <= 3


@pytest.mark.parametrize("name", ["engine", "async_engine"])
def test_an_engine_of_another_mysql_server_connects_to_the_runs_if_the_user_says_so(
    mysql_url: str, runner: Runner, write: Write, name: str
) -> None:
    pool = write(ENGINES.format(address="app:s3cret@127.0.0.1:1/shop"), name)
    sound(run(runner, mysql_url, f"{pool}?url=run"))
