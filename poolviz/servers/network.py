"""A network that falls silent: the system drops what arrives at this process' connections.

Linux runs a small program, a classic BPF filter, on each packet that arrives at a socket, before
TCP sees it. One that drops every packet, acknowledgements included, makes the other side silent
without closing anything: the system sends what it has again and again, its keepalives get no
answer, and TCP_USER_TIMEOUT ends the connection. No privilege is needed. What this process sends
does arrive, and the server may carry it out. Unix sockets have no packets.
"""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import struct
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from poolviz.language import tr
from poolviz.model.errors import ServerError

_ATTACH_FILTER, _DETACH_FILTER = 26, 27  # SO_ATTACH_FILTER, SO_DETACH_FILTER: not in `socket`
_RETURN = 0x06  # BPF_RET | BPF_K: how much of a packet is kept, here nothing
# Seconds between two looks for sockets that were opened meanwhile, by drivers that aren't asked to
# wait. With many sockets a look takes longer, and the pause is so many times as long.
_LOOK, _TIMES = 0.02, 20
_FILES = Path("/proc/self/fd")

_lock = threading.Lock()  # guards what follows
_audible: weakref.WeakSet[Any] = weakref.WeakSet()

Address = tuple[str, int]
Wait = Callable[[float], bool]  # see `fault_injection`


def keep_audible(connection: Any) -> None:
    """Leave a connection of poolviz' own, which has a `fileno`, out of every silence."""
    with _lock:
        _audible.add(connection)


def silenced(hosts: Iterable[Address], seconds: float, wait: Wait) -> None:
    """Drop what arrives from the servers at `hosts` for that time, or until the run is over.

    This affects all of this process' connections to them, but those that `keep_audible` names.
    Raises ServerError if a host has no address, or the system refuses.
    """
    addresses = _addresses_of(hosts)
    try:
        end = perf_counter() + seconds
        while (now := perf_counter()) < end:
            _filter(addresses, drop=True)
            pause = max(_LOOK, _TIMES * (perf_counter() - now))
            if wait(min(pause, max(end - perf_counter(), 0.0))):
                return
    finally:
        _filter(addresses, drop=False)


def _addresses_of(hosts: Iterable[Address]) -> set[Address]:
    """Return the addresses of `hosts` as sockets name them."""
    found: set[Address] = set()
    for host, port in hosts:
        if host[:1] in ("/", "@"):
            raise ServerError(
                tr("The server is reached by a Unix socket, {host}, without packets.", host=host)
            )
        try:
            resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ServerError(
                tr(
                    "The host {host} has no address ({reason}).",
                    host=host,
                    reason=error.strerror,
                )
            ) from None
        found |= {(str(address[4][0]), port) for address in resolved}
    return found


def _filter(addresses: set[Address], *, drop: bool) -> None:
    """Have every connection to `addresses` drop what arrives, or take it again."""
    for number in [int(file.name) for file in _FILES.iterdir()]:
        one = _duplicate(number)
        if one is None:
            continue
        with one:
            if not _reaches(one, addresses):
                continue
            # Looked for after the descriptor was duplicated, so that a number that is used again
            # isn't taken for what it was before.
            _set_filter(one, drop=drop and number not in _audible_files())


def _duplicate(number: int) -> socket.socket | None:
    """Return a socket with a descriptor of its own; None if that number is no socket's any more."""
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            return None
        duplicate = os.dup(number)
    except OSError:
        return None
    try:
        return socket.socket(fileno=duplicate)
    except OSError:
        os.close(duplicate)
        return None


def _reaches(one: socket.socket, addresses: set[Address]) -> bool:
    if one.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    try:
        host, port, *_ = one.getpeername()
    except OSError:  # it isn't connected
        return False
    return (host, port) in addresses


def _audible_files() -> set[int]:
    found = set()
    with _lock:
        connections = list(_audible)
    for connection in connections:
        with suppress(Exception):  # it is closed
            found.add(int(connection.fileno()))
    return found


def _set_filter(one: socket.socket, *, drop: bool) -> None:
    if sys.platform != "linux":
        return
    if not drop:
        with suppress(OSError):  # it has none
            one.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)
        return
    # struct sock_filter {__u16 code; __u8 jt, jf; __u32 k;}, struct sock_fprog {unsigned short len;
    # struct sock_filter *filter;}
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", _RETURN, 0, 0, 0), 8)
    program = struct.pack("@HP", 1, ctypes.addressof(instruction))
    try:
        one.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)
    except OSError as error:
        raise ServerError(
            tr(
                "The system doesn't let packets be dropped ({reason}): it needs Linux with "
                "socket filters.",
                reason=error.strerror,
            )
        ) from None
