"""Reaching a MySQL or MariaDB server, and one sentence for each way in which that fails."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from poolviz.model.errors import InputError, ServerError
from poolviz.model.mysql_url import MySQLAddress
from poolviz.servers.dispatch import reach
from tests.servers.mysql_server import connect


def wrong(url: str, **changed: Any) -> str:
    return msgspec.structs.replace(MySQLAddress.parse(url), **changed).url


def test_a_target_has_version_and_limits_and_shows_no_password(mysql_url: str) -> None:
    target = reach(mysql_url)
    assert target.product in ("MySQL", "MariaDB")
    assert target.version[0].isdigit()
    assert target.max_connections is not None
    assert target.free_connections is not None
    assert 0 < target.free_connections <= target.max_connections
    assert target.shown.startswith("mysql://")
    password = MySQLAddress.parse(mysql_url).password
    for shown in (target.shown, repr(target), repr(target.describe()), target.about):
        assert not password or password not in shown


def test_free_connections_are_what_the_server_then_grants(small_mysql: str) -> None:
    free = reach(small_mysql).free_connections
    assert free is not None
    held = [connect(small_mysql) for _ in range(free)]
    assert reach(wrong(small_mysql)).free_connections == 0  # an administrator has one to spare
    held.append(connect(small_mysql))
    with pytest.raises(ServerError, match=r"has no connection left .*lower the pool's limit"):
        reach(small_mysql)
    for connection in held:
        connection.close()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": "wr0ng"}, r"refused user poolviz: check the user and the password"),
        ({"user": "nobody", "password": "wr0ng"}, r"refused user nobody"),
        ({"database": "nix"}, r"has no database nix: check the name"),
        ({"port": 1}, r"can't be reached \(connection refused\): check that it runs"),
        (
            {"host": "nowhere.invalid"},
            r"can't be reached \(no such host is known\): check the host",
        ),
        ({"unix_socket": "/no/socket"}, r"at /no/socket can't be reached \(no such file"),
    ],
)
def test_what_is_wrong_is_one_sentence_without_the_password(
    small_mysql: str, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ServerError, match=said) as it:
        reach(wrong(small_mysql, **changed))
    assert "\n" not in str(it.value)
    assert not any(secret in str(it.value) for secret in ("s3cret", "wr0ng"))


@pytest.mark.parametrize(
    "url",
    [
        "mysql:",
        "mysql://u:s3cret@x@h/d",
        "mysql://u:s3/cret@h/d",
        "mysql://u:s3cret@h:s3cret/d",
        "mysql://u:s3cret@h:99999/d",
        "mysql://h/d?sslca=x",
        "mysql://h/d?s3cret!=x",
        "mysql://h/d?charset=klingon",
        "mysql://h/d?connect_timeout=0",
    ],
)
def test_a_url_that_cannot_be_read_is_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises(InputError) as it:
        reach(url)
    assert len(it.value.problems) == 1
    assert "s3cret" not in str(it.value)
