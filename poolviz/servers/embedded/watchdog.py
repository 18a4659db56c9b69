"""The watchdog: a small process that runs one server and stops it when poolviz has ended.

It starts the server as its child and then waits for the end of its standard input. poolviz holds
the other end of that pipe, which the operating system closes however poolviz ends, by SIGKILL too.
The watchdog runs as a program of its own, so it imports nothing but the standard library.

The first line of its input is the job as JSON: `command` (the server's), `data` (its data folder),
`user` and `group` (the account to run it under, or null), `stop` (a command that stops the server
where signals can't, or null). It answers with one line, `{"pid": …}`, once the server's process
exists. A job with `makes` instead of `data` and `stop` is a program that makes that folder, such as
initdb: it isn't answered, and the folder is removed if poolviz ends first. It exists already.

A server that is killed can't remove what it shares with its processes: lock files, its socket, and
a segment of System V memory. On Linux the watchdog has the kernel remove that segment with the last
process that uses it, whoever is killed; the rest it removes itself when the server has ended.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

STOP_LIMIT = 5.0  # seconds for a fast shutdown, then for an immediate one, then it is killed
_ORPHAN_LIMIT = 1.0  # seconds for processes of a server that was killed to see it and end
_STARTING, _RUNNING = 0.01, 1.0  # seconds between two looks for the server's shared memory
if sys.platform == "win32":
    NO_WINDOW = subprocess.CREATE_NO_WINDOW
    OWN_GROUP = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    NO_WINDOW = OWN_GROUP = 0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_IPC_RMID = 0


def server_environment() -> dict[str, str]:
    """Return the environment for PostgreSQL's programs: without the user's PG* settings, with
    untranslated messages, and without the library path of the bundle that poolviz may run from."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
    kept["LC_ALL"] = "C"
    if getattr(sys, "frozen", False):
        original = kept.pop("LD_LIBRARY_PATH_ORIG", None)
        kept.pop("LD_LIBRARY_PATH", None)
        if original is not None:
            kept["LD_LIBRARY_PATH"] = original
    return kept


def _tied_to(watchdog: int) -> Callable[[], None] | None:
    """Return what the server's process does before it becomes PostgreSQL: ask Linux to send it
    SIGINT, a fast shutdown, when the watchdog dies. Then killing poolviz and the watchdog together
    leaves no server either."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # before the fork, after which it isn't safe

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
        if os.getppid() != watchdog:  # it died before the request was made
            os._exit(1)

    return tie


def release_shared_memory(data: Path, account: int | None = None) -> bool:
    """Have the kernel remove the System V segment of the server in the folder `data` as soon as no
    process uses it; those that do keep it. Return whether that is so. Does nothing except on Linux.

    PostgreSQL creates the segment as a sign that the folder is in use, and replaces it after a
    backend crashed; the sign still works. When PostgreSQL ends, it logs that it couldn't remove the
    segment. `account` owns the segment: root without all its capabilities has to act as its owner.
    """
    if sys.platform != "linux":
        return False
    segment = _segment(data / "postmaster.pid")
    if segment is None:
        return False
    return _remove_segment(segment, account)


def _remove_segment(segment: int, account: int | None) -> bool:
    """Mark a segment for removal, as `account` if need be. Return whether it is."""
    if sys.platform != "linux":
        return False
    shmctl = ctypes.CDLL(None, use_errno=True).shmctl
    if shmctl(segment, _IPC_RMID, None) == 0:
        return True
    if ctypes.get_errno() != errno.EPERM or account is None:
        return False
    os.seteuid(account)
    try:
        return bool(shmctl(segment, _IPC_RMID, None) == 0)
    finally:
        os.seteuid(0)


def _remove_unused_segments(inode: int, account: int | None) -> None:
    """Remove System V memory of servers in the folder with this inode that have crashed: the folder
    and its lock file may be gone, but PostgreSQL makes the segment's key from the inode. Does
    nothing except on Linux."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        for row in Path("/proc/sysvipc/shm").read_text(encoding="utf-8").splitlines()[1:]:
            key, segment, _, _, creator, _, users, *_ = map(int, row.split())
            of_folder = key & 0xFFFFFFFF == inode & 0xFFFFFFFF
            if of_folder and users == 0 and not Path(f"/proc/{creator}").exists():
                _remove_segment(segment, account)


def _segment(pid_file: Path) -> int | None:
    """Return the id of the segment that the server's lock file names, if it is still that server's:
    ids are used again, so its creator has to be the process in the first line."""
    try:
        lines = pid_file.read_text(encoding="utf-8", errors="replace").splitlines()
        server, (key, segment) = int(lines[0]), map(int, lines[6].split())
        rows = Path("/proc/sysvipc/shm").read_text(encoding="utf-8").splitlines()[1:]
    except (OSError, ValueError, IndexError):
        return None
    for row in rows:
        found_key, found, _, _, creator, *_ = map(int, row.split())
        # The key is 0 once the segment is marked for removal.
        if found == segment and creator == server and found_key in (key, 0):
            return segment
    return None


