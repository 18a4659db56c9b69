"""However poolviz ends, no server stays; whatever was left behind, the next start works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from poolviz.model.errors import ServerError
from poolviz.servers.embedded.binaries import find_binaries
from poolviz.servers.embedded.cluster import Cluster
from poolviz.servers.embedded.server import EmbeddedServer
from poolviz.servers.embedded.watchdog import server_environment
from poolviz.system.os_account import server_account
from tests.commands.trials import small_disk
from tests.servers.embedded.test_server import main_pid
from tests.servers.fixtures import (
    ask,
    assert_gone,
    everything_below,
    home,
    poolviz_process,
    wait_until,
)

__all__ = ["home"]


def data_of(home: Path) -> Path:
    return home / "postgres" / "0" / "data"


def assert_next_start_works(home: Path) -> None:
    with EmbeddedServer.start() as server:
        assert ask(server.conninfo, "SELECT 1") == 1
        assert str(data_of(home)) in server.conninfo


def test_killing_poolviz_leaves_no_server(home: Path) -> None:
    with poolviz_process(home) as (process, conninfo):
        assert ask(conninfo, "SELECT 1") == 1
        below = everything_below(psutil.Process(process.pid))
        process.kill()
        assert len(below) > 2
        assert_gone(below)
    assert_next_start_works(home)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a parent's death")
def test_killing_poolviz_and_the_watchdog_leaves_no_server(home: Path) -> None:
    with poolviz_process(home) as (process, _):
        below = everything_below(psutil.Process(process.pid))
        [watchdog] = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGSTOP)  # so that neither outlives the other noticeably
        watchdog.kill()
        process.kill()
        assert_gone(below)
    assert_next_start_works(home)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a parent's death")
def test_killing_the_watchdog_ends_the_server_and_poolviz_sees_it(home: Path) -> None:
    with EmbeddedServer.start() as server:
        watchdog = psutil.Process(main_pid(server.conninfo)).parent()
        below = everything_below(watchdog)
        watchdog.kill()
        wait_until(lambda: not server.alive, "the watchdog's death is seen")
    assert_gone(below)


def test_killing_everything_at_once_needs_no_repair(home: Path) -> None:
    with poolviz_process(home) as (process, conninfo):
        ask(conninfo, "SELECT count(*) FROM generate_series(1, 1000)")
        below = everything_below(psutil.Process(process.pid))
        for victim in below:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        assert_gone(below)
    assert (data_of(home) / "postmaster.pid").exists()
    assert_next_start_works(home)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_what_a_terminal_sends_does_not_reach_the_server(home: Path) -> None:
    with poolviz_process(home) as (process, conninfo):
        [watchdog] = psutil.Process(process.pid).children()
        assert os.getsid(watchdog.pid) != os.getsid(process.pid)
        for request in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            watchdog.send_signal(request)
        assert ask(conninfo, "SELECT 1") == 1
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_lock_file_of_a_process_that_is_no_more_is_removed(home: Path) -> None:
    EmbeddedServer.start().stop()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    leave_lock_file(home, ended.pid)
    assert_next_start_works(home)


def test_a_lock_file_whose_number_is_now_another_program_is_removed(home: Path) -> None:
    EmbeddedServer.start().stop()
    leave_lock_file(home, os.getpid())
    assert_next_start_works(home)


def test_a_lock_file_full_of_rubbish_is_removed(home: Path) -> None:
    EmbeddedServer.start().stop()
    (data_of(home) / "postmaster.pid").write_bytes(b"\xff\x00rubbish")
    assert_next_start_works(home)


def leave_lock_file(home: Path, pid: int) -> None:
    data = data_of(home)
    lines = [str(pid), str(data), "1700000000", "5432", str(data), "", "     1         2", "ready"]
    (data / "postmaster.pid").write_text("\n".join(lines) + "\n")
    (data / ".s.PGSQL.5432.lock").write_text("\n".join(lines[:5]) + "\n")


def test_a_server_that_was_left_running_is_ended_first(home: Path) -> None:
    EmbeddedServer.start().stop()
    data = data_of(home)
    account = server_account()
    binaries = find_binaries(account, home / "postgres")
    with subprocess.Popen(
        [binaries.program("postgres"), "-D", data, "-k", data, "-h", ""],
        cwd="/",
        env=server_environment(),
        stderr=subprocess.DEVNULL,
        **(account.popen() if account else {}),
    ) as orphan:
        pid_file = data / "postmaster.pid"
        wait_until(
            lambda: pid_file.exists() and "ready" in pid_file.read_text(), "the orphan is ready"
        )
        below = everything_below(psutil.Process(orphan.pid))
        assert_next_start_works(home)
        assert orphan.wait(30) == 0
        assert_gone(below)


def test_corrupt_data_is_created_again_and_reported(home: Path) -> None:
    EmbeddedServer.start().stop()
    control = data_of(home) / "global" / "pg_control"
    control.write_bytes(b"\0" * control.stat().st_size)
    said: list[str] = []
    with EmbeddedServer.start(said.append) as server:
        assert ask(server.conninfo, "SELECT 1") == 1
    assert any("created again" in line for line in said)


def test_data_of_another_major_version_is_created_again(home: Path) -> None:
    EmbeddedServer.start().stop()
    (data_of(home) / "PG_VERSION").write_text("13\n")
    assert_next_start_works(home)
    assert (data_of(home) / "PG_VERSION").read_text() != "13\n"


def test_data_of_an_interrupted_initdb_is_never_used(home: Path) -> None:
    unfinished = home / "postgres" / "0" / "data-new-12345678"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    assert_next_start_works(home)
    assert not unfinished.exists()


@pytest.mark.parametrize("megabytes", [8, 16, 20, 24, 28])
def test_a_full_disk_is_the_reason_that_is_given(
    home: Path, monkeypatch: pytest.MonkeyPatch, megabytes: int
) -> None:
    small = home / "small"
    with small_disk(small, f"{megabytes}m"):
        monkeypatch.setenv("POOLVIZ_HOME", str(small))
        with pytest.raises(ServerError, match=r"No space left on device.*with room to write"):
            EmbeddedServer.start()
        assert not list(small.rglob("data*"))
    # The guard looks for the shared memory of initdb's servers, which crash at some of these sizes.


@pytest.mark.parametrize("moment", ["Preparing", "Starting"])
def test_a_start_that_is_cancelled_ends_soon_and_leaves_nothing(home: Path, moment: str) -> None:
    cancelled = threading.Event()

    def progress(words: str) -> None:
        if words.startswith(moment):
            cancelled.set()

    before = psutil.Process().children()
    began = time.monotonic()
    with pytest.raises(ServerError, match="cancelled"):
        EmbeddedServer.start(progress, cancelled)
    assert time.monotonic() - began < 15
    assert psutil.Process().children() == before
    assert not list(home.rglob("data-new-*"))
    Cluster.claim(home / "postgres", None).release()  # its folder is free
