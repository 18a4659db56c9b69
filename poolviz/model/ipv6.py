"""IPv6 addresses in URLs, which need brackets there."""

from __future__ import annotations

from ipaddress import IPv6Address
from urllib.parse import unquote

from poolviz.language import tr
from poolviz.model.errors import InputError

_SHORTEST_PORT = 4  # digits; fewer belong to the address rather


def check_brackets(address: str, scheme: str, port: int) -> None:
    """Raise InputError if a host in `address`, what follows the scheme of a URL, is an IPv6 address
    without brackets. `port` is the usual one, which the sentence names where the URL has none."""
    for host in address.rpartition("@")[2].partition("/")[0].split(","):
        if host.count(":") < 2 or "[" in host:  # a name and a port have one colon
            continue
        before, _, last = host.rpartition(":")
        with_port = last.isdigit() and len(last) >= _SHORTEST_PORT and _is_ipv6(before)
        if with_port or _is_ipv6(host):
            raise InputError(
                tr(
                    "The host in the DSN is an IPv6 address, which needs brackets in a URL: write "
                    "it as {scheme}://user@[{host}]:{port}/database.",
                    scheme=scheme,
                    host=before if with_port else host,
                    port=int(last) if with_port else port,
                )
            )


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(unquote(host))
    except ValueError:
        return False
    return True
