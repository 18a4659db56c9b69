"""What a client adds to the calls of a pool, counted in steps of the interpreter."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import event

from poolviz.engine.client_group import ClientEvents
from poolviz.engine.meter import ConnectionEventBuffer, Meter
from poolviz.engine.thread_client import ThreadClient
from poolviz.load.behaviour import Behaviour
from poolviz.load.client_faults import ClientFaults
from poolviz.load.error_kinds import ErrorKinds
from poolviz.load.settings import settings_for
from poolviz.load.workload import Workload
from poolviz.model.dialect import SQLITE
from poolviz.pools.sqlalchemy.queue_pool import QueuePool

OPERATIONS = 40
MOST = 220  # it was 283 for an operation at a time, and 173 in a loop, on Python 3.11


def steps_of(function: Callable[[], object]) -> int:
    """Return how many bytecodes a call executes in this thread."""
    steps = 0

    def trace(frame: FrameType, what: str, _: object) -> Any:
        nonlocal steps
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        steps += what == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return steps


def test_a_plain_operation_costs_little_beside_the_pools_own_calls(tmp_path: Path) -> None:
    conninfo = f"sqlite:///{tmp_path / 'data'}"
    connections = ConnectionEventBuffer()
    pool = QueuePool(conninfo, connections, QueuePool.limits.complete({}))
    load = settings_for(QueuePool).complete(
        {"clients": 1, "statement": "select_1", "hold_time": 0, "think_time": 0}
    )
    workload = Workload(load, SQLITE, uses=QueuePool.uses)
    problems: list[str] = []
    behaviour = Behaviour(
        0,
        QueuePool,
        workload,
        client_faults=ClientFaults(),
        error_kinds=ErrorKinds(()),
        seed=1,
        numbers=connections.numbers,
    )
    left = 0

    def given_back(*_: object) -> None:
        nonlocal left
        left -= 1
        behaviour.stopping = left <= 0

    def measured(operations: int) -> int:
        nonlocal left
        left, behaviour.stopping = operations, False
        on_problem = lambda _, sentence: problems.append(sentence)  # noqa: E731
        client = ThreadClient(behaviour, pool, ClientEvents(on_problem))
        return steps_of(client._run)

    def bare() -> None:
        for _ in range(OPERATIONS):
            with pool.engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1").all()

    event.listen(pool.engine, "checkin", given_back)
    try:
        bare()  # opens the connection
        measured(1)  # imports what its use of the pool needs
        of_the_pool = steps_of(bare)
        beginning_and_end = measured(1)
        of_the_client = measured(1 + OPERATIONS) - beginning_and_end
    finally:
        pool.close()
    tick = Meter(connections).tick(behaviour.buffers, 5)
    assert (tick.operations, tick.errors, problems) == (3 + OPERATIONS, {}, [])
    assert behaviour.held() == []
    assert (of_the_client - of_the_pool) / OPERATIONS < MOST, (of_the_client, of_the_pool)
