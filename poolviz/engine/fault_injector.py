"""Where faults happen: a run's connections, clients and tables, and a server of our own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter

from poolviz.load.client_faults import ClientFaults
from poolviz.load.faults import FAULTS, Fault
from poolviz.model.errors import PoolvizError, ServerError
from poolviz.model.parameters import Value
from poolviz.pools.connections.connect_faults import ConnectFaults
from poolviz.servers.dispatch import fault_injection_for
from poolviz.servers.fault_injection import FaultInjection


class RunFaultContext:
    """What the faults of one run lay their actions on (a `load.faults.RunFaultContext`).

    `set_stuck` makes so many clients hang; control calls it. `ask_owner` tells whoever started the
    server to restart it, and returns at once. The rest is for any thread.
    """

    def __init__(
        self,
        conninfo: str,
        application_name: str,
        *,
        connect_faults: ConnectFaults,
        client_faults: ClientFaults,
        set_stuck: Callable[[int], None],
        ask_owner: Callable[[], None],
    ) -> None:
        self.connect_faults, self.client_faults = connect_faults, client_faults
        self.set_stuck, self.restart_server = set_stuck, ask_owner
        self._injection = fault_injection_for(conninfo, application_name)
        self._over = threading.Event()

    def terminate(self, how_many: int | None) -> int:
        """Have the server end so many of the run's backends, or all; how many it ended."""
        return self._injecting().terminate(how_many, self.wait)

    def lock_tables(self, seconds: float) -> None:
        """Hold a lock on poolviz' own tables for so long or until the run's end."""
        self._injecting().lock_tables(seconds, self.wait)

    def wait(self, seconds: float) -> bool:
        """Let time pass; True where the run's end cut that short."""
        return self._over.wait(min(seconds, threading.TIMEOUT_MAX))

    def end(self) -> None:
        """End every wait, also of connections that are held up: the run is over."""
        self._over.set()
        self.connect_faults.disable()

    def _injecting(self) -> FaultInjection:
        if self._injection is None:
            raise ServerError("There is no server that could be harmed.")
        return self._injection


class FaultInjector:
    """Carries faults out. Standing ones are set by whoever calls, the control thread; each passing
    one runs in a thread of its own, owned here until `close`.

    `tell` is called from those threads with a fault's key and a sentence where it came to nothing,
    and with an empty one when it is done again and well.
    """

    def __init__(self, context: RunFaultContext, tell: Callable[[str, str], None]) -> None:
        self._context, self._tell = context, tell
        self._under_way: dict[str, threading.Thread] = {}
        self._failed: set[str] = set()  # keys; each written by its own thread alone

    def inject(self, key: str, value: Value) -> str:
        """Begin with a fault; at its default a standing one ends, and a passing one is none.

        Why it isn't done, in a sentence, where the same one is still under way; else empty.
        """
        fault = FAULTS[key]()
        if fault.standing:
            fault.inject(self._context, value)
            return ""
        if value == fault.parameter.default:
            return ""
        before = self._under_way.get(key)
        if before is not None and before.is_alive():
            return f"{key} is still under way: wait until it is over."
        thread = threading.Thread(
            target=self._pass, args=(key, fault, value), name=f"fault {key}", daemon=True
        )
        self._under_way[key] = thread
        thread.start()
        return ""

    def close(self, timeout: float = 1.0) -> None:
        """End every fault under way, waiting at most so many seconds for all of them."""
        self._context.end()
        until = perf_counter() + timeout
        for thread in self._under_way.values():
            thread.join(max(until - perf_counter(), 0))

    def _pass(self, key: str, fault: Fault, value: Value) -> None:
        try:
            fault.inject(self._context, value)
        except PoolvizError as error:
            if not self._context.wait(0):  # else the run's end is what it failed by
                self._failed.add(key)
                self._tell(key, str(error))
        else:
            if key in self._failed:
                self._failed.discard(key)
                self._tell(key, "")
