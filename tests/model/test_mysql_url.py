"""The URL of a MySQL server, read and written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poolviz.model.mysql_url import MySQLAddress

_words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


@given(user=_words, password=_words, database=_words, name=_words)
def test_an_address_survives_being_written_as_a_url(
    user: str, password: str, database: str, name: str
) -> None:
    address = MySQLAddress(
        user=user,
        password=password if user else "",
        host="::1",
        port=3307,
        database=database.lstrip("/"),
        program_name=name,
        tls={"ssl_ca": "/a b/c&d"},
    )
    assert MySQLAddress.parse(address.url) == address
