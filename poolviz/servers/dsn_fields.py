"""The parts of a DSN that have a field of their own, read from its text and written back into it.

Only what is changed is written: driver, options without a field, their order and their spelling
stay as they are, in URLs and in libpq's keywords. Nothing is checked here; reaching for the server
says what is wrong with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, unquote

from poolviz.language import tr, trn
from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE, dialect_of
from poolviz.model.parameters import both

FIELDS = ("host", "port", "database", "user", "password", "tls", "ca", "certificate", "key")
TLS_MODES = {
    POSTGRESQL: ("", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    MYSQL: ("", "disable", "require", "verify-ca", "verify-full"),
    SQLITE: ("",),
}
PORTS = {POSTGRESQL: "5432", MYSQL: "3306", SQLITE: ""}
_SCHEME = re.compile(r"([a-z][a-z0-9.]*(?:\+[a-z0-9_]+)?)://", re.IGNORECASE)
# How each field is called among the options. The first name is written, all are read.
_OPTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    POSTGRESQL: {
        "host": ("host",),
        "port": ("port",),
        "database": ("dbname", "database"),
        "user": ("user", "username"),
        "password": ("password",),
        "tls": ("sslmode", "ssl"),
        "ca": ("sslrootcert",),
        "certificate": ("sslcert",),
        "key": ("sslkey",),
    },
    MYSQL: {
        "host": ("unix_socket",),
        "ca": ("ssl_ca",),
        "certificate": ("ssl_cert",),
        "key": ("ssl_key",),
    },
    SQLITE: {},
}
_MYSQL_TLS = ("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity")
_ON, _OFF = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
# A keyword of libpq, what is around its =, and its value: in quotes or up to the next space.
_KEYWORD = re.compile(r"(\w+)(\s*=\s*)('(?:[^'\\]|\\.)*'?|(?:[^\s\\]|\\.)*)", re.DOTALL)
_ENVIRONMENT = {
    "host": ("PGHOST",),
    "port": ("PGPORT",),
    "database": ("PGDATABASE",),
    "user": ("PGUSER",),
    "tls": ("PGSSLMODE",),
    "ca": ("PGSSLROOTCERT",),
    "certificate": ("PGSSLCERT",),
    "key": ("PGSSLKEY",),
}


def fields_of(dsn: str) -> dict[str, str]:
    """Return each of FIELDS as `dsn` says it, "" where it doesn't. A database of SQLite is its
    file. Several hosts are separated by commas, as their ports are."""
    text, dialect = dsn.strip(), dialect_of(dsn.strip())
    url = _URL.parse(text)
    if url is None:
        return _fields_of_keywords(text)
    if dialect == SQLITE:
        return dict.fromkeys(FIELDS, "") | {"database": unquote(url.path)}
    found = {
        "host": url.hosts[0],
        "port": url.hosts[1],
        "database": unquote(url.path),
        "user": unquote(url.user),
        "password": unquote(url.password or ""),
    }
    found |= {
        field: value
        for field, names in _OPTIONS[dialect].items()
        for value in [url.option(names)]
        if value is not None
    }
    if dialect == MYSQL:
        found["tls"] = _mysql_tls(url)
    elif found.get("tls", "").lower() in (*_ON, *_OFF):  # asyncpg's ssl=true
        found["tls"] = "require" if found["tls"].lower() in _ON else "disable"
    return dict.fromkeys(FIELDS, "") | found


def with_fields(dsn: str, changes: Mapping[str, str]) -> str:
    """Return `dsn` with those fields changed; "" removes what it says of one."""
    text = dsn.strip()
    before = fields_of(text)
    changed = {key: value for key, value in changes.items() if value != before[key]}
    if not changed:
        return dsn
    url = _URL.parse(text)
    if url is None:
        for field, value in changed.items():
            text = _with_keyword(text, _OPTIONS[POSTGRESQL][field], value)
        return text
    for field, value in changed.items():
        url = _with_field(url, dialect_of(text), field, value, before)
        before[field] = value
    return url.text


def of_kind(dsn: str, dialect: str) -> str:
    """Return the DSN of that kind of server with what `dsn` says that such a server has, too. Its
    own form is kept if it is of that kind already."""
    if dialect_of(dsn.strip()) == dialect and dsn.strip():
        return dsn
    if dialect == SQLITE:
        return "sqlite:///"
    before = fields_of(dsn)
    known = dialect_of(dsn.strip())
    if known == SQLITE:
        before["database"] = ""
    if before["port"] == PORTS[known]:
        before["port"] = ""
    if before["tls"] not in TLS_MODES[dialect]:
        before["tls"] = ""
    return with_fields(f"{dialect}://", before)


def identity(dsn: str) -> str:
    """Return the login that `dsn` names, without password and options: under it a password is
    kept."""
    text = dsn.strip()
    found = fields_of(text)
    dialect = dialect_of(text)
    service = _service(text)
    at = f"{found['host']}:{found['port'] or PORTS[dialect]}" + (f"?{service}" if service else "")
    return f"{dialect}://{found['user']}@{at}/{found['database']}"


def environment_notes(dsn: str) -> list[str]:
    """Return a sentence on each environment variable and file that completes `dsn`."""
    if dialect_of(dsn.strip()) != POSTGRESQL:
        return []
    found = fields_of(dsn)
    notes = []
    service = _service(dsn) or os.environ.get("PGSERVICE", "")
    if service:
        origin = tr("the DSN") if _service(dsn) else "PGSERVICE"
        notes.append(
            tr(
                "The service {service}, which {origin} names, gives what isn't said here.",
                service=service,
                origin=origin,
            )
        )
    used = [
        name
        for field, names in _ENVIRONMENT.items()
        for name in names
        if not found[field] and os.environ.get(name)
    ]
    if used:
        notes.append(
            trn(
                "{names} gives what isn't said here.",
                "{names} give what isn't said here.",
                len(used),
                names=both(used),
            )
        )
    if not found["password"]:
        notes += _password_notes(dsn)
    return notes


def _password_notes(dsn: str) -> list[str]:
    """Return where libpq takes a password from that isn't given."""
    if os.environ.get("PGPASSWORD"):
        return [tr("Without a password here, that of PGPASSWORD is used.")]
    given = _option_of(dsn, "passfile") or os.environ.get("PGPASSFILE", "")
    folder = os.environ.get("APPDATA", "") if os.name == "nt" else str(Path.home())
    usual = Path(folder) / ("postgresql/pgpass.conf" if os.name == "nt" else ".pgpass")
    path = Path(given) if given else usual
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return [tr("The password file {path} isn't there.", path=path)] if given else []
    if os.name != "nt" and mode & 0o077:
        return [
            tr(
                "The password file {path} isn't used, because others may read it: chmod 600 it.",
                path=path,
            )
        ]
    return [tr("Without a password here, the password file {path} is asked for it.", path=path)]


