"""Users' pools in the shapes that people write: each is run, or refused in a sentence.

Every class is imported by an engine's process, as for a run; what shows is told by that process.
"""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poolviz.model.errors import InputError
from poolviz.model.messages import ProblemReported, RunEnded
from poolviz.model.parameters import Count, Seconds
from poolviz.pools.base import Pool, TaskPool
from poolviz.pools.registry import load_pool, pool_class, pool_id
from poolviz.runs.request import check_draft
from poolviz.runs.run import Run
from poolviz.runs.runner import Runner
from poolviz.scenarios.draft import Draft
from poolviz.servers.dispatch import reach
from poolviz.sessions.summary import RunSummary
from tests.runs.test_runner import Heard

HEAD = """
import contextlib, dataclasses, decimal, enum, queue, psycopg2
from psycopg2.pool import ThreadedConnectionPool

class Opens:
    def __init__(self, dsn): self.dsn = dsn
    def getconn(self): return psycopg2.connect(self.dsn)
    def putconn(self, conn): conn.close()
"""
Write = Callable[[str], str]


@pytest.fixture
def runner() -> Iterator[Runner]:
    with Runner() as runner:
        yield runner


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file with a class Mine, and returns the pool's id."""

    def write(source: str) -> str:
        path = tmp_path / "own_pool.py"
        path.write_text(HEAD.lstrip() + textwrap.dedent(source))
        return f"{path}:Mine"

    return write


def learned(runner: Runner, pool: str) -> type[Pool]:
    runner.learn(pool)
    return pool_class(pool)


def run(
    runner: Runner,
    conninfo: str,
    pool: str,
    problems: list[str] | None = None,
    hold_time: float = 0,
    **limits: object,
) -> tuple[RunSummary, RunEnded]:
    """Run a pool for a moment, and return the figures and the end; sentences on what went wrong
    are added to `problems`. Clients that hold what they get are seen by the pool's own counts,
    which are read with each sample."""
    runner.learn(pool)
    load = {"clients": 3, "statement_time": 0.001, "hold_time": hold_time, "think_time": 0.002}
    heard = Heard()
    run = Run(
        check_draft(Draft(pool=pool, limits=limits, load=load, duration=1.0, dsn=conninfo)),
        reach(conninfo),
        heard,
    )
    runner.begin(run)
    assert run.wait(30.0), heard.reports
    runner.end_run()
    if problems is not None:
        problems += [each.sentence for each in heard.reports if isinstance(each, ProblemReported)]
    assert run.recorder is not None and run.ended is not None
    with run.recorder as recorder:
        return recorder.summary(), run.ended


RUNS = {
    "a context manager": """
        class Mine(ThreadedConnectionPool):
            @contextlib.contextmanager
            def getconn(self, key=None):
                conn = super().getconn(key)
                try:
                    yield conn
                finally:
                    super().putconn(conn)
        """,
    "only a context manager": """
        class Mine:
            def __init__(self, dsn): self.pool = ThreadedConnectionPool(1, 4, dsn)
            @contextlib.contextmanager
            def connection(self):
                conn = self.pool.getconn()
                try:
                    yield conn
                finally:
                    self.pool.putconn(conn)
        """,
    "get_connection and release_connection": """
        class Mine(Opens):
            get_connection, release_connection = Opens.getconn, Opens.putconn
            getconn = putconn = None
        """,
    "acquire and release": """
        class Mine(Opens):
            acquire, release = Opens.getconn, Opens.putconn
            getconn = putconn = None
        """,
    "proxies that go back when closed": """
        class Proxy:
            def __init__(self, idle, con): self._idle, self._con = idle, con
            def __getattr__(self, name): return getattr(self._con, name)
            def close(self):
                self._con.rollback()
                self._idle.put(self._con)
        class Mine:
            def __init__(self, dsn):
                self.idle = queue.Queue()
                for _ in range(3):
                    self.idle.put(psycopg2.connect(dsn))
            def get_connection(self): return Proxy(self.idle, self.idle.get())
        """,
    "the server in parts": """
        class Mine(Opens):
            def __init__(self, host, port, user, password, dbname, size=3):
                super().__init__(psycopg2.extensions.make_dsn(
                    host=host, port=port, user=user, password=password, dbname=dbname))
        """,
    "slots": "class Mine(Opens):\n    __slots__ = ('dsn',)",
    "an answer to every attribute": """
        class Mine(Opens):
            def __getattr__(self, name): return lambda *a, **k: None
        """,
    "a dataclass": """
        @dataclasses.dataclass
        class Mine(Opens):
            dsn: str
            maxconn: int = 5
            extra: list = dataclasses.field(default_factory=list)
        """,
    "a metaclass whose checks raise": """
        class Meta(type):
            def __instancecheck__(cls, other): raise RuntimeError("no")
            def __subclasscheck__(cls, other): raise RuntimeError("no")
        class Mine(Opens, metaclass=Meta): pass
        """,
    "no subclasses": """
        class Mine(ThreadedConnectionPool):
            def __init_subclass__(cls, **kwargs): raise RuntimeError("no subclasses")
        """,
    "infinity": """
        class Mine:
            def __init__(self, maxconn=float("inf"), **kwargs): self.kwargs = kwargs
            def getconn(self): return psycopg2.connect(**self.kwargs)
            def putconn(self, conn): conn.close()
        """,
    "SQLAlchemy's": "from sqlalchemy.pool import QueuePool\nclass Mine(QueuePool): pass",
    "a ThreadPool": """
        from poolviz.pools.psycopg2.pools import ThreadedConnectionPool as Base
        class Mine(Base): title = "Mine"
        """,
}


