"""Users' own pools: what works, and the errors for what doesn't."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poolviz.load.settings import settings_for
from poolviz.model.errors import InputError, ServerError
from poolviz.model.parameters import Count, Effect, Numeric, Seconds, Switch
from poolviz.pools.base import Pool, PoolStopped
from poolviz.pools.custom import loader as custom
from poolviz.pools.listing import Listing
from poolviz.pools.registry import POOLS, listings, load_pool
from poolviz.runs.engine_process import EngineProcess
from tests.engine.runs import running, scenario
from tests.pools.bench import Crowd, RecordingCounter, until, waiting
from tests.pools.conftest import Benches, ClosableDatabase

Written = Callable[..., str]

HEAD = """
import abc, queue, threading
import psycopg2
from psycopg2.pool import AbstractConnectionPool, SimpleConnectionPool, ThreadedConnectionPool
"""
PLAIN = "class Mine(ThreadedConnectionPool): pass"
# The well-known way to have a psycopg2 pool wait.
SEMAPHORE = """
class Mine(ThreadedConnectionPool):
    def __init__(self, minconn, maxconn, *args, **kwargs):
        self._free = threading.Semaphore(maxconn)
        super().__init__(minconn, maxconn, *args, **kwargs)
    def getconn(self, *args, **kwargs):
        self._free.acquire()
        try:
            return super().getconn(*args, **kwargs)
        except BaseException:
            self._free.release()
            raise
    def putconn(self, *args, **kwargs):
        super().putconn(*args, **kwargs)
        self._free.release()
"""
OF_ITS_OWN_SERVER = """
class Mine(ThreadedConnectionPool):
    def __init__(self, dsn, maxconn=4):
        super().__init__(1, maxconn, dsn)
"""
LOCKLESS = """
class Mine(AbstractConnectionPool):
    '''One with a lock of its own making.'''
    def __init__(self, *args, **kwargs):
        self._mutex = threading.Lock()
        super().__init__(*args, **kwargs)
    def getconn(self):
        with self._mutex:
            return self._getconn()
    def putconn(self, conn):
        with self._mutex:
            self._putconn(conn)
"""
SIMPLE = """
class Mine(SimpleConnectionPool):
    def describe(self):
        return "mine"
"""
# Not derived from psycopg2's pools; how it connects can't be known.
QUEUE = """
class Mine:
    def __init__(self, dsn, size=3, timeout=30):
        self._idle = queue.Queue()
        self._timeout = timeout
        for _ in range(size):
            self._idle.put(psycopg2.connect(dsn))
    def getconn(self):
        return self._idle.get(timeout=self._timeout)
    def putconn(self, conn):
        conn.rollback()
        self._idle.put(conn)
    def close(self):
        while not self._idle.empty():
            self._idle.get().close()
"""
CREATOR = QUEUE.replace("dsn, size", "creator, size").replace("psycopg2.connect(dsn)", "creator()")


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    """Writes a file with a class Mine, and gives the id of that pool."""
    before = sys.path[:]

    def write(source: str, name: str = "Mine") -> str:
        path = tmp_path / "own_pool.py"
        path.write_text(HEAD + textwrap.dedent(source))
        return f"{path}:{name}"

    yield write
    sys.path[:] = before


# Where a class overrides what applies the two limits, it says whether they may be changed in use.
DECLARED = LOCKLESS + "    live_limits = ('minconn', 'maxconn')\n"


@pytest.mark.parametrize("source", [PLAIN, DECLARED])
def test_a_subclass_of_a_psycopg2_pool_is_changed_in_place(
    bench: Benches, written: Written, source: str
) -> None:
    kind = load_pool(written(source))
    assert [limit.effect for limit in kind.limits.values()] == [Effect.NOW, Effect.NOW]
    one = bench(kind, minconn=2, maxconn=4)
    pool = one.pool._current.pool  # type: ignore[attr-defined]
    with Crowd(one, 8) as crowd:
        for maxconn in (6, 2, 5, 1, 4):
            one.change(minconn=1, maxconn=maxconn)
            until(lambda: one.counter.open <= maxconn, "no more than the limit")  # noqa: B023
            crowd.regroup()
            crowd.work(30)
            assert one.counter.peak <= maxconn
    assert one.pool._current.pool is pool  # type: ignore[attr-defined]
    one.settle()


def test_a_subclass_of_the_simple_pool_is_for_one_client(bench: Benches, written: Written) -> None:
    kind = load_pool(written(SIMPLE))
    assert kind.one_client.startswith("Mine has no lock")
    assert settings_for(kind)["clients"].default == 1
    one = bench(kind, minconn=0, maxconn=5)
    held = one.fill(5)
    one.change(maxconn=3)
    assert one.refuses()
    one.release(held)
    one.settle()


@pytest.mark.parametrize("name", ["SimpleConnectionPool", "ThreadedConnectionPool"])
def test_the_librarys_own_class_can_be_used(bench: Benches, name: str) -> None:
    one = bench(load_pool(f"psycopg2.pool:{name}"), minconn=0, maxconn=3)
    held = one.fill(3)
    one.change(maxconn=2)
    assert one.refuses()
    one.release(held)
    one.settle()


OVERRIDING = """
class Mine(ThreadedConnectionPool):
    def getconn(self, key=None):
        return super().getconn(key)
