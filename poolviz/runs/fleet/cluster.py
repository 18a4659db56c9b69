"""A fleet: the workers of a Dask cluster, each of which may hold processes of a run.

Needs distributed, an extra. Whoever may use a cluster of Dask's may run any code on its workers, so
its own rules are kept: TLS with certificates of both sides, or nothing beyond this machine.

Threads: Dask's client has an event loop in one, which ends in `close`.
"""

from __future__ import annotations

import logging
import ssl
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from poolviz.language import tr, tr_noop, trn
from poolviz.load.fleet import MOST_PROCESSES
from poolviz.model.dialect import SQLITE, dialect_of
from poolviz.model.errors import InputError, ServerError
from poolviz.model.messages import Report, StartRun
from poolviz.model.text import on_one_line, shortened
from poolviz.model.version import VERSION
from poolviz.runs.fleet.address import FleetAddress

try:
    from distributed import Client, Security

    from poolviz.runs.fleet.remote_engine import LOST_AFTER, RemoteEngine
    from poolviz.runs.fleet.worker import FleetWorker, WorkerLost
except ModuleNotFoundError:
    raise InputError(
        tr_noop(
            "--fleet needs Dask's distributed, which this installation lacks: "
            "pip install 'poolviz[fleet]'."
        )
    ) from None

_CONNECT_LIMIT = 10.0  # seconds for the scheduler to answer
_ARRIVE_LIMIT = 30.0  # seconds for a worker to load what every run needs
_ROUND_TRIPS = 8  # by which clocks are estimated at first
_TLS = ("tls_ca_file", "tls_client_cert", "tls_client_key")
_ENVIRONMENT = (
    "DASK_DISTRIBUTED__COMM__TLS__CA_FILE",
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT",
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY",
)
_logger = logging.getLogger(__name__)


class Fleet:
    """The workers of one cluster, which run processes (an `EngineSource`).

    Connects to the scheduler at once. `say` hears of each worker and its clock. InputError where
    it may not be used or has nothing to run on, ServerError where it can't be reached.
    """

    patience = LOST_AFTER + 1.0

    def __init__(self, address: FleetAddress, say: Callable[[str], None]) -> None:
        self.address = address
        self._ready: deque[FleetWorker] = deque()  # with an actor, and not started
        self._claimed = 0  # of these, by `prepare`
        self._clocks: dict[str, str] = {}
        self._all: list[FleetWorker] = []
        self._client = _connected(address)
        try:
            self.workers: tuple[str, ...] = self._safe_workers()
            self._arrive(say)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def size(self) -> int:
        """How many processes it has by itself: one on each worker."""
        return min(len(self.workers), MOST_PROCESSES)

    @property
    def facts(self) -> dict[str, str]:
        """Its address, and how far the clock of each worker was ahead at the beginning."""
        return {"fleet": self.address.url, **self._clocks}

    def check_server(self, dsn: str | None) -> None:
        """Raise InputError where workers on other machines can't reach a server: that of poolviz,
        or a file."""
        workers = map(FleetAddress.of_worker, self.workers)
        if all(worker is not None and worker.loopback for worker in workers):
            return
        if dsn is None:
            raise InputError(
                tr(
                    "The workers of {url} are on other machines, which can't reach the PostgreSQL "
                    "that comes with poolviz: name a server with --dsn.",
                    url=self.address.url,
                )
            )
        if dialect_of(dsn) == SQLITE:
            raise InputError(
                tr(
                    "The workers of {url} are on other machines, and each would have an SQLite "
                    "file of its own: name a server with --dsn.",
                    url=self.address.url,
                )
            )

    def prepare(self) -> None:
        """Have an actor for one more engine, on the next worker in turn."""
        self._claimed += 1
        if self._claimed > len(self._ready):
            self._ready.append(self._worker())

    def start(
        self, start: StartRun, on_report: Callable[[Report], None], limit: float
    ) -> RemoteEngine:
        """Start the engine that was prepared first."""
        self._claimed -= 1
        return RemoteEngine(start, on_report, self._ready.popleft(), limit)

    def discard(self) -> None:
        """Let go of actors that were given nothing to run."""
        for worker in self._ready:
            worker.release()
        self._ready.clear()
        self._claimed = 0

    def close(self) -> None:
        """Leave the cluster, which goes on. Engines there end when their lease does."""
        self.discard()
        try:
            self._client.close(timeout=_CONNECT_LIMIT)  # type: ignore[no-untyped-call]
        except (OSError, TimeoutError):
            _logger.info("the fleet wasn't left in order", exc_info=True)

    def _worker(self) -> FleetWorker:
        """Return an actor on the next worker in turn that isn't lost."""
        lost = {worker.address for worker in self._all if worker.lost}
        there = [address for address in self.workers if address not in lost] or self.workers
        worker = FleetWorker(self._client, there[len(self._all) % len(there)])
        self._all.append(worker)
        return worker

    def _safe_workers(self) -> tuple[str, ...]:
        """Return the addresses of the workers. InputError where there are none, or where the
        scheduler would pass on in the clear what it is sent."""
        found = self._client.scheduler_info(n_workers=-1)["workers"]
        if not found:
            raise InputError(
                tr(
                    "No worker has joined the scheduler at {url}: start `dask worker {url}` on "
                    "each machine.",
                    url=self.address.url,
                )
            )
        for address in found:
            worker = FleetAddress.of_worker(address)
            if worker is None or not worker.is_safe:
                raise InputError(
                    tr(
                        "The worker {address} is reached without encryption, and what is sent to "
                        "it holds the server's password: start scheduler and workers with Dask's "
                        "options --tls-ca-file, --tls-cert and --tls-key.",
                        address=shortened(on_one_line(address), 100),
                    )
                )
        return tuple(sorted(found, key=lambda address: str(found[address].get("name"))))

    def _arrive(self, say: Callable[[str], None]) -> None:
        """Have an actor on every worker, and estimate their clocks."""
        say(
            trn(
                "The fleet at {url} has {n} worker.",
                "The fleet at {url} has {n} workers.",
                len(self.workers),
                url=self.address.url,
            )
        )
        self._ready.extend(self._worker() for _ in self.workers)
        for worker in self._ready:
            self._check(worker)
            self._clocks[f"clock of {worker.address}"] = str(worker.clock.wall())
            say(
                tr(
                    "The clock of {address} differs by {offset}.",
                    address=worker.address,
                    offset=worker.clock.wall(),
                )
            )

    def _check(self, worker: FleetWorker) -> None:
        """Raise InputError where a worker has another poolviz, or none."""
        try:
            version = worker.arrive(_ARRIVE_LIMIT)
            for _ in range(_ROUND_TRIPS):
                worker.exchange(0, timeout=_CONNECT_LIMIT)
        except (WorkerLost, TimeoutError):
            raise ServerError(
                tr(
                    "The worker {address} doesn't answer: restart it, or have it leave the fleet.",
                    address=worker.address,
                )
            ) from None
        except Exception as error:  # what its start raised there, which may be anything
            _logger.info("no actor on %s", worker.address, exc_info=True)
            raise InputError(
                tr(
                    "The worker {address} can't run poolviz ({error}): install poolviz {version} "
                    "there, in the Python of the worker.",
                    address=worker.address,
                    error=shortened(on_one_line(f"{type(error).__name__}: {error}"), 200),
                    version=VERSION,
                )
            ) from None
        if version != VERSION:
            raise InputError(
                tr(
                    "The worker {address} has poolviz {theirs}, and this is {version}: install the "
                    "same one there.",
                    address=worker.address,
                    theirs=shortened(on_one_line(version), 40),
                    version=VERSION,
                )
            )


