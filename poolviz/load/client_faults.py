"""The faults that clients carry out themselves."""

from __future__ import annotations


class ClientFaults:
    """What every client reads before each operation. The control thread writes each field as one
    value, so no lock guards them.

    Every `leak_every`-th operation of a client keeps its connection; 0 for none. Each operation
    takes the server `slow_by` seconds longer.
    """

    __slots__ = ("leak_every", "slow_by")

    def __init__(self) -> None:
        self.leak_every = 0
        self.slow_by = 0.0
