"""What an engine's process writes of itself when it hangs or crashes, and what is read of it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

from poolviz.runs.engine_trace import parse_trace

_MAIN = """
import faulthandler, sys, threading
import library, own

threading.Thread(target=own.hang, daemon=True).start()
own.hanging.wait()
threading.Thread(target=library.wait, daemon=True).start()
library.waiting.wait()
faulthandler.dump_traceback_later(0.01, exit=True, file=sys.stdout)
library.wait()
"""
_OWN = """
import threading

hanging = threading.Event()

def hang():
    hanging.set()
    threading.Event().wait()
"""
_LIBRARY = """
import threading

waiting = threading.Event()

def wait():
    waiting.set()
    threading.Event().wait()
"""


def test_threads_in_a_library_do_not_hide_the_one_in_the_users_code(tmp_path: Path) -> None:
    for name, source in (("main", _MAIN), ("own", _OWN), ("library", _LIBRARY)):
        (tmp_path / f"{name}.py").write_text(source)
    command = [sys.executable, str(tmp_path / "main.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    installed = Path(sysconfig.get_path("purelib"))
    text = done.stdout
    for name in ("main", "library"):
        text = text.replace(str(tmp_path / f"{name}.py"), str(installed / f"{name}.py"))
    trace = parse_trace(text)
    assert trace.timed_out
    assert trace.place is not None
    assert (Path(trace.place.file).name, trace.place.function) == ("own.py", "hang")
