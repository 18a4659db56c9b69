"""The folders of the embedded server: claimed by one poolviz at a time, made, cleaned, released.

base/0/lock           held while a poolviz uses this folder; the lock ends with its process
base/0/pg_hba.conf    who gets in, written anew at every start
base/0/pg_ident.conf
base/0/server.log
base/0/data/          PostgreSQL's own; only `data` belongs to the lent account, under root
base/1/ …             for a second poolviz at the same time
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from platformdirs import user_data_path

from poolviz.model.errors import ServerError
from poolviz.servers.embedded.binaries import Binaries
from poolviz.servers.embedded.watchdog import NO_WINDOW, server_environment
from poolviz.system.os_account import OsAccount, own_name

ROLE = "postgres"  # the server's one role, a superuser
_AT_ONCE = 100  # so many poolviz may run a server at the same time
_INITDB_LIMIT = 120.0  # seconds; 0.5 is usual
_GONE_LIMIT = 5.0  # seconds for a left-over server to end before it is asked harder


def base_folder() -> Path:
    """Where all of poolviz's servers live, made where it is missing; ServerError if it can't be."""
    chosen = os.environ.get("POOLVIZ_HOME")
    as_root = sys.platform != "win32" and os.geteuid() == 0
    if chosen:
        home = Path(chosen).absolute()
    elif as_root:
        home = Path("/var/lib/poolviz")  # root's own home is closed to the account that serves
    else:
        home = user_data_path("poolviz", appauthor=False)
    base = home / "postgres"
    try:
        _make_folder(base, 0o755 if as_root else 0o700)
        _check_ownership(base)
    except OSError as error:
        raise ServerError(
            f"Can't keep the embedded PostgreSQL in {base} ({error.strerror}): let the environment "
            "variable POOLVIZ_HOME name a folder that you may write to."
        ) from None
    return base


def _make_folder(folder: Path, mode: int) -> None:
    """Make `folder` and its missing parents with `mode`, whatever the umask; leave others alone."""
    if folder.is_dir():
        return
    _make_folder(folder.parent, mode)
    with suppress(FileExistsError):  # another poolviz was faster
        folder.mkdir(mode)
        folder.chmod(mode)


def _check_ownership(folder: Path) -> None:
    """Refuse a folder that another user could put things into: what lies there is executed."""
    if sys.platform == "win32":
        return
    status = folder.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise ServerError(
            f"The folder {folder} isn't yours alone (it belongs to another user, or others may "
            "write to it): let the environment variable POOLVIZ_HOME name another."
        )


class Cluster:
    """One numbered folder, held by its lock until `release`. Used by one thread at a time."""

    def __init__(self, folder: Path, lock: FileLock, account: OsAccount | None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.hba = folder / "pg_hba.conf"
        self.ident = folder / "pg_ident.conf"
        self.account = account
        self._lock = lock

    @classmethod
    def claim(cls, base: Path, account: OsAccount | None) -> Cluster:
        """The first folder that no other poolviz uses. ServerError where there is none."""
        try:
            for number in range(_AT_ONCE):
                folder = base / str(number)
                _make_folder(folder, 0o755 if account else 0o700)
                _check_ownership(folder)
                lock = FileLock(folder / "lock", timeout=0, thread_local=False, mode=0o600)
                with suppress(Timeout):
                    lock.acquire()
                    return cls(folder.resolve(), lock, account)
        except (OSError, NotImplementedError) as error:
            raise ServerError(
                f"Can't lock a folder for the embedded PostgreSQL in {base} ({error}): let the "
                "environment variable POOLVIZ_HOME name a folder on a local disk."
            ) from None
        raise ServerError(
            f"All {_AT_ONCE} folders in {base} are in use by other poolviz: end some of them."
        )

    def release(self) -> None:
        """Let another poolviz have the folder. May be called again."""
        self._lock.release(force=True)

    def fits(self, binaries: Binaries) -> bool:
        """Whether the data is there and of these programs' major version."""
        try:
            return (self.data / "PG_VERSION").read_text().strip() == str(binaries.major)
        except OSError:
            return False

    def make(self, binaries: Binaries) -> None:
        """Initialise the data anew, under its name only once it is complete."""
        if self.data.exists():
            shutil.rmtree(self.data)
        for leftover in self.folder.glob("data-new-*"):
            # Its initdb was cut short, or outlived its poolviz and still writes: then next time.
            shutil.rmtree(leftover, ignore_errors=True)
        new = self.folder / f"data-new-{secrets.token_hex(4)}"
        new.mkdir(mode=0o700)
        if sys.platform != "win32" and self.account is not None:
            os.chown(new, self.account.uid, self.account.gid)
        command = [str(binaries.program("initdb")), "-D", str(new), "-U", ROLE]
        command += ["-E", "UTF8", "--locale=C"]
        # Its own pg_hba.conf lets nobody in; the server is told to read ours instead.
        command += ["--auth=reject", "--no-sync", "--wal-segsize=1"]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_INITDB_LIMIT,
                check=False,
                cwd=self.folder.anchor,
                env=server_environment(),
                creationflags=NO_WINDOW,
                **(self.account.popen() if self.account else {}),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._unmade(str(error)) from None
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error:" in line]
            raise self._unmade((errors or done.stderr.splitlines() or ["no reason given"])[-1])
        new.rename(self.data)

    def _unmade(self, reason: str) -> ServerError:
        who = f" as the user {self.account.name}" if self.account else ""
        return ServerError(
            f"PostgreSQL can't prepare its data in {self.folder}{who} ({reason}): let the "
            "environment variable POOLVIZ_HOME name a folder"
            f"{' that every user can pass through' if self.account else ' with room to write'}."
        )

    def write_access(self) -> None:
        """Let in the user that runs poolviz and nobody else, as the kernel names the caller."""
        if sys.platform == "win32":
            self.hba.write_text("host all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8")
            self.ident.write_text("", encoding="utf-8")
            return
        name = own_name().replace('"', '""')
        self.hba.write_text("local all all peer map=poolviz\n", encoding="utf-8")
        self.ident.write_text(f'poolviz "{name}" {ROLE}\n', encoding="utf-8")
        for path in (self.hba, self.ident):
            path.chmod(0o644)  # read by the lent account; no secret stands in them

    def clear_stale(self) -> None:
        """End what an earlier poolviz left behind in this folder, and remove its lock files."""
        pid_file = self.data / "postmaster.pid"
        if pid_file.exists():
            _end(self._left_over(), _first_number(pid_file))
        for stale in [pid_file, *self.data.glob(".s.PGSQL.*")]:
            stale.unlink(missing_ok=True)

    def _left_over(self) -> list[psutil.Process]:
        """Processes of PostgreSQL that work in this folder. The number in a left-over lock file
        alone says little: it may by now be any other program's."""
        found = []
        for process in psutil.process_iter(["name"]):
            if (process.info["name"] or "").startswith("postgres"):
                with suppress(psutil.Error, OSError):
                    if Path(process.cwd()) == self.data:
                        found.append(process)
        return found

    def log_end(self) -> str:
        """What the log says of a failure, on one line: its last fatal words, or its last line."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
        return (fatal or lines or ["its log is empty"])[-1]


def _first_number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _end(processes: list[psutil.Process], main: int | None) -> None:
    """End a left-over server: its main process the orderly way, then whatever is still there."""
    chief = [process for process in processes if process.pid == main]
    if sys.platform != "win32":
        for request in (signal.SIGINT, signal.SIGQUIT):
            for process in chief:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(request)
            chief = psutil.wait_procs(chief, timeout=_GONE_LIMIT)[1]
    _, left = psutil.wait_procs(processes, timeout=1.0)  # those without a main process end too
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _, left = psutil.wait_procs(left, timeout=_GONE_LIMIT)
    if left:
        raise ServerError(
            f"A PostgreSQL that an earlier poolviz left behind (process {left[0].pid}) can't be "
            "ended: end it yourself, then start again."
        )
