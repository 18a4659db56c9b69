"""The address of a fleet, as the command line names it, and whether it may be used."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.text import shortened
from poolviz.system.loopback import is_loopback

USUAL_PORT = 8786  # of Dask's schedulers
_SCHEMES = ("tcp", "tls")


@dataclass(frozen=True)
class FleetAddress:
    """Where something of a Dask cluster listens. `encrypted` says that TLS is spoken there, with
    certificates of both sides."""

    encrypted: bool
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> FleetAddress:
        """Return the scheduler that `tcp://HOST:PORT` or `tls://HOST:PORT` names. InputError where
        `text` is neither, or names another machine without TLS: what is sent there holds the
        server's password."""
        address = cls._read(text)
        if address is None:
            # What was given isn't repeated where it may hold a password.
            shown = shortened(text, 100) if "@" not in text else "…"
            raise InputError(
                tr(
                    "--fleet '{words}': it takes the address of a Dask scheduler, such as "
                    "tcp://127.0.0.1:8786 or tls://scheduler:8786.",
                    words=shown,
                )
            )
        if not address.is_safe:
            raise InputError(
                tr(
                    "--fleet {url}: what is sent to another machine, the server's password "
                    "included, is encrypted. Start scheduler and workers with Dask's options "
                    "--tls-ca-file, --tls-cert and --tls-key, and give {other}.",
                    url=shortened(address.url, 100),
                    other=shortened(FleetAddress(True, address.host, address.port).url, 100),
                )
            )
        return address

    @classmethod
    def of_worker(cls, text: str) -> FleetAddress | None:
        """Return the address by which a scheduler reaches a worker; None where it is of a kind that
        isn't known."""
        return cls._read(text)

    @classmethod
    def _read(cls, text: str) -> FleetAddress | None:
        text = text.strip()
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            return None
        known = parts.scheme in _SCHEMES and text.isprintable() and not any(map(str.isspace, text))
        more = "@" in parts.netloc or parts.path not in ("", "/") or parts.query or parts.fragment
        if not (known and host) or more or "?" in text or "#" in text or port == 0:
            return None
        return cls(parts.scheme == "tls", host, port or USUAL_PORT)

    @property
    def url(self) -> str:
        """The address as Dask takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.encrypted else 'tcp'}://{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """It is on this machine."""
        return is_loopback(self.host)

    @property
    def is_safe(self) -> bool:
        """Nothing leaves this machine in the clear, or to someone who hasn't shown who it is."""
        return self.encrypted or self.loopback