def _service(dsn: str) -> str:
    return _option_of(dsn, "service")


def _option_of(dsn: str, name: str) -> str:
    """Return an option of a PostgreSQL DSN that has no field."""
    url = _URL.parse(dsn.strip())
    if url is not None:
        return url.option((name,)) or ""
    found = [match for match in _KEYWORD.finditer(dsn) if match[1] == name]
    return _unquoted(found[-1][3]) if found else ""


@dataclass(frozen=True)
class _URL:
    """A URL in the pieces in which it was written; `options` are those after the question mark."""

    scheme: str
    user: str
    password: str | None
    address: str  # hosts and ports
    slash: str  # between address and path
    path: str
    options: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> _URL | None:
        match = _SCHEME.match(text)
        if match is None:
            return None
        rest, _, query = text[match.end() :].partition("?")
        options = tuple(query.split("&")) if query else ()
        if dialect_of(text) == SQLITE:
            slash, path = ("/", rest[1:]) if rest.startswith("/") else ("", rest)
            return cls(match[1], "", None, "", slash, path, options)
        login, _, place = rest.rpartition("@")  # a password may hold an @ that isn't escaped
        address, slash, path = place.partition("/")
        user, colon, password = login.partition(":")
        return cls(
            match[1],
            user,
            password if colon else None,
            address,
            slash,
            path,
            options,
        )

    @property
    def text(self) -> str:
        login = self.user if self.password is None else f"{self.user}:{self.password}"
        at = f"{login}@" if login else ""
        query = "?" + "&".join(self.options) if self.options else ""
        return f"{self.scheme}://{at}{self.address}{self.slash}{self.path}{query}"

    @property
    def hosts(self) -> tuple[str, str]:
        """The hosts and the ports, each separated by commas."""
        pairs = [_host_and_port(each) for each in self.address.split(",")]
        ports = [port for _, port in pairs]
        written = ports[0] if len(set(ports)) == 1 else ",".join(ports)
        return ",".join(host for host, _ in pairs), written

    def with_hosts(self, hosts: str, ports: str) -> _URL:
        names, numbers = hosts.split(","), ports.split(",")
        if len(numbers) == 1:  # one port for all
            numbers *= len(names)
        numbers += [""] * (len(names) - len(numbers))
        pairs = zip(names, numbers, strict=False)
        written = [_written(name) + (f":{port}" if port else "") for name, port in pairs]
        return replace(self, address=",".join(written))

    def option(self, names: tuple[str, ...]) -> str | None:
        """Return the last option of one of these names."""
        for part in reversed(self.options):
            name, equals, value = part.partition("=")
            if equals and unquote(name) in names:
                return unquote(value)
        return None

    def with_option(self, names: tuple[str, ...], value: str) -> _URL:
        """Return it with that option in place of those it had; none if `value` is empty."""
        written = f"{names[0]}={quote(value, safe='/:,')}"
        options: list[str] = []
        for part in self.options:
            if unquote(part.partition("=")[0]) not in names:
                options.append(part)
            elif value and written not in options:
                options.append(written)
        if value and written not in options:
            options.append(written)
        return replace(self, options=tuple(options))


