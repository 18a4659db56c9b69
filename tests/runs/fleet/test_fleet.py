"""A run on the workers of a real Dask cluster: its sum, its clocks, and what is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from distributed import Security

from poolviz.model.errors import InputError
from poolviz.runs.fleet.remote_engine import LOST_AFTER
from poolviz.sessions.recorder import Recorder
from tests.runs.fleet.cluster import Cluster, Network, cluster
from tests.servers.fixtures import PROJECT, TcpServer, tcp_server, wait_until

__all__ = ["tcp_server"]

TICK = 0.05
LONG = ("--duration", "120")  # it is interrupted before
WALL = "FAKETIME_DONT_FAKE_MONOTONIC=1"  # whose waits Python's locks would add the 3 s to
FAKETIME = list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
RUN = (sys.executable, "-m", "poolviz", "run", "--json")
GENTLE = ("clients=2", "statement_time=0.005", "think_time=0.03")
SMALL = (*(word for each in GENTLE for word in ("--load", each)), "--limit", "pool_size=2")


class FleetRun:
    """`poolviz run --fleet` in a process of its own."""

    def __init__(self, address: str, dsn: str, folder: Path, *options: str) -> None:
        self._dsn, self.session = dsn, folder / "run.poolviz"
        self._errors = folder / "run.log"
        with self._errors.open("wb") as log:
            self.process = subprocess.Popen(
                [*RUN, "--fleet", address, "--dsn", dsn, "--out", str(self.session), *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=PROJECT,
                env=os.environ | {"POOLVIZ_LANGUAGE": "en"},
            )

    @property
    def said(self) -> str:
        return self._errors.read_text()

    def backends(self) -> dict[str, float]:
        """When the newest backend of each process began, by the server's clock."""
        statement = (
            "SELECT application_name, extract(epoch from max(backend_start)) FROM pg_stat_activity"
            " WHERE application_name ~ '^poolviz-.*-[0-9a-f]{8}-[0-9]+$' GROUP BY 1"
        )
        with closing(psycopg2.connect(self._dsn)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return {f"process {name.rpartition('-')[2]}": float(at) for name, at in cursor}

    def wait_for(self, *processes: str) -> dict[str, float]:
        """Wait until processes have connections, and return when their newest one began."""

        def there() -> dict[str, float]:
            assert self.process.poll() is None, self.said
            found = self.backends()
            return found if found.keys() >= set(processes) else {}

        return dict(wait_until(there, f"{processes} have connections"))

    def wait_until_said(self, words: str) -> None:
        def said() -> bool:
            assert self.process.poll() is None, self.said
            return words in self.said

        wait_until(said, words)

    def wait_until_recorded(self, since: float = 0.0) -> float:
        """Wait until both processes have samples of a later moment in the session; return the
        newest that both have, in seconds."""

        def recorded() -> float:
            assert self.process.poll() is None, self.said
            with suppress(InputError), Recorder.open(self.session) as session:
                until = [session.member(name).duration for name in session.members]
                return min(until) if len(until) == 2 and min(until) > since else 0.0
            return 0.0

        return float(wait_until(recorded, "the processes are recorded"))

    def interrupt(self) -> dict[str, Any]:
        """End it by Ctrl+C; its result."""
        self.process.send_signal(signal.SIGINT)
        result = self.result()
        assert self.process.returncode == 130, self.said
        return result

    def result(self) -> dict[str, Any]:
        out, _ = self.process.communicate(timeout=90)
        assert out, self.said
        return dict(json.loads(out))


@contextmanager
def running(*arguments: Any) -> Iterator[FleetRun]:
    run = FleetRun(*arguments)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.communicate()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with one worker, at an address of its own."""
    with cluster(tmp_path_factory.mktemp("dask")) as made:
        made.worker("near", host="127.0.0.2")
        made.wait_for("near")
        yield made


def test_two_workers_are_one_run_whose_sum_and_clocks_are_right(
    shared: Cluster, conninfo: str, tmp_path: Path
) -> None:
    """One worker is 50 ms away, its clocks are 3 s ahead, and its network fails for a while."""
    with shared.linked_worker("far", delay=0.05, ahead=3.0) as links:
        rows = ("--load", "statement=read_write", "--create-tables", *LONG)
        with running(shared.address, conninfo, tmp_path, *SMALL, *rows) as run:
            began = run.wait_for("process 1", "process 2")
            cut_at = run.wait_until_recorded()
            for link in links:
                link.cut()
            run.wait_until_said("hasn't answered for 2 s")
            for link in links:
                link.mend()
            run.wait_until_recorded(since=cut_at + 2)
            result = run.interrupt()
    assert result["rows"]["found"] == result["rows"]["expected"] >= result["operations"] > 0
    with Recorder.open(run.session) as session:
        assert session.began is not None
        clocks = [key for key in session.began.environment if key.startswith("clock")]
        assert len(clocks) == 2
        members = {name: session.member(name) for name in session.members}
        summaries = [member.summary() for member in members.values()]
        assert sum(each.operations for each in summaries) == result["operations"]
        assert len({clock_ahead(member) > 1 for member in members.values()}) == 2
        for name, member in members.items():
            follows_the_servers_clock(session, member, began[name])
            spans = [sample.span for sample in member.samples()]
            assert sum(spans) == pytest.approx(member.duration - start(session, member), abs=0.01)


def follows_the_servers_clock(session: Recorder, member: Recorder, began: float) -> None:
    """A connection is recorded when the server says that it began, within the bound that the
    session states."""
    assert session.began is not None
    ahead, bound = clock(member)
    far = ahead > 1
    assert ahead == pytest.approx(3.0 if far else 0.0, abs=bound)
    assert bound >= (0.05 if far else 0.0)  # half of the way there and back
    opened = [sample.t for sample in member.samples() if sample.opened]
    least = min(abs(session.began.started + t - began) for t in opened)
    assert least <= bound + 2 * TICK


def start(session: Recorder, member: Recorder) -> float:
    """When a member began, in seconds since the run did."""
    assert session.began is not None
    assert member.began is not None
    return member.began.started - session.began.started


def clock(member: Recorder) -> tuple[float, float]:
    """How far a worker's clock is ahead, and the bound of that, in seconds."""
    assert member.began is not None
    ahead, _, bound = member.began.environment["clock"].partition(" s ± ")
    return float(ahead), float(bound.removesuffix(" ms")) / 1000


def at(session: Recorder, name: str) -> str:
    """The worker that a member ran on."""
    began = session.member(name).began
    assert began is not None
    return began.environment["worker"]


def clock_ahead(member: Recorder) -> float:
    return clock(member)[0]


def test_a_killed_worker_is_a_gap_and_the_run_goes_on(
    shared: Cluster, conninfo: str, tmp_path: Path
) -> None:
    with (
        shared.linked_worker("doomed") as links,
        running(shared.address, conninfo, tmp_path, *SMALL, *LONG) as run,
    ):
        run.wait_until_recorded()
        shared.kill("doomed")
        run.wait_until_said("was lost")
        wait_until(lambda: len(run.backends()) == 1, "its connections are gone")
        run.interrupt()
    with Recorder.open(run.session) as session:
        name, other = sorted(
            session.members, key=lambda name: links[1].url not in at(session, name)
        )
        assert f"{name} has ended: Its worker {links[1].url} was lost" in run.said
        (gap,) = [mark.gap for mark in session.marks if mark.gap is not None]
        lost, going_on = session.member(name), session.member(other)
        assert gap[0] == pytest.approx(lost.duration, abs=0.01)
        assert gap[0] <= gap[1] < going_on.duration
        assert session.ended is not None
        assert session.ended.failure in run.said
        assert session.last is not None
        assert session.last.processes == 1
        both = [member.summary().operations for member in (lost, going_on)]
        assert session.summary().operations == sum(both) > 0


@pytest.mark.on_demand
def test_a_worker_that_stays_away_is_lost_once_its_clients_are_gone(
    shared: Cluster, conninfo: str, tmp_path: Path
) -> None:
    with (
        shared.linked_worker("away") as links,
        running(shared.address, conninfo, tmp_path, *SMALL, *LONG) as run,
    ):
        run.wait_until_recorded()
        for link in links:
            link.cut()
        run.wait_until_said("was lost")
        assert len(run.backends()) == 1
        run.interrupt()
    with Recorder.open(run.session) as session:
        (gap,) = [mark.gap for mark in session.marks if mark.gap is not None]
        assert LOST_AFTER <= gap[1] - gap[0] <= LOST_AFTER + 5
        assert session.duration > gap[1]


def certified(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Make certificates, and name them in the environment; the options that name them."""
    pem = Security.temporary().get_tls_config_for_role("client")
    options: list[str] = []
    for name, option in (("ca_file", "ca-file"), ("cert", "cert"), ("key", "key")):
        file = folder / f"{name}.pem"
        file.write_text(pem[name])
        options += [f"--tls-{option}", str(file)]
        of_client = "CA_FILE" if name == "ca_file" else f"CLIENT__{name.upper()}"
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{of_client}", str(file))
    return tuple(options)


@pytest.mark.on_demand
@pytest.mark.parametrize("key", [True, False])
def test_a_cluster_with_tls_is_used_with_its_certificates_alone(
    conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: bool
) -> None:
    options = certified(tmp_path, monkeypatch)
    if not key:
        monkeypatch.delenv("DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY")
    with cluster(tmp_path, options, "tls") as secure:
        brief = ("--duration", "2")
        secure.worker("one")
        secure.wait_for("one")
        with running(secure.address, conninfo, tmp_path, *SMALL, *brief) as run:
            if key:
                assert run.result()["operations"] > 0
            else:
                run.process.communicate(timeout=60)
                assert run.process.returncode == 2
                assert "set DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY" in run.said


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    """Two networks of their own, with the addresses 10.77.0.2 and 10.77.0.3 beside 10.77.0.1."""
    if os.name != "posix" or os.geteuid() or not shutil.which("ip"):
        pytest.skip("needs root and iproute2")
    made = ("pv-a", "pv-b")
    steps = ["link add pv-bridge type bridge", "addr add 10.77.0.1/24 dev pv-bridge"]
    steps += ["link set pv-bridge up"]
    for number, name in enumerate(made, start=2):
        steps += [f"netns add {name}", f"link add {name}-o type veth peer name {name}-i"]
        steps += [f"link set {name}-o master pv-bridge up", f"link set {name}-i netns {name}"]
        steps += [f"-n {name} addr add 10.77.0.{number}/24 dev {name}-i"]
        steps += [f"-n {name} link set {name}-i up", f"-n {name} link set lo up"]
    try:
        for step in steps:
            subprocess.run(["ip", *step.split()], check=True)
        yield made
    finally:
        for end in (*(f"netns del {name}" for name in made), "link del pv-bridge"):
            subprocess.run(["ip", *end.split()], check=False)
        for left in Path("/dev/shm").glob("*faketime*"):  # by processes that were killed
            left.unlink()


@pytest.mark.on_demand
@pytest.mark.skipif(not FAKETIME, reason="needs faketime")
def test_workers_in_networks_of_their_own_with_another_clock(
    tcp_server: TcpServer,
    namespaces: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TLS between machines, 50 ms of delay, a clock 3 s ahead; one worker is killed at the end."""
    near, far = (("ip", "netns", "exec", name) for name in namespaces)
    clock = ("env", f"LD_PRELOAD={FAKETIME[0]}", "FAKETIME=+3s", WALL)
    network = Network(("127.0.0.1", tcp_server.port), 0.0, "10.77.0.1")
    dsn = tcp_server.dsn(host="10.77.0.1", port=str(network.port))
    options = certified(tmp_path, monkeypatch)
    with (
        closing(network),
        cluster(tmp_path, options, "tls", "10.77.0.1") as made,
        made.linked_worker("near", host="10.77.0.2", wrap=near),
        made.linked_worker("far", delay=0.05, host="10.77.0.3", wrap=(*far, *clock)),
        running(made.address, dsn, tmp_path, *SMALL, *LONG) as run,
    ):
        began = run.wait_for("process 1", "process 2")
        run.wait_until_recorded()
        made.kill("far")
        run.wait_until_said("was lost")
        run.interrupt()
    assert "s3cret" not in run.said
    with Recorder.open(run.session) as session:
        members = {name: session.member(name) for name in session.members}
        assert sorted(clock_ahead(each) > 1 for each in members.values()) == [False, True]
        for name, member in members.items():
            follows_the_servers_clock(session, member, began[name])
        assert [mark.words for mark in session.marks if mark.gap is not None]
