"""What a process holds at a moment, so that what a test or a round of chaos leaves is named.

Each finder returns what exists by identity, with words that name it. What belongs to another
process isn't seen: temporary files are those of a folder that this process has for itself, and
shared memory counts when no process uses it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Hashable
from contextlib import closing, suppress
from multiprocessing import resource_tracker
from pathlib import Path

import psutil
import psycopg2

from poolviz.servers.embedded.server import EmbeddedServer

Found = dict[Hashable, str]
_DESCRIPTORS = Path("/proc/self/fd")
_SEGMENTS = Path("/proc/sysvipc/shm")
_SHARED = Path("/dev/shm")
# Databases that Qt opens once and keeps, and what wakes the loops of its own threads.
_OF_QT = ("/usr/share/", "/var/cache/", "anon_inode:[eventfd]")
_TO_BE_REMOVED = 0o1000  # in the mode of a segment that ends with its last user


def belongings(running: EmbeddedServer | None = None) -> Found:
    """Return all that this process holds: with `running`, its connections to that server too."""
    return _found(running, {})


def _found(running: EmbeddedServer | None, earlier: Found) -> Found:
    found = _connections(running, earlier)
    for finder in FINDERS:
        found |= finder()
    return found


def beyond(earlier: Found, running: EmbeddedServer | None = None) -> list[str]:
    """Return the names of what exists now and didn't earlier."""
    if new := _new(earlier, running):
        gc.collect()  # what only waits for its cycle to be broken isn't left behind
        _let_qt_delete()
        new = _new(earlier, running)
    return new


def _new(earlier: Found, running: EmbeddedServer | None) -> list[str]:
    new = {key: name for key, name in _found(running, earlier).items() if key not in earlier}
    # All connections of the machine are read for the addresses: only for sockets to be named.
    addresses = _addresses() if any("socket:" in name for name in new.values()) else {}
    return [_with_address(name, addresses) for name in new.values()]


def _with_address(name: str, addresses: dict[int, str]) -> str:
    """Return the name of a descriptor that is a socket with its addresses, any other as it is."""
    if socket := re.fullmatch(r"file descriptor (\d+): (socket:.*)", name):
        return f"socket {socket[1]}: {addresses.get(int(socket[1]), socket[2])}"
    return name


def threads() -> Found:
    """Return the threads that Python started, with where that was, if they know it."""
    found: Found = {}
    for thread in threading.enumerate():
        # A dummy stands for a thread that Python didn't start, and can stay after its end.
        if not isinstance(thread, threading._DummyThread):
            where = getattr(thread, "_started_at", "a place unknown")
            found["thread", id(thread)] = f"thread {thread.name!r}, started at {where}"
    return found


def processes() -> Found:
    """Return the children of this process, with their commands."""
    multiprocessing.active_children()  # reaps those that ended
    found: Found = {}
    pids = _children(os.getpid())
    if pids is None:
        pids = {process.pid for process in psutil.Process().children()}
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            command = process.cmdline() or [process.name()]
            # Python's own helper of spawned children, which lasts as long as this process.
            if not any("resource_tracker" in part for part in command):
                name = f"process {process.pid} ({process.status()}): {' '.join(command)[:200]}"
                found["process", process.pid, process.create_time()] = name
    return found


def _children(parent: int) -> set[int] | None:
    """Return a process's children as Linux lists them, without a look at every process; None where
    they aren't listed."""
    found: set[int] = set()
    try:
        for task in Path(f"/proc/{parent}/task").iterdir():
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    except OSError:
        return None
    return found


def descriptors() -> Found:
    """Return open files, pipes and sockets. Linux alone tells."""
    if not _DESCRIPTORS.is_dir():
        return {}
    found: Found = {}
    tracker = resource_tracker._resource_tracker._fd  # type: ignore[attr-defined]
    for entry in _DESCRIPTORS.iterdir():
        with suppress(OSError):  # that of this very listing is closed by now
            target = str(entry.readlink())
            if int(entry.name) == tracker or target.startswith(_OF_QT):
                continue
            if target == "anon_inode:[eventfd]":
                continue  # of a thread of Qt's, which comes with its first use and stays a while
            found["descriptor", entry.name, target] = f"file descriptor {entry.name}: {target}"
    return found


