"""What every fault declares, and what it can act on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from poolviz.load.client_faults import ClientFaults
from poolviz.model.parameters import Parameter, Value
from poolviz.pools.base import Pool
from poolviz.pools.connections.connect_faults import ConnectFaults


@dataclass(frozen=True)
class FaultConditions:
    """The conditions of a run that decide whether a fault is possible.

    `dialect` is the kind of server (see `dialect_of`), `ours` whether poolviz started it, `load`
    the settings of the load, and `network` whether the server is reached by TCP. `processes` says
    whether the run has processes of its own that may be several.
    """

    dialect: str
    ours: bool
    pool: type[Pool]
    load: Mapping[str, Value]
    network: bool = True
    processes: bool = False


class FaultContext(Protocol):
    """What a fault can act on: the connections, clients, tables and server of one run."""

    connect_faults: ConnectFaults
    client_faults: ClientFaults

    def terminate(self, how_many: int | None) -> int:
        """Terminate backends of the run, those in use first, or all if `how_many` is None.

        Return how many were terminated. Raises ServerError if the server doesn't do it.
        """

    def lock_tables(self, seconds: float) -> None:
        """Hold an exclusive lock on poolviz's tables for `seconds` or until the end of the run.

        Raises ServerError if the server doesn't give it.
        """

    def restart_server(self) -> None:
        """Have the server that poolviz started stopped and started again. Returns when it is back,
        or the run has ended."""

    def silence_network(self, seconds: float) -> None:
        """Let nothing that the server sends arrive for `seconds` or until the end of the run.

        Raises ServerError if that can't be done.
        """

    def set_stuck(self, clients: int) -> None:
        """Make `clients` clients hang while they hold a connection. For standing faults only."""

    def wait(self, seconds: float) -> bool:
        """Wait, and return True if the end of the run cut the wait short."""


class Fault(ABC):
    """Something that goes wrong during a run.

    `parameter` declares its key and its amount; the default means that nothing is wrong. A
    `standing` fault stays on until it is set to its default; any other one happens and is over. One
    that `lasts` for a time is in force until then. Each begins a segment of the run.
    `first_amount` is what the window offers for one of the latter, unless it is a switch. `rank`
    orders the faults wherever they are listed, lowest first. Of several processes, one alone
    injects a fault that is `of_server`, the others share it.
    """

    parameter: ClassVar[Parameter]
    standing: ClassVar[bool] = False
    lasts: ClassVar[bool] = False
    of_server: ClassVar[bool] = False
    first_amount: ClassVar[float] = 2.0
    rank: ClassVar[int] = 1000

    @classmethod
    def reason(cls, conditions: FaultConditions) -> str:  # noqa: ARG003 - for those that need it
        """Return why the fault isn't possible under `conditions`; empty if it is possible."""
        return ""

    @abstractmethod
    def inject(self, context: FaultContext, value: Value) -> None:
        """Make it happen, with `value` for its amount. Raises ServerError if that fails.

        For a standing fault this is called by the control thread, must return at once, and ends
        the fault if `value` is the default. Any other fault has a thread of its own, and returns
        when it is over.
        """
