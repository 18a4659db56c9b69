"""The embedded PostgreSQL: started on demand, stopped when poolviz ends, however it ends."""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from poolviz.language import tr
from poolviz.model.errors import ServerError
from poolviz.model.server_name import EMBEDDED
from poolviz.servers.embedded import watchdog
from poolviz.servers.embedded.binaries import Binaries, find_binaries
from poolviz.servers.embedded.cluster import (
    ROLE,
    Cluster,
    base_folder,
    end_watchdog,
    spawn_watchdog,
)
from poolviz.servers.target import Target
from poolviz.system.folders import private_opener
from poolviz.system.os_account import server_account

_logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 1000
_WINDOWS = sys.platform == "win32"
_PORT = 5432  # only in the name of the socket; nothing listens on the network
_SOCKET_LIMIT = 100  # bytes of a socket's whole path; the kernels allow 103 to 107
_START_LIMIT = 60.0  # seconds until a start is given up; 0.1 is usual
_STOP_LIMIT = 25.0  # seconds to wait for a stop in another thread; more than that takes
_POLL = 0.002  # seconds between two reads of the lock file while the server starts

# Without fsync and full page writes, killed processes lose nothing: the kernel has what they wrote.
# A power failure may corrupt the data; then it is created again, because it was synthetic.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "128MB",
    "shared_buffers": "64MB",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_min_messages": "log",  # no failed statements: they are part of the load, and many
    "log_checkpoints": "off",
}