def remove_remains(data: Path) -> None:
    """Remove what a dead server left in its data folder: lock files, socket, shared memory.
    No server may be running there."""
    release_shared_memory(data)
    pid_file = data / "postmaster.pid"
    for stale in [*data.glob("pg_dynshmem/mmap.*"), *data.glob(".s.PGSQL.*"), pid_file]:
        stale.unlink(missing_ok=True)


def _start(job: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start the server as a child of this process."""
    account: dict[str, Any] = {}
    if job["user"] is not None:
        account = {"user": job["user"], "group": job["group"], "extra_groups": []}
    return subprocess.Popen(
        job["command"],
        stdin=subprocess.DEVNULL,
        stdout=2,  # the log, which poolviz gave this process as standard error
        stderr=2,
        env=server_environment(),
        # It runs after the change of account, which would undo it. Safe with a single thread.
        preexec_fn=_tied_to(os.getpid()),  # noqa: PLW1509
        creationflags=NO_WINDOW,
        **account,
    )


def _stop(
    server: subprocess.Popen[bytes], ended: threading.Event, command: list[str] | None
) -> None:
    """Stop the server: a fast shutdown, then an immediate one, then SIGKILL."""
    if command is not None:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if ended.wait(STOP_LIMIT):
            return
    elif sys.platform != "win32":
        for request in (signal.SIGINT, signal.SIGQUIT):
            server.send_signal(request)
            for pid in [server.pid, *_children(server.pid)]:  # a frozen one wouldn't hear it
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            if ended.wait(STOP_LIMIT):
                return
    server.kill()


def _children(parent: int) -> list[int]:
    """Return the ids of a process' children; none except on Linux."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            # After the name in brackets, which may contain anything: state, parent.
            fields = entry.read_bytes().rpartition(b")")[2].split()
            if int(fields[1]) == parent:
                found.append(int(entry.parent.name))
    return found


def _adopt_orphans() -> None:
    """Let the children of a server that was killed become this process' own. Only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_orphans() -> None:
    """End the children that a killed server left, which usually end by themselves."""
    if sys.platform != "linux":
        return
    start = time.monotonic()
    while (orphans := _children(os.getpid())) and time.monotonic() < start + 3 * _ORPHAN_LIMIT:
        in_time = time.monotonic() < start + _ORPHAN_LIMIT
        request = signal.SIGCONT if in_time else signal.SIGKILL  # a frozen one sees nothing
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, request)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def _read_line() -> bytes:
    """Return the first line of standard input, or less than a line if the input ended."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def _make(job: dict[str, Any]) -> int:
    """Run a program that makes a folder; end it and remove the folder if poolviz ends first."""
    inode = Path(job["makes"]).stat().st_ino
    program = _start(job)
    poolviz_ended = threading.Event()

    def end_with_poolviz() -> None:
        while os.read(0, 4096):
            pass
        poolviz_ended.set()
        program.terminate()  # initdb then removes what it made
        try:
            program.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            program.kill()

    watcher = threading.Thread(target=end_with_poolviz, daemon=True)
    watcher.start()
    status = program.wait()
    if poolviz_ended.is_set():
        watcher.join(STOP_LIMIT)
        shutil.rmtree(job["makes"], ignore_errors=True)
    _remove_unused_segments(inode, job["user"])
    return status if status >= 0 else 128 - status


def main(_arguments: list[str]) -> int:
    """Run one server until it ends or standard input does; return its exit status."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            # Not SIG_IGN, which the server would inherit.
            signal.signal(getattr(signal, name), lambda *_: None)
            if sys.platform != "win32":  # blocked while this process was started
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {getattr(signal, name)})
    line = _read_line()
    if not line.endswith(b"\n"):
        return 0
    job = json.loads(line)
    if "makes" in job:
        return _make(job)
    _adopt_orphans()
    server = _start(job)
    data = Path(job["data"])
    os.write(1, json.dumps({"pid": server.pid}).encode() + b"\n")
    ended = threading.Event()

    def stop_with_poolviz() -> None:
        # Not sys.stdin, whose lock would keep the interpreter from exiting.
        while os.read(0, 4096):
            pass
        _stop(server, ended, job["stop"])

    def watch_shared_memory() -> None:
        pause = _STARTING
        while not ended.wait(pause):
            if release_shared_memory(data, job["user"]):
                pause = _RUNNING

    threading.Thread(target=stop_with_poolviz, daemon=True).start()
    watcher = threading.Thread(target=watch_shared_memory)
    if sys.platform == "linux":
        watcher.start()
    status = server.wait()
    ended.set()
    if watcher.ident is not None:
        watcher.join()
    _end_orphans()
    if _runs_here(data, server.pid):
        release_shared_memory(data, job["user"])
        remove_remains(data)
    return status if status >= 0 else 128 - status


def _runs_here(data: Path, server: int) -> bool:
    """Return whether the lock file in `data` is that of process `server`. It may be that of another
    by now: the folder is free for another poolviz once the one that started this ended."""
    try:
        with (data / "postmaster.pid").open("rb") as pid_file:
            return pid_file.readline().strip() == str(server).encode()
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
