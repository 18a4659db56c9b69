"""What libpq says when a connection can't be made, as one sentence for a user.

psycopg2 gives no SQLSTATE for a failure at connect time, so libpq's text has to be read. Its own
words and the server's English ones are known here; a server that speaks another language is
quoted. libpq never puts a password into its text, and nothing of the DSN's password goes in here.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import parse_dsn

from poolviz.model.errors import ServerError

_AT_HOST = re.compile(r'server at "([^"]*)"(?: \([^)]*\))?, port (\S+) failed')
_AT_SOCKET = re.compile(r'server on socket "([^"]*)" failed')
_SYSTEM_WORDS = {
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
    """A text of libpq's or the server's and the sentence for it.

    The sentence may use {where} ("the server at …"), {place} (its host and port, or its socket),
    {user}, {database}, and the groups of the pattern.
    """

    pattern: str
    sentence: str
    code: str | None = None


# The first that matches counts, so what a server answered stands before what libpq says when it
# tried several addresses and others of them didn't answer at all.
_CAUSES = (
    _Cause(
        r"password authentication failed",
        "{where} refused the password of user {user}: check the user and the password"
        " (in the DSN, PGPASSWORD or the password file).",
        "28P01",
    ),
    _Cause(
        r"no password supplied",
        "{where} asks for a password of user {user} and none was given: put it into the DSN,"
        " PGPASSWORD or the password file.",
        "28P01",
    ),
    _Cause(
        r"no pg_hba\.conf entry for host .*(?:no encryption|SSL off)",
        "{where} doesn't let user {user} into database {database} from here without encryption:"
        " check both names, try sslmode=require, or ask its administrator for an entry in"
        " pg_hba.conf.",
        "28000",
    ),
    _Cause(
        r"no pg_hba\.conf entry for|pg_hba\.conf rejects connection",
        "{where} doesn't let user {user} into database {database} from here: check both names,"
        " or ask its administrator for an entry in pg_hba.conf.",
        "28000",
    ),
    _Cause(
        r'role "(?P<role>.*)" does not exist',
        "{where} knows no user {role}: check the user in the DSN or PGUSER.",
        "28000",
    ),
    _Cause(
        r'role "(?P<role>.*)" is not permitted to log in',
        "{where} doesn't let user {role} log in: use another user, or ask for ALTER ROLE … LOGIN.",
        "28000",
    ),
    _Cause(
        r"(?P<method>\w+) authentication failed for user",
        "{where} refused user {user} by its {method} authentication: connect as the user it"
        " expects, or over TCP (host=localhost) with a password.",
        "28000",
    ),
    _Cause(
        r"connection requires a valid client certificate",
        "{where} asks user {user} for a TLS certificate: let sslcert and sslkey name yours.",
        "28000",
    ),
    _Cause(
        r'database "(?P<name>.*)" does not exist',
        "{where} has no database {name}: check the name in the DSN or PGDATABASE, or create it.",
        "3D000",
    ),
    _Cause(
        r'permission denied for database "(?P<name>.*)"',
        "{where} doesn't let user {user} connect to database {name}: use another, or ask for"
        " GRANT CONNECT.",
        "42501",
    ),
    _Cause(
        r'database "(?P<name>.*)" is not currently accepting connections',
        "{where} lets nobody connect to database {name}: use another database.",
        "55000",
    ),
    _Cause(
        r'too many connections for (?P<what>role|database) "(?P<name>.*)"',
        "{where} has no connection left for {what} {name}: lower the pool's limit, or ask for a"
        " higher CONNECTION LIMIT.",
        "53300",
    ),
    _Cause(
        r"too many clients already|remaining connection slots are reserved|too many connections",
        "{where} has no connection left (max_connections is reached): lower the pool's limit, or"
        " close other clients.",
        "53300",
    ),
    _Cause(
        r"the database system is (?P<what>starting up|shutting down|in recovery mode|not yet"
        r" accepting connections|not accepting connections)",
        "{where} is there, but {what}: try again in a moment.",
        "57P03",
    ),
    _Cause(
        r"server does not support SSL",
        "{where} offers no TLS, but the sslmode given demands it: use sslmode=prefer or disable,"
        " or switch TLS on at the server.",
        "08001",
    ),
    _Cause(
        r"certificate verify failed|unable to get local issuer|self.signed certificate",
        "{where} shows a TLS certificate that can't be verified: let sslrootcert name the"
        " certificate of its authority, or use sslmode=require to encrypt without the check.",
        "08001",
    ),
    _Cause(
        r'certificate for "(?P<name>.*?)".* does not match host name',
        "{where} shows a TLS certificate for {name}: use that name as the host, or"
        " sslmode=verify-ca.",
        "08001",
    ),
    _Cause(
        r'root certificate file "(?P<name>.*)" does not exist',
        "The root certificate {name}, by which {where} was to be verified, doesn't exist: let"
        " sslrootcert name it, or use sslmode=require.",
    ),
    _Cause(
        r'invalid sslmode value: "(?P<name>.*)"',
        "The sslmode is {name}: it takes disable, allow, prefer, require, verify-ca or"
        " verify-full.",
    ),
    _Cause(
        r"(?:certificate|private key) file \"(?P<name>[^\"]*)\"(?P<why>.*)",
        "The TLS file {name} can't be used for {where} ({why}): check sslcert and sslkey.",
    ),
    _Cause(
        r"SSL error: (?P<why>.*)|(?P<other>SSL SYSCALL error.*)",
        "{where} and libpq found no common ground for TLS ({why}): check sslmode, sslcert and"
        " sslrootcert.",
        "08001",
    ),
    _Cause(
        r'could not translate host name "(?P<name>.*)" to address',
        "The host {name} isn't known: check its spelling in the DSN or PGHOST, and the network.",
        "08001",
    ),
    _Cause(
        r'could not parse network address "(?P<name>.*)"',
        "The hostaddr is {name}, which is no network address: give one, or use host instead.",
    ),
    _Cause(
        r'definition of service "(?P<name>.*)" not found',
        "The service {name} isn't defined: check PGSERVICE, or define it in ~/.pg_service.conf"
        " (or the file that PGSERVICEFILE names).",
    ),
    _Cause(
        r'service file "(?P<name>.*)" not found',
        "The service file {name} doesn't exist: check PGSERVICEFILE.",
    ),
    _Cause(
        r"(?P<why>syntax error in service file .*|nested service specifications .*)",
        "The service file can't be read ({why}): correct it, or unset PGSERVICE.",
    ),
    _Cause(
        r'invalid (?:port number: |integer value )"(?P<name>.*?)"(?: for connection option "'
        r'(?P<option>\w+)")?',
        "A number in the DSN, in PGPORT or another PG variable is no valid one: check the port"
        " (1 to 65535) and the timeouts.",
    ),
    _Cause(
        r'invalid (?P<option>\w+) value: "(?P<name>.*)"',
        "The option {option} is {name}, which libpq doesn't know: correct or remove it.",
    ),
    _Cause(
        r"timeout expired|Connection timed out|/10060\)",
        "{where} didn't answer in time: check host and port, and whether a firewall stands"
        " between; connect_timeout in the DSN gives it longer.",
        "08001",
    ),
    _Cause(
        r"received invalid response to (?:SSL|GSSAPI|GSS) ?\w* negotiation|expected authentication"
        r" request|server closed the connection unexpectedly|invalid response",
        "{where} answers, but not as PostgreSQL does: check the port.",
        "08001",
    ),
    _Cause(
        r"Connection refused|/10061\)",
        "Nothing listens at {place}: check host and port, and whether the server runs.",
        "08001",
    ),
    _Cause(
        r"failed: No such file or directory",
        "There is no socket {place} of a server: check whether the server runs, or name its host in"
        " the DSN or PGHOST.",
        "08001",
    ),
    _Cause(
        r"failed: Permission denied",
        "You may not use the socket {place}: connect over TCP (host=localhost), or ask for access.",
        "08001",
    ),
    _Cause(
        r"No route to host|Network is unreachable|/100(?:51|65)\)",
        "{where} can't be reached from this machine: check the host, the network and the VPN.",
        "08001",
    ),
    _Cause(
        r"Connection reset by peer|/10054\)|could not (?:send|receive) data",
        "{where} broke the connection off while it was being made: check the port, and whether a"
        " firewall stands between.",
        "08001",
    ),
)


def describe_failure(error: psycopg2.Error, conninfo: str) -> ServerError:
    """The error that `psycopg2.connect(conninfo)` raised, as one sentence: what is wrong, where,
    and what to try. `code` is the SQLSTATE, if need be the one that fits best."""
    text = _in_english(str(error).strip())
    given = _parsed(conninfo)
    place = _place(text, given)
    words = {
        "place": place or "the address given",
        "where": f"the server at {place}" if place else "the server",
        "user": given.get("user") or os.environ.get("PGUSER") or _named(text, "user") or "you",
        "database": given.get("dbname") or os.environ.get("PGDATABASE") or _named(text, "database"),
    }
    for cause in _CAUSES:
        match = re.search(cause.pattern, text)
        if match is not None and (error.pgcode is None or error.pgcode == cause.code):
            groups = {key: (value or "").strip(" :") for key, value in match.groupdict().items()}
            groups["why"] = groups.get("why") or groups.get("other") or "missing, or not readable"
            sentence = cause.sentence.format_map(words | groups)
            return ServerError(sentence[:1].upper() + sentence[1:], error.pgcode or cause.code)
    said = _last_words(text)
    return ServerError(
        f"Can't connect to {words['where']} ({said}): check the DSN and the server.", error.pgcode
    )


def _in_english(text: str) -> str:
    """`text` with the operating system's words in English: a window's toolkit sets the locale,
    and libpq quotes the system. (On Windows it adds the number, by which the causes match.)"""
    for number, english in _SYSTEM_WORDS.items():
        text = text.replace(os.strerror(number), english)
    return text


def _parsed(conninfo: str) -> Mapping[str, str]:
    try:
        return parse_dsn(conninfo)
    except psycopg2.Error:
        return {}


def _place(text: str, given: Mapping[str, str]) -> str:
    """Host and port, or the socket: as libpq named what it tried last, else as they were given."""
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
    """The user or database that the server's answer names."""
    found = re.search(rf'{what} "([^"]*)"', text)
    return found[1] if found else ""


def _last_words(text: str) -> str:
    """The end of libpq's text on one line, without the address that the sentence gives anyway."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = lines[-1] if lines else "no reason given"
    return re.sub(r"^connection to server .*? failed: (?:FATAL: *)?", "", line).rstrip(".")
