"""What libraries print when nobody asks them, on a network that falls silent for example, stays
off standard error; what a user should know is told in a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from poolviz.model.messages import ProblemReported
from poolviz.runs.engine_process import EngineProcess
from tests.engine.runs import running, scenario
from tests.servers.fixtures import TcpServer, tcp_server
from tests.servers.silent_network import SilentNetwork

__all__ = ["tcp_server"]

NOISY = """
import asyncio
import logging
import threading
import warnings
from psycopg2.pool import ThreadedConnectionPool

class NeverFreed:
    def __del__(self):
        raise RuntimeError("in a finalizer")

async def leaves_an_error():
    asyncio.get_running_loop().create_future().set_exception(OSError("nobody asked"))

def worker():
    raise ValueError("the worker's password='hidden-word' end")

class Mine(ThreadedConnectionPool):
    asked = 0

    def getconn(self, key=None):
        Mine.asked += 1
        if Mine.asked == 5:
            NeverFreed()
            warnings.warn("a warning", stacklevel=1)
            logging.getLogger("own.library").error("an error", exc_info=OSError("logged"))
            asyncio.run(leaves_an_error())
            threading.Thread(target=worker, name="worker").start()
        return super().getconn(key)
"""


@pytest.fixture
def network(tcp_server: TcpServer) -> Iterator[SilentNetwork]:
    with SilentNetwork(("127.0.0.1", tcp_server.port)) as one:
        yield one


@pytest.mark.parametrize(
    "pool",
    [
        "asyncpg.Pool",
        "aiopg.Pool",
        "psycopg_pool.AsyncConnectionPool",
        "psycopg_pool.ConnectionPool",
        "sqlalchemy.AsyncAdaptedQueuePool",
        "sqlalchemy.QueuePool",
        "psycopg2.ThreadedConnectionPool",
    ],
)
def test_a_network_that_falls_silent_ends_in_time_and_prints_nothing(
    network: SilentNetwork, tcp_server: TcpServer, pool: str, capfd: pytest.CaptureFixture[str]
) -> None:
    dsn = tcp_server.dsn(port=str(network.port), sslmode="disable")
    with running(EngineProcess, dsn, scenario(pool, clients=12)) as (run, heard):
        heard.until(lambda h: h.operations() > 50, "the clients work")
        network.fall_silent()
        at = heard.samples[-1].t
        heard.until(lambda h: h.samples[-1].t > at + 1, "they wait")
        run.stop()
        assert run.wait(15)
    assert heard.ended is not None
    assert heard.ended.failure == ""
    assert capfd.readouterr().err == ""


def test_what_a_pools_own_threads_and_libraries_print_is_logged_and_told_in_a_sentence(
    conninfo: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own_pool.py"
    path.write_text(NOISY)
    with running(EngineProcess, conninfo, scenario(f"{path}:Mine", clients=2)) as (_, heard):
        ended = heard.until(lambda h: h.of(ProblemReported), "the end of the thread is told")
        heard.until(lambda h: h.operations() > 50, "the clients work")
    assert [report.sentence for report in ended] == [
        "A thread of the pool, worker, ended by ValueError: the worker's password=*** end "
        "(own_pool.py, line 16, in worker: raise "
        'ValueError("the worker\'s password=*** end")).'
    ]
    assert capfd.readouterr().err == ""
