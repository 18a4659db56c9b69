"""Warnings about a run through a pooler: what its mode breaks, before it breaks.

In transaction mode a connection of the pool has another one of the server's in each transaction.
What a driver or a statement leaves on that connection for later is then on another client's:
statements that were prepared there, settings of the session, locks. When each driver prepares
statements was measured with a PgBouncer in transaction mode (tests/runs/test_pooler.py).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence

from poolviz.language import tr
from poolviz.load.sql_script import statements_of
from poolviz.load.statements import statement_class, statement_of
from poolviz.model.dialect import POSTGRESQL
from poolviz.model.parameters import Parameters, Value
from poolviz.model.scenario import Scenario
from poolviz.model.use import use_of
from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from poolviz.servers.pooler import SESSION, TRANSACTION, Pooler

PREPARED, SESSIONS, OPTIONS, CLIENTS = (
    *("prepared statements", "session state", "startup options", "pooler's clients"),
)
POOLER_TOPICS = (PREPARED, SESSIONS, OPTIONS, CLIENTS)

_CACHE, _SECOND_CACHE, _NAMES = (
    *("statement_cache_size", "prepared_statement_cache_size", "prepared_statement_name_func"),
)
_THRESHOLD, _OPTIONS = "prepare_threshold", "options"
_NEVER = "never"
_DRAWN = 50  # operations whose statements are compared
# What a statement leaves on its connection: the beginning of it, and how people call that.
_LASTING = (
    (r"SET\s+(?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)", "SET"),
    (r".*\bset_config\s*\([^)]*,\s*false\s*\)", "set_config"),
    (r"(?:UN)?LISTEN\b", "LISTEN"),
    (r".*\bpg_(?:try_)?advisory_(?:lock|unlock)", "pg_advisory_lock"),
    (
        r"CREATE\s+(?:(?:LOCAL|GLOBAL)\s+)?TEMP(?:ORARY)?\s(?!.*\bON\s+COMMIT\s+DROP\b)",
        "CREATE TEMP",
    ),
    (r"SELECT\b.*\bINTO\s+TEMP(?:ORARY)?\s", "SELECT INTO TEMP"),
    (r"(?:PREPARE(?!\s+TRANSACTION)|EXECUTE|DEALLOCATE)\b", "PREPARE"),
    (r"DECLARE\b.*\bWITH\s+HOLD\b", "WITH HOLD"),
    (r"LOAD\b", "LOAD"),
)
_PATTERNS = tuple((re.compile(text, re.IGNORECASE | re.DOTALL), word) for text, word in _LASTING)


def pooler_warnings(
    scenario: Scenario, pooler: Pooler, wanted: int, states: Sequence[Mapping[str, Value]]
) -> Iterator[tuple[str, str]]:
    """Yield warnings, each with its topic, about a run behind `pooler`, whose pool may open
    `wanted` connections. `states` are its limits and its load at first and after each change."""
    pool = pool_class(scenario.pool)
    known = pool.connect_arguments(POSTGRESQL)
    name = pooler.name or tr("The pooler")
    given = {**known.defaults(), **scenario.connect}
    if known.get(_OPTIONS) is not None and given.get(_OPTIONS) and _refuses_options(pooler):
        yield (
            OPTIONS,
            tr(
                "{pooler} refuses connections with the startup parameter options, which this run "
                "connects with: leave it out, or name it in PgBouncer's "
                "ignore_startup_parameters, which then ignores it.",
                pooler=name,
            ),
        )
    if pooler.clients is not None and wanted > pooler.clients:
        yield (
            CLIENTS,
            tr(
                "The pool may open {wanted} connections, and {pooler} takes {clients} clients at "
                "most (max_client_conn): lower the pool's limits, or raise that.",
                wanted=wanted,
                pooler=name,
                clients=pooler.clients,
            ),
        )
    elif pooler.mode == SESSION and pooler.size is not None and wanted > pooler.size:
        yield (
            CLIENTS,
            tr(
                "The pool may open {wanted} connections, and {pooler}, in session mode, opens "
                "{size} to the server: the others wait in the pooler until one is closed. Lower "
                "the pool's limits, or use transaction mode.",
                wanted=wanted,
                pooler=name,
                size=pooler.size,
            ),
        )
    if pooler.mode != TRANSACTION:
        return
    if not pooler.follows_prepared:
        sentence = _prepared(pool, known, given, states, name)
        if sentence:
            yield PREPARED, sentence
    words = list(dict.fromkeys(word for state in states for word in _lasting(state)))
    if words:
        yield (
            SESSIONS,
            tr(
                "{pooler} is in transaction mode, in which what a statement leaves on its "
                "connection is lost, or reaches other clients, once the transaction ends: the "
                "load's SQL has {words}. Use what ends with the transaction (SET LOCAL, "
                "pg_advisory_xact_lock, ON COMMIT DROP), or session mode.",
                pooler=name,
                words=", ".join(words),
            ),
        )


def _refuses_options(pooler: Pooler) -> bool:
    return pooler.name.startswith("PgBouncer")


def _prepared(
    pool: type[Pool],
    known: Parameters,
    given: Mapping[str, Value],
    states: Sequence[Mapping[str, Value]],
    name: str,
) -> str:
    """Return why statements that the driver prepares will fail, and the cure; "" if it prepares
    none."""
    if _CACHE in known and given[_CACHE] != 0:
        cure = f"--connect {_CACHE}=0"
        if _SECOND_CACHE in known:
            cure += f" --connect {_SECOND_CACHE}=0 --connect {_NAMES}=uuid4"
        return tr(
            "{pooler} is in transaction mode and doesn't follow prepared statements, and asyncpg "
            "prepares every statement ({key} is {value}): operations will fail with "
            "InvalidSQLStatementNameError or DuplicatePreparedStatementError. Give {cure}, "
            "or have PgBouncer, from 1.21 on, follow them with max_prepared_statements.",
            pooler=name,
            key=_CACHE,
            value=given[_CACHE],
            cure=cure,
        )
    threshold = _threshold(known, given)
    cure = f"--connect {_THRESHOLD}={_NEVER}"
    if threshold is None or not (threshold == 0 or any(_repeats(pool, given, s) for s in states)):
        return ""
    return tr(
        "{pooler} is in transaction mode and doesn't follow prepared statements, and psycopg "
        "prepares a statement that a connection repeats ({key} is {value}): operations will fail "
        "with InvalidSqlStatementName or DuplicatePreparedStatement. Give {cure}, or have "
        "PgBouncer, from 1.21 on, follow them with max_prepared_statements.",
        pooler=name,
        key=_THRESHOLD,
        value=threshold,
        cure=cure,
    )


def _threshold(known: Parameters, given: Mapping[str, Value]) -> int | None:
    """Return after how many uses psycopg prepares a statement; None if it never does."""
    if _THRESHOLD not in known:
        return None
    needs = known[_THRESHOLD].only_when
    if needs is not None and given.get(needs[0]) not in needs[1]:
        return None  # the driver is another one
    threshold = given[_THRESHOLD]
    return threshold if isinstance(threshold, int) and threshold >= 0 else None


def _repeats(pool: type[Pool], given: Mapping[str, Value], state: Mapping[str, Value]) -> bool:
    """Return whether psycopg comes to count that a statement was run again: the load repeats its
    text, and psycopg doesn't forget it with a ROLLBACK, as most pools execute when a connection is
    given back."""
    use, transaction = use_of(state, pool.uses), state["transaction"]
    if not _has_text_again(state):
        return False
    autocommit = given.get("autocommit") or given.get("isolation_level") == "AUTOCOMMIT"
    if autocommit or transaction == "autocommit":
        return True
    if given.get("pool_reset_on_return", "rollback") != "rollback":
        return True
    if transaction == "default":
        return "commit" in (use.ends, statement_class(state).ends)
    return transaction == "commit" or (use.ends == "commit" and use.always)


def _has_text_again(state: Mapping[str, Value]) -> bool:
    """Return whether operations repeat the text of a statement: with random values in it, hardly
    any does."""
    statement, rng = statement_of(state, POSTGRESQL), random.Random(1)
    texts = [text for number in range(_DRAWN) for text in set(statement.sql(rng, 1, number))]
    return len(set(texts)) < len(texts)


def _lasting(state: Mapping[str, Value]) -> Iterator[str]:
    """Yield what the load's own SQL leaves on a connection beyond a transaction."""
    if state["statement"] != "sql":
        return
    for statement in statements_of(str(state["sql"]), POSTGRESQL):
        for pattern, word in _PATTERNS:
            if pattern.match(statement):
                yield word
