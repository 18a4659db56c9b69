"""A network that falls silent: a proxy on TCP that stops forwarding, and closes nothing."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class SilentNetwork:
    """Forwards connections to a server at `address`, until `fall_silent`. Owns one thread."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._silent = threading.Event()
        self._over = threading.Event()
        self._ends: dict[socket.socket, socket.socket] = {}
        self._thread = threading.Thread(target=self._run, name="silent network")
        self._thread.start()

    def fall_silent(self) -> None:
        """Forward nothing from now on. Connections stay open, and new ones are accepted."""
        self._silent.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._over.is_set():
                for key, _ in selector.select(0.05):
                    one = key.fileobj
                    assert isinstance(one, socket.socket)
                    if self._silent.is_set():
                        if one is not self._listener:
                            selector.unregister(one)
                    elif one is self._listener:
                        self._accept(selector)
                    elif one in self._ends:
                        self._forward(selector, one)
        for end in self._ends:
            end.close()
        self._listener.close()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(self._address)
        for one, other in ((client, server), (server, client)):
            self._ends[one] = other
            selector.register(one, selectors.EVENT_READ)

    def _forward(self, selector: selectors.BaseSelector, one: socket.socket) -> None:
        data = b""
        with suppress(OSError):
            data = one.recv(65536)
        if data:
            with suppress(OSError):
                self._ends[one].sendall(data)
            return
        for end in (one, self._ends[one]):
            with suppress(KeyError):
                selector.unregister(end)
            self._ends.pop(end, None)
            end.close()
