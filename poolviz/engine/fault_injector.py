"""Where faults happen: a run's connections, clients and tables, and a server of our own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter

from poolviz.load.client_faults import Havoc
from poolviz.load.faults import FAULTS, Fault
from poolviz.model.errors import PoolvizError, ServerError
from poolviz.model.parameters import Value
from poolviz.pools.connections.connect_faults import Gate
from poolviz.servers.fault_injection import Injury, injury_for


class Scene:
    """What the faults of one run lay their hands on (a `load.faults.Scene`).

    `crew_hook` makes so many clients hang; control calls it. `ask_owner` tells whoever started the
    server to restart it, and returns at once. The rest is for any thread.
    """

    def __init__(
        self,
        conninfo: str,
        application_name: str,
        *,
        gate: Gate,
        havoc: Havoc,
        crew_hook: Callable[[int], None],
        ask_owner: Callable[[], None],
    ) -> None:
        self.gate, self.havoc = gate, havoc
        self.stick, self.restart_server = crew_hook, ask_owner
        self._injury = injury_for(conninfo, application_name)
        self._over = threading.Event()

    def terminate(self, how_many: int | None) -> int:
        """Have the server end so many of the run's backends, or all; how many it ended."""
        return self._injured().terminate(how_many, self.wait)

    def lock_tables(self, seconds: float) -> None:
        """Hold a lock on poolviz' own tables for so long or until the run's end."""
        self._injured().lock_tables(seconds, self.wait)

    def wait(self, seconds: float) -> bool:
        """Let time pass; True where the run's end cut that short."""
        return self._over.wait(min(seconds, threading.TIMEOUT_MAX))

    def end(self) -> None:
        """End every wait, also of connections that are held up: the run is over."""
        self._over.set()
        self.gate.open_for_good()

    def _injured(self) -> Injury:
        if self._injury is None:
            raise ServerError("There is no server that could be harmed.")
        return self._injury


class Injuries:
    """Carries faults out. Standing ones are set by whoever calls, the control thread; each passing
    one runs in a thread of its own, owned here until `close`.

    `tell` is called from those threads with a fault's key and a sentence where it came to nothing,
    and with an empty one when it is done again and well.
    """

    def __init__(self, scene: Scene, tell: Callable[[str, str], None]) -> None:
        self._scene, self._tell = scene, tell
        self._under_way: dict[str, threading.Thread] = {}
        self._failed: set[str] = set()  # keys; each written by its own thread alone

    def inflict(self, key: str, value: Value) -> str:
        """Begin with a fault; at its default a standing one ends, and a passing one is none.

        Why it isn't done, in a sentence, where the same one is still under way; else empty.
        """
        fault = FAULTS[key]()
        if fault.standing:
            fault.inflict(self._scene, value)
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
        self._scene.end()
        until = perf_counter() + timeout
        for thread in self._under_way.values():
            thread.join(max(until - perf_counter(), 0))

    def _pass(self, key: str, fault: Fault, value: Value) -> None:
        try:
            fault.inflict(self._scene, value)
        except PoolvizError as error:
            if not self._scene.wait(0):  # else the run's end is what it failed by
                self._failed.add(key)
                self._tell(key, str(error))
        else:
            if key in self._failed:
                self._failed.discard(key)
                self._tell(key, "")
