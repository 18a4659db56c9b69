"""Addresses that metrics are served at or pushed to, as the command line names them."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError
from poolviz.model.text import shortened
from poolviz.system.loopback import is_loopback

LOOPBACK = "127.0.0.1"
_FORM = tr_noop(
    "it takes HOST:PORT, such as 127.0.0.1:9464, or a port alone, which is served on loopback"
)
_URL_FORM = tr_noop("it takes the URL of a collector, such as http://127.0.0.1:4318")
_PATH = "/v1/metrics"  # where OTLP over HTTP takes metrics


@dataclass(frozen=True)
class ListenAddress:
    """Where to listen: an address family of sockets, and the address in its form."""

    family: socket.AddressFamily
    address: Any
    loopback: bool

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """Return the address that `HOST:PORT`, `:PORT` or `PORT` means. Without a host it is
        loopback. InputError where it is none."""
        host, colon, port = text.strip().rpartition(":")
        host = host.removeprefix("[").removesuffix("]") if colon else ""
        number = int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else -1
        if not 0 <= number <= 65535 or "/" in host:
            raise InputError(
                tr("--metrics '{words}': {form}.", words=shortened(text, 200), form=tr(_FORM))
            )
        try:
            found = socket.getaddrinfo(
                host or LOOPBACK, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else tr("no host has such a name")
            raise InputError(
                tr("--metrics {words}: {value}.", words=shortened(text, 200), value=why or error)
            ) from None
        # A name such as localhost may stand for both, and IPv4 is what people then try.
        found.sort(key=lambda each: each[0] != socket.AF_INET)
        family, _, _, _, address = found[0]
        return cls(family, address, ipaddress.ip_address(str(address[0])).is_loopback)


@dataclass(frozen=True)
class CollectorAddress:
    """Where a collector takes metrics. `url` may hold a password; `shown` holds none."""

    url: str
    shown: str
    port: int
    loopback: bool

    @classmethod
    def parse(cls, text: str) -> CollectorAddress:
        """Return the address that a URL means: where it has no path, OTLP's own. InputError where
        it is none."""
        try:
            parts = urlsplit(text.strip())
            host, port = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.scheme not in ("http", "https") or not text.isprintable():
            raise InputError(tr("--otlp: {url_form}.", url_form=tr(_URL_FORM)))
        url = parts._replace(path=_PATH) if parts.path in ("", "/") else parts
        usual = 443 if parts.scheme == "https" else 80
        shown_host = f"[{host}]" if ":" in host else host
        return cls(
            url=url.geturl(),
            shown=f"{parts.scheme}://{shown_host}:{port or usual}{url.path}",
            port=port or usual,
            loopback=is_loopback(host),
        )