class EmbeddedServer:
    """A running server until `stop`. Every method may be called from any thread.

    `conninfo` holds no secret, except on Windows, where it has a password that is kept in memory
    only; show `target().shown` instead.
    """

    def __init__(
        self, cluster: Cluster, binaries: Binaries, address: Mapping[str, str], conninfo: str
    ) -> None:
        self.conninfo = conninfo
        self.version = binaries.version
        self.max_connections = MAX_CONNECTIONS
        self._cluster, self._binaries = cluster, binaries
        self._command = _command(cluster, binaries, address)
        self._watchdog = _spawn_watchdog(cluster)
        self._guard = threading.Lock()
        self._stopping = self._restarting = False
        self._stopped = threading.Event()
        self._process_lock = threading.Lock()  # held while processes are started or ended

    @classmethod
    def start(
        cls,
        progress: Callable[[str], None] = lambda _: None,
        cancelled: threading.Event | None = None,
    ) -> Self:
        """Start a server and wait until it accepts connections: 0.1 s, or 1 s the first time.

        `progress` is called in this thread with a sentence without its full stop. Raises
        ServerError, one sentence that says why there is no server. Another thread may set
        `cancelled` to have this raise soon.
        """
        cancelled = cancelled or threading.Event()
        account = server_account()
        base = base_folder()
        binaries = find_binaries(account, base)
        cluster = Cluster.claim(base, account)
        try:
            cluster.write_access()
            cluster.clear_stale()
            return cls._start_on(cluster, binaries, progress, cancelled)
        except OSError as error:
            cluster.release()
            raise ServerError(
                tr(
                    "Can't work in {folder} ({error}): free some space there, or set the "
                    "environment variable POOLVIZ_HOME to another folder.",
                    folder=cluster.folder,
                    error=error,
                )
            ) from None
        except BaseException:
            cluster.release()
            raise

    @classmethod
    def _start_on(
        cls,
        cluster: Cluster,
        binaries: Binaries,
        progress: Callable[[str], None],
        cancelled: threading.Event,
    ) -> Self:
        """Start a server on the cluster's data, or on new data if there is none that works."""
        if cluster.fits(binaries):
            progress(tr("Starting PostgreSQL {version}", version=binaries.version))
            problem = ""
            for _ in range(2):  # the watchdog of a killed poolviz may still be stopping its server
                try:
                    return cls._launch(cluster, binaries, cancelled)
                except ServerError as error:
                    if cancelled.is_set():
                        raise
                    problem = str(error)
                cluster.clear_stale()
            _logger.warning("The data in %s is created again. %s", cluster.folder, problem)
            progress(tr("Its data can't be used any more and is created again"))
        progress(tr("Preparing PostgreSQL {version} for its first start", version=binaries.version))
        cluster.make(binaries, cancelled)
        progress(tr("Starting PostgreSQL {version}", version=binaries.version))
        return cls._launch(cluster, binaries, cancelled)

    @classmethod
    def _launch(cls, cluster: Cluster, binaries: Binaries, cancelled: threading.Event) -> Self:
        """Try once to start a server. If this raises, no process is left."""
        address, conninfo = _loopback(cluster, binaries) if _WINDOWS else _socket(cluster)
        server = cls(cluster, binaries, address, conninfo)
        server._bring_up(cancelled)
        return server

    def _bring_up(self, cancelled: threading.Event) -> None:
        """Let the watchdog start the server. If this raises, no process is left."""
        overdue = threading.Timer(_START_LIMIT, self._watchdog.kill)  # which ends every wait below
        overdue.start()
        try:
            self._await_ready(cancelled)
        except BaseException:
            self._end_processes()
            raise
        finally:
            overdue.cancel()
            overdue.join()

    def _await_ready(self, cancelled: threading.Event) -> None:
        """Give the watchdog its job, and return once the server accepts connections."""
        assert self._watchdog.stdin is not None and self._watchdog.stdout is not None
        account = self._cluster.account
        stop = [str(self._binaries.program("pg_ctl")), "stop", "-m", "fast"]
        stop += ["-D", str(self._cluster.data)]
        job = {
            "command": self._command,
            "data": str(self._cluster.data),
            "user": account.uid if account else None,
            "group": account.gid if account else None,
            "stop": stop if _WINDOWS else None,
        }
        with suppress(BrokenPipeError):  # the watchdog has ended; the log says why
            self._watchdog.stdin.write(json.dumps(job).encode() + b"\n")
        answer = self._watchdog.stdout.readline()
        pid = json.loads(answer)["pid"] if answer else None
        pid_file = self._cluster.data / "postmaster.pid"
        while pid is not None and self._watchdog.poll() is None and not self._stopping:
            if cancelled.is_set():
                raise ServerError(tr("PostgreSQL's start was cancelled."))
            if _ready(pid_file, pid):
                _logger.info("PostgreSQL %s runs in %s", self.version, self._cluster.folder)
                return
            time.sleep(_POLL)
        raise ServerError(
            tr(
                "PostgreSQL {version} didn't start in {folder} ({log_end}): see "
                "server.log in that folder.",
                version=self.version,
                folder=self._cluster.folder,
                log_end=self._cluster.log_end(),
            )
        )

    @property
    def alive(self) -> bool:
        """The server runs, or is being restarted. Its watchdog ends when it does."""
        return not self._stopping and (self._restarting or self._watchdog.poll() is None)

    def target(self) -> Target:
        """Return this server as a target for runs."""
        return Target(
            conninfo=self.conninfo,
            shown=EMBEDDED,
            version=self.version,
            max_connections=self.max_connections,
            free_connections=self.max_connections,
            embedded=True,
        )

    def restart(self) -> None:
        """Stop the server and start it again with the same `conninfo`, in about 0.2 s.

        Every connection is lost. Does nothing if the server is being stopped. Raises ServerError
        if the server doesn't start again; then no process is left.
        """
        with self._process_lock:
            if self._stopping:
                return
            self._restarting = True
            try:
                self._end_processes()
                self._watchdog = _spawn_watchdog(self._cluster)
                self._bring_up(threading.Event())
            except (ServerError, OSError) as error:
                if not self._stopping:
                    reason = str(error).removesuffix(".")
                    raise ServerError(
                        tr("PostgreSQL didn't come back: {reason}.", reason=reason)
                    ) from None
            finally:
                self._restarting = False

    def resume(self) -> None:
        """Let the server go on if a run's fault has frozen it and couldn't undo that."""
        from poolviz.servers.freezing import resume_server_in  # noqa: PLC0415 - psutil

        resume_server_in(self._cluster.data)

    def stop(self) -> None:
        """Stop the server and wait for its end, a few seconds at most. May be called again."""
        with self._guard:
            first, self._stopping = not self._stopping, True
        if not first:
            self._stopped.wait(_STOP_LIMIT)
            return
        try:
            with self._process_lock:
                self._end_processes()
        finally:
            self._cluster.release()
            self._stopped.set()

    def _end_processes(self) -> None:
        """Let the watchdog stop the server; if it doesn't, end both."""
        assert self._watchdog.stdin is not None
        with suppress(BrokenPipeError):
            self._watchdog.stdin.close()
        end_watchdog(self._watchdog)
        self._cluster.clear_stale()
        _logger.info("PostgreSQL in %s has ended", self._cluster.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _command(cluster: Cluster, binaries: Binaries, address: Mapping[str, str]) -> list[str]:
    """Return the command that starts the server, with `address` as settings."""
    settings = _SETTINGS | dict(address) | {"max_connections": str(MAX_CONNECTIONS)}
    if sys.platform == "linux" or (sys.platform == "darwin" and binaries.major > 14):
        settings["client_connection_check_interval"] = "1s"  # ends queries of clients that died
    if not _WINDOWS:
        # Files in the data folder, not in /dev/shm, where nobody finds those of a killed server.
        settings["dynamic_shared_memory_type"] = "mmap"
    settings |= {"hba_file": str(cluster.hba), "ident_file": str(cluster.ident)}
    command = [str(binaries.program("postgres")), "-D", str(cluster.data)]
    return command + [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]


def _spawn_watchdog(cluster: Cluster) -> subprocess.Popen[bytes]:
    """Start the watchdog of a server, which logs to the cluster's log."""
    with open(cluster.log, "wb", opener=private_opener) as log:
        return spawn_watchdog(cluster.folder, log)


def _ready(pid_file: Path, pid: int) -> bool:
    """Return whether PostgreSQL's lock file says that process `pid` accepts connections."""
    try:
        lines = pid_file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _socket(cluster: Cluster) -> tuple[dict[str, str], str]:
    """Return settings and conninfo for a socket in the server's folder, or an abstract one."""
    folder = str(cluster.data)
    # A comma would separate two hosts in a conninfo.
    if "," in folder or len(os.fsencode(f"{folder}/.s.PGSQL.{_PORT}")) > _SOCKET_LIMIT:
        if sys.platform != "linux":
            raise ServerError(
                tr(
                    "The path {folder} is too long for a socket, or contains a comma: set "
                    "the environment variable POOLVIZ_HOME to another folder.",
                    folder=folder,
                )
            )
        folder = f"@poolviz-{secrets.token_hex(8)}"
    quoted = '"' + folder.replace('"', '""') + '"'
    address = {"listen_addresses": "", "unix_socket_directories": quoted, "port": str(_PORT)}
    return address, _conninfo(host=folder, port=str(_PORT))


def _loopback(cluster: Cluster, binaries: Binaries) -> tuple[dict[str, str], str]:
    """Return the same for Windows, which has no peer authentication: the loopback interface, and a
    new password that isn't written to disk. Follows the manuals; not yet run on Windows."""
    password = secrets.token_urlsafe(24)
    problem = ""
    try:
        done = subprocess.run(
            [binaries.program("postgres"), "--single", "-D", cluster.data, "postgres"],
            input=f"ALTER ROLE {ROLE} PASSWORD '{password}'\n".encode(),
            capture_output=True,
            timeout=_START_LIMIT,
            check=False,
            env=watchdog.server_environment(),
            creationflags=watchdog.NO_WINDOW,
        )
    except subprocess.TimeoutExpired:
        problem = tr("not within {start_limit:g} s", start_limit=_START_LIMIT)
    else:
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            problem = said[-1] if said else tr("no reason given")
    if problem:
        raise ServerError(
            tr(
                "PostgreSQL's password can't be set in {folder} ({problem}): set the "
                "environment variable POOLVIZ_HOME to another folder.",
                folder=cluster.folder,
                problem=problem,
            )
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    address = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "port": str(port)}
    return address, _conninfo(host="127.0.0.1", port=str(port), password=password)


def _conninfo(**address: str) -> str:
    """Return a conninfo that the user's PG* environment variables can't redirect."""
    from psycopg2.extensions import make_dsn  # noqa: PLC0415 - starting a server needs no driver

    return make_dsn(
        **address,
        hostaddr="",
        user=ROLE,
        dbname="postgres",
        options="",
        sslmode="disable",
        gssencmode="disable",
        target_session_attrs="any",
    )
