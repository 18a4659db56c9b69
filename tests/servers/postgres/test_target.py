"""Reaching a PostgreSQL server, and one sentence for each way in which that fails."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn

from poolviz.model.errors import InputError, PoolvizError, ServerError
from poolviz.servers.dispatch import reach, with_application_name
from poolviz.servers.postgres.errors import describe_error
from poolviz.servers.postgres.target import conninfo_of
from tests.servers.fixtures import TcpServer, ask, tcp_server, wait_until

__all__ = ["tcp_server"]

PASSWORD = "s3cret wörd"


@pytest.fixture(autouse=True)
def no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "USER", "PASSWORD", "DATABASE", "SERVICE", "SSLMODE", "PASSFILE"):
        monkeypatch.delenv(f"PG{name}", raising=False)


def failure(dsn: str) -> ServerError:
    """Return the error for `dsn`: one sentence, without the password."""
    with pytest.raises(ServerError) as caught:
        reach(dsn)
    assert_one_safe_sentence(caught.value)
    assert caught.value.exit_status == 3
    return caught.value


def assert_one_safe_sentence(error: PoolvizError) -> None:
    sentence = str(error)
    assert "\n" not in sentence
    assert sentence[0].isupper() and sentence.endswith((".", "?"))
    for piece in ("s3cret", "wörd", "w%C3%B6rd"):
        assert piece not in sentence


def test_a_server_is_reached_by_keywords_and_by_each_form_of_url(tcp_server: TcpServer) -> None:
    rest = f"://alice:s3cret%20w%C3%B6rd@127.0.0.1:{tcp_server.port}/postgres"
    forms = [tcp_server.dsn(), *(f"{head}{rest}" for head in ("postgresql", "postgres"))]
    for dsn in [*forms, f"postgresql+psycopg2{rest}", f"  postgresql{rest}?connect_timeout=7\n"]:
        target = reach(dsn)
        assert target.shown == f"postgresql://alice@127.0.0.1:{tcp_server.port}/postgres"
        assert ask(target.conninfo, "SELECT current_user") == "alice"
        assert target.version == ask(tcp_server.admin, "SHOW server_version").split()[0]
        assert not target.embedded


def test_a_password_in_the_query_of_a_url_is_not_shown(tcp_server: TcpServer) -> None:
    where = f"alice@127.0.0.1:{tcp_server.port}/postgres"
    target = reach(f"postgresql://{where}?password=s3cret%20w%C3%B6rd")
    assert "s3cret" in target.conninfo
    assert "s3cret" not in target.shown + repr(target) + str(target)


def test_a_socket_is_shown_as_a_url_too(tcp_server: TcpServer) -> None:
    target = reach(tcp_server.admin)
    assert target.shown.startswith("postgresql://postgres@/postgres?host=/")


def test_what_the_dsn_leaves_out_comes_from_the_environment(
    tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(tcp_server.port))
    monkeypatch.setenv("PGUSER", "alice")
    monkeypatch.setenv("PGDATABASE", "postgres")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    for dsn in ("", "postgresql://", "dbname=postgres"):
        assert reach(dsn).shown == f"postgresql://alice@127.0.0.1:{tcp_server.port}/postgres"


def test_the_password_may_stand_in_a_password_file(
    tcp_server: TcpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passfile = tmp_path / "passwords"
    passfile.write_text(f"127.0.0.1:*:*:alice:{PASSWORD}\n")
    passfile.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    target = reach(f"host=127.0.0.1 port={tcp_server.port} user=alice dbname=postgres")
    assert "s3cret" not in target.conninfo


def test_a_service_may_name_the_server(
    tcp_server: TcpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "services"
    lines = [f"{key}={value}" for key, value in parse_dsn(tcp_server.dsn()).items()]
    services.write_text("\n".join(["[servers]", *lines, ""]))
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    assert reach("service=servers").shown.startswith("postgresql://alice@")
    monkeypatch.setenv("PGSERVICE", "servers")
    assert reach("").shown.startswith("postgresql://alice@")


def test_connecting_is_given_up_after_five_seconds_unless_the_user_says_otherwise(
    tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parse_dsn(reach(tcp_server.dsn()).conninfo)["connect_timeout"] == "5"
    given = reach(tcp_server.dsn(connect_timeout="9")).conninfo
    assert parse_dsn(given)["connect_timeout"] == "9"
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "8")
    assert "connect_timeout" not in parse_dsn(reach(tcp_server.dsn()).conninfo)


def free_once_the_earlier_have_left(dsn: str, expected: int) -> None:
    wait_until(lambda: reach(dsn).free_connections == expected, f"{expected} connections are free")


def test_the_free_connections_are_what_this_user_could_open(tcp_server: TcpServer) -> None:
    reserved = 3 + int(
        ask(tcp_server.admin, "SELECT coalesce(current_setting('reserved_connections', true), '0')")
    )
    free_once_the_earlier_have_left(tcp_server.admin, 12)
    free_once_the_earlier_have_left(tcp_server.dsn(), 12 - reserved)
    free_once_the_earlier_have_left(tcp_server.dsn(user="limited"), 1)
    assert reach(tcp_server.dsn()).max_connections == 12
    with closing(psycopg2.connect(tcp_server.admin)), closing(psycopg2.connect(tcp_server.dsn())):
        free_once_the_earlier_have_left(tcp_server.dsn(), 12 - reserved - 2)


def test_the_free_connections_are_those_that_can_really_be_opened(tcp_server: TcpServer) -> None:
    free = wait_until(lambda: reach(tcp_server.dsn()).free_connections, "some are free")
    connections = []
    try:
        with pytest.raises(psycopg2.OperationalError):
            for _ in range(13):
                connections.append(psycopg2.connect(tcp_server.dsn()))
        assert len(connections) == free
        error = failure(tcp_server.dsn())
        assert error.code == "53300"
        assert "no connection left" in str(error)
    finally:
        for connection in connections:
            connection.close()


def test_a_users_own_connection_limit_is_named(tcp_server: TcpServer) -> None:
    dsn = tcp_server.dsn(user="limited")
    theirs = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'limited'"
    wait_until(lambda: ask(tcp_server.admin, theirs) == 0, "the earlier ones have left")
    with closing(psycopg2.connect(dsn)):
        error = failure(dsn)
        assert error.code == "53300"
        assert "role limited" in str(error)


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"password": "s3cret"}, "28P01", "refused the password of user alice"),
        ({"user": "nobody-here"}, "28P01", "refused the password of user nobody-here"),
        ({"user": "nologin"}, "28000", "doesn't let user nologin log in"),
        ({"dbname": "nowhere"}, "3D000", "has no database nowhere"),
        ({"dbname": "private"}, "42501", "doesn't let user alice connect to database private"),
        ({"dbname": "unlisted"}, "28000", "doesn't let user alice into database unlisted"),
        ({"dbname": "closed"}, "28000", "doesn't let user alice into database closed"),
        ({"sslmode": "require"}, "08001", "doesn't offer TLS"),
        ({"sslmode": "verify-full", "sslrootcert": "system"}, "08001", "doesn't offer TLS"),
        ({"sslmode": "sometimes"}, None, "The sslmode is sometimes"),
        ({"host": "host.invalid"}, "08001", "host host.invalid isn't known"),
        ({"port": "1"}, "08001", "Nothing listens at 127.0.0.1:1"),
        ({"host": "/no/such/folder"}, "08001", "no socket /no/such/folder/.s.PGSQL"),
        ({"hostaddr": "300.1.1.1"}, None, "hostaddr is 300.1.1.1"),
        ({"connect_timeout": "soon"}, None, "isn't valid"),
        ({"gssencmode": "perhaps"}, None, "option gssencmode is perhaps"),
        ({"service": "unheard-of"}, None, "service unheard-of isn't defined"),
    ],
)
def test_each_failure_has_its_sentence(
    tcp_server: TcpServer, changed: dict[str, str], code: str | None, words: str
) -> None:
    error = failure(tcp_server.dsn(**changed))
    assert words in str(error)
    assert error.code == code


def test_a_missing_password_and_a_wrong_one_are_different_errors(
    tcp_server: TcpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    error = failure(f"host=127.0.0.1 port={tcp_server.port} user=alice dbname=postgres")
    assert "none was given" in str(error)
    assert error.code == "28P01"


def test_a_socket_that_knows_its_callers_names_its_method(tcp_server: TcpServer) -> None:
    error = failure(psycopg2.extensions.make_dsn(tcp_server.admin, user="alice"))
    assert "refused user alice by its Peer authentication" in str(error)
    assert error.code == "28000"


@contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen on a port, where `serve` talks to one client after another."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def loop() -> None:
            while True:
                caller, _ = listener.accept()
                with caller, suppress(OSError):
                    if caller.getpeername()[1] == check.get("port"):
                        return
                    serve(caller)

        check: dict[str, int] = {}
        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with socket.socket() as last:
                last.bind(("127.0.0.1", 0))
                check["port"] = last.getsockname()[1]
                last.connect(listener.getsockname())
                thread.join()


def test_a_port_where_something_else_answers(tcp_server: TcpServer) -> None:
    with answering(lambda caller: caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        for mode in ("disable", "require"):
            error = failure(f"host=127.0.0.1 port={port} sslmode={mode}")
            assert f"127.0.0.1:{port} answers, but not as PostgreSQL does" in str(error)


def test_a_server_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failure(f"host=127.0.0.1 port={silent.getsockname()[1]} connect_timeout=2")
    assert "didn't answer in time" in str(error)


def test_a_server_that_is_shutting_down_is_described_as_that(tcp_server: TcpServer) -> None:
    for what in ("starting up", "shutting down", "in recovery mode"):
        text = (
            'connection to server at "db" (10.0.0.1), port 5432 failed:'
            f" FATAL:  the database system is {what}\n"
        )
        described = describe_error(psycopg2.OperationalError(text), "host=db")
        assert str(described) == f"The server at db:5432 is {what}: try again in a moment."
        assert described.code == "57P03"


def test_a_certificate_that_cannot_be_verified(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    request += ["-subj", "/CN=db.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(request, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def speak_tls(caller: socket.socket) -> None:
        caller.recv(8)
        caller.sendall(b"S")
        with context.wrap_socket(caller, server_side=True) as secure:
            secure.recv(1)

    other = tmp_path / "other.pem"
    request[request.index(str(certificate))] = str(other)
    subprocess.run(request, check=True, capture_output=True)
    with answering(speak_tls) as port:
        dsn = f"host=localhost hostaddr=127.0.0.1 port={port} gssencmode=disable"
        unknown = failure(f"{dsn} sslmode=verify-full sslrootcert={other}")
        assert "certificate that can't be verified" in str(unknown)
        misnamed = failure(f"{dsn} sslmode=verify-full sslrootcert={certificate}")
        assert "certificate for db.example" in str(misnamed)
        missing = failure(f"{dsn} sslmode=verify-full sslrootcert={tmp_path}/none.pem")
        assert "none.pem" in str(missing) and "doesn't exist" in str(missing)


def test_words_in_a_language_unknown_here_are_quoted() -> None:
    text = 'connection to server at "db" (10.0.0.1), port 5432 failed: FATAL:  Nutzer unbekannt\n'
    described = describe_error(psycopg2.OperationalError(text), "host=db password=s3cret")
    assert "Nutzer unbekannt" in str(described)
    assert "db:5432" in str(described)
    assert_one_safe_sentence(described)


@pytest.mark.parametrize(
    "dsn",
    [
        "just words",
        "host=h password=s3cret wörd",
        "oracle://u:s3cret@h/db",
        "postgresql://u:s3cret%zz@h/db",
        "postgresql://u:s3cret@wörd@h/db",
        "postgresql://u:s3cret/wörd@h/db",
        "postgresql://u:x@h:s3cret/db",
        "postgresql://h/db?pasword=s3cret",
        "postgresql://h/db?s3cret",
        "host=h port=s3cret",
        "host=h port=70000",
        "host=h password='s3cret",
        "host=h\0",
    ],
)
def test_a_dsn_that_cannot_be_read_is_the_users_mistake(dsn: str) -> None:
    with pytest.raises(InputError) as caught:
        reach(dsn)
    assert_one_safe_sentence(caught.value)
    assert caught.value.exit_status == 2


def test_a_misspelt_option_is_named_with_the_nearest_real_one() -> None:
    with pytest.raises(InputError, match=r"option sslmod.*is it sslmode\?"):
        reach("host=h sslmod=require")


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_no_text_whatever_gives_anything_but_a_sentence(text: str) -> None:
    try:
        conninfo = conninfo_of(text)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert parse_dsn(conninfo)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40))
def test_any_password_survives_and_is_shown_nowhere(password: str) -> None:
    conninfo = conninfo_of(psycopg2.extensions.make_dsn(host="h", user="u", password=password))
    assert parse_dsn(conninfo)["password"] == password


def test_an_application_name_is_put_into_any_conninfo(conninfo: str) -> None:
    named = with_application_name(conninfo, "poolviz 1a2b")
    assert ask(named, "SHOW application_name") == "poolviz 1a2b"
    again = with_application_name(named, "poolviz 3c4d")
    assert ask(again, "SHOW application_name") == "poolviz 3c4d"
    for changed_by_the_server in ("ö", "x" * 64, "a\nb"):
        with pytest.raises(ValueError, match="application name"):
            with_application_name(conninfo, changed_by_the_server)
