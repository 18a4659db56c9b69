"""The password of a DSN: set from another source, and removed before the DSN is stored."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.dispatch import with_password, without_password


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:s3cret@db.example:5433/shop?sslmode=require",
        "postgresql+psycopg2://me:s3cret@db.example:5433/shop?sslmode=require",
        "host=db.example port=5433 user=me password=s3cret dbname=shop sslmode=require",
    ],
)
def test_a_dsn_can_be_stored_without_its_password(dsn: str) -> None:
    kept = without_password(dsn)
    assert "s3cret" not in kept
    for part in ("db.example", "5433", "me", "shop", "require"):
        assert part in kept
    assert "password=n3w" in with_password(dsn, "n3w")


@pytest.mark.parametrize(
    ("dsn", "kept"),
    [
        ("mysql://me:s3cret@db:3307/shop", "mysql://me@db:3307/shop"),
        ("mariadb://me:s3cret@[::1]/shop", "mysql://me@[::1]:3306/shop"),
        ("mysql+pymysql://me:s3%40cret@db/shop", "mysql://me@db:3306/shop"),
        ("sqlite:///shop.db", "sqlite:///shop.db"),
        ("sqlite://", "sqlite://"),
    ],
)
def test_a_url_of_another_kind_can_be_stored_without_its_password(dsn: str, kept: str) -> None:
    assert without_password(dsn) == kept
    assert without_password(kept) == kept


def test_the_options_of_a_mysql_url_are_stored() -> None:
    url = "mysql://me:s3cret@db/shop?ssl_ca=/ca.pem&charset=latin1"
    kept = MySQLAddress.parse(without_password(url))
    assert kept == msgspec.structs.replace(MySQLAddress.parse(url), password="")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_password_given_beside_a_mysql_url_is_the_one_used(password: str) -> None:
    for dsn in ("mysql://me@db/shop", " mariadb://me:0ld@db/shop?charset=latin1"):
        address = MySQLAddress.parse(with_password(dsn, password))
        assert (address.user, address.password, address.database) == ("me", password, "shop")
    assert with_password("sqlite:///shop.db", password) == "sqlite:///shop.db"


@pytest.mark.parametrize("dsn", ["mysql:s3cret", "mysql://me:s3@cret@db/x", "sqlite:s3cret"])
def test_a_url_that_cant_be_read_is_not_stored(dsn: str) -> None:
    assert without_password(dsn) == ""
    assert with_password(dsn, "n3w") == dsn


def test_a_dsn_that_cant_be_read_is_not_stored() -> None:
    assert without_password("s3cret without a key") == ""
    assert with_password("no DSN", "x") == "no DSN"
