"""Descriptions of libpq's errors when a connection can't be opened: one sentence for the user.

psycopg2 gives no SQLSTATE for a failed connection attempt, so libpq's text has to be read. Its own
messages and the server's English ones are known here; a server that answers in another language is
quoted. libpq never puts a password into its text, and the one in the DSN isn't used here.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import parse_dsn

from poolviz.language import tr, tr_noop
from poolviz.model.errors import ServerError

_AT_HOST = re.compile(r'server at "([^"]*)"(?: \([^)]*\))?, port (\S+) failed')
_AT_SOCKET = re.compile(r'server on socket "([^"]*)" failed')
_SYSTEM_MESSAGES = {
    errno.ECONNREFUSED: "Connection refused",
    errno.ECONNRESET: "Connection reset by peer",
    errno.ETIMEDOUT: "Connection timed out",
    errno.EHOSTUNREACH: "No route to host",
    errno.ENETUNREACH: "Network is unreachable",
    errno.ENOENT: "No such file or directory",
    errno.EACCES: "Permission denied",
}


@dataclass(frozen=True)
class _Cause:
    """A message of libpq or the server, and the sentence for it.

    The sentence may use {where} ("the server at …"), {place} (its host and port, or its socket),
    {user}, {database}, and the groups of the pattern. `field` is what of the address is wrong.
    """

    pattern: str
    sentence: str
    code: str | None = None
    field: str = ""


# The first match counts. Answers of a server come before libpq's own messages, because libpq
# reports all the addresses that it tried, and some of them may not have answered at all.
_CAUSES = (
    _Cause(
        r"password authentication failed",
        tr_noop(
            "{where} refused the password of user {user}: check the user and the password"
            " (in the DSN, PGPASSWORD or the password file)."
        ),
        "28P01",
        field="password",
    ),
    _Cause(
        r"no password supplied",
        tr_noop(
            "{where} asks for a password for user {user} and none was given: put it into the DSN,"
            " PGPASSWORD or the password file."
        ),
        "28P01",
        field="password",
    ),
    _Cause(
        r"no pg_hba\.conf entry for host .*(?:no encryption|SSL off)",
        tr_noop(
            "{where} doesn't let user {user} into database {database} from here without encryption:"
            " check both names, try sslmode=require, or ask its administrator for an entry in"
            " pg_hba.conf."
        ),
        "28000",
        field="tls",
    ),
    _Cause(
        r"no pg_hba\.conf entry for|pg_hba\.conf rejects connection",
        tr_noop(
            "{where} doesn't let user {user} into database {database} from here: check both names,"
            " or ask its administrator for an entry in pg_hba.conf."
        ),
        "28000",
        field="user",
    ),
    _Cause(
        r'role "(?P<role>.*)" does not exist',
        tr_noop("{where} has no user {role}: check the user in the DSN or PGUSER."),
        "28000",
        field="user",
    ),
    _Cause(
        r'role "(?P<role>.*)" is not permitted to log in',
        tr_noop(
            "{where} doesn't let user {role} log in: use another user, or ask for ALTER ROLE … "
            "LOGIN."
        ),
        "28000",
        field="user",
    ),
    _Cause(
        r"(?P<method>\w+) authentication failed for user",
        tr_noop(
            "{where} refused user {user} by its {method} authentication: connect as the user it"
            " expects, or over TCP (host=localhost) with a password."
        ),
        "28000",
        field="user",
    ),
    _Cause(
        r"connection requires a valid client certificate",
        tr_noop(
            "{where} asks user {user} for a TLS certificate: name yours with sslcert and sslkey."
        ),
        "28000",
        field="certificate",
    ),
    _Cause(
        r'database "(?P<name>.*)" does not exist',
        tr_noop(
            "{where} has no database {name}: check the name in the DSN or PGDATABASE, or create it."
        ),
        "3D000",
        field="database",
    ),
    _Cause(
        r'permission denied for database "(?P<name>.*)"',
        tr_noop(
            "{where} doesn't let user {user} connect to database {name}: use another, or ask for"
            " GRANT CONNECT."
        ),
        "42501",
        field="database",
    ),
    _Cause(
        r'database "(?P<name>.*)" is not currently accepting connections',
        tr_noop("{where} accepts no connections to database {name}: use another database."),
        "55000",
        field="database",
    ),
    _Cause(
        r'too many connections for (?P<what>role|database) "(?P<name>.*)"',
        tr_noop(
            "{where} has no connection left for {what} {name}: lower the pool's limit, or ask for a"
            " higher CONNECTION LIMIT."
        ),
        "53300",
    ),
    _Cause(
        r"too many clients already|remaining connection slots are reserved|too many connections",
        tr_noop(
            "{where} has no connection left (max_connections is reached): lower the pool's limit, "
            "or"
            " close other clients."
        ),
        "53300",
    ),
    _Cause(
        r"the database system is (?P<what>starting up|shutting down|in recovery mode|not yet"
        r" accepting connections|not accepting connections)",
        tr_noop("{where} is {what}: try again in a moment."),
        "57P03",
    ),
    _Cause(
        r"server does not support SSL",
        tr_noop(
            "{where} doesn't offer TLS, which the sslmode requires: use sslmode=prefer or disable,"
            " or enable TLS on the server."
        ),
        "08001",
        field="tls",
    ),
    _Cause(
        r"certificate verify failed|unable to get local issuer|self.signed certificate",
        tr_noop(
            "{where} presents a TLS certificate that can't be verified: name its authority's"
            " certificate with sslrootcert, or use sslmode=require to encrypt without verifying."
        ),
        "08001",
        field="ca",
    ),
    _Cause(
        r'certificate for "(?P<name>.*?)".* does not match host name',
        tr_noop(
            "{where} presents a TLS certificate for {name}: use that name as the host, or"
            " sslmode=verify-ca."
        ),
        "08001",
        field="host",
    ),
    _Cause(
        r'root certificate file "(?P<name>.*)" does not exist',
        tr_noop(
            "The root certificate {name}, needed to verify {where}, doesn't exist: correct"
            " sslrootcert, or use sslmode=require."
        ),
        field="ca",
    ),
    _Cause(
        r'invalid sslmode value: "(?P<name>.*)"',
        tr_noop(
            "The sslmode is {name}, which isn't one of disable, allow, prefer, require, verify-ca "
            "and"
            " verify-full: correct it."
        ),
        field="tls",
    ),
    _Cause(
        r"(?:certificate|private key) file \"(?P<name>[^\"]*)\"(?P<why>.*)",
        tr_noop("The TLS file {name} can't be used for {where} ({why}): check sslcert and sslkey."),
        field="certificate",
    ),
    _Cause(
        r"SSL error: (?P<why>.*)|(?P<other>SSL SYSCALL error.*)",
        tr_noop(
            "{where} and libpq can't agree on TLS ({why}): check sslmode, sslcert and sslrootcert."
        ),
        "08001",
        field="tls",
    ),
    _Cause(
        r'could not translate host name "(?P<name>.*)" to address',
        tr_noop(
            "The host {name} isn't known: check its spelling in the DSN or PGHOST, and the network."
        ),
        "08001",
        field="host",
    ),
    _Cause(
        r'could not parse network address "(?P<name>.*)"',
        tr_noop(
            "The hostaddr is {name}, which isn't a network address: give one, or use host instead."
        ),
        field="host",
    ),
    _Cause(
        r'definition of service "(?P<name>.*)" not found',
        tr_noop(
            "The service {name} isn't defined: check PGSERVICE, or define it in ~/.pg_service.conf"
            " (or the file that PGSERVICEFILE names)."
        ),
        field="dsn",
    ),
    _Cause(
        r'service file "(?P<name>.*)" not found',
        tr_noop("The service file {name} doesn't exist: check PGSERVICEFILE."),
        field="dsn",
    ),
    _Cause(
        r"(?P<why>syntax error in service file .*|nested service specifications .*)",
        tr_noop("The service file can't be read ({why}): correct it, or unset PGSERVICE."),
        field="dsn",
    ),
    _Cause(
        r'invalid (?:port number: |integer value )"(?P<name>.*?)"(?: for connection option "'
        r'(?P<option>\w+)")?',
        tr_noop(
            "A number in the DSN, in PGPORT or in another PG variable isn't valid: check the port"
            " (1 to 65535) and the timeouts."
        ),
        field="port",
    ),
    _Cause(
        r'invalid (?P<option>\w+) value: "(?P<name>.*)"',
        tr_noop("The option {option} is {name}, which libpq doesn't know: correct or remove it."),
        field="dsn",
    ),
    _Cause(
        r"timeout expired|Connection timed out|/10060\)",
        tr_noop(
            "{where} didn't answer in time: check host and port, and whether a firewall blocks"
            " them; connect_timeout in the DSN allows more time."
        ),
        "08001",
        field="host",
    ),
    _Cause(
        r"received invalid response to (?:SSL|GSSAPI|GSS) ?\w* negotiation|expected authentication"
        r" request|server closed the connection unexpectedly|invalid response",
        tr_noop("{where} answers, but not as PostgreSQL does: check the port."),
        "08001",
        field="port",
    ),
    _Cause(
        r"Connection refused|/10061\)",
        tr_noop("Nothing listens at {place}: check host and port, and whether the server runs."),
        "08001",
        field="port",
    ),
    _Cause(
        r"failed: No such file or directory",
        tr_noop(
            "There is no socket {place}: check whether the server runs, or name its host in"
            " the DSN or PGHOST."
        ),
        "08001",
        field="host",
    ),
    _Cause(
        r"failed: Permission denied",
        tr_noop(
            "You may not use the socket {place}: connect over TCP (host=localhost), or ask for "
            "access."
        ),
        "08001",
        field="host",
    ),
    _Cause(
        r"No route to host|Network is unreachable|/100(?:51|65)\)",
        tr_noop(
            "{where} can't be reached from this machine: check the host, the network and the VPN."
        ),
        "08001",
        field="host",
    ),
    _Cause(
        r"Connection reset by peer|/10054\)|could not (?:send|receive) data",
        tr_noop(
            "{where} closed the connection while it was being opened: check the port, and whether a"
            " firewall blocks it."
        ),
        "08001",
        field="port",
    ),
)


def describe_error(error: psycopg2.Error, conninfo: str) -> ServerError:
    """Return one sentence for an error that `psycopg2.connect(conninfo)` raised: what is wrong,
    where, and what to do. Its `code` is the SQLSTATE, or the closest one if libpq gave none."""
    text = _in_english(str(error).strip())
    given = _parsed(conninfo)
    place = _place(text, given)
    words = {
        "place": place or tr("the address given"),
        "where": tr("the server at {place}", place=place) if place else tr("the server"),
        "user": given.get("user") or os.environ.get("PGUSER") or _named(text, "user") or "you",
        "database": given.get("dbname") or os.environ.get("PGDATABASE") or _named(text, "database"),
    }
    for cause in _CAUSES:
        match = re.search(cause.pattern, text)
        if match is not None and (error.pgcode is None or error.pgcode == cause.code):
            groups = {key: (value or "").strip(" :") for key, value in match.groupdict().items()}
            groups["why"] = (
                groups.get("why") or groups.get("other") or tr("missing, or not readable")
            )
            sentence = tr(cause.sentence, **(words | groups))
            return ServerError(
                sentence[:1].upper() + sentence[1:],
                error.pgcode or cause.code,
                field=cause.field,
            )
    return ServerError(
        tr(
            "Can't connect to {words} ({last_line}): check the DSN and the server.",
            words=words["where"],
            last_line=_last_line(text),
        ),
        error.pgcode,
    )


def _in_english(text: str) -> str:
    """Return `text` with the operating system's messages in English. libpq quotes them in the
    language of the locale, which Qt sets. On Windows it adds the number, which the causes match.
    """
    for number, english in _SYSTEM_MESSAGES.items():
        text = text.replace(os.strerror(number), english)
    return text


def _parsed(conninfo: str) -> Mapping[str, str]:
    try:
        return parse_dsn(conninfo)
    except psycopg2.Error:
        return {}


def _place(text: str, given: Mapping[str, str]) -> str:
    """Return host and port, or the socket: as libpq named what it tried last, or as given."""
    at_host = _AT_HOST.findall(text)
    if at_host:
        return _address(*at_host[-1])
    at_socket = _AT_SOCKET.findall(text)
    if at_socket:
        return str(at_socket[-1])
    host = given.get("host") or given.get("hostaddr") or os.environ.get("PGHOST")
    port = given.get("port") or os.environ.get("PGPORT") or "5432"
    return _address(host, port) if host else ""


def _address(host: str, port: str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _named(text: str, what: str) -> str:
    """Return the user or database that the server's answer names."""
    found = re.search(rf'{what} "([^"]*)"', text)
    return found[1] if found else ""


def _last_line(text: str) -> str:
    """Return the last line of libpq's text without the address, which the sentence has anyway."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = lines[-1] if lines else tr("no reason given")
    return re.sub(r"^connection to server .*? failed: (?:FATAL: *)?", "", line).rstrip(".")
