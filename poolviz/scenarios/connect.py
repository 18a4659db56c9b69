"""Connect arguments of a scenario: whether they go together, and where others belong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import quote, urlencode

from poolviz.language import tr, tr_noop
from poolviz.model.dialect import POSTGRESQL, dialect_of
from poolviz.model.errors import InputError, ParameterError
from poolviz.model.parameters import Parameters, Value, either
from poolviz.pools.base import Pool
from poolviz.pools.connections.arguments import DRIVER
from poolviz.pools.connections.dsn import postgres_url, where_option_belongs
from poolviz.pools.registry import POOLS, pool_class

_IN_DSN = (
    *("host", "hostaddr", "port", "user", "username", "password", "passfile", "dbname", "database"),
    *("service", "ssl", "sslmode", "sslcert", "sslkey", "sslrootcert", "sslnegotiation"),
    *("gssencmode", "channel_binding", "require_auth", "target_session_attrs", "dsn", "url"),
    *("load_balance_hosts", "unix_socket", "charset", "ssl_ca", "ssl_cert", "ssl_key"),
)
# Words that people know from other places, with what to do here.
_ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(_IN_DSN, tr_noop("it says where the server is, and belongs to the DSN")),
    "application_name": tr_noop("poolviz finds a run's connections by it, and sets it itself"),
    "timeout": tr_noop(
        "it belongs to [limits] where it bounds waiting for a connection; to bound "
        "connecting, give connect_timeout"
    ),
    "connect_args": tr_noop("give the arguments in it by their own names"),
    "kwargs": tr_noop("give the arguments in it by their own names"),
}


def needs_new_run(known: Parameters) -> str:
    """Return what is wrong with changing an argument of `known` during a run, as what goes on after
    its key."""
    return tr(
        "is a {noun}, which applies when the pool is made: start a new run with it.",
        noun=known.noun,
    )


def where_it_belongs(key: str, known: Parameters) -> str:
    """Return half a sentence about a key that a pool's driver doesn't know; "" if nothing is known
    of it. Loads every pool's library."""
    if key in _ELSEWHERE:
        return tr(_ELSEWHERE[key])
    pools = [
        id
        for id, pool in POOLS.items()
        if any(key in arguments and arguments is not known for arguments in pool.connect.values())
    ]
    if not pools:
        return where_option_belongs(key)
    few = pools if len(pools) <= 3 else [*pools[:2], tr("{number} others", number=len(pools) - 2)]
    return (
        tr("{few} and {few2} have it", few=", ".join(few[:-1]), few2=few[-1])
        if few[1:]
        else tr("{few} has it", few=few[0])
    )


def needs_another(known: Parameters, key: str, given: Mapping[str, Value]) -> str:
    """Return why an argument has no effect beside the others that are given, as what goes on after
    its key; "" if it has."""
    needs = known[key].only_when
    if needs is None:
        return ""
    other, values = needs
    if given.get(other, known[other].default) in values:
        return ""
    return tr(
        "has an effect only with {other} = {either}: give that too, or leave it out.",
        other=other,
        either=either(values, tr),
    )


def split_dsn(pool: type[Pool], dsn: str) -> tuple[str, dict[str, Value]]:
    """Return a DSN without what a pool's driver takes as connect arguments, and these.

    A driver that the pool can choose is one of them, too. Raises InputError if such an option has
    a wrong value, or the DSN can't be read.
    """
    server = dialect_of(dsn.strip())
    url = postgres_url(dsn) if server == POSTGRESQL else None
    if url is None:
        return dsn, {}
    known = pool.connect_arguments(server)
    given = {key: text for key, text in url.others.items() if key in known}
    taken = {key: known[key].parse(text) for key, text in given.items()}
    driver = url.driver
    if driver in pool.drivers.get(server, ()):
        if DRIVER.key in known and driver != DRIVER.default:
            taken[DRIVER.key] = driver
        driver = ""
    if not given and driver == url.driver:
        return dsn, {}
    rest = {key: text for key, text in url.others.items() if key not in given}
    whole = url.libpq
    if rest:
        whole += ("&" if "?" in whole else "?") + urlencode(rest, quote_via=quote)
    return f"postgresql+{driver}{whole.removeprefix('postgresql')}" if driver else whole, taken


def in_words(pool: str, given: Mapping[str, Value]) -> str:
    """Return connect arguments as their declarations show them: `prepare_threshold=never,
    connect_timeout=10 s`. A pool that can't be looked up has its values shown as they are."""
    try:
        declared = tuple(pool_class(pool).connect.values())
    except InputError:
        declared = ()
    return ", ".join(f"{key}={_shown(key, value, declared)}" for key, value in given.items())


def _shown(key: str, value: Value, declared: Sequence[Parameters]) -> str:
    for arguments in declared:
        with suppress(ParameterError):
            return arguments[key].shown(arguments.find(key).check(value))
    return str(value)


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
