"""Clients that don't release their connections."""

from __future__ import annotations

from poolviz.load.faults.base import Fault, FaultContext
from poolviz.model.parameters import Count, Value


class LeakEvery(Fault):
    """Connections are acquired and never released."""

    parameter = Count(
        key="leak_every",
        default=0,
        maximum=1_000_000,
        slider=(0, 1000),
        log_slider=True,
        special={0: "never"},
        help="Every Nth operation of a client never releases its connection, as if one path "
        "through a program forgot to. 0: none.",
    )
    standing = True
    rank = 60

    def inject(self, context: FaultContext, value: Value) -> None:
        """Set N from the next operation on."""
        context.client_faults.leak_every = int(value)


class StuckClients(Fault):
    """Clients hang while they hold a connection."""

    parameter = Count(
        key="stuck_clients",
        default=0,
        maximum=2000,
        slider=(0, 100),
        help="How many clients hang while they hold a connection. They go on when this is lowered.",
    )
    standing = True
    rank = 70

    def inject(self, context: FaultContext, value: Value) -> None:
        """Set the number from the next operation on; clients beyond `value` go on."""
        context.set_stuck(int(value))
