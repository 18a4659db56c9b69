"""Any text as the file of a user's pool, which a process of its own imports."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.system.resources import resource
from tests.fuzz.promise import command, counted, folder, fuzz, keeps_the_promise

pytestmark = pytest.mark.usefixtures("no_runs")

_POOL = '''
import psycopg2
class Pool:
    """A pool."""
    def __init__(self, dsn: str, maxconn: int = 5):
        self._dsn, self._idle = dsn, []
    def getconn(self):
        return self._idle.pop() if self._idle else psycopg2.connect(self._dsn)
    def putconn(self, connection):
        self._idle.append(connection)
    def closeall(self):
        for connection in self._idle:
            connection.close()
'''
_BASES = (_POOL, *(path.read_text() for path in sorted(resource("examples").glob("*.py"))))
_LINES = r"""
1 / 0
raise SystemExit(0)
raise BaseException("x")
raise KeyboardInterrupt
import os; os._exit(0)
import os; os._exit(99)
import sys; sys.exit("x")
import sys; sys.stdout.close()
import os; os.closerange(0, 50)
import os; os.kill(os.getpid(), 9)
import os; os.abort()
import atexit, time; atexit.register(time.sleep, 60)
import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()
import signal; signal.signal(signal.SIGTERM, lambda *_: None)
import sys; sys.setrecursionlimit(9)
import nothing_like_this
from . import x
import poolviz
print("x" * 10**5)
del Pool
Pool = 3
Pool = lambda dsn: None
Pool.__init__ = None
Pool.__name__ = "\n"
Pool.__doc__ = 5
Pool.__module__ = 3
class Pool: pass
class Pool(metaclass=Meta): pass
class Meta(type): __getattribute__ = lambda self, name: 1 / 0
    def __init__(self, dsn, maxconn=float("inf")): pass
    def __init__(self, dsn, maxconn=lambda: 1, *, size=object()): pass
    def __init__(self, dsn, **anything): pass
    def __init__(self): pass
    async def getconn(self): pass
    maxconn = property(lambda self: 1 / 0)
    def __getattr__(self, name): raise name
raise Exception("\n\ud800\x1b[2J" + "x" * 10**6)
# -*- coding: nonsense -*-
yield
(
'''
é = "ü"
		x = 1
"""
_ODD = ("\0", "\ufeff", "\ud800", "\x0c", "x = " + "(" * 300, "x" * 100_000)
LINES = st.sampled_from((*_LINES.strip("\n").split("\n"), *_ODD))


@st.composite
def _mutated(draw: st.DrawFn) -> str:
    lines = draw(st.sampled_from(_BASES)).splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines)))
        match draw(st.sampled_from(("insert", "insert", "append", "remove", "double"))):
            case "insert":
                lines.insert(at, draw(LINES))
            case "append":
                lines.append(draw(LINES))
            case "remove":
                del lines[at : at + 1]
            case _:
                lines[at:at] = lines[at : at + 3]
    return "\n".join(lines)


@fuzz(share=0.012, few=8)
@given(_mutated(), st.sampled_from(("Pool", "RecyclingPool", "VerbosePool", "os", "Pool.getconn")))
def test_any_pool_is_described_or_refused(source: str, name: str) -> None:
    with folder():
        Path("own.py").write_bytes(source.encode("utf-8", "surrogatepass"))
        with counted("pool files", source):
            outcome = command("run", "--pool", f"own.py:{name}", "--dsn", "host=/nonexistent")
    keeps_the_promise(outcome)
    assert outcome.status in (2, 3)
