"""The folder of an embedded server, claimed by one poolviz at a time.

base/0/lock           held while a poolviz uses this folder; the lock ends with its process
base/0/pg_hba.conf    who may connect, written at every start
base/0/pg_ident.conf
base/0/server.log
base/0/data/          PostgreSQL's data, owned by the account that runs the server
base/1/ …             for a second poolviz at the same time
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from poolviz.language import tr
from poolviz.model.errors import ServerError
from poolviz.servers.embedded import watchdog
from poolviz.servers.embedded.binaries import Binaries
from poolviz.system import interrupts
from poolviz.system.folders import home, make_folder
from poolviz.system.os_account import OsAccount, user_name

ROLE = "postgres"  # the server's one role, a superuser
_AT_ONCE = 100  # servers of different poolviz processes at the same time
_INITDB_LIMIT = 120.0  # seconds; 0.5 is usual
_STOP_LIMIT = 15.0  # seconds; more than the watchdog takes until it kills the server
_KILL_LIMIT = 5.0  # seconds for a killed watchdog to be gone
_POLL = 0.005  # seconds between two looks at initdb
_ERROR = re.compile(r"\b(?:error|FATAL|PANIC):\s*(.+)")  # in what PostgreSQL's programs say
_LEAST_SPACE = 1 << 20  # bytes; with less, PostgreSQL can't even log why it doesn't start
_logger = logging.getLogger(__name__)


def base_folder() -> Path:
    """Return the folder of all embedded servers, created if necessary. Raises ServerError."""
    as_root = sys.platform != "win32" and os.geteuid() == 0
    if as_root and not os.environ.get("POOLVIZ_HOME"):
        base = Path("/var/lib/poolviz/postgres")  # the server's account can't enter root's home
    else:
        base = home() / "postgres"
    try:
        make_folder(base)
        _check_ownership(base)
    except OSError as error:
        raise ServerError(
            tr(
                "Can't keep the embedded PostgreSQL in {base} ({reason})",
                base=base,
                reason=error.strerror,
            ),
            advice=tr(
                "set the environment variable POOLVIZ_HOME to a folder that you may write to."
            ),
        ) from None
    return base


def _check_ownership(folder: Path) -> None:
    """Raise ServerError if another user could put files into `folder`: they would be executed."""
    if sys.platform == "win32":
        return
    status = folder.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise ServerError(
            tr(
                "The folder {folder} isn't yours alone (it belongs to another user, or "
                "others may write to it)",
                folder=folder,
            ),
            advice=tr("set the environment variable POOLVIZ_HOME to another folder."),
        )


class Cluster:
    """One numbered folder, locked until `release`. Used by one thread at a time."""

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
        """Lock the first folder that no other poolviz uses. Raises ServerError if there is none.
        `account` runs the server (None: the current user)."""
        try:
            for number in range(_AT_ONCE):
                folder = base / str(number)
                make_folder(folder)
                _check_ownership(folder)
                lock = FileLock(folder / "lock", timeout=0, thread_local=False, mode=0o600)
                with suppress(Timeout):
                    lock.acquire()
                    return cls(folder.resolve(), lock, account)
        except (OSError, NotImplementedError) as error:
            raise ServerError(
                tr(
                    "Can't lock a folder for the embedded PostgreSQL in {base} ({error}): "
                    "set the environment variable POOLVIZ_HOME to a folder on a local disk.",
                    base=base,
                    error=error,
                )
            ) from None
        raise ServerError(
            tr(
                "All {at_once} folders in {base} are in use by other poolviz processes: "
                "end some of them.",
                at_once=_AT_ONCE,
                base=base,
            )
        )

    def release(self) -> None:
        """Unlock the folder for other poolviz processes. May be called again."""
        self._lock.release(force=True)

    def fits(self, binaries: Binaries) -> bool:
        """Return whether there is data of these programs' major version."""
        try:
            return (self.data / "PG_VERSION").read_text().strip() == str(binaries.major)
        except OSError:
            return False

    def make(self, binaries: Binaries, cancelled: threading.Event | None = None) -> None:
        """Replace the data by a new database cluster. `data` appears only when it is complete.
        Raises ServerError, soon if `cancelled` is set."""
        if self.data.exists():
            shutil.rmtree(self.data)
        for leftover in self.folder.glob("data-new-*"):
            # Its initdb was interrupted. If it is still writing, the next start removes it.
            shutil.rmtree(leftover, ignore_errors=True)
        new = self.folder / f"data-new-{secrets.token_hex(4)}"
        new.mkdir(mode=0o700)
        if sys.platform != "win32" and self.account is not None:
            os.chown(new, self.account.uid, self.account.gid)
        command = [str(binaries.program("initdb")), "-D", str(new), "-U", ROLE]
        command += ["-E", "UTF8", "--locale=C"]
        # The server reads `self.hba` instead of the pg_hba.conf that this writes.
        command += ["--auth=reject", "--no-sync", "--wal-segsize=1"]
        if sys.platform != "win32" and binaries.major >= 16:
            # What a server that crashes meanwhile leaves goes with the folder.
            command += ["--set", "dynamic_shared_memory_type=mmap"]
        try:
            self._run_initdb(command, new, cancelled or threading.Event())
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        new.rename(self.data)

    def _run_initdb(self, command: list[str], new: Path, cancelled: threading.Event) -> None:
        """Run initdb below a watchdog, so that it ends with poolviz. ServerError if it fails."""
        process = spawn_watchdog(self.folder, subprocess.PIPE)
        assert process.stdin is not None and process.stderr is not None
        account = self.account
        job = {
            "command": command,
            "makes": str(new),
            "user": account.uid if account else None,
            "group": account.gid if account else None,
        }
        try:
            with suppress(BrokenPipeError):  # it has ended, which shows below
                process.stdin.write(json.dumps(job).encode() + b"\n")
            until = time.monotonic() + _INITDB_LIMIT
            while process.poll() is None:
                if cancelled.wait(_POLL):
                    raise ServerError(tr("PostgreSQL's start was cancelled."))
                if time.monotonic() > until:
                    raise self._initdb_failed(
                        tr("not within {initdb_limit:g} s", initdb_limit=_INITDB_LIMIT)
                    )
            if process.returncode:
                if sys.platform != "win32":  # whoever may still hold the pipe
                    os.set_blocking(process.stderr.fileno(), False)
                said = (process.stderr.read() or b"").decode(errors="replace").splitlines()
                errors = [found[1] for line in said if (found := _ERROR.search(line))]
                silent = tr("initdb ended with status {returncode}", returncode=process.returncode)
                raise self._initdb_failed((errors or said or [silent])[0])
        finally:
            process.stdin.close()
            end_watchdog(process)

    def _initdb_failed(self, reason: str) -> ServerError:
        who = (
            tr(" as the user {account_name}", account_name=self.account.name)
            if self.account
            else ""
        )
        passable = tr(" that every user can pass through") if self.account else ""
        return ServerError(
            tr(
                "PostgreSQL can't create its data in {folder}{who} ({reason}): set the "
                "environment variable POOLVIZ_HOME to a folder{passable} with room to "
                "write.",
                folder=self.folder,
                who=who,
                reason=reason,
                passable=passable,
            )
        )

    def write_access(self) -> None:
        """Let the user that runs poolviz connect, whom the kernel identifies, and no other."""
        if sys.platform == "win32":
            self.hba.write_text("host all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8")
            self.ident.write_text("", encoding="utf-8")
            return
        name = user_name().replace('"', '""')
        self.hba.write_text("local all all peer map=poolviz\n", encoding="utf-8")
        self.ident.write_text(f'poolviz "{name}" {ROLE}\n', encoding="utf-8")
        for path in (self.hba, self.ident):
            path.chmod(0o644)  # the server's account reads them; there is no secret in them

    def clear_stale(self) -> None:
        """End a server that an earlier poolviz left behind here, and remove what it left."""
        pid_file = self.data / "postmaster.pid"
        if pid_file.exists():
            from poolviz.servers.embedded.left_over import end_left_over  # noqa: PLC0415 - psutil

            end_left_over(self.data, _first_number(pid_file))
        watchdog.remove_remains(self.data)

    def log_end(self) -> str:
        """Return the last fatal message in the server's log, or its last line."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
        return (fatal or lines or [self._why_silent()])[-1]

    def _why_silent(self) -> str:
        with suppress(OSError):
            if shutil.disk_usage(self.folder).free < _LEAST_SPACE:
                return tr("there is no space left on its disk")
        return tr("its log is empty")


def spawn_watchdog(folder: Path, messages: IO[bytes] | int) -> subprocess.Popen[bytes]:
    """Start a watchdog, which waits for its job and ends when its standard input does. What it and
    its program say goes to `messages`."""
    if getattr(sys, "frozen", False):
        command = [sys.executable, "_watchdog"]
    else:
        command = [sys.executable, "-I", "-S", str(Path(watchdog.__file__))]
    with interrupts.blocked():
        return subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
            cwd=folder.anchor,
            env={key: value for key, value in os.environ.items() if not key.startswith("PG")},
            start_new_session=True,  # so that Ctrl+C in the terminal doesn't reach the server
            creationflags=watchdog.NO_WINDOW | watchdog.OWN_GROUP,
        )


def end_watchdog(process: subprocess.Popen[bytes]) -> None:
    """Wait for a watchdog whose standard input was closed, and kill it if it doesn't end."""
    try:
        process.wait(_STOP_LIMIT)
    except subprocess.TimeoutExpired:
        _logger.warning("The watchdog didn't end PostgreSQL within %g s", _STOP_LIMIT)
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_KILL_LIMIT)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _first_number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0])
    except (OSError, ValueError):
        return None