"""


@pytest.mark.parametrize("source", [SEMAPHORE, QUEUE, CREATOR, LOCKLESS, OVERRIDING])
def test_a_class_with_counts_of_its_own_is_rebuilt(
    bench: Benches, written: Written, source: str
) -> None:
    kind = load_pool(written(source))
    most = kind.constructor.most  # type: ignore[attr-defined]
    assert all(limit.effect is Effect.REBUILD for limit in kind.limits.values())
    others = {"minconn": 1} if "minconn" in kind.limits else {}
    one = bench(kind, **{most: 4}, **others)
    with Crowd(one, 8) as crowd:
        before = 4
        for number in (6, 2, 5, 1, 4):
            one.counter.forget_peak()
            one.change(**{most: number})
            crowd.work(30)
            until(lambda: one.agreed() and one.counter.open <= number, "the old has gone")  # noqa: B023
            assert one.counter.peak <= before + number
            before = number
            assert crowd.faults == []
    until(one.agreed, "all agree")


def test_a_connection_in_use_outlives_its_rebuilt_pool(bench: Benches, written: Written) -> None:
    one = bench(load_pool(written(SEMAPHORE)), minconn=3, maxconn=3)
    held = one.acquire(2)
    one.change(maxconn=6)
    one.use(*held)
    assert one.counter.open == 2 + 3  # what was idle of the old pool has gone
    one.release(held)
    assert one.counter.open == 3
    one.settle()


def test_callers_waiting_for_the_old_pool_are_served_by_the_new_one(
    bench: Benches, written: Written
) -> None:
    one = bench(load_pool(written(SEMAPHORE)), minconn=0, maxconn=1)
    held = one.fill(1)
    with waiting(one, 5) as waiters:
        one.change(maxconn=8)
        got = [waiter.finish().connection for waiter in waiters]
    one.release([*held, *got])
    one.settle()


@pytest.mark.parametrize("source", [SEMAPHORE, PLAIN])
def test_interrupt_wakes_callers_that_wait_for_a_semaphore(
    bench: Benches, written: Written, source: str
) -> None:
    one = bench(load_pool(written(source)), minconn=0, maxconn=1)
    held = one.fill(1)
    if source is SEMAPHORE:
        with waiting(one, 5) as waiters:
            one.pool.interrupt()
            assert all(isinstance(each.finish().error, PoolStopped) for each in waiters)
    one.pool.interrupt()
    with pytest.raises(PoolStopped):
        one.pool.acquire()
    one.release(held)


def test_connections_that_a_class_opens_itself_are_counted(
    bench: Benches, written: Written
) -> None:
    one = bench(load_pool(written(OF_ITS_OWN_SERVER)))
    assert list(one.kind.limits) == ["maxconn"]
    assert one.kind.capacity(one.limits) == 4
    until(one.agreed, "all agree")
    assert one.counter.open == 1
    held = one.fill(4)
    one.change(maxconn=2)
    one.release(held)
    until(one.agreed, "all agree")
    assert one.counter.open == 1, "its own minconn"
    held = one.fill(2)
    one.release(held)


def test_a_pool_that_cant_be_rebuilt_goes_on_unchanged(
    bench: Benches, written: Written, closable_database: ClosableDatabase
) -> None:
    one = bench(
        load_pool(written(SEMAPHORE)), database=closable_database.name, minconn=1, maxconn=2
    )
    closable_database.refuse_connections()
    with pytest.raises(ServerError, match="Mine could not be rebuilt and goes on unchanged"):
        one.change(maxconn=5)
    one.release(one.acquire(1))
    closable_database.allow_connections()
    one.change(maxconn=5)
    one.release(one.fill(5))
    one.settle()


def test_limits_are_read_from_the_constructor(written: Written) -> None:
    source = """
    class Mine(ThreadedConnectionPool):
        '''Mine.

        retries: How often it tries.
        '''
        live_limits = ("minconn", "nap")
        def __init__(self, minconn, maxconn=200, *args, retries=3, nap=1.5, timeout: float = 20,
                     max_age=60, fair=True, name="x", cap=None, **kwargs):
            super().__init__(minconn, maxconn, *args, **kwargs)
    """
    kind = load_pool(written(source))
    limits = kind.limits
    assert {key: (type(limit), limit.default) for key, limit in limits.items()} == {
        "minconn": (Count, 2),
        "maxconn": (Count, 200),
        "retries": (Count, 3),
        "nap": (Seconds, 1.5),
        "timeout": (Seconds, 20.0),
        "max_age": (Seconds, 60.0),
        "fair": (Switch, True),
    }
    assert [key for key, limit in limits.items() if limit.effect is Effect.NOW] == [
        "minconn",
        "nap",
    ]
    assert limits["retries"].help == "How often it tries."
    assert all(limit.help.endswith(".") and limit.effect_help for limit in limits.values())
    assert kind.about == "Mine."
    assert limits.complete({"maxconn": 1}) == {**limits.defaults(), "minconn": 1, "maxconn": 1}
    assert isinstance(limits["maxconn"], Numeric)
    assert limits["maxconn"].slider == (1, 200)


def test_valid_attributes_of_a_class_are_used(written: Written) -> None:
    kind = load_pool(
        written(f"""{PLAIN[:-5]}
    waits, exhausted, live_limits = True, (KeyError,), 3
