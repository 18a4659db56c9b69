"""The monitor of the load generator: lag of timers and CPU."""

from __future__ import annotations

import asyncio
import threading
from time import perf_counter, process_time

import pytest

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


def test_the_processor_time_of_this_process_in_the_last_second_is_measured() -> None:
    began, used = perf_counter(), process_time()
    monitor = LoadGeneratorMonitor()
    while process_time() < used + 0.3:
        pass
    busy, later_used = monitor.cpu(), process_time()
    assert busy == pytest.approx((later_used - used) / (perf_counter() - began), rel=0.1)
    wait_until(lambda: perf_counter() > began + 2.5, "that second is over")
    monitor.cpu()  # nothing older than this is kept, but for the last before it
    began, used = perf_counter(), process_time()
    wait_until(lambda: perf_counter() > began + 1.1, "another second is over")
    idle = monitor.cpu()
    monitor.close()
    assert idle == pytest.approx((process_time() - used) / (perf_counter() - began), abs=0.05)
    assert idle < 0.5 * busy
