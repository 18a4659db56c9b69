"""No password stays in text that is written down, whatever form it stands in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import make_dsn

from poolviz.model.mysql_url import MySQLAddress
from poolviz.model.secrets import without_secrets

MARK = "m4rk"  # stands in every password here


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://u:m4rk@h/db", "postgresql://u@h/db"),
        ("mysql://u@h/db?password=m4rk'm4rk", "mysql://u@h/db?password=***"),
        ("('mysql://h/db?password=m4rk', 'more')", "('mysql://h/db?password=***', 'more')"),
        ("postgresql://:m4rk@h/db", "postgresql://@h/db"),
        ("postgresql://u:m4@rk m4rk@h/db", "postgresql://u@h/db"),
        (
            "from postgresql://u:m4rk@h/db?password=m4rk&sslmode=require to mysql://a:m4rk@h:1/d",
            "from postgresql://u@h/db?password=***&sslmode=require to mysql://a@h:1/d",
        ),
        ("host=h password=m4rk user=u", "host=h password=*** user=u"),
        ("host=h password = m4rk user=u", "host=h password = *** user=u"),
        ("host=h password=a&m4rk user=u", "host=h password=*** user=u"),
        (r"host=h password=a\ m4rk user=u", "host=h password=*** user=u"),
        (r"host=h password='a b\'m4rk' user=u", "host=h password=*** user=u"),
        ("host=h password='a\nm4rk' user=u", "host=h password=*** user=u"),
        ("host=h password='' user=u", "host=h password=*** user=u"),
        ("host=h password='m4rk and no end", "host=h password=***"),
        ("host=h password=m4rk\nm4rk user=u", "host=h password=*** user=u"),
        ("host=h password=m4rk\r\nm4rk", "host=h password=***"),
        ("host=h password=a m4rk user=u", "host=h password=*** user=u"),
        ("sslpassword=m4rk", "sslpassword=***"),
        ("PGPASSWORD=m4rk psql", "PGPASSWORD=*** psql"),
        ("ALTER ROLE u PASSWORD 'a''m4rk' LOGIN", "ALTER ROLE u PASSWORD *** LOGIN"),
        ("CREATE USER u IDENTIFIED BY 'm4rk'", "CREATE USER u IDENTIFIED BY ***"),
        ('connect(host="h", password="m4rk it")', 'connect(host="h", password=***)'),
        (str({"password": b"m4rk", "user": "u"}), "{'password': ***, 'user': 'u'}"),
        ('{"password": "a\\"m4rk", "user": "u"}', '{"password": ***, "user": "u"}'),
    ],
)
def test_each_form_of_a_password_is_removed(text: str, clean: str) -> None:
    assert without_secrets(text) == clean
    assert without_secrets(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "The server refused the password of user bob: check the user and the password.",
        "postgresql://u@h:5432/db?sslmode=require and mysql://h:3306/d",
        "Nothing listens at h:5432: check host and port.",
    ],
)
def test_text_without_a_password_stays_as_it_is(text: str) -> None:
    assert without_secrets(text) == text


_passwords = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12).map(
    lambda text: f"{MARK}{text}{MARK}"
)


@given(_passwords)
def test_whatever_the_password_its_conninfo_its_url_and_their_reprs_are_clean(
    password: str,
) -> None:
    address = MySQLAddress(user="u", password=password, host="h", port=1, database="d")
    for text in (make_dsn(host="h", password=password, user="u"), address.url):
        for form in (text, repr(text), repr([text]), repr(repr(text))):
            assert MARK not in without_secrets(form)
    assert MARK not in without_secrets(repr(address))