def _connected(address: FleetAddress) -> Client:
    """Return a client of the scheduler at an address."""
    security = _security() if address.encrypted else None
    _quieten()
    try:
        return Client(  # type: ignore[no-untyped-call]
            address.url,
            timeout=_CONNECT_LIMIT,
            security=security,
            set_as_default=False,
            name="poolviz",
        )
    except (OSError, TimeoutError, ssl.SSLError, ValueError) as error:
        _logger.info("no scheduler at %s", address.url, exc_info=True)
        why = next(iter(_causes(error)), error)
        raise ServerError(
            tr(
                "No Dask scheduler answers at {url} ({error}): start one with `dask scheduler`, or "
                "see that its certificates are those of this fleet.",
                url=address.url,
                error=shortened(on_one_line(f"{type(why).__name__}: {why}"), 200),
            )
        ) from None


def _causes(error: BaseException) -> Sequence[BaseException]:
    """Return what an error was raised for, the first cause first."""
    found: list[BaseException] = []
    cause = error.__cause__
    while cause is not None and cause not in found:
        found.insert(0, cause)
        cause = cause.__cause__
    return found


def _security() -> Security:
    """Return the certificates to speak TLS with, as Dask is configured. InputError if it isn't."""
    security = Security(require_encryption=True)  # type: ignore[no-untyped-call]
    lacking = [
        variable
        for field, variable in zip(_TLS, _ENVIRONMENT, strict=True)
        if not getattr(security, field)
    ]
    if lacking:
        raise InputError(
            tr(
                "TLS needs the certificates of the fleet: set {names}, or the same in Dask's "
                "configuration.",
                names=", ".join(lacking),
            )
        )
    return security


def _quieten() -> None:
    """Have Dask log through poolviz' log alone, which passwords are removed from."""
    for name in ("distributed", "distributed.client", "distributed.gc", "tornado", "bokeh"):
        logger = logging.getLogger(name)
        for handler in logger.handlers[:]:
            logger.removeHandler(handler)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    warnings.filterwarnings("ignore", module=r"distributed\.")
