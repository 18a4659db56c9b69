"""A test of a server says what its user may do, TLS, times, and a pooler in between."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest

from poolviz.model.errors import PoolvizError, ServerError
from poolviz.servers.diagnosis import Diagnosis, pooler_findings
from poolviz.servers.dispatch import diagnose
from tests.servers.fixtures import BOUND, TcpServer, tcp_server
from tests.servers.pgbouncer import require, transaction_pooler

__all__ = ["tcp_server"]


def sentences(diagnosis: Diagnosis) -> dict[str, str]:
    return {each.topic: each.sentence for each in diagnosis.findings}


def remedies(diagnosis: Diagnosis) -> dict[str, str]:
    return {each.topic: each.remedy for each in diagnosis.findings if each.remedy}


def test_a_superuser_may_do_everything(conninfo: str) -> None:
    found = diagnose(conninfo)
    assert found.pooler is None
    assert found.tls == ""
    assert found.connect_s and found.latency_s and found.latency_s < found.connect_s
    assert {each.weight for each in found.findings} == {"good"}
    assert remedies(found) == {}


def test_what_an_ordinary_user_may_not_do_is_said_with_the_grant_that_works(
    tcp_server: TcpServer,
) -> None:
    found = diagnose(tcp_server.dsn())
    assert set(remedies(found)) == {"tables", "monitor", "signal"}
    assert remedies(found)["tables"] == 'GRANT CREATE ON DATABASE "postgres" TO "alice"'
    assert "s3cret" not in repr(found) + repr(found.as_object())
    with closing(psycopg2.connect(tcp_server.admin)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        for grant in remedies(found).values():
            cursor.execute(grant)
        try:
            assert remedies(diagnose(tcp_server.dsn())) == {}
        finally:
            for grant in remedies(found).values():
                cursor.execute(grant.replace("GRANT", "REVOKE").replace(" TO ", " FROM "))


def test_a_server_that_takes_no_changes_is_said_to_read_only(tcp_server: TcpServer) -> None:
    found = diagnose(tcp_server.dsn(options="-c default_transaction_read_only=on"))
    assert "takes no changes" in sentences(found)["tables"]


@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize("connections", [1, 4])
def test_pgbouncer_is_recognised_with_its_mode(
    tcp_server: TcpServer, mode: str, connections: int
) -> None:
    require()
    with transaction_pooler(tcp_server.dsn(), mode=mode, server_connections=connections) as pooler:
        found = diagnose(pooler).pooler
    assert found is not None
    assert found.name.startswith("PgBouncer 1.")
    assert found.size == connections
    assert found.mode == mode
    assert found.follows_prepared is False
    assert "dbname=pgbouncer" in found.console


def test_pgbouncer_is_recognised_without_its_console(tcp_server: TcpServer) -> None:
    require()
    with tempfile.NamedTemporaryFile("w") as users:
        Path(users.name).chmod(0o644)
        users.write('"alice" "unused"\n')
        users.flush()
        closed = f"auth_type = trust\nauth_file = {users.name}\n"
        with transaction_pooler(tcp_server.dsn(), more=closed) as conninfo:
            pooler = diagnose(conninfo).pooler
    assert pooler is not None
    assert (pooler.name, pooler.size, pooler.mode) == ("PgBouncer", None, "transaction")


def test_a_pooler_in_statement_mode_is_refused_with_what_to_do(tcp_server: TcpServer) -> None:
    require()
    with (
        transaction_pooler(tcp_server.dsn(), mode="statement") as pooler,
        pytest.raises(ServerError, match="statement mode") as raised,
    ):
        diagnose(pooler)
    assert raised.value.field == "port"


@contextmanager
def forwarder(port: int) -> Iterator[int]:
    """Pass bytes on to a port, as HAProxy or a container's port does."""
    ends: list[socket.socket] = []

    def pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for each in (one, other):
            with closing(each), suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    one, _ = listener.accept()
                except OSError:
                    return
                other = socket.create_connection(("127.0.0.1", port))
                ends.extend((one, other))
                for pair in ((one, other), (other, one)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(BOUND)


def test_what_only_passes_bytes_on_is_no_pooler(tcp_server: TcpServer) -> None:
    with forwarder(tcp_server.port) as port:
        assert diagnose(tcp_server.dsn(port=str(port))).pooler is None


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"password": "wrong"}, "password"),
        ({"user": "nobody"}, "password"),  # the server doesn't say that there is no such user
        ({"dbname": "nowhere"}, "database"),
        ({"dbname": "private"}, "database"),
        ({"dbname": "closed"}, "user"),
        ({"port": "1"}, "port"),
        ({"host": "nowhere.invalid"}, "host"),
        ({"sslmode": "require"}, "tls"),
        ({"sslmode": "verify-full"}, "tls"),
    ],
)
def test_each_failure_names_the_field_that_is_wrong(
    tcp_server: TcpServer, changed: dict[str, str], field: str
) -> None:
    with pytest.raises(ServerError) as raised:
        diagnose(tcp_server.dsn(**changed))
    assert raised.value.field == field
    assert "s3cret" not in str(raised.value)
    assert str(raised.value).count("\n") == 0


