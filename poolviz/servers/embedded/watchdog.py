"""The watchdog: a tiny process that runs one server and ends it when poolviz has ended.

It starts the server as its child and then only waits for the end of its standard input, whose
other end poolviz holds: the operating system closes that end however poolviz ends, SIGKILL too.
Run as a program of its own, without poolviz around it, so it imports the standard library alone.

The first line of its input is the job, as JSON: `command` (the server's), `user`, `group`
(null, or the account to run it under), `stop` (a command that stops the server where signals
can't, or null). It answers with one line, `{"pid": …}`, once the server's process exists.
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

PATIENCE = 5.0  # seconds for a fast stop, and again for an immediate one, before it is killed
if sys.platform == "win32":
    NO_WINDOW = subprocess.CREATE_NO_WINDOW
    OWN_GROUP = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    NO_WINDOW = OWN_GROUP = 0
_PR_SET_PDEATHSIG = 1


def server_environment() -> dict[str, str]:
    """The environment for PostgreSQL's programs: none of PG's own settings, no translation, and
    not the library path of the bundle that poolviz may be running from."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
    kept["LC_ALL"] = "C"
    if getattr(sys, "frozen", False):
        original = kept.pop("LD_LIBRARY_PATH_ORIG", None)
        kept.pop("LD_LIBRARY_PATH", None)
        if original is not None:
            kept["LD_LIBRARY_PATH"] = original
    return kept


def _tied_to(watchdog: int) -> Callable[[], None] | None:
    """What the server's process does before it becomes PostgreSQL: ask Linux for a fast stop on
    the watchdog's death, so that killing poolviz and watchdog together leaves nothing either."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(
        None, use_errno=True
    ).prctl  # looked up here: after a fork is no time for it

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
        if os.getppid() != watchdog:  # it died before the request stood
            os._exit(1)

    return tie


def _start(job: dict[str, Any]) -> subprocess.Popen[bytes]:
    """The server, as this process's child."""
    account: dict[str, Any] = {}
    if job["user"] is not None:
        account = {"user": job["user"], "group": job["group"], "extra_groups": []}
    return subprocess.Popen(
        job["command"],
        stdin=subprocess.DEVNULL,
        stdout=2,  # the log, which poolviz gave this process as standard error
        stderr=2,
        env=server_environment(),
        # After the change of account, which would undo it; safe, this process has one thread.
        preexec_fn=_tied_to(os.getpid()),  # noqa: PLW1509
        creationflags=NO_WINDOW,
        **account,
    )


def _stop(
    server: subprocess.Popen[bytes], ended: threading.Event, command: list[str] | None
) -> None:
    """Fast, then immediate, then by force."""
    if command is not None:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if ended.wait(PATIENCE):
            return
    elif sys.platform != "win32":
        for request in (signal.SIGINT, signal.SIGQUIT):
            server.send_signal(request)
            if ended.wait(PATIENCE):
                return
    server.kill()


def _read_line() -> bytes:
    """The first line of standard input, unbuffered; less than a line where the input ended."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def main(_arguments: list[str]) -> int:
    """Keep one server until it ends or standard input does; its exit status is returned."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            # A handler and not SIG_IGN, which the server would inherit.
            signal.signal(getattr(signal, name), lambda *_: None)
    line = _read_line()
    if not line.endswith(b"\n"):
        return 0
    job = json.loads(line)
    server = _start(job)
    os.write(1, json.dumps({"pid": server.pid}).encode() + b"\n")
    ended = threading.Event()

    def follow() -> None:
        # os.read, not sys.stdin: a lock held there would keep the interpreter from ending.
        while os.read(0, 4096):
            pass
        _stop(server, ended, job["stop"])

    threading.Thread(target=follow, daemon=True).start()
    status = server.wait()
    ended.set()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