@pytest.mark.parametrize("name", RUNS)
def test_a_pool_of_that_shape_is_run(
    conninfo: str, runner: Runner, write: Write, name: str
) -> None:
    summary, ended = run(runner, conninfo, write(RUNS[name]))
    assert (ended.failure, ended.open_at_end) == ("", 0)
    assert summary.operations > 10
    assert set(summary.errors) <= {"PoolError"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("None", "getconn returned None"),
        ("'conn'", "getconn returned a str, which has no cursor()"),
        ("object()", "getconn returned a object, which has no cursor()"),
    ],
)
def test_what_is_no_connection_is_an_error_that_says_what_came_back(
    conninfo: str, runner: Runner, write: Write, given: str, said: str
) -> None:
    source = f"class Mine(Opens):\n    def getconn(self): return {given}"
    summary, _ = run(runner, conninfo, write(source + "\n    def putconn(self, conn): pass"))
    assert (summary.operations, summary.connections.opened) == (0, 0)
    assert [kind.message for kind in summary.error_details] == [said]


@pytest.mark.parametrize(
    "source",
    [
        "from sqlalchemy.pool import QueuePool\nclass Mine(QueuePool):\n"
        "    def connect(self): return None",
        "from poolviz.pools.psycopg2.pools import ThreadedConnectionPool as Base\n"
        "class Mine(Base):\n    title = 'Mine'\n    def acquire(self): return None",
    ],
)
def test_a_pool_of_another_kind_that_gives_none_is_an_error_that_says_so(
    conninfo: str, runner: Runner, write: Write, source: str
) -> None:
    summary, _ = run(runner, conninfo, write(source))
    assert summary.operations == 0
    assert [kind.message for kind in summary.error_details] == ["acquire returned None"]


def test_a_pool_that_takes_nothing_back_is_told_by_its_own_count(
    conninfo: str, runner: Runner, write: Write
) -> None:
    pool = write(
        "class Mine(ThreadedConnectionPool):\n    def putconn(self, *_, **__): pass",
    )
    heard: list[str] = []
    summary, _ = run(runner, conninfo, pool, problems=heard, maxconn=4, minconn=1)
    assert summary.operations == 4
    assert [sentence for sentence in heard if "itself counts 4 connections in use" in sentence]


def test_connections_behind_an_engines_proxies_are_counted(
    conninfo: str, runner: Runner, write: Write
) -> None:
    pool = write("""
    from sqlalchemy import create_engine
    class Mine:
        def __init__(self, dsn, pool_size=2):
            self.engine = create_engine("postgresql+psycopg2://", pool_size=pool_size,
                max_overflow=0, creator=lambda: psycopg2.connect(dsn))
        def getconn(self): return self.engine.raw_connection()
        def putconn(self, conn): conn.close()
        def close(self): self.engine.dispose()
    """)
    summary, ended = run(runner, conninfo, pool)
    assert summary.operations > 10
    assert (summary.connections.opened, ended.open_at_end) == (2, 0)