""")
    )
    assert (kind.waits, kind.exhausted) == (True, (KeyError,))
    assert kind.limits["maxconn"].effect is Effect.NOW


WRONG = {
    "class Mine: pass": "it lacks getconn and putconn",
    "class Mine:\n    def getconn(self): pass": "it lacks putconn",
    "class Mine(AbstractConnectionPool): pass": "it lacks getconn and putconn",
    "class Mine(abc.ABC):\n    @abc.abstractmethod\n    def getconn(self): ...\n"
    "    def putconn(self, conn): ...": "is abstract: it lacks getconn",
    "class Mina: pass": "it has no class, function or object Mine: perhaps Mina is meant",
    "1/0": "importing it raised ZeroDivisionError: division by zero",
    "def (": "importing it raised SyntaxError",
    "import sys; sys.exit(3)": "importing it raised SystemExit: 3",
    "import no_such_module": "importing it raised ModuleNotFoundError: No module named",
    "class Mine(ThreadedConnectionPool):\n    def __init__(self, one, other): pass": "its "
    "constructor requires one and other",
    "from poolviz.pools.base import ThreadPool\nclass Mine(ThreadPool): pass": "is abstract: it "
    "lacks __init__",
}


@pytest.mark.parametrize("source", WRONG)
def test_a_class_that_cant_work_is_refused_in_one_sentence(written: Written, source: str) -> None:
    id = written(source)
    with pytest.raises(InputError) as error:
        load_pool(id)
    assert WRONG[source] in str(error.value)
    assert "own_pool.py:Mine" in str(error.value)
    assert len(error.value.problems) == 1
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("id", "message"),
    [
        ("nowhere/pool.py:Mine", "there is no file .*nowhere/pool.py"),
        ("no_such_package.module:Mine", "there is no module no_such_package"),
        ("json.nothing:Mine", "there is no module json.nothing"),
        ("json:Nothing", "it has no class, function or object Nothing"),
        ("json:loads", "the function requires s"),
        ("pool.py:", "doesn.t name a class"),
        (":Mine", "doesn.t name a class"),
        ("psycopg2.pool:AbstractConnectionPool", "lacks getconn and putconn"),
    ],
)
def test_a_pool_that_cant_be_found_is_refused_in_one_sentence(id: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_pool(id)


def test_a_constructors_error_is_reported_without_the_password(written: Written) -> None:
    kind = load_pool(
        written("""
        class Mine(ThreadedConnectionPool):
            def __init__(self, dsn, maxconn=3):
                raise ValueError(f"can't read {dsn}")
        """)
    )
    assert issubclass(kind, custom.ThreadPool)
    with pytest.raises(InputError, match=r"Mine can't be made: .* ValueError: can't read") as error:
        kind("host=nowhere password=s3cret", RecordingCounter(), {"maxconn": 3})
    assert "s3cret" not in str(error.value)


def test_a_limit_with_the_name_of_a_setting_is_refused(written: Written) -> None:
    kind = load_pool(
        written("""
        class Mine(ThreadedConnectionPool):
            def __init__(self, minconn, maxconn, *args, clients=3, **kwargs):
                super().__init__(minconn, maxconn, *args, **kwargs)
        """)
    )
    with pytest.raises(InputError, match=r"has a parameter clients, .* rename it"):
        settings_for(kind)


def test_a_module_is_found_in_the_working_directory_and_a_file_by_its_absolute_path(
    written: Written, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written(PLAIN)
    monkeypatch.chdir(tmp_path)
    by_path, by_name = load_pool("own_pool.py:Mine"), load_pool("own_pool:Mine")
    assert by_path.id == f"{tmp_path / 'own_pool.py'}:Mine"
    assert by_name.id == "own_pool:Mine"
    monkeypatch.chdir("/")
    program = f"from poolviz.pools.registry import load_pool; print(load_pool({by_path.id!r}).id)"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd="/", check=True, capture_output=True, text=True
    )
    assert ended.stdout.strip() == by_path.id
    sys.modules.pop("own_pool")
    custom._loaded.pop("own_pool:Mine")


@pytest.mark.parametrize("source", [PLAIN, SEMAPHORE, QUEUE])
def test_the_engines_child_runs_it(conninfo: str, written: Written, source: str) -> None:
    kind = load_pool(written(source))
    most = kind.constructor.most  # type: ignore[attr-defined]
    with running(EngineProcess, conninfo, scenario(kind.id, clients=6)) as (run, heard):
        heard.until(lambda heard: heard.operations() > 50, "50 operations")
        run.change(most, 7)
        mark = heard.until(lambda heard: heard.marks, "the change is marked")[0]
        assert (mark.key, mark.new) == (most, 7)
        done = heard.operations()
        heard.until(lambda heard: heard.operations() > done + 50, "50 operations more")
    assert heard.ended.open_at_end == 0
    assert heard.ended.failure == ""
    assert all(set(sample.errors) <= {"PoolError"} for sample in heard.samples)


def test_a_thread_pool_of_the_users_is_loaded_by_its_path(bench: Benches, written: Written) -> None:
    kind = load_pool(
        written("""
        from poolviz.pools.psycopg2.pools import ThreadedConnectionPool as Base
        class Mine(Base):
            title = "Mine"
        """)
    )
    assert (kind.title, kind.id.rpartition(":")[2]) == ("Mine", "Mine")
    one = bench(kind, minconn=1, maxconn=2)
    one.release(one.fill(2))
    one.settle()


@pytest.fixture
def installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], tuple[Listing, ...]]]:
    """Installs a package with entry points; gives the listings then."""

    def install(points: str) -> tuple[Listing, ...]:
        (tmp_path / "bringer.py").write_text(HEAD + PLAIN)
        info = tmp_path / "bringer-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bringer\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[poolviz.pools]\n{points}")
        monkeypatch.syspath_prepend(str(tmp_path))
        listings.cache_clear()
        return listings()

    yield install
    listings.cache_clear()
    sys.modules.pop("bringer", None)
    for id in ("bringer.Mine", "broken"):
        custom._loaded.pop(id, None)


def test_an_installed_package_offers_a_pool(
    installed: Callable[[str], tuple[Listing, ...]], bench: Benches
) -> None:
    found = installed("bringer.Mine = bringer:Mine\n")
    assert [each.id for each in found if each.module == "bringer:Mine"] == ["bringer.Mine"]
    assert "bringer.Mine" not in POOLS  # which are poolviz' own
    assert "bringer" not in sys.modules
    kind: type[Pool] = load_pool("bringer.Mine")
    assert kind.id == "bringer.Mine"
    one = bench(kind)
    one.release(one.acquire(1))
    one.settle()


def test_a_broken_entry_point_is_refused_with_the_reason(
    installed: Callable[[str], tuple[Listing, ...]],
) -> None:
    found = installed("broken = bringer.nothing:Mine\nsqlalchemy.QueuePool = bringer:Mine\n")
    broken = next(each for each in found if each.id == "broken")
    assert broken.missing == ""  # that is known only once it is imported
    with pytest.raises(InputError, match=r"there is no module bringer\.nothing"):
        load_pool("broken")
    assert load_pool("sqlalchemy.QueuePool").title == "SQLAlchemy QueuePool"


def test_a_subclass_of_sqlalchemys_pool_is_loaded_by_its_path(
    bench: Benches, written: Written
) -> None:
    kind = load_pool(
        written("""
        from sqlalchemy.pool import QueuePool
        class Mine(QueuePool):
            "Mine."
        """)
    )
    assert (kind.title, kind.id.rpartition(":")[2]) == ("Mine", "Mine")
    assert "max_overflow" in kind.limits
    one = bench(kind, pool_size=2, max_overflow=1)
    one.release(one.fill(3))
    one.settle()
