"""Which hosts are this machine itself, so that nothing that is sent to them leaves it."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether `host` is an address of the loopback interface, or localhost. No other name
    is looked up: what it means may be another thing a moment later."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
