"""The account that the server runs under, and who may connect. Root can act as other users."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest

from poolviz.model.errors import ServerError
from poolviz.servers.embedded.binaries import find_binaries
from poolviz.servers.embedded.server import EmbeddedServer
from poolviz.system.os_account import OsAccount
from tests.servers.embedded.test_server import main_pid
from tests.servers.fixtures import ask, home, open_home, open_python

__all__ = ["home", "open_python"]

pwd = pytest.importorskip("pwd")
pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can act as other users"
)


def account(name: str) -> OsAccount:
    entry = pwd.getpwnam(name)
    return OsAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)


def psql_output(server: EmbeddedServer, name: str, home: Path) -> str:
    """Return what psql prints when the user `name` connects with it."""
    other = account(name)
    binaries = find_binaries(other, home)
    done = subprocess.run(
        [binaries.program("psql"), server.conninfo, "-X", "-c", "SELECT 1"],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=30,
        check=False,
        **other.popen(),
    )
    assert done.returncode != 0
    return done.stderr


def test_under_root_the_server_runs_as_nobody_and_in_no_group_else(home: Path) -> None:
    nobody = account("nobody")
    with EmbeddedServer.start() as server:
        main = psutil.Process(main_pid(server.conninfo))
        assert set(main.uids()) == {nobody.uid}
        assert set(main.gids()) == {nobody.gid}
        [groups] = [
            line.split()[1:]
            for line in Path(f"/proc/{main.pid}/status").read_text().splitlines()
            if line.startswith("Groups:")
        ]
        assert groups == []
        assert main.cwd() == f"{home}/postgres/0/data"
        assert Path(main.cwd()).stat().st_mode & 0o777 == 0o700


def test_the_account_that_serves_reaches_the_socket_and_is_refused(home: Path) -> None:
    with EmbeddedServer.start() as server:
        assert "Peer authentication failed" in psql_output(server, "nobody", home)


def test_another_user_cannot_even_reach_the_socket(home: Path) -> None:
    with EmbeddedServer.start() as server:
        assert "Permission denied" in psql_output(server, "daemon", home)


def test_another_user_is_refused_at_a_socket_without_a_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLVIZ_HOME", str(home / ("long" * 25)))
    with EmbeddedServer.start() as server:
        assert "Peer authentication failed" in psql_output(server, "daemon", home)


def test_programs_that_nobody_can_reach_are_copied_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_home() as closed:
        original = find_binaries(None, home).folder.parent
        package = original.parent.name
        shutil.copytree(original, closed / package / original.name, symlinks=True)
        libraries = original.parent.parent / f"{package}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, closed / libraries.name, symlinks=True)
        closed.chmod(0o700)
        monkeypatch.setenv("POOLVIZ_PG_BIN", str(closed / package / original.name / "bin"))
        leftover = home / "postgres" / "programs-new-cut-short"
        leftover.mkdir(parents=True)
        for _ in range(2):
            with EmbeddedServer.start() as server:
                assert ask(server.conninfo, "SELECT 1") == 1
                program = Path(psutil.Process(main_pid(server.conninfo)).exe())
                assert program.is_relative_to(home)
        [copy] = (home / "postgres").glob("programs-*-*")
        assert all(path.stat().st_uid == 0 for path in copy.rglob("*"))
        assert not leftover.exists()
        assert closed.stat().st_mode & 0o777 == 0o700


def test_a_home_that_nobody_can_pass_through_is_one_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "closed").mkdir(mode=0o700)
    monkeypatch.setenv("POOLVIZ_HOME", str(home / "closed"))
    with pytest.raises(ServerError, match=r"as the user nobody .*every user can pass through"):
        EmbeddedServer.start()


def test_an_ordinary_user_with_an_empty_home_has_a_server_of_its_own(
    open_python: tuple[Path, dict[str, str]],
) -> None:
    python, environment = open_python
    daemon = account("daemon")
    code = (
        "import os, psycopg2\n"
        "from poolviz.servers.embedded.server import EmbeddedServer\n"
        "for _ in range(2):\n"
        "    with EmbeddedServer.start() as server:\n"
        "        connection = psycopg2.connect(server.conninfo)\n"
        "        cursor = connection.cursor()\n"
        "        cursor.execute('SHOW data_directory')\n"
        "        folder = cursor.fetchone()[0]\n"
        "        connection.close()\n"
        "print(os.stat(folder).st_uid, folder)\n"
    )
    with open_home() as empty:
        os.chown(empty, daemon.uid, daemon.gid)
        probe = subprocess.run(
            [python, "-c", "import poolviz.servers.embedded.server"],
            capture_output=True,
            env=environment,
            cwd="/",
            timeout=60,
            check=False,
            **daemon.popen(),
        )
        if b"No module named" in probe.stderr or b"Permission denied" in probe.stderr:
            pytest.skip("the checkout or its environment lies where no other user can read it")
        done = subprocess.run(
            [python, "-W", "error", "-c", code],
            capture_output=True,
            text=True,
            env=environment | {"HOME": str(empty)},
            cwd="/",
            timeout=60,
            check=False,
            **daemon.popen(),
        )
        assert done.stderr == ""
        assert done.stdout.split() == [
            str(daemon.uid),
            f"{empty}/.local/share/poolviz/postgres/0/data",
        ]
