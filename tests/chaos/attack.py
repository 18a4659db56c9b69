"""Violence against the processes of a run: frozen, killed, signalled."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from tests.chaos.plan import Attack, Violence


class Processes:
    """The processes below a program, by what they are."""

    def __init__(self, program: int) -> None:
        self.program = psutil.Process(program)
        self.engines: list[psutil.Process] = []
        self.watchdogs: list[psutil.Process] = []
        self.servers: list[psutil.Process] = []
        for process in self.program.children(recursive=True):
            with suppress(psutil.Error):
                words = " ".join(process.cmdline())
                if process.name().startswith("postgres"):
                    self.servers.append(process)
                elif "watchdog" in words:
                    self.watchdogs.append(process)
                elif "engine_child" in words:
                    self.engines.append(process)

    @property
    def main_servers(self) -> list[psutil.Process]:
        """The servers' main processes."""
        guards = {process.pid for process in self.watchdogs}
        found = []
        for process in self.servers:
            with suppress(psutil.Error):
                if process.ppid() in guards:
                    found.append(process)
        return found

    @property
    def backends(self) -> list[psutil.Process]:
        """The servers' processes that work for a connection of the run."""
        found = []
        for process in self.servers:
            with suppress(psutil.Error):
                # PostgreSQL writes user, database and client into its process' title.
                if "[local]" in " ".join(process.cmdline()):
                    found.append(process)
        return found


@contextmanager
def carried_out(attack: Attack, program: int) -> Iterator[float]:
    """Do to the processes below `program`, and to it, what `attack` says; yield the Unix time just
    before. Who was frozen goes on after a while, and at the latest with the block."""
    there = Processes(program)
    moment = time.time()
    frozen: list[psutil.Process] = []
    match attack.what:
        case Violence.FREEZE_SERVER:
            frozen = there.servers
        case Violence.FREEZE_ENGINE:
            frozen = there.engines
        case Violence.KILL_SERVER:
            _send(there.main_servers, signal.SIGKILL)
        case Violence.KILL_BACKEND:
            _send(there.backends[:1], signal.SIGKILL)
        case Violence.KILL_WATCHDOG:
            _send(there.watchdogs, signal.SIGKILL)
        case Violence.KILL_SERVER_AND_WATCHDOG:
            _send(there.watchdogs, signal.SIGSTOP)
            _send(there.main_servers, signal.SIGKILL)
            _send(there.watchdogs, signal.SIGKILL)
        case Violence.KILL_ENGINE:
            _send(there.engines, signal.SIGKILL)
        case Violence.KILL_ALL_BUT_SERVER:
            _send([there.program], signal.SIGSTOP)
            _send([*there.engines, there.program], signal.SIGKILL)
        case Violence.KILL:
            _send([there.program], signal.SIGKILL)
        case Violence.TERM | Violence.INT | Violence.HUP:
            _send([there.program], signal.Signals[f"SIG{attack.what.name}"])
        case Violence.TWICE:
            _send([there.program], signal.SIGTERM)
            time.sleep(attack.lasts / 5)
            _send([there.program], signal.SIGTERM)
    _send(frozen, signal.SIGSTOP)
    thaw = threading.Timer(attack.lasts, _send, (frozen, signal.SIGCONT))
    thaw.start()
    try:
        yield moment
    finally:
        thaw.cancel()
        thaw.join()
        _send(frozen, signal.SIGCONT)


def _send(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.is_running():  # its number isn't another's by now
                os.kill(process.pid, number)