@contextmanager
def listening(answer: bytes | None) -> Iterator[int]:
    """A server of another protocol, or one that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    one, _ = listener.accept()
                except OSError:
                    return
                taken.append(one)
                if answer is not None:
                    one.recv(1000)
                    one.sendall(answer)
                    one.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(BOUND)
            for one in taken:
                one.close()


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_another_protocol_is_recognised(scheme: str) -> None:
    refusal = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
    with listening(refusal) as port, pytest.raises(ServerError) as raised:
        diagnose(f"{scheme}://u:s3cret@127.0.0.1:{port}/d")
    assert raised.value.field == "port"


def test_a_server_that_says_nothing_is_given_up() -> None:
    with listening(None) as port, pytest.raises(ServerError, match="in time") as raised:
        diagnose(f"postgresql://u@127.0.0.1:{port}/d?connect_timeout=2")
    assert raised.value.field == "host"


def test_a_pooler_without_a_free_connection_is_given_up_when_nobody_waits_any_more(
    tcp_server: TcpServer,
) -> None:
    require()
    with (
        transaction_pooler(tcp_server.dsn(), server_connections=1) as pooler,
        closing(psycopg2.connect(pooler)) as busy,
        busy.cursor() as cursor,
    ):
        cursor.execute("SELECT 1")  # holds the only connection
        began = time.monotonic()
        with pytest.raises(PoolvizError, match="answers nothing"):
            diagnose(pooler, lambda: True)
        assert time.monotonic() - began < 5  # of the 10 that it would wait


def test_mariadb_is_tested_too(mysql_url: str) -> None:
    found = diagnose(mysql_url)
    assert found.target.product in ("MariaDB", "MySQL")
    assert set(sentences(found)) == {"latency", "tls", "tables", "monitor"}


def test_sqlite_is_tested_too(tmp_path: Path) -> None:
    found = diagnose(f"sqlite:///{tmp_path}/new.db")
    assert "creates" in sentences(found)["file"]
    assert not (tmp_path / "new.db").exists()


def test_what_a_pooler_means_depends_on_the_driver(tcp_server: TcpServer) -> None:
    require()
    with transaction_pooler(tcp_server.dsn()) as conninfo:
        pooler = diagnose(conninfo).pooler
    assert pooler is not None
    (plain,) = pooler_findings(pooler, ())
    assert "transaction mode" in plain.sentence and "4 connections" in plain.sentence
    _, prepared = pooler_findings(pooler, ("statement_cache_size",))
    assert "statement_cache_size=0" in prepared.remedy
    assert len(pooler_findings(pooler)) == 2
