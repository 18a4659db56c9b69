"""The embedded server in ordinary use: started, used, not shared, stopped."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest

from poolviz.model.errors import ServerError
from poolviz.servers.embedded.server import EmbeddedServer
from tests.servers.fixtures import (
    ask,
    assert_gone,
    everything_below,
    home,
    poolviz_process,
    wait_until,
)

__all__ = ["home"]


def watchdog_of(server: EmbeddedServer) -> psutil.Process:
    """The watchdog's process: the parent of the server's main process."""
    return psutil.Process(main_pid(server.conninfo)).parent()


def main_pid(conninfo: str) -> int:
    return int(ask(conninfo, "SELECT pg_read_file('postmaster.pid')").split("\n")[0])


def test_it_answers_as_the_version_it_says(server: EmbeddedServer, conninfo: str) -> None:
    assert ask(conninfo, "SHOW server_version").split()[0] == server.version
    assert ask(conninfo, "SHOW max_connections") == str(server.max_connections)
    assert server.alive


def test_it_has_room_for_three_hundred_connections(conninfo: str) -> None:
    connections = []
    try:
        for _ in range(300):
            connections.append(psycopg2.connect(conninfo, application_name="poolviz many"))
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'poolviz many'"
        assert ask(conninfo, count) == 300
    finally:
        for connection in connections:
            connection.close()


def test_stopping_leaves_no_process_and_a_later_start_finds_the_data(home: Path) -> None:
    with EmbeddedServer.start() as first:
        processes = everything_below(watchdog_of(first))
        with closing(psycopg2.connect(first.conninfo)) as connection:
            connection.cursor().execute("CREATE TABLE kept AS SELECT 42 AS answer")
            connection.commit()
    assert_gone(processes)
    assert not first.alive
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(first.conninfo)
    with EmbeddedServer.start() as second:
        assert ask(second.conninfo, "SELECT answer FROM kept") == 42


def test_stop_may_be_called_again_and_from_several_threads_at_once(home: Path) -> None:
    server = EmbeddedServer.start()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: server.stop(), range(4)))
    server.stop()
    assert not server.alive


def test_a_stop_is_quick_while_clients_are_inside_long_statements(home: Path) -> None:
    server = EmbeddedServer.start()
    entered = threading.Barrier(6)

    def sleep_in_the_server() -> None:
        with closing(psycopg2.connect(server.conninfo)) as connection:
            entered.wait()
            with suppress(psycopg2.Error):
                connection.cursor().execute("SELECT pg_sleep(600)")

    with ThreadPoolExecutor(5) as threads:
        for _ in range(5):
            threads.submit(sleep_in_the_server)
        entered.wait()
        server.stop()
    assert not server.alive


def test_two_started_at_once_from_two_threads_are_two_servers(home: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(lambda _: EmbeddedServer.start(), range(2))
    with one, other:
        assert one.conninfo != other.conninfo
        ask(one.conninfo, "SELECT set_config('poolviz.mine', 'yes', false)")
        one.stop()
        assert ask(other.conninfo, "SELECT 1") == 1
        assert other.alive


def test_two_poolviz_at_once_do_not_disturb_each_other(home: Path) -> None:
    with poolviz_process(home) as (process, other), EmbeddedServer.start() as server:
        assert server.conninfo != other
        process.kill()
        process.wait()
        assert ask(server.conninfo, "SELECT 1") == 1
        with EmbeddedServer.start() as third:  # the folder of the one that was killed
            assert third.conninfo == other


def test_progress_differs_between_the_first_start_and_later_ones(home: Path) -> None:
    first: list[str] = []
    later: list[str] = []
    EmbeddedServer.start(first.append).stop()
    EmbeddedServer.start(later.append).stop()
    assert [line.split()[0] for line in first] == ["Preparing", "Starting"]
    assert [line.split()[0] for line in later] == ["Starting"]


def test_settings_of_the_users_environment_lead_nowhere_else(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = {
        "PGHOST": "127.0.0.1",
        "PGHOSTADDR": "127.0.0.1",
        "PGPORT": "1",
        "PGUSER": "somebody",
        "PGDATABASE": "something",
        "PGOPTIONS": "-c search_path=nowhere",
        "PGSSLMODE": "verify-full",
        "PGTARGETSESSIONATTRS": "standby",
    }
    for key, value in elsewhere.items():
        monkeypatch.setenv(key, value)
    assert ask(server.conninfo, "SHOW search_path") == '"$user", public'


def test_the_servers_own_environment_holds_nothing_of_the_users(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with EmbeddedServer.start() as server:
        environment = psutil.Process(main_pid(server.conninfo)).environ()
        assert not {"PGPORT", "PGHOST"} & environment.keys()
        assert environment["LC_ALL"] == "C"


def test_a_path_too_long_for_a_socket_still_gets_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform != "linux":
        pytest.skip("abstract sockets are Linux's")
    monkeypatch.setenv("POOLVIZ_HOME", str(home / ("long" * 25)))
    with EmbeddedServer.start() as server:
        assert ask(server.conninfo, "SELECT 1") == 1
        assert "@poolviz-" in server.conninfo


def test_a_path_with_odd_characters_works(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOLVIZ_HOME", str(home / "ö 'a', \"b\""))
    with EmbeddedServer.start() as server:
        assert ask(server.conninfo, "SELECT 1") == 1


def test_a_server_that_dies_is_seen_and_can_still_be_stopped(home: Path) -> None:
    server = EmbeddedServer.start()
    processes = everything_below(watchdog_of(server))
    psutil.Process(main_pid(server.conninfo)).kill()
    wait_until(lambda: not server.alive, "the server's death is seen")
    server.stop()
    assert_gone(processes)
    with EmbeddedServer.start() as again:
        assert ask(again.conninfo, "SELECT 1") == 1


def test_the_target_it_gives_can_be_worked_against(server: EmbeddedServer) -> None:
    target = server.target()
    assert target.embedded
    assert ask(target.conninfo, "SELECT 1") == 1
    assert target.free_connections == target.max_connections == server.max_connections


def test_a_watchdog_without_a_job_ends(server: EmbeddedServer) -> None:
    from poolviz.servers.embedded import watchdog

    done = subprocess.run(
        [sys.executable, "-I", "-S", str(Path(watchdog.__file__))],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_home_that_is_a_file_is_one_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("POOLVIZ_HOME", str(home / "file"))
    with pytest.raises(ServerError, match="POOLVIZ_HOME to a folder") as caught:
        EmbeddedServer.start()
    assert "\n" not in str(caught.value)


def test_a_folder_that_others_may_write_to_is_refused(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres").chmod(0o777)
    with pytest.raises(ServerError, match="isn't yours alone"):
        EmbeddedServer.start()


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from poolviz.servers.embedded import server as embedded

    monkeypatch.setitem(embedded._SETTINGS, "shared_buffers", "nonsense")
    before = psutil.Process().children()
    with pytest.raises(
        ServerError, match=r"didn't start in .*shared_buffers.*server\.log"
    ) as caught:
        EmbeddedServer.start()
    assert "\n" not in str(caught.value)
    assert psutil.Process().children() == before
    monkeypatch.setitem(embedded._SETTINGS, "shared_buffers", "64MB")
    with EmbeddedServer.start() as server:  # its folder is free again
        assert f"{home}/postgres/0/" in server.conninfo