def _addresses() -> dict[int, str]:
    with suppress(psutil.Error, OSError):
        return {
            each.fd: f"{each.laddr or '-'} to {each.raddr or '-'} {each.status}"
            for each in psutil.Process().net_connections("all")
        }
    return {}


def shared_memory() -> Found:
    """Return shared memory that no process uses: of any program's, since nobody knows any more."""
    found: Found = {}
    if _SEGMENTS.exists():
        for row in _SEGMENTS.read_text().splitlines()[1:]:
            _, segment, mode, size, creator, _, users, *_ = row.split()
            if users == "0" and not int(mode, 8) & _TO_BE_REMOVED:
                name = f"shared memory: segment {segment} of {size} bytes, by process {creator}"
                found["segment", segment, creator] = name
    if _SHARED.is_dir() and (files := set(_SHARED.iterdir())):
        user = getattr(os, "getuid", int)()  # 0 is root, who sees what all users' processes use
        for entry in files - _mapped():
            with suppress(OSError):
                if user in (0, entry.stat().st_uid):
                    found["shared", entry.name, entry.stat().st_ino] = f"shared memory: {entry}"
    return found


def _mapped() -> set[Path]:
    """Return the files of shared memory that processes use."""
    used = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):
            found = re.findall(rf"{_SHARED}/.*$", maps.read_text(), re.MULTILINE)
            used |= {Path(name) for name in found}
    return used


def temporary_files() -> Found:
    """Return what lies in the folder of temporary files, `own_temporary_folder`'s if that is it."""
    return {
        ("temporary", entry.name): f"temporary {'folder' if entry.is_dir() else 'file'} {entry}"
        for entry in Path(tempfile.gettempdir()).iterdir()
    }


def qt_objects() -> Found:
    """Return Qt's windows and the timers that are active."""
    if "PySide6.QtWidgets" not in sys.modules:
        return {}
    import shiboken6
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    found: Found = {}
    if isinstance(QApplication.instance(), QApplication):
        for widget in QApplication.topLevelWidgets():
            address, *_ = shiboken6.getCppPointer(widget)
            title = widget.windowTitle() or widget.objectName() or "without a name"
            found["widget", address] = f"widget {type(widget).__name__} ({title})"
    for timer in shiboken6.getAllValidWrappers():
        if isinstance(timer, QTimer) and timer.isActive():
            address, *_ = shiboken6.getCppPointer(timer)
            owner = type(timer.parent()).__name__ if timer.parent() else "nobody"
            name = f"timer of {owner}, every {timer.interval()} ms"
            found["timer", address] = name
    return found


def _let_qt_delete() -> None:
    """Let Qt delete what it was told to delete later."""
    if "PySide6.QtWidgets" in sys.modules:
        from PySide6.QtCore import QCoreApplication, QEvent

        if QCoreApplication.instance() is not None:
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
            QCoreApplication.processEvents()


FINDERS: tuple[Callable[[], Found], ...] = (
    threads,
    processes,
    descriptors,
    shared_memory,
    temporary_files,
    qt_objects,
)


def _connections(running: EmbeddedServer | None, earlier: Found) -> Found:
    """Return poolviz' connections to a server, if that runs, beside the `earlier` ones.

    The server is only asked when it has processes that it hadn't earlier: at first all count.
    """
    if running is None or not running.alive:
        return {}
    pids = _children(_postmaster(running))
    if pids is not None and (not earlier or all(("connection", pid) in earlier for pid in pids)):
        return {("connection", pid): f"server process {pid}" for pid in pids}
    with closing(psycopg2.connect(running.conninfo, application_name="guard")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid, application_name, state, query FROM pg_stat_activity"
                " WHERE application_name LIKE 'poolviz%%'"
            )
            return {("connection", row[0]): f"server connection {row}" for row in cursor.fetchall()}


def _postmaster(running: EmbeddedServer) -> int:
    """Return the process of a server, from its lock file; 0 while there is none."""
    with suppress(OSError, ValueError, IndexError):
        return int((running._cluster.data / "postmaster.pid").read_text().split()[0])
    return 0
