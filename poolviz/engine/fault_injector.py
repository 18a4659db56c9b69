"""Injects faults into a run: into its connections, clients and tables, and into our own server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import perf_counter

from poolviz.language import tr
from poolviz.load.client_faults import ClientFaults
from poolviz.load.faults import FAULTS, Fault
from poolviz.model.error_text import sentence_part
from poolviz.model.errors import PoolvizError, ServerError
from poolviz.model.parameters import Value
from poolviz.pools.connections.connect_faults import ConnectFaults
from poolviz.servers.dispatch import fault_injection_for
from poolviz.servers.fault_injection import FaultInjection
from poolviz.servers.network import silenced

_LOOK = 0.1  # seconds between two looks at whether the run has ended
_logger = logging.getLogger(__name__)


class RunFaultContext:
    """What the faults of one run act on (a `load.faults.FaultContext`).

    `own_server` says that poolviz started the server. `set_stuck` makes that many clients hang; the
    control thread calls it. `request_restart` asks whoever started the server to restart it, who
    answers by `server_restarted`. Everything else may be called from any thread.
    """

    def __init__(
        self,
        conninfo: str,
        application_name: str,
        *,
        connect_faults: ConnectFaults,
        client_faults: ClientFaults,
        own_server: bool = False,
        set_stuck: Callable[[int], None],
        request_restart: Callable[[], None],
    ) -> None:
        self.connect_faults, self.client_faults = connect_faults, client_faults
        self.set_stuck, self._request_restart = set_stuck, request_restart
        self._own_server = own_server
        self._restarted = threading.Event()
        self._injection = fault_injection_for(conninfo, application_name)
        self._ended = connect_faults.disabled

    def terminate(self, how_many: int | None) -> int:
        """Terminate that many of the run's backends, or all; return how many it was."""
        return self._server().terminate(how_many, self.wait)

    def lock_tables(self, seconds: float) -> None:
        """Lock poolviz' own tables for `seconds`, or until the run ends."""
        self._server().lock_tables(seconds, self.wait)

    def restart_server(self) -> None:
        """Have the server restarted, and wait until it is back or the run has ended."""
        self._restarted.clear()
        self._request_restart()
        while not self._restarted.wait(_LOOK) and not self._ended.is_set():
            pass

    def silence_network(self, seconds: float) -> None:
        """Freeze the server if it is ours, which is reached by a Unix socket; else have the system
        drop what arrives at the run's connections, and leave new ones without an answer."""
        if self._own_server:
            self._server().freeze(seconds, self.wait)
            return
        self.connect_faults.silence(True)
        try:
            silenced(self._server().hosts(self.wait), seconds, self.wait)
        finally:
            self.connect_faults.silence(False)

    def server_restarted(self) -> None:
        """Note that the server is back."""
        self._restarted.set()

    def wait(self, seconds: float) -> bool:
        """Wait for `seconds`; True if the run ended before that."""
        return self._ended.wait(min(seconds, threading.TIMEOUT_MAX))

    def end(self) -> None:
        """End every wait, including that of connections that are held up: the run is over."""
        self.connect_faults.disable()

    def _server(self) -> FaultInjection:
        if self._injection is None:
            raise ServerError(tr("SQLite has no server that a fault could be injected into."))
        return self._injection


class FaultInjector:
    """Injects faults. The caller's thread sets standing ones; each passing one has its own thread,
    owned here until `close`.

    `on_problem` is called in those threads with a fault's key and a sentence if the fault failed,
    and with an empty sentence when it succeeds after that. The run goes on. `on_over` is called
    there with the key of a fault that lasts, when it is over.
    """

    def __init__(
        self,
        context: RunFaultContext,
        on_problem: Callable[[str, str], None],
        on_over: Callable[[str], None],
    ) -> None:
        self._context, self._on_problem, self._on_over = context, on_problem, on_over
        self._threads: dict[str, threading.Thread] = {}
        self._failed: set[str] = set()  # keys; each is written by its own fault's thread only

    def why_not(self, key: str) -> str:
        """Return why a fault can't be injected now, in a sentence: it is still in progress."""
        before = self._threads.get(key)
        if before is not None and before.is_alive():
            return tr("{key} is still in progress: wait until it is over.", key=key)
        return ""

    def server_restarted(self) -> None:
        """Note that the server is back that was asked to be restarted."""
        self._context.server_restarted()

    def inject(self, key: str, value: Value) -> str:
        """Set a standing fault to `value`, or start a passing one; its default means no fault.

        Return why it isn't done, in a sentence; else "".
        """
        fault = FAULTS[key]()
        if fault.standing:
            fault.inject(self._context, value)
            return ""
        if value == fault.parameter.default:
            return ""
        if busy := self.why_not(key):
            return busy
        thread = threading.Thread(
            target=self._run, args=(key, fault, value), name=f"fault {key}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            return tr("{key} can't be injected: {error}.", key=key, error=error)
        self._threads[key] = thread
        return ""

    def close(self, timeout: float = 1.0) -> None:
        """End every fault in progress, waiting at most `timeout` seconds for all of them."""
        self._context.end()
        until = perf_counter() + timeout
        for thread in self._threads.values():
            thread.join(max(until - perf_counter(), 0))

    def _run(self, key: str, fault: Fault, value: Value) -> None:
        try:
            fault.inject(self._context, value)
        except PoolvizError as error:
            self._fail(key, str(error))
        except BaseException as error:
            _logger.exception("fault %s failed", key)
            sentence = tr(
                "{key} failed, which is a fault of poolviz: {error}.",
                key=key,
                error=sentence_part(error),
            )
            self._fail(key, sentence)
        else:
            if key in self._failed:
                self._failed.discard(key)
                self._on_problem(key, "")
        finally:
            if fault.lasts and not self._context.wait(0):
                self._on_over(key)

    def _fail(self, key: str, sentence: str) -> None:
        if not self._context.wait(0):  # else the end of the run is why it failed
            self._failed.add(key)
            self._on_problem(key, sentence)
