"""Connections that are refused, or take long to open."""

from __future__ import annotations

from poolviz.load.faults.base import Fault, FaultContext
from poolviz.model.parameters import Seconds, Value


class RefuseConnections(Fault):
    """No new connection can be opened for some time."""

    parameter = Seconds(
        key="refuse_connections",
        default=0.0,
        maximum=3600,
        slider=(0, 30),
        log_slider=True,
        help="How long every attempt of the pool to connect is refused. Existing connections are "
        "not affected.",
    )
    lasts = True
    rank = 40

    def inject(self, context: FaultContext, value: Value) -> None:
        """Refuse connections for `value` seconds."""
        context.connect_faults.refuse(True)
        try:
            context.wait(float(value))
        finally:
            context.connect_faults.refuse(False)


class SlowConnecting(Fault):
    """Connections take long to open."""

    parameter = Seconds(
        key="slow_connecting",
        default=0.0,
        maximum=3600,
        slider=(0, 2),
        log_slider=True,
        help="How much longer it takes to open a connection, as over a slow network or with TLS.",
    )
    standing = True
    rank = 90

    def inject(self, context: FaultContext, value: Value) -> None:
        """Set the time, also for connections that are being opened."""
        context.connect_faults.slow_by = float(value)
