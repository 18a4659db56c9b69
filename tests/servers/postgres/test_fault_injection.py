"""Faults on a server that doesn't answer, before and after the run is over."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from poolviz.model.errors import ServerError
from poolviz.servers.postgres.fault_injection import PostgresFaultInjection


@pytest.fixture
def silent() -> Iterator[str]:
    """The conninfo of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        yield f"host=127.0.0.1 port={port} user=nobody dbname=nothing sslmode=disable"


@pytest.mark.parametrize(
    "inject",
    [
        lambda faults, wait: faults.terminate(None, wait),
        lambda faults, wait: faults.lock_tables(1.0, wait),
        lambda faults, wait: faults.hosts(wait),
        lambda faults, wait: faults.freeze(1.0, wait),
    ],
    ids=["terminate", "lock_tables", "hosts", "freeze"],
)
def test_a_fault_that_no_server_answers_is_a_sentence_also_when_the_run_is_over(
    inject: Callable[..., Any], silent: str
) -> None:
    faults = PostgresFaultInjection(silent, "poolviz run")
    with pytest.raises(ServerError, match="doesn't answer"):
        inject(faults, lambda _seconds: True)