REFUSED = {
    "class Mine(Opens):\n    def __init__(self, dsn, capacity: int): pass": (
        "requires capacity, and poolviz passes the server (dsn, or host, port, user, password and "
        "dbname) and limits such as minconn and maxconn; give capacity a default"
    ),
    "class Mine(ThreadedConnectionPool):\n    __init__ = None": "its constructor has no signature",
    "class Meta(type):\n    def __getattribute__(cls, name): raise RuntimeError('odd')\n"
    "class Mine(Opens, metaclass=Meta): pass": "RuntimeError: odd (own_pool.py, line 9",
    "class Mine(Opens):\n    def getconn(self, tenant, *, timeout): pass": (
        "getconn() requires tenant and timeout, and is called without arguments: give them defaults"
    ),
    "class Mine(Opens):\n    def putconn(self, connection, reason): pass": (
        "putconn() requires reason, and is called with the connection alone: give it a default"
    ),
    "import typing\nclass Mine(typing.Protocol):\n    def getconn(self): ...": (
        "is a Protocol, of which no object is made: name a class that implements it"
    ),
    "class Mina: pass": "it has no class, function or object Mine: perhaps Mina is meant",
    "class Mine(:": "SyntaxError: invalid syntax (own_pool.py, line 8",
    "Mine = 3": "is not a connection pool",
    "from poolviz.pools.psycopg2.pools import ThreadedConnectionPool as Base\n"
    "class Mine(Base):\n    title = 3": "what it declares is wrong",
    "from poolviz.pools.psycopg2.pools import ThreadedConnectionPool as Base\n"
    "class Mine(Base):\n    limits = {}": "its limits are a dict",
}


@pytest.mark.parametrize("source", REFUSED)
def test_a_class_that_cant_be_used_is_refused_in_one_sentence(
    runner: Runner, write: Write, source: str
) -> None:
    pool = write(source)
    runner.learn(pool)
    with pytest.raises(InputError) as error:
        pool_class(pool)
    assert REFUSED[source] in str(error.value)
    assert "own_pool.py:Mine" in str(error.value)
    assert "\n" not in str(error.value)


def test_only_defaults_that_a_limit_can_hold_are_limits(runner: Runner, write: Write) -> None:
    pool = learned(
        runner,
        write("""
        class Size(enum.IntEnum):
            SMALL = 7
        class Mine(Opens):
            def __init__(self, dsn, maxconn=Size.SMALL, minconn=-3, timeout=2.5, pool_size=2.5,
                         a=float("nan"), b=10**30, c=lambda: 3, d=(1, 2), e=None, f=object(),
                         g=decimal.Decimal("2.5"), h=-float("inf"), i=True):
                super().__init__(dsn)
        """),
    )
    kinds = {key: (type(limit), limit.default) for key, limit in pool.limits.items()}
    assert kinds.pop("i")[1] is True
    assert kinds == {
        "maxconn": (Count, 7),
        "minconn": (Count, -3),
        "timeout": (Seconds, 2.5),
        "pool_size": (Seconds, 2.5),
    }


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.touch(), "it has no class, function or object Mine"),
    "not UTF-8": (lambda path: path.write_bytes(b"a = '\xe9'\nclass Mine: pass\n"), "SyntaxError"),
    "NUL": (lambda path: path.write_bytes(b"a = 1\0\n"), "null bytes"),
    "a folder": (lambda path: path.mkdir(), "isn't a regular file"),
    "a pipe": (os.mkfifo, "isn't a regular file"),
    "a loop of links": (lambda path: path.symlink_to(path), "can't be loaded"),
    "large": (lambda path: path.write_bytes(b"#" * 50_000_000), "has 50 MB"),
    "missing": (lambda _path: None, "there is no file"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_source_is_refused_in_one_sentence(
    runner: Runner, tmp_path: Path, name: str
) -> None:
    make, said = FILES[name]
    path = tmp_path / "own_pool.py"
    make(path)
    began = time.monotonic()
    runner.learn(f"{path}:Mine")
    with pytest.raises(InputError, match=said) as error:
        pool_class(f"{path}:Mine")
    assert "own_pool.py" in str(error.value)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    "id", ["a\0b.py:Mine", "\ud800.py:Mine", "~no-such-user/a.py:Mine", "a:b:"]
)
def test_an_id_that_names_no_file_is_refused_in_one_sentence(runner: Runner, id: str) -> None:
    runner.learn(id)
    with pytest.raises(InputError) as error:
        pool_class(id)
    str(error.value).encode()


