"""Processes that may open more connections than the server has: the refusal, and what avoids it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from poolviz.runs.request import check_draft
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.runs.warnings import warnings_before
from poolviz.scenarios.draft import Draft
from poolviz.sessions.recorder import Recorder
from tests.runs.test_runner import Heard, runner
from tests.servers.fixtures import TcpServer, tcp_server_of, wait_until

__all__ = ["runner"]


@pytest.fixture(
    params=[
        pytest.param((12, 3, 2, 1), id="3 processes of 12"),
        pytest.param((100, 8, 5, 10), id="8 processes of 100", marks=pytest.mark.on_demand),
    ]
)
def fleet(request: pytest.FixtureRequest) -> Iterator[tuple[TcpServer, int, int, int]]:
    """A server, and how many processes with which pool_size and max_overflow are too many."""
    connections, *others = request.param
    with tcp_server_of(connections) as server:
        yield server, *others


def test_processes_are_refused_beyond_the_budget_and_not_within_it(
    runner: Runner, fleet: tuple[TcpServer, int, int, int]
) -> None:
    server, processes, pool_size, max_overflow = fleet
    each = pool_size + max_overflow
    draft = Draft(
        load={"clients": each + 1, "statement_time": 0.005, "hold_time": 0.1, "think_time": 0.0},
        limits={"pool_size": pool_size, "max_overflow": max_overflow},
        fleet={"processes": processes},
    )
    scenario, target = check_draft(draft), runner.reach(server.dsn(), lambda _: None)
    assert target.free_connections is not None
    budget = target.free_connections - 1  # one watches
    assert processes * each > budget
    fitting = budget // processes
    [warning] = [each for each in warnings_before(scenario, target) if each.topic == "connections"]
    assert f"let each open at most {fitting}," in warning.sentence

    run = Run(scenario, target, Heard())
    runner.begin(run)
    wait_until(lambda: errors(run) > 0, "the server has refused a connection")
    assert recorded(run).member("process 1").began is not None
    details = recorded(run).summary().error_details
    assert any("connection" in each.message or "clients" in each.message for each in details)
    members = [recorded(run).member(name).summary() for name in recorded(run).members]
    assert sum(sum(member.errors.values()) for member in members) > 0
    wait_until(lambda: len(known(run, "server_total")) > 0, "the server was seen")
    assert set(known(run, "server_budget")) == {budget}
    assert max(known(run, "server_total")) <= budget

    run.change_together({"pool_size": fitting, "max_overflow": 0})
    wait_until(lambda: capacity(run) == processes * fitting, "the limits are in force")
    seen = [(0, -1)]  # operations and errors

    def calm() -> bool:
        """Whether as many operations as need every connection twice were done without an error."""
        done, failed = recorded(run).summary().operations, errors(run)
        if failed != seen[0][1]:
            seen[0] = done, failed
        return done - seen[0][0] > 10 * processes * fitting

    wait_until(calm, "nothing is refused any more")
    wait_until(lambda: max(known(run, "server_total")[-20:]) == processes * fitting, "all are used")
    run.stop()
    assert run.wait(60)


def recorded(run: Run) -> Recorder:
    assert run.recorder is not None
    return run.recorder


def errors(run: Run) -> int:
    return sum(recorded(run).summary().errors.values())


def capacity(run: Run) -> int | None:
    last = recorded(run).last
    return None if last is None else last.capacity


def known(run: Run, line: str) -> list[float]:
    """What the charts draw of a line, where it is known."""
    values = recorded(run).view(0.0, recorded(run).duration, 10_000).lines[line]
    return [float(value) for value in values[np.isfinite(values)]]
