"""Connect arguments of a scenario: whether they go together, and where others belong."""

from __future__ import annotations

from collections.abc import Mapping

from poolviz.model.errors import InputError, ParameterError
from poolviz.model.parameters import Parameters, Value, either
from poolviz.pools.base import Pool
from poolviz.pools.registry import POOLS

_OPTIONS = "a server setting; give it as options='-c {}=VALUE'"
_SERVER_SETTINGS = (
    *("search_path", "statement_timeout", "lock_timeout", "work_mem", "jit", "timezone"),
    *("idle_in_transaction_session_timeout", "idle_session_timeout"),
    "default_transaction_isolation",
)
_IN_DSN = (
    *("host", "hostaddr", "port", "user", "username", "password", "passfile", "dbname", "database"),
    *("service", "ssl", "sslmode", "sslcert", "sslkey", "sslrootcert", "sslnegotiation"),
    *("gssencmode", "channel_binding", "require_auth", "target_session_attrs", "dsn", "url"),
    *("load_balance_hosts", "unix_socket", "charset", "ssl_ca", "ssl_cert", "ssl_key"),
)
# Words that people know from other places, with what to do here.
_ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(_IN_DSN, "it says where the server is, and belongs to the DSN"),
    "application_name": "poolviz finds a run's connections by it, and sets it itself",
    "timeout": "it belongs to [limits] where it bounds waiting for a connection; to bound "
    "connecting, give connect_timeout",
    "connect_args": "give the arguments in it by their own names",
    "kwargs": "give the arguments in it by their own names",
    "server_settings": "give them as options='-c NAME=VALUE'",
    "pgbouncer": "Prisma's; for a pooler in transaction mode give prepare_threshold=never to "
    "psycopg, statement_cache_size=0 to asyncpg",
    "schema": "give it as options='-c search_path=NAME'",
    "currentSchema": "give it as options='-c search_path=NAME'",
    **{key: _OPTIONS.format(key) for key in _SERVER_SETTINGS},
}


def needs_new_run(known: Parameters) -> str:
    """Return what is wrong with changing an argument of `known` during a run, as what goes on after
    its key."""
    return f"is a {known.noun}, which applies when the pool is made: start a new run with it."


def where_it_belongs(key: str, known: Parameters) -> str:
    """Return half a sentence about a key that a pool's driver doesn't know; "" if nothing is known
    of it. Loads every pool's library."""
    about = _ELSEWHERE.get(key, "")
    if about.startswith(_OPTIONS[:8]) or "options=" in about:
        return about if "options" in known else ""
    if about:
        return about
    pools = [
        id
        for id, pool in POOLS.items()
        if any(key in arguments and arguments is not known for arguments in pool.connect.values())
    ]
    if not pools:
        return ""
    few = pools if len(pools) <= 3 else [*pools[:2], f"{len(pools) - 2} others"]
    return f"{', '.join(few[:-1])} and {few[-1]} have it" if few[1:] else f"{few[0]} has it"


def needs_another(known: Parameters, key: str, given: Mapping[str, Value]) -> str:
    """Return why an argument has no effect beside the others that are given, as what goes on after
    its key; "" if it has."""
    needs = known[key].only_when
    if needs is None:
        return ""
    other, values = needs
    if given.get(other, known[other].default) in values:
        return ""
    return f"has an effect only with {other} = {either(values)}: give that too, or leave it out."


def check_connect(pool: type[Pool], given: Mapping[str, Value], server: str) -> None:
    """Raise InputError if a pool can't connect to that kind of server with these arguments."""
    known = pool.connect_arguments(server)
    mistakes = []
    for key, value in given.items():
        try:
            known.find(key).check(value)
            if problem := needs_another(known, key, given):
                raise ParameterError(key, problem)
        except ParameterError as error:
            mistakes.append(error)
    if mistakes:
        raise InputError.merged(mistakes)
