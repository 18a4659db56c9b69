"""TLS to MySQL and MariaDB: the same options mean the same to both drivers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pymysql
import pytest

from poolviz.model.errors import InputError, ServerError
from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from poolviz.servers.dispatch import monitor_for, reach
from tests.pools.bench import Bench, Crowd, RecordingCounter, until
from tests.pools.driven import Driven
from tests.pools.places import MySQL
from tests.pools.sqlalchemy.test_drivers import cut_off
from tests.servers.mysql_server import lacking, mariadb

QueuePool: Any = pool_class("sqlalchemy.QueuePool")
TaskPool = pool_class("aiomysql.Pool")
by_kind = pytest.mark.parametrize("kind", [QueuePool, TaskPool], ids=lambda kind: kind.id)


class Keys:
    """A self-signed certificate for localhost with its key, and another one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.own, self.own_key = self._make("own")
        self.other, self.other_key = self._make("other")

    def _make(self, name: str) -> tuple[Path, Path]:
        made, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        request += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        request += ["-keyout", str(key), "-out", str(made)]
        subprocess.run(request, check=True, capture_output=True)
        return made, key


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def url(keys: Keys) -> Iterator[str]:
    """A server that speaks TLS, by its name."""
    if lack := lacking():
        pytest.skip(lack)
    with mariadb(**{"ssl-cert": keys.own, "ssl-key": keys.own_key}) as found:
        yield found.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def plain_url() -> Iterator[str]:
    """A server that doesn't speak TLS."""
    if lack := lacking():
        pytest.skip(lack)
    with mariadb(ssl="OFF") as found:
        yield found


@pytest.fixture
def tls_bench(url: str) -> Iterator[Any]:
    """Makes benches whose pools connect with options."""
    with ExitStack() as stack:

        def make(kind: type[Pool], options: str, **limits: object) -> Bench:
            place = stack.enter_context(closing(MySQL(f"{url}?{options}")))
            one = Bench(kind, place, **limits)
            stack.callback(place.forget, one.name)
            stack.callback(one.settle_closed)
            return stack.enter_context(one)

        yield make


def encrypted(one: Bench) -> int:
    """How many of a pool's connections are encrypted, by the server's own count."""
    place: Any = one.place
    ask = """
        SELECT 1 FROM performance_schema.status_by_thread JOIN performance_schema.threads
         USING (thread_id) WHERE processlist_user = %s AND variable_name = 'Ssl_cipher'
          AND variable_value <> ''
    """
    return len(place._do(ask, one.name.replace(" ", "_")))


def first_error(kind: type[Pool], url: str) -> Exception:
    """The error of a pool that can't connect. No connection is left behind."""
    counter = RecordingCounter()
    arguments: Any = (url, counter, kind.limits.complete({}))
    with pytest.raises(Exception) as it, ExitStack() as stack:
        made: Any = Driven(kind, *arguments) if kind is TaskPool else kind(*arguments)
        stack.callback(made.close)
        made.acquire()
    assert counter.open == 0
    error: Exception = it.value
    return error


def refusal(url: str) -> str:
    """The one sentence that a user gets for a server that isn't reached."""
    with pytest.raises(ServerError) as it:
        reach(url)
    assert len(str(it.value).splitlines()) == 1
    assert "s3cret" not in str(it.value)
    return str(it.value)


@by_kind
def test_connections_are_encrypted_if_the_url_asks_for_it(
    kind: type[Pool], keys: Keys, tls_bench: Any
) -> None:
    for options in (f"ssl_ca={keys.own}&ssl_verify_identity=true", "ssl_verify_cert=false"):
        one = tls_bench(kind, options)
        held = one.acquire(4)
        assert encrypted(one) == one.backends() == 4
        one.release(held)
        with Crowd(one, 8) as crowd:
            crowd.work(200)
        one.settle()


@by_kind
def test_connections_are_not_encrypted_if_tls_is_disabled(
    kind: type[Pool], keys: Keys, tls_bench: Any
) -> None:
    one = tls_bench(kind, f"ssl_ca={keys.own}&ssl_disabled=true")
    held = one.acquire(2)
    assert (encrypted(one), one.backends()) == (0, 2)
    one.release(held)


@by_kind
def test_a_server_with_another_certificate_is_not_trusted(
    kind: type[Pool], keys: Keys, url: str
) -> None:
    for options in (f"ssl_ca={keys.other}", "ssl_verify_cert=true", "ssl_verify_identity=true"):
        assert isinstance(first_error(kind, f"{url}?{options}"), pymysql.OperationalError)
        sentence = refusal(f"{url}?{options}")
        assert "can't be verified (self-signed certificate): name its authority's" in sentence
    misnamed = f"{url.replace('localhost', '127.0.0.1')}?ssl_ca={keys.own}&ssl_verify_identity=true"
    assert isinstance(first_error(kind, misnamed), pymysql.OperationalError)
    assert "a certificate for another host: write the host" in refusal(misnamed)


@by_kind
def test_a_server_without_tls_is_refused_if_tls_is_asked_for(
    kind: type[Pool], keys: Keys, plain_url: str
) -> None:
    for options in (f"ssl_ca={keys.own}", "ssl_verify_cert=false"):
        error = first_error(kind, f"{plain_url}?{options}")
        assert isinstance(error, pymysql.OperationalError)
        assert error.args[0] == 2026
        assert "doesn't offer TLS: remove the options" in refusal(f"{plain_url}?{options}")


def test_the_server_monitor_connects_with_tls(keys: Keys, url: str) -> None:
    dsn = f"{url}?ssl_ca={keys.own}"
    assert "MariaDB" in reach(dsn).about
    monitor = monitor_for(dsn, "unused")
    assert monitor is not None
    with closing(monitor):
        assert monitor.view().total == 0
        assert monitor._connection.ssl  # type: ignore[attr-defined]


def test_a_long_encrypted_statement_can_be_aborted(keys: Keys, tls_bench: Any) -> None:
    one = tls_bench(QueuePool, f"ssl_ca={keys.own}")
    conn = one.pool.acquire()

    def running() -> bool:
        return bool(
            one.place._do(
                "SELECT 1 FROM information_schema.processlist WHERE info LIKE %s",
                "SELECT SLEEP(600)",
            )
        )

    assert isinstance(cut_off(one.pool, conn, "SELECT SLEEP(600)", running), pymysql.Error)
    one.pool.release(conn)
    one.place.kill(one.name)  # the server would sleep on
    until(lambda: one.backends() == 0, "the server has ended it")


@by_kind
def test_a_file_that_isnt_a_certificate_is_reported(kind: type[Pool], keys: Keys, url: str) -> None:
    locked = keys.folder / "locked.key"
    encrypt = ["openssl", "pkey", "-aes256", "-passout", "pass:s3cret", "-in", str(keys.own_key)]
    subprocess.run([*encrypt, "-out", str(locked)], check=True, capture_output=True)
    for options, message in {
        f"ssl_ca={keys.folder}/none.pem": "ssl_ca in the DSN names .*no such file",
        f"ssl_ca={keys.folder}": "ssl_ca in the DSN names .*is a directory",
        f"ssl_ca={keys.own_key}": "are not certificates with their key",
        f"ssl_cert={keys.own}&ssl_key={keys.other_key}": "PEM files that belong together",
        f"ssl_cert={keys.own}&ssl_key={locked}": "the key without a password",
    }.items():
        with pytest.raises(InputError, match=message) as it:
            reach(f"{url}?{options}")
        assert str(first_error(kind, f"{url}?{options}")) == str(it.value)
        assert len(it.value.problems) == 1
