"""The load generator knows when it doesn't keep up."""

from __future__ import annotations

import asyncio
import threading
from time import perf_counter

from poolviz.engine.load_generator_monitor import MOST_LAG, LoadGeneratorMonitor
from tests.servers.fixtures import wait_until


def test_a_pulse_tells_how_late_its_timers_are_and_ends_with_its_thread() -> None:
    threads = set(threading.enumerate())
    load_monitor = LoadGeneratorMonitor()
    wait_until(lambda: load_monitor.lag > 0, "a beat")
    load_monitor.close()
    assert set(threading.enumerate()) == threads


def test_a_pulse_on_a_loop_feels_what_holds_the_loop_up() -> None:
    async def block() -> None:
        until = perf_counter() + 0.3
        while perf_counter() < until:
            pass

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        load_monitor = LoadGeneratorMonitor(loop)
        wait_until(lambda: load_monitor.lag > 0, "a beat")
        asyncio.run_coroutine_threadsafe(block(), loop).result()
        wait_until(lambda: load_monitor.lag > MOST_LAG, "the lag")
        load_monitor.close()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_pulse_measures_the_processor_time_of_this_process() -> None:
    load_monitor = LoadGeneratorMonitor()
    until = perf_counter() + 0.2
    while perf_counter() < until:
        pass
    cpu = load_monitor.cpu()
    load_monitor.close()
    assert 0.1 < cpu < 16
