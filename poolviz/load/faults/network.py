"""A network that falls silent."""

from __future__ import annotations

import sys

from poolviz.language import tr
from poolviz.load.faults.base import Fault, FaultConditions, FaultContext
from poolviz.model.dialect import SQLITE
from poolviz.model.parameters import Seconds, Value


class NetworkSilent(Fault):
    """Packets vanish, and nobody is told."""

    parameter = Seconds(
        key="network_silent",
        default=0.0,
        maximum=3600,
        slider=(0, 60),
        log_slider=True,
        help="How long nothing that the server sends arrives, and no connection is closed or "
        "refused: statements and new connections wait, until a timeout of the driver or the "
        "system ends the wait.",
    )
    lasts = True
    first_amount = 5.0
    rank = 45

    @classmethod
    def reason(cls, conditions: FaultConditions) -> str:
        """Return that there is no network, or that the system lets nobody drop its packets."""
        if conditions.dialect == SQLITE:
            return tr("SQLite has no network that could fall silent.")
        if conditions.ours:
            return ""
        if not conditions.network:
            return tr(
                "This server is reached by a Unix socket, on which no packet is lost: name its "
                "host and port in the DSN."
            )
        if sys.platform != "linux":
            return tr("Only on Linux can packets of a server that isn't poolviz' own be dropped.")
        return ""

    def inject(self, context: FaultContext, value: Value) -> None:
        """Keep the network silent for `value` seconds."""
        context.silence_network(float(value))
