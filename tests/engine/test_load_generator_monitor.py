"""The monitor of the load generator: lag of timers and CPU."""

from __future__ import annotations

import asyncio
import threading
from time import perf_counter

from poolviz.engine.load_generator_monitor import LoadGeneratorMonitor
from poolviz.model.load_generator import LAG_LIMIT
from tests.servers.fixtures import wait_until


def test_the_lag_of_timers_is_measured_and_close_ends_the_thread() -> None:
    threads = set(threading.enumerate())
    monitor = LoadGeneratorMonitor()
    wait_until(lambda: monitor.lag > 0, "a timer")
    monitor.close()
    assert set(threading.enumerate()) == threads


def test_a_blocked_loop_shows_as_lag() -> None:
    async def block() -> None:
        until = perf_counter() + 0.3
        while perf_counter() < until:
            pass

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        monitor = LoadGeneratorMonitor(loop)
        wait_until(lambda: monitor.lag > 0, "a timer")
        asyncio.run_coroutine_threadsafe(block(), loop).result()
        wait_until(lambda: monitor.lag > LAG_LIMIT, "the lag")
        monitor.close()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_the_processor_time_of_this_process_is_measured() -> None:
    monitor = LoadGeneratorMonitor()
    until = perf_counter() + 0.2
    while perf_counter() < until:
        pass
    cpu = monitor.cpu()
    monitor.close()
    assert 0.1 < cpu < 16
