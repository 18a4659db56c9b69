"""The watchdog: a small process that runs one server and stops it when poolviz has ended.

It starts the server as its child and then waits for the end of its standard input. poolviz holds
the other end of that pipe, which the operating system closes however poolviz ends, by SIGKILL too.
The watchdog runs as a program of its own, so it imports nothing but the standard library.

The first line of its input is the job as JSON: `command` (the server's), `user` and `group` (the
account to run it under, or null), `stop` (a command that stops the server where signals can't, or
null). It answers with one line, `{"pid": …}`, once the server's process exists.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

STOP_LIMIT = 5.0  # seconds for a fast shutdown, then for an immediate one, then it is killed
if sys.platform == "win32":
    NO_WINDOW = subprocess.CREATE_NO_WINDOW
    OWN_GROUP = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    NO_WINDOW = OWN_GROUP = 0
_PR_SET_PDEATHSIG = 1


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
            if ended.wait(STOP_LIMIT):
                return
    server.kill()


def _read_line() -> bytes:
    """Return the first line of standard input, or less than a line if the input ended."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def main(_arguments: list[str]) -> int:
    """Run one server until it ends or standard input does; return its exit status."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            # Not SIG_IGN, which the server would inherit.
            signal.signal(getattr(signal, name), lambda *_: None)
    line = _read_line()
    if not line.endswith(b"\n"):
        return 0
    job = json.loads(line)
    server = _start(job)
    os.write(1, json.dumps({"pid": server.pid}).encode() + b"\n")
    ended = threading.Event()

    def stop_with_poolviz() -> None:
        # Not sys.stdin, whose lock would keep the interpreter from exiting.
        while os.read(0, 4096):
            pass
        _stop(server, ended, job["stop"])

    threading.Thread(target=stop_with_poolviz, daemon=True).start()
    status = server.wait()
    ended.set()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
