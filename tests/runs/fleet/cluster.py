"""A cluster of Dask's in processes of its own, with a network that tests can disturb."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.servers.fixtures import PROJECT, wait_until

# What a process with another clock imports first: a whole machine would have it.
_CLOCK = """
import time
_ahead, _wall, _steady, _steady_ns = {ahead!r}, time.time, time.perf_counter, time.perf_counter_ns
time.time = lambda: _wall() + _ahead
time.perf_counter = lambda: _steady() + _ahead
time.perf_counter_ns = lambda: _steady_ns() + round(_ahead * 1e9)
"""


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens at now."""
    with socket.socket() as taken:
        taken.bind((host, 0))
        return int(taken.getsockname()[1])


class Network:
    """A network between whoever connects to it and `target`: it takes `delay` seconds each way,
    and carries nothing while it is `cut`."""

    def __init__(
        self, target: tuple[str, int], delay: float = 0.0, host: str = "127.0.0.1"
    ) -> None:
        self.target, self.delay = target, delay
        self._open = threading.Event()
        self._open.set()
        self._over = False
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((host, 0))
        self.port = int(self._listener.getsockname()[1])
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._over = True
        self._open.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for each in self._sockets:
            each.close()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="link", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket()
                self._sockets += [near, far]
                try:
                    far.connect(self.target)
                except OSError:
                    near.shutdown(socket.SHUT_RDWR)
                    continue
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._carry(near, far)
                self._carry(far, near)

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        on_the_way: list[tuple[float, bytes]] = []
        more = threading.Condition()

        def receive() -> None:
            data = b"-"
            while data:
                try:
                    data = source.recv(65_536)
                except OSError:
                    data = b""
                with more:
                    on_the_way.append((time.monotonic() + self.delay, data))
                    more.notify()

        def deliver() -> None:
            while True:
                with more:
                    more.wait_for(lambda: bool(on_the_way))
                    due, data = on_the_way.pop(0)
                time.sleep(max(due - time.monotonic(), 0))
                self._open.wait()
                with suppress(OSError):
                    if data and not self._over:
                        sink.sendall(data)
                    else:
                        sink.shutdown(socket.SHUT_RDWR)
                if not data:
                    return

        self._start(receive)
        self._start(deliver)


class Cluster:
    """A scheduler, and workers by name. Its processes log into `folder`."""

    def __init__(
        self,
        folder: Path,
        options: tuple[str, ...] = (),
        protocol: str = "tcp",
        host: str = "127.0.0.1",
    ) -> None:
        self._folder, self._options, self._protocol, self._host = folder, options, protocol, host
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.port = free_port(host)
        self.address = f"{protocol}://{host}:{self.port}"
        self._run("scheduler", ["--port", str(self.port), "--host", host])

    def worker(
        self, name: str, *, host: str = "127.0.0.1", ahead: float = 0.0, wrap: tuple[str, ...] = ()
    ) -> None:
        """Start a worker, whose clocks are `ahead` by some seconds."""
        listens = ["--listen-address", f"{self._protocol}://{host}:{free_port(host)}"]
        self._run(name, [self.address, *self._of_worker(name), *listens], ahead, wrap)

    @contextmanager
    def linked_worker(
        self,
        name: str,
        *,
        delay: float = 0.0,
        ahead: float = 0.0,
        host: str = "127.0.0.1",
        wrap: tuple[str, ...] = (),
    ) -> Iterator[tuple[Network, Network]]:
        """Yield links by which a worker reaches the scheduler and is reached, once it has joined.
        It ends at the end of the block."""
        port = free_port()
        wait_until(lambda: "Scheduler at:" in self.log("scheduler"), "the scheduler listens")
        with ExitStack() as parts:
            ends = ((self._host, self.port), (host, port))
            there, back = (Network(end, delay, self._host) for end in ends)
            parts.callback(there.close)
            parts.callback(back.close)
            listens, reached, scheduler = (
                f"{self._protocol}://{at[0]}:{at[1]}"
                for at in ((host, port), (self._host, back.port), (self._host, there.port))
            )
            addresses = ["--listen-address", listens, "--contact-address", reached]
            self._run(name, [scheduler, *self._of_worker(name), *addresses], ahead, wrap)
            parts.callback(self.kill, name)
            self.wait_for(name)
            yield there, back

    def wait_for(self, *names: str) -> None:
        """Wait until workers have joined."""
        for name in names:
            wait_until(lambda name=name: "Registered to:" in self.log(name), f"{name} has joined")

    def kill(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def log(self, name: str) -> str:
        assert self.processes[name].poll() is None, self._log(name).read_text()
        return self._log(name).read_text()

    def close(self) -> None:
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait()

    def _of_worker(self, name: str) -> list[str]:
        space = self._folder / f"space of {name}"
        return ["--name", name, "--no-nanny", "--nthreads", "1", "--local-directory", str(space)]

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _run(
        self, name: str, options: list[str], ahead: float = 0.0, wrap: tuple[str, ...] = ()
    ) -> None:
        kind = "scheduler" if name == "scheduler" else "worker"
        path = [str(PROJECT)]
        if ahead:
            clock = self._folder / f"clock of {name}"
            clock.mkdir()
            (clock / "sitecustomize.py").write_text(_CLOCK.format(ahead=ahead))
            path.insert(0, str(clock))
        command = [*wrap, sys.executable, "-m", f"distributed.cli.dask_{kind}", *options]
        with self._log(name).open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [*command, "--no-dashboard", *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
                cwd=self._folder,
            )


@contextmanager
def cluster(
    folder: Path,
    options: tuple[str, ...] = (),
    protocol: str = "tcp",
    host: str = "127.0.0.1",
) -> Iterator[Cluster]:
    """Yield a cluster with a scheduler, and end all of it afterwards."""
    made = Cluster(folder, options, protocol, host)
    try:
        yield made
    finally:
        made.close()