def _with_field(url: _URL, dialect: str, field: str, value: str, before: dict[str, str]) -> _URL:
    """Return the URL with that field changed, where it stands already or where it belongs."""
    if dialect == SQLITE:
        return (
            replace(url, slash="/", path=quote(value, safe="/:\\")) if field == "database" else url
        )
    names = _OPTIONS[dialect].get(field)
    socket = field == "host" and value[:1] in ("/", "@")
    if field == "tls" and dialect == MYSQL:
        return _with_mysql_tls(url, value)
    if names and field in ("ca", "certificate", "key", "tls"):
        return url.with_option(names, value)
    if names and (socket or url.option(names) is not None):
        if field != "host" or socket:
            if socket:  # stands among the options, and its port where it always does
                ports = "" if url.option(("port",)) else before["port"]
                url = replace(url.with_hosts("", ports), slash="/")
            return url.with_option(names, value)
        url = url.with_option(names, "")
    if field == "user":
        return replace(url, user=quote(value, safe=""))
    if field == "password":
        return replace(url, password=quote(value, safe="") if value else None)
    if field == "database":
        return replace(url, slash="/" if value else url.slash, path=quote(value, safe=""))
    hosts, ports = url.hosts
    if field == "host":
        return url.with_hosts(value, ports or (before["port"] if not url.option(("port",)) else ""))
    return url.with_hosts(hosts, value)


def _mysql_tls(url: _URL) -> str:
    disabled, verify, identity = ((url.option((name,)) or "").lower() for name in _MYSQL_TLS)
    if disabled in _ON:
        return "disable"
    if identity in _ON:
        return "verify-full"
    if verify in _ON:
        return "verify-ca"
    return "require" if verify in _OFF else ""


def _with_mysql_tls(url: _URL, mode: str) -> _URL:
    values = {
        "disable": {"ssl_disabled": "true"},
        "require": {"ssl_verify_cert": "false"},
        "verify-ca": {"ssl_verify_cert": "true"},
        "verify-full": {"ssl_verify_cert": "true", "ssl_verify_identity": "true"},
    }.get(mode, {})
    for name in _MYSQL_TLS:
        url = url.with_option((name,), values.get(name, ""))
    return url


def _host_and_port(text: str) -> tuple[str, str]:
    """Return a host as it is called, without the brackets of IPv6, and its port."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return unquote(host), rest.removeprefix(":")
    host, _, port = text.partition(":") if text.count(":") < 2 else (text, "", "")
    return unquote(host), port


def _written(host: str) -> str:
    """Return a host as a URL writes it."""
    return f"[{host}]" if host.count(":") > 1 else quote(host, safe="")


def _fields_of_keywords(text: str) -> dict[str, str]:
    given = {match[1]: _unquoted(match[3]) for match in _KEYWORD.finditer(text)}
    found = dict.fromkeys(FIELDS, "")
    for field, names in _OPTIONS[POSTGRESQL].items():
        if names[0] in given:
            found[field] = given[names[0]]
    if not found["host"]:
        found["host"] = given.get("hostaddr", "")
    return found


def _with_keyword(text: str, names: tuple[str, ...], value: str) -> str:
    """Return the keywords with one of them changed, removed or added."""
    written = f"{names[0]}={_quoted(value)}" if value else ""
    matches = [match for match in _KEYWORD.finditer(text) if match[1] == names[0]]
    if names[0] == "host" and not matches:
        matches = [match for match in _KEYWORD.finditer(text) if match[1] == "hostaddr"]
    for match in reversed(matches[:-1]):
        text = text[: match.start()] + text[match.end() :].lstrip()
    if matches:
        last = [m for m in _KEYWORD.finditer(text) if m[1] == matches[-1][1]][-1]
        rest = text[last.end() :]
        return (text[: last.start()] + written + (rest if written else rest.lstrip())).strip()
    return f"{text} {written}".strip() if written else text


def _quoted(value: str) -> str:
    if value and not re.search(r"[\s'\\]", value):
        return value
    return "'" + value.replace("\\", r"\\").replace("'", r"\'") + "'"


def _unquoted(value: str) -> str:
    inner = value[1:-1] if len(value) > 1 and value[0] == value[-1] == "'" else value.lstrip("'")
    return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)
