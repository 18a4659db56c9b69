"""Whatever is killed or frozen, nothing of a server stays: process, shared memory, lock file."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest

from poolviz.servers.embedded.server import EmbeddedServer
from poolviz.servers.embedded.watchdog import release_shared_memory
from tests.servers.fixtures import (
    PROJECT,
    assert_gone,
    everything_below,
    home,
    poolviz_process,
    wait_until,
)

__all__ = ["home"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux names the memory's creator")


def data_of(home: Path) -> Path:
    return home / "postgres" / "0" / "data"


def segments(creator: int) -> list[str]:
    """The System V segments that a process created."""
    rows = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return [row for row in rows if int(row.split()[4]) == creator]


def remains(data: Path) -> list[str]:
    """What a server has in its folder only while it runs."""
    patterns = ("postmaster.pid", ".s.PGSQL.*", "pg_dynshmem/*")
    return [str(path) for pattern in patterns for path in data.glob(pattern)]


def main_pid(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().split("\n", 1)[0])


def server_line(data: Path) -> tuple[psutil.Process, psutil.Process]:
    """The watchdog of the server in that folder, and the server's main process."""
    main = psutil.Process(main_pid(data))
    watchdog = main.parent()
    assert watchdog is not None
    return watchdog, main


def await_marked(data: Path) -> None:
    """Wait until the segment ends with its last user, which `nattch` of a test can't show."""
    main = main_pid(data)
    wait_until(
        lambda: [row.split()[0] for row in segments(main)] == ["0"], "the segment lost its key"
    )


def parallel_query(conninfo: str) -> None:
    """Have the server use dynamic shared memory, of which it has some from its start."""
    with closing(psycopg2.connect(conninfo)) as connection, connection.cursor() as cursor:
        cursor.execute("SET debug_parallel_query = on")
        cursor.execute("SELECT sum(n) FROM generate_series(1, 1000) AS n")
        assert cursor.fetchone() == (500500,)


def test_no_shared_memory_lies_where_the_system_keeps_that_of_all(home: Path) -> None:
    with EmbeddedServer.start() as server:
        mapped = psutil.Process(main_pid(data_of(home))).memory_maps(grouped=False)
        assert [each.path for each in mapped if "pg_dynshmem" in each.path]
        assert not [each.path for each in mapped if each.path.startswith("/dev/shm")]
        parallel_query(server.conninfo)
        assert remains(data_of(home))  # the patterns find something while it runs
    assert not remains(data_of(home))


@pytest.mark.parametrize("victims", ["server", "watchdog", "poolviz", "poolviz and watchdog"])
def test_nothing_stays_of_what_is_killed(home: Path, victims: str) -> None:
    data = data_of(home)
    with poolviz_process(home) as (process, conninfo):
        parallel_query(conninfo)
        await_marked(data)
        watchdog, main = server_line(data)
        below = everything_below(main)
        named = {"server": main, "watchdog": watchdog, "poolviz": process}
        if "and" in victims:
            os.kill(process.pid, signal.SIGSTOP)  # so that neither outlives the other noticeably
        for name in reversed(victims.split(" and ")):
            named[name].kill()
        assert_gone(below)
        wait_until(lambda: not remains(data), "the watchdog or PostgreSQL has tidied")
        assert not segments(main.pid)


def test_the_server_and_its_watchdog_killed_together_are_tidied_by_poolviz(home: Path) -> None:
    data = data_of(home)
    with EmbeddedServer.start() as server:
        await_marked(data)
        watchdog, main = server_line(data)
        below = everything_below(watchdog)
        watchdog.suspend()
        main.kill()
        watchdog.kill()
        assert_gone(below)
        assert not segments(main.pid)
        wait_until(lambda: not server.alive, "the server's death is seen")
    assert not remains(data)


def test_everything_killed_at_once_leaves_no_shared_memory(home: Path) -> None:
    data = data_of(home)
    with poolviz_process(home) as (process, _):
        await_marked(data)
        main = main_pid(data)
        below = everything_below(psutil.Process(process.pid))
        for victim in below:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        assert_gone(below)
        assert not segments(main)
    with EmbeddedServer.start():
        pass
    assert not remains(data)


