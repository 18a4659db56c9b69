"""A network that falls silent for this process: what arrives is dropped, nothing is closed."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from poolviz.model.errors import ServerError
from poolviz.servers.network import keep_audible, silenced
from tests.servers.fixtures import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has socket filters")


class Echo:
    """A server on TCP that sends back what it gets, in a thread for each connection."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, 0), family=family)
        self.address = (host, self.listener.getsockname()[1])
        self.accepter = threading.Thread(target=self._accept, daemon=True)
        self.threads: list[threading.Thread] = []
        self.accepter.start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in (self.accepter, *self.threads):
            thread.join(30)

    def _accept(self) -> None:
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self._send_back, args=(one,), daemon=True))
            self.threads[-1].start()

    def _send_back(self, one: socket.socket) -> None:
        with one, suppress(ConnectionError):
            while data := one.recv(100):
                one.sendall(data)


@contextmanager
def echo(host: str = "127.0.0.1") -> Iterator[Echo]:
    server = Echo(host)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def silence(address: tuple[str, int], seconds: float = 600.0) -> Iterator[threading.Event]:
    over = threading.Event()
    thread = threading.Thread(target=silenced, args=([address], seconds, over.wait))
    thread.start()
    try:
        yield over
    finally:
        over.set()
        thread.join(30)
        assert not thread.is_alive()


def answers(one: socket.socket, seconds: float) -> bool:
    one.settimeout(seconds)
    one.sendall(b"x")
    try:
        return one.recv(1) == b"x"
    except TimeoutError:
        return False


def falls_silent(one: socket.socket) -> None:
    wait_until(lambda: not answers(one, 0.2), "nothing arrives")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_nothing_arrives_until_it_is_over_and_then_everything_does(host: str) -> None:
    if ":" in host and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with echo(host) as server, socket.create_connection(server.address) as one:
        assert answers(one, 30)
        with silence(server.address):
            falls_silent(one)
            assert not answers(one, 0.3)
        one.settimeout(30)
        assert one.recv(1) == b"x"


def test_a_connection_that_is_made_meanwhile_falls_silent_too() -> None:
    with (
        echo() as server,
        socket.create_connection(server.address) as first,
        silence(server.address),
    ):
        falls_silent(first)
        with socket.create_connection(server.address) as second:
            falls_silent(second)


def test_connections_to_other_servers_and_poolviz_own_are_left_alone() -> None:
    with (
        echo() as server,
        echo() as another,
        socket.create_connection(server.address) as one,
        socket.create_connection(server.address) as own,
        socket.create_connection(another.address) as elsewhere,
    ):
        keep_audible(own)
        with silence(server.address):
            falls_silent(one)
            assert answers(own, 30)
            assert answers(elsewhere, 30)


def test_it_is_over_after_its_time() -> None:
    with echo() as server, socket.create_connection(server.address) as one:
        assert answers(one, 30)
        silenced([server.address], 0.2, threading.Event().wait)
        assert answers(one, 30)


@pytest.mark.parametrize(
    ("host", "why"),
    [("/var/run/postgresql", "Unix socket"), ("no-such-host.invalid", "has no address")],
)
def test_what_has_no_packets_or_no_address_is_said(host: str, why: str) -> None:
    with pytest.raises(ServerError, match=why):
        silenced([(host, 5432)], 1.0, lambda _: False)
