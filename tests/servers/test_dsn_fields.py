"""The fields of a DSN are read from it and written into it, and nothing else of it changes."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn

from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE
from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.dsn_fields import (
    FIELDS,
    environment_notes,
    fields_of,
    identity,
    of_kind,
    with_fields,
)

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
NAMES = {
    "host": "host",
    "port": "port",
    "database": "dbname",
    "user": "user",
    "password": "password",
    "tls": "sslmode",
    "ca": "sslrootcert",
    "certificate": "sslcert",
    "key": "sslkey",
}
URLS = [
    "postgresql://",
    "postgresql://bob@db.example:6432/shop?sslmode=require&application_name=x%20y&connect_timeout=3",
    "postgresql+asyncpg://bob:s%3Acret@[::1]:5433/shop?prepared_statement_cache_size=0",
    "postgresql://bob@a.example:1,b.example:2/shop?target_session_attrs=read-write",
    "postgresql:///shop?host=/var/run/postgresql&user=bob",
    "postgresql://%2Fvar%2Frun/shop",
]
KEYWORDS = [
    "",
    "host=db.example port=6432 dbname=shop user=bob connect_timeout=3",
    "host = 'a b' password = 'it\\'s' options='-c geqo=off'",
    "service=shop user=bob",
    "hostaddr=127.0.0.1 dbname=shop",
]


@pytest.mark.parametrize("dsn", [*URLS, *KEYWORDS])
@settings(max_examples=20)
@given(
    values=st.fixed_dictionaries(
        {},
        optional={
            "host": st.sampled_from(
                ["h.example", "::1", "/run/pg", "10.0.0.1", "a.example,b.example"]
            ),
            "port": st.sampled_from(["1", "6000"]),
            "database": TEXT,
            "user": TEXT,
            "password": TEXT,
            "tls": st.sampled_from(["disable", "verify-full"]),
            "ca": TEXT,
            "certificate": TEXT,
            "key": TEXT,
        },
    )
)
@example({"password": "p@ss:/?#%&='\\ word"})
@example({"host": "::1", "port": "6000"})
def test_what_a_field_says_is_what_libpq_reads(dsn: str, values: dict[str, str]) -> None:
    written = with_fields(dsn, values)
    assert {key: fields_of(written)[key] for key in values} == values
    libpq = parse_dsn(
        written.replace("+asyncpg", "").replace("prepared_statement_cache_size", "keepalives")
    )
    for key, value in values.items():
        read = libpq[NAMES[key]]
        if key == "port" and "," in libpq.get("host", ""):
            read = read.split(",")[0]
        assert read == value
    kept = ("application_name", "connect_timeout", "target_session_attrs", "options", "service")
    before = parse_dsn(dsn.replace("+asyncpg", "").partition("?prepared")[0]) if dsn else {}
    for key in kept:
        assert libpq.get(key) == before.get(key)
    assert ("prepared_statement_cache_size=0" in written) is ("prepared" in dsn)
    assert written.partition("://")[0] == dsn.partition("://")[0] or "://" not in dsn


@pytest.mark.parametrize("dsn", [*URLS, *KEYWORDS])
def test_without_a_change_the_text_stays_as_it_is(dsn: str) -> None:
    assert with_fields(dsn, fields_of(dsn)) == dsn


@pytest.mark.parametrize("dsn", [*URLS, *KEYWORDS])
@pytest.mark.parametrize("field", FIELDS)
def test_an_emptied_field_leaves_nothing_of_it(dsn: str, field: str) -> None:
    assert fields_of(with_fields(dsn, {field: ""}))[field] == ""


@given(st.text(max_size=60))
@example("postgresql://a:b@c@d/e?f")
@example("'")
@example("host='")
def test_any_text_is_read(text: str) -> None:
    assert set(fields_of(text)) == set(FIELDS)
    identity(text)
    environment_notes(text)
    for dialect in (POSTGRESQL, MYSQL, SQLITE):
        of_kind(text, dialect)


@given(TEXT, TEXT, TEXT)
def test_mysql_urls_are_read_as_the_driver_does(user: str, password: str, database: str) -> None:
    url = "mysql+pymysql://old:gone@h.example/shop?charset=utf8"
    values = {"user": user, "password": password, "database": database, "port": "3307"}
    written = with_fields(url, {**values, "tls": "verify-full", "ca": "/ca.pem"})
    address = MySQLAddress.parse(written)
    assert (address.user, address.password, address.host) == (user, password, "h.example")
    assert (address.port, address.charset) == (3307, "utf8")
    assert address.database == database
    assert address.tls == {
        "ssl_ca": "/ca.pem",
        "ssl_verify_cert": "true",
        "ssl_verify_identity": "true",
    }
    for mode in ("disable", "require", "verify-ca", ""):
        assert fields_of(with_fields(written, {"tls": mode}))["tls"] == mode
    socket = with_fields(written, {"host": "/run/mysqld.sock"})
    assert MySQLAddress.parse(socket).unix_socket == "/run/mysqld.sock"


def test_sqlite_has_a_file() -> None:
    assert fields_of("sqlite:////tmp/a%20b.db")["database"] == "/tmp/a b.db"
    assert with_fields("sqlite:///x.db?cache=shared", {"database": "/tmp/a ?b.db"}) == (
        f"sqlite:///{quote('/tmp/a ?b.db')}?cache=shared"
    )


def test_another_kind_of_server_takes_over_what_it_has_too() -> None:
    url = "postgresql://bob@db.example:5432/shop?sslmode=verify-full&sslrootcert=/ca.pem"
    assert of_kind(url, MYSQL) == (
        "mysql://bob@db.example/shop?ssl_verify_cert=true&ssl_verify_identity=true&ssl_ca=/ca.pem"
    )
    assert of_kind(of_kind(url, MYSQL), POSTGRESQL) == url.replace(":5432", "")
    assert of_kind(url, SQLITE) == "sqlite:///"
    assert of_kind("sqlite:///x.db", POSTGRESQL) == "postgresql://"


def test_the_identity_of_a_login_has_neither_password_nor_options() -> None:
    one = identity("postgresql://bob:s3cret@h/shop?sslmode=require")
    assert one == identity("host=h dbname=shop user=bob password=other port=5432")
    assert "s3cret" not in one
    assert one != identity("postgresql://eve@h/shop")
    assert identity("service=a") != identity("service=b")


def test_the_environment_is_named_where_it_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert environment_notes("postgresql://bob@h/shop") == []
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    assert environment_notes("postgresql://bob@h:1/shop") == [
        "Without a password here, that of PGPASSWORD is used."
    ]
    notes = " ".join(environment_notes("dbname=shop user=bob"))
    assert "PGHOST gives" in notes
    assert "s3cret" not in notes and "elsewhere" not in notes
    assert environment_notes("host=h password=x") == []
    assert environment_notes("mysql://h/d") == []
    monkeypatch.setenv("PGSERVICE", "shop")
    assert "The service shop, which PGSERVICE names" in environment_notes("user=bob")[0]


def test_a_password_file_is_named_and_why_it_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "pass"
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert environment_notes("host=h") == [f"The password file {file} isn't there."]
    file.write_text("*:*:*:*:s3cret")
    file.chmod(0o644)
    assert "others may read it" in environment_notes("host=h")[0]
    file.chmod(0o600)
    assert environment_notes("host=h") == [
        f"Without a password here, the password file {file} is asked for it."
    ]