def test_a_file_in_a_package_may_import_its_neighbours(
    conninfo: str, runner: Runner, tmp_path: Path
) -> None:
    package = tmp_path / "package_of_mine"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "base.py").write_text(HEAD)
    (package / "own_pool.py").write_text("from .base import Opens\nclass Mine(Opens): pass\n")
    summary, ended = run(runner, conninfo, f"{package / 'own_pool.py'}:Mine")
    assert (ended.failure, summary.errors) == ("", {})
    assert summary.operations > 10


def test_a_file_that_was_corrected_is_executed_again(runner: Runner, write: Write) -> None:
    runner.learn(write("class Mine: pass"))
    with pytest.raises(InputError):
        pool_class(write("class Mine: pass"))
    assert list(learned(runner, write("class Mine(ThreadedConnectionPool): pass")).limits) == [
        *("minconn", "maxconn")
    ]


def test_a_file_that_has_changed_before_its_run_is_executed_again(
    conninfo: str, runner: Runner, write: Write
) -> None:
    pool = write("class Mine(Opens): pass")
    learned(runner, pool)
    scenario = check_draft(Draft(pool=pool, dsn=conninfo, duration=0.2))
    write("class Mine(ThreadedConnectionPool):\n    pass")
    with pytest.raises(InputError, match="has changed, and its limits are minconn, maxconn now"):
        runner.begin(Run(scenario, reach(conninfo), Heard()))
    assert list(pool_class(pool).limits) == ["minconn", "maxconn"]


def test_nothing_of_the_users_is_imported_here(runner: Runner, write: Write) -> None:
    before = set(sys.modules)
    pool = write("import antigravity_of_mine\nclass Mine(Opens): pass")
    path = Path(pool.rpartition(":")[0]).parent / "antigravity_of_mine.py"
    path.write_text("")
    with pytest.raises(InputError, match="hasn't been loaded"):
        pool_class(pool)
    kind = learned(runner, pool)
    assert kind.id == pool_id(pool)
    imported = sys.modules.keys() - before
    assert not [name for name in imported if name.startswith(("own_pool", "antigravity_of_mine"))]


DESCRIBED = {
    "psycopg2": ("class Mine(ThreadedConnectionPool): pass", {"minconn": 3, "maxconn": 7}),
    "queue": ("from sqlalchemy.pool import QueuePool\nclass Mine(QueuePool): pass", {}),
    "null": ("from sqlalchemy.pool import NullPool\nclass Mine(NullPool): pass", {}),
    "asyncpg": (
        "from poolviz.pools.asyncio.asyncpg import AsyncpgPool as Base\n"
        "class Mine(Base):\n    title = 'Mine'",
        {},
    ),
}


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_description_says_what_the_class_says(runner: Runner, write: Write, name: str) -> None:
    source, limits = DESCRIBED[name]
    if name == "asyncpg":
        pytest.importorskip("asyncpg")
    id = write(source)
    described, real = learned(runner, id), load_pool(id)
    assert dict(described.limits) == dict(real.limits)
    for attribute in ("id", "title", "about", "waits", "servers", "nests", "one_client", "shares"):
        assert getattr(described, attribute) == getattr(real, attribute)
    assert issubclass(described, TaskPool) == issubclass(real, TaskPool)
    values = real.limits.complete(limits)
    assert described.capacity(values) == real.capacity(values)
    assert described.kept(values) == real.kept(values)


def test_a_file_that_ends_its_process_is_imported_twice_at_most(
    runner: Runner, tmp_path: Path
) -> None:
    imports = tmp_path / "imports.txt"
    path = tmp_path / "own_pool.py"
    path.write_text(
        f"with open({str(imports)!r}, 'a') as file:\n    print('imported', file=file)\n"
        "import os\nos._exit(7)\n"
    )
    pools = [f"{path}:{name}" for name in ("first", "second", "third", "fourth")]
    runner.learn(*pools)
    assert len(imports.read_text().splitlines()) == 2
    for pool in pools:
        with pytest.raises(InputError, match=r"os\._exit\(7\)") as error:
            pool_class(pool)
        assert str(error.value).startswith(pool)
