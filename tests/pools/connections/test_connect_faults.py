"""Faults on the way to the server, for every pool: connections slowed, refused, made again."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import Any

import psycopg
import psycopg2
import pymysql
import pytest

from poolviz.model.parameters import Value
from poolviz.pools.base import ConnectRefused, Pool
from poolviz.pools.connections.connect_faults import ConnectFaults, wait_to_connect
from tests.pools.bench import Bench, RecordingCounter, can_have, impatient, sized, until
from tests.pools.conftest import Benches, main_dialect

# What drivers raise when a server refuses connections.
DRIVERS_OWN: tuple[type[Exception], ...] = (
    psycopg2.OperationalError,
    psycopg.OperationalError,
    pymysql.OperationalError,
    sqlite3.OperationalError,
    ConnectionRefusedError,
)


def room(kind: type[Pool]) -> dict[str, Value]:
    """Limits with which a pool that has any opens its first connections as they are needed."""
    return sized(kind, 5, 1) if can_have(kind, 5) else {}


def open_another(one: Bench, held: list[Any]) -> None:
    """Take connections into `held` until a new one had to be made; raises where it couldn't be."""
    before = one.counter.came
    for _ in range(6):
        held += one.take(1)
        if one.counter.came > before:
            return
    raise AssertionError("no new connection was made")


def dialects(kind: type[Pool]) -> list[str]:
    return list(kind.servers) if kind.id == "sqlalchemy.QueuePool" else [main_dialect(kind)]


def test_a_slowed_connection_takes_longer(kind: type[Pool], bench: Benches) -> None:
    for dialect in dialects(kind):
        one = bench(kind, dialect=dialect, **room(kind))
        one.counter.connect_faults.slow_by = 0.25
        held: list[Any] = []
        open_another(one, held)
        assert max(one.counter.seconds) >= 0.25
        one.counter.connect_faults.slow_by = 0.0
        one.use(*held)
        one.release(held)
        one.settle()


def test_a_refused_connection_is_the_drivers_own_error_and_costs_no_place(
    kind: type[Pool], bench: Benches
) -> None:
    for dialect in dialects(kind):
        one = bench(kind, dialect=dialect, **room(kind))
        usual = {key: one.limits[key] for key in impatient(kind)}
        held: list[Any] = []
        one.counter.connect_faults.refuse(True)
        one.change_anyhow(**impatient(kind))
        try:
            with pytest.raises((*DRIVERS_OWN, *kind.exhausted)) as refused:
                open_another(one, held)
            if not isinstance(refused.value, kind.exhausted):
                assert "refuse_connections" in str(refused.value)
        finally:
            one.counter.connect_faults.refuse(False)
        one.change(**usual)
        capacity = one.capacity
        if capacity is not None and can_have(kind, capacity) and not kind.shares:
            one.fill(capacity, held)
        else:
            one.use(*one.take(1))


def test_a_slowed_connect_goes_on_as_soon_as_the_fault_ends() -> None:
    counter = RecordingCounter()
    counter.connect_faults.slow_by = 3600.0
    passed = threading.Thread(target=wait_to_connect, args=(counter, psycopg2.OperationalError))
    passed.start()
    counter.connect_faults.slow_by = 0.0
    passed.join(30)
    assert not passed.is_alive()


def test_a_slowed_connect_is_refused_as_soon_as_connections_are_refused() -> None:
    counter = RecordingCounter()
    counter.connect_faults.slow_by = 3600.0
    raised: list[Exception] = []

    def wait() -> None:
        try:
            wait_to_connect(counter, psycopg2.OperationalError)
        except psycopg2.OperationalError as error:
            raised.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    counter.connect_faults.refuse(True)
    waiter.join(30)
    assert raised


def test_disabled_faults_hold_no_connection_up() -> None:
    connect_faults = ConnectFaults()
    connect_faults.refuse(True)
    with pytest.raises(ConnectRefused):
        connect_faults.check(time.perf_counter())
    connect_faults.slow_by = 3600.0
    connect_faults.disable()
    assert connect_faults.check(time.perf_counter()) <= 0


def test_a_connect_in_progress_goes_on_when_faults_are_disabled(
    kind: type[Pool], bench: Benches
) -> None:
    one = bench(kind, **room(kind))
    one.counter.connect_faults.slow_by = 3600.0
    caller = threading.Thread(target=open_another, args=(one, []))
    caller.start()
    one.counter.connect_faults.disable()
    caller.join(30)
    assert not caller.is_alive()
    until(one.agreed, "all agree")