def test_the_memory_of_a_server_that_lost_a_backend_ends_with_it_too(home: Path) -> None:
    data = data_of(home)
    with EmbeddedServer.start() as server:
        await_marked(data)
        main = main_pid(data)
        [first] = segments(main)
        with closing(psycopg2.connect(server.conninfo)) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
            # The main process stays, and makes its memory anew.
            wait_until(lambda: segments(main) not in ([first], []), "there is other memory")
        await_marked(data)
        os.kill(main, signal.SIGKILL)
        wait_until(lambda: not server.alive, "the server's death is seen")
        assert not segments(main)
        assert not remains(data)


@pytest.mark.parametrize("frozen", ["main", "backends", "all"])
def test_a_frozen_server_is_ended_with_poolviz(home: Path, frozen: str) -> None:
    data = data_of(home)
    with poolviz_process(home) as (process, conninfo):
        await_marked(data)
        _, main = server_line(data)
        with closing(psycopg2.connect(conninfo)):
            below = everything_below(main)
            for each in {"main": below[:1], "backends": below[1:], "all": below}[frozen]:
                each.suspend()
            process.kill()
            assert_gone(below)
        wait_until(lambda: not remains(data), "the watchdog has tidied")
        assert not segments(main.pid)


def test_backends_that_are_frozen_when_the_server_is_killed_end(home: Path) -> None:
    data = data_of(home)
    with EmbeddedServer.start() as server:
        _, main = server_line(data)
        with closing(psycopg2.connect(server.conninfo)):
            below = everything_below(main)
            for each in below[1:]:
                each.suspend()
            main.kill()
            assert_gone(below)
        wait_until(lambda: not server.alive, "the server's death is seen")
        assert not remains(data)


def test_memory_of_another_program_is_never_touched(home: Path) -> None:
    data = data_of(home)
    with EmbeddedServer.start():
        await_marked(data)
        lines = (data / "postmaster.pid").read_text().splitlines()
        mine = segments(int(lines[0]))[0].split()[1]
        assert lines[6].split()[1] == mine
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    with other_segment() as (creator, key, shmid):
        for pid, its_key in ((os.getpid(), key), (creator, key + 1)):
            lines[0], lines[6] = str(pid), f"{its_key} {shmid}"
            (elsewhere / "postmaster.pid").write_text("\n".join(lines))
            assert not release_shared_memory(elsewhere)
            assert [row.split()[:2] for row in segments(creator)] == [[str(key), shmid]]


@contextmanager
def other_segment() -> Iterator[tuple[int, int, str]]:
    """A segment that a process of another program created: creator, key and id."""
    with subprocess.Popen(
        [sys.executable, "-c", _SEGMENT], stdin=-1, stdout=-1, text=True, cwd=PROJECT
    ) as process:
        assert process.stdout is not None
        shmid = process.stdout.readline().strip()
        [row] = segments(process.pid)
        yield process.pid, int(row.split()[0]), shmid
        process.communicate("")
    assert process.returncode == 0


_SEGMENT = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
shmid = libc.shmget(0x5eed0000 + os.getpid(), 100, 0o1600)
print(shmid, flush=True)
sys.stdin.read()
assert libc.shmctl(shmid, 0, None) == 0
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="for root alone")
def test_root_without_all_its_capabilities_leaves_nothing_either(home: Path) -> None:
    """As in a container: root then may remove another account's memory only as that account."""
    code = (
        "import sys\n"
        "from poolviz.servers.embedded.server import EmbeddedServer\n"
        "server = EmbeddedServer.start()\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    drop = ["setpriv", "--bounding-set", "-sys_admin,-ipc_owner", "--inh-caps", "-all"]
    with subprocess.Popen(
        [*drop, sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env=os.environ | {"POOLVIZ_HOME": str(home)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        await_marked(data_of(home))
        watchdog, main = server_line(data_of(home))
        below = everything_below(main)
        main.kill()
        assert_gone(below)
        wait_until(lambda: not segments(main.pid), "the memory is gone")
        process.kill()
        assert_gone([watchdog])
