"""What faults make clients do."""

from __future__ import annotations


class ClientFaults:
    """Written by the control thread, read by every client before each operation; each field is one
    value, so nothing guards them."""

    __slots__ = ("leak_every", "slow_by")

    def __init__(self) -> None:
        self.leak_every = 0  # every so-manieth operation of a client keeps its connection; 0: none
        self.slow_by = 0.0  # seconds that the server takes longer for each operation
