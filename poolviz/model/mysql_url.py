"""mysql:// URLs: the address of a MySQL or MariaDB server."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError
from poolviz.model.ipv6 import check_brackets
from poolviz.model.parameters import suggest

_OPTIONS = ("charset", "connect_timeout", "program_name", "unix_socket")
_TLS = ("ssl_ca", "ssl_cert", "ssl_key", "ssl_disabled", "ssl_verify_cert", "ssl_verify_identity")
_CHARSETS = ("utf8mb4", "utf8", "latin1", "ascii", "binary")
_HOW = tr_noop("write it as mysql://user:password@host:3306/database")


class MySQLAddress(msgspec.Struct, frozen=True, kw_only=True):
    """The address and login of a server. Contains the password, so it must not be shown.

    `tls` has the options that begin with ssl_, as PyMySQL names them.
    """

    user: str
    password: str
    host: str
    port: int
    database: str
    unix_socket: str = ""
    charset: str = "utf8mb4"
    connect_timeout: int = 5  # seconds
    program_name: str = ""
    tls: dict[str, str] = {}

    @classmethod
    def parse(cls, url: str) -> MySQLAddress:
        """Return the address that `url` means.

        Raises InputError, which repeats nothing of it that might be secret.
        """
        text = url.strip()
        _, _, rest = text.partition("://")
        check_brackets(rest.partition("?")[0], "mysql", 3306)
        if not rest:
            raise InputError(tr("The DSN is not the URL of a MySQL server: {how}.", how=tr(_HOW)))
        if rest.partition("?")[0].count("@") > 1 or "@" in rest.partition("?")[0].partition("/")[2]:
            raise InputError(
                tr(
                    "The DSN has an @ besides the one before the host: write the special "
                    "characters of a user or password as %40 (@), %3A (:), %2F (/), %3F (?), %25 "
                    "(%)."
                )
            )
        try:
            parts = urlsplit(f"mysql://{rest}")
            port = 3306 if parts.port is None else parts.port
            host = parts.hostname or "localhost"
        except ValueError:
            raise InputError(
                tr(
                    "The host or port in the DSN can't be read: {how}, with a port from 1 to "
                    "65535, and with a : or / in a user or password as %3A or %2F.",
                    how=tr(_HOW),
                )
            ) from None
        options = _options(parts.query)
        tls = {key: options.pop(key) for key in _TLS if key in options}
        timeout = _seconds(options.pop("connect_timeout", "5"))
        if options.get("charset", "utf8mb4") not in _CHARSETS:
            raise InputError(
                tr(
                    "The charset in the DSN is unknown: it takes {charsets}.",
                    charsets=", ".join(_CHARSETS),
                )
            )
        return cls(
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            host=host,
            port=port,
            database=unquote(parts.path.lstrip("/")),
            connect_timeout=timeout,
            tls=tls,
            **options,
        )

    @property
    def shown(self) -> str:
        """The address as a URL without any secret."""
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        database = quote(self.database, safe="")
        if self.unix_socket:
            return f"mysql://{user}/{database}?{urlencode({'unix_socket': self.unix_socket})}"
        return f"mysql://{user}{self._host}:{self.port}/{database}"

    @property
    def url(self) -> str:
        """The address as a complete URL, with its password."""
        login = quote(self.user, safe="")
        if self.password:
            login += f":{quote(self.password, safe='')}"
        options = {
            "charset": self.charset,
            "connect_timeout": str(self.connect_timeout),
            **self.tls,
        }
        for key in ("unix_socket", "program_name"):
            options |= {key: value} if (value := getattr(self, key)) else {}
        address = f"{login}@{self._host}:{self.port}/{quote(self.database, safe='')}"
        return f"mysql://{address}?{urlencode(options, quote_via=quote)}"

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for key in options:
        if key not in (*_OPTIONS, *_TLS):
            raise InputError(
                tr(
                    "The DSN has an option {key}: {near}.",
                    key=key,
                    near=suggest(key, [*_OPTIONS, *_TLS]),
                )
                if key.isidentifier() and len(key) < 40
                else tr(
                    "The DSN has an unknown option: {near}.",
                    near=suggest("", [*_OPTIONS, *_TLS]),
                )
            )
    return options


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 3600):
        raise InputError(
            tr("connect_timeout in the DSN must be a whole number of seconds from 1 to 3600.")
        )
    return int(text)
