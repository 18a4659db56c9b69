"""What an anonymous export keeps of texts and settings, and that no name is among it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.model.parameters import Value
from poolviz.model.sample import Mark, MarkKind
from poolviz.model.scenario import Scenario
from poolviz.sessions.anonymous import Anonymizer, anonymous_pool
from tests.sessions.builders import began, change

NAMES = Anonymizer([began()])

# What drivers, servers, the system and pools say, with places for names.
MESSAGES = (
    'connection to server at "{0}" (10.0.0.7), port 5432 failed: FATAL:  password authentication '
    'failed for user "{1}"',
    'could not translate host name "{0}" to address: Name or service not known',
    'connection to server on socket "/run/{0}/.s.PGSQL.5432" failed: No such file or directory',
    "(1045, \"Access denied for user '{1}'@'{0}' (using password: YES)\")",
    "(2003, \"Can't connect to MySQL server on '{0}' ([Errno -2] Name or service not known)\")",
    "[Errno 111] Connect call failed ('{0}', 5432)",
    'duplicate key value violates unique constraint "{0}" DETAIL:  Key ({1})=({0}) exists.',
    'no pg_hba.conf entry for host "{0}", user "{1}", database "{0}", SSL off',
    'definition of service "{0}" not found',
    'root certificate file "/home/{1}/.postgresql/root.crt" does not exist',
    "postgresql://{1}@{0}:5432/{0}?application_name={1} is not reachable",
    "pool of {1}@{0}/{0} is exhausted",
    "[SQL: SELECT * FROM {0} WHERE {1}] [parameters: ('{0}',)]",
    "»{0}« ist keine Datenbank von „{1}“",
    "ERROR {1}",
    "{0}: {1}",
    "can't open file '/home/{1}/app/{0}.py' it isn't there",
    "host={0} user={1} dbname='{0}",
)
KEPT = (
    "connection pool exhausted",
    "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
    "couldn't get a connection after 0.50 sec",
    "terminating connection due to administrator command",
    "server closed the connection unexpectedly",
    "canceling statement due to statement timeout",
    "Lost connection to MySQL server during query",
    "too many clients already",
)
names = st.builds("zq{}x{}".format, st.integers(10, 99), st.text("abcdefgh", max_size=6))
names |= st.builds("{}.zq-x.{}".format, st.sampled_from(("server", "pool")), st.just("prod"))


@given(st.sampled_from(MESSAGES), names, names)
def test_no_name_stays_in_a_message(message: str, one: str, other: str) -> None:
    shown = NAMES.text(message.format(one, other))
    assert "zq" not in shown
    assert "10.0.0.7" not in shown


@pytest.mark.parametrize("message", KEPT)
def test_what_pools_and_servers_say_of_themselves_stays(message: str) -> None:
    assert NAMES.text(message) == message


def test_a_name_of_the_session_goes_although_it_is_a_word() -> None:
    server = {"server": "postgresql://reader@pool:5432/connection"}
    names = Anonymizer([began(environment=server)])
    assert names.text("no connection is free in pool of reader") == "no … is free in … of …"


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    shown = NAMES.text(text)
    assert NAMES.text(shown) == shown


def test_settings_lose_their_texts() -> None:
    values: dict[str, Value] = {"clients": 4, "script": "/home/ann/a.sql", "arrivals": "open"}
    assert NAMES.values(values) == {"clients": 4, "script": "…", "arrivals": "open"}


def test_a_pool_of_ones_own_is_its_class() -> None:
    assert anonymous_pool("/home/ann/app/db.py:Pool?acquire=get&url=run") == "Pool"
    assert anonymous_pool("acme.pools:CheckedPool") == "CheckedPool"
    assert anonymous_pool("sqlalchemy.QueuePool") == "sqlalchemy.QueuePool"
    assert anonymous_pool("/home/ann/x y") == "Pool"


def test_environment_and_scenario_keep_versions_and_figures() -> None:
    environment = {
        "server": "mysql+pymysql://ann@db.acme/app",
        "server version": "MariaDB 11.4.2-acme",
        "python": "3.12.1",
        "pool class": "/home/ann/db.py:Pool",
        "acme-pools": "1.0",
        "sqlalchemy": "2.1.0",
        "machine": "Linux 6.1.0-acme x86_64, 4 cores, 15.5 GiB",
    }
    scenario = Scenario(
        pool="/home/ann/db.py:Pool",
        limits={"size": 5, "tenant": "acme"},
        load={"clients": 4},
        connect={"application_name": "ann"},
        title="Ann's database",
        watch={"en": "Watch acme."},
        fail_if=("wait_p95 > 50ms after size",),
        replays="db.acme, before ann's fix.poolviz",
    )
    found = NAMES.began(began(scenario=scenario, environment=environment))
    assert found.environment == {
        "server": "MariaDB",
        "server version": "MariaDB 11.4.2",
        "python": "3.12.1",
        "pool class": "Pool",
        "sqlalchemy": "2.1.0",
        "machine": "Linux x86_64, 4 cores, 15.5 GiB",
    }
    assert found.scenario.limits == {"size": 5, "tenant": "…"}
    assert found.scenario.fail_if == scenario.fail_if
    assert found.scenario.replays == "a session"
    assert b"ann" not in msgspec.json.encode(found).lower()
    assert b"acme" not in msgspec.json.encode(found).lower()


def test_marks_keep_what_changed_and_notes_their_moment() -> None:
    assert NAMES.mark(change(1.0)) == change(1.0)
    note = Mark(t=2.0, kind=MarkKind.NOTE, text="ann restarted db.acme")
    assert NAMES.mark(note) == Mark(t=2.0, kind=MarkKind.NOTE, text="note")
    script = Mark(
        t=3.0, kind=MarkKind.CHANGE, key="script", old="", new="/home/ann/a.sql",
        text="script  → /home/ann/a.sql",
    )  # fmt: skip
    assert NAMES.mark(script).text == "script …"
    fault = Mark(t=3.0, kind=MarkKind.FAULT, key="kill_backend", new=True, text="kill_backend")
    assert NAMES.mark(fault) == fault
