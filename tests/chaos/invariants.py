"""What must hold after every round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from pathlib import Path

import psutil
from pytest import approx

from poolviz.model.messages import Rows
from poolviz.model.sample import Sample
from poolviz.pools.base import Pool
from poolviz.pools.registry import pool_class
from poolviz.sessions.session import Session
from tests.belongings import Found, beyond

PATIENCE = 10.0  # seconds for what was stopped or killed to end
_MISSING = 1.0  # seconds that a kill may cost a session
_KEPT_BY_SERVER = ("postmaster.pid", ".s.PGSQL.*", "pg_dynshmem/*")


class Broken(Exception):
    """An invariant doesn't hold. The text says which, and what was seen."""


def demand(condition: object, sentence: str) -> None:
    """Raise Broken with `sentence` unless `condition` is true."""
    if not condition:
        raise Broken(sentence)


def await_true(condition: Callable[[], object], sentence: str, limit: float = PATIENCE) -> None:
    """Raise Broken with `sentence` unless `condition` is true within `limit` seconds."""
    deadline = time.monotonic() + limit
    while not condition():
        demand(time.monotonic() < deadline, f"{sentence} (not within {limit:g} s)")
        time.sleep(0.02)


@contextmanager
def open_whole(path: Path) -> Iterator[tuple[Session, list[Sample]]]:
    """Open the session at `path`, with samples that belong together."""
    with Session.open(path) as session:
        samples = list(session.samples())
        check_samples(samples)
        summary = session.summary()
        demand(summary.samples == len(samples), "the summary has other samples than the session")
        demand(
            summary.operations == sum(sample.operations for sample in samples),
            "the summary has other operations than the samples",
        )
        yield session, samples


def check_samples(samples: Sequence[Sample]) -> None:
    """Each sample counts one consistent moment, and follows the one before."""
    for sample in samples:
        where = f"sample {sample.index} at {sample.t:.3f} s"
        parts, whole = (sample.idle, sample.used), sample.open
        demand(
            sum(part.last for part in parts) == whole.last,
            f"{where}: idle {sample.idle.last} + used {sample.used.last} isn't open {whole.last}",
        )
        demand(
            sum(part.mean for part in parts) == approx(whole.mean, abs=1e-6),
            f"{where}: the means of idle and used don't add up to that of open",
        )
        for name in ("open", "used", "idle", "overflow", "pending", "retrying", "backlog"):
            level = getattr(sample, name)
            demand(
                0 <= level.low <= level.last <= level.high
                and level.low - 1e-6 <= level.mean <= level.high + 1e-6,
                f"{where}: {name} has impossible extremes: {level}",
            )
        timeouts = sum(sample.timeout_names.values())
        demand(
            timeouts == sample.timeouts,
            f"{where}: {timeouts} timeouts by name, {sample.timeouts} by their moments",
        )
        named = sum(sample.errors.values()) + timeouts
        by_kind = sum(count.count for count in sample.error_counts)
        demand(named == by_kind, f"{where}: {named} errors by name, {by_kind} by kind")
    for earlier, later in pairwise(samples):
        where = f"sample {later.index} at {later.t:.3f} s"
        demand(earlier.t < later.t, f"{where} doesn't come after the one before")
        demand(earlier.segment <= later.segment, f"{where} is in an earlier segment")
        demand(
            later.t - later.span == approx(earlier.t, abs=1e-3),
            f"{where}: time between it and the one before is in neither",
        )
    there = 0
    for sample in samples:
        there += sample.opened - sample.closed
        # One that was lost while a client has it is open until it is released.
        demand(
            sample.open.last == max(there, sample.used.last),
            f"sample {sample.index} at {sample.t:.3f} s: {there} connections were opened and not"
            f" closed, {sample.open.last} are open, {sample.used.last} in use",
        )


def check_limits(pool: str, samples: Sequence[Sample]) -> None:
    """No more is used than the limits in force allow; what was in use when they were lowered may
    stay in use, and no more than that."""
    kind = pool_class(pool)
    if kind.takes_away or kind.one_client or kind.shares:
        # Its library keeps to no bound: while connections are taken away, while several clients use
        # what is made for one, or when the first clients of a shared connection come at once.
        return
    there = [*accumulate(sample.opened - sample.closed for sample in samples)]
    triples = zip(samples, samples[1:], samples[2:], there, there[1:], strict=False)
    for before, now, after, *ends in triples:
        capacities = [each.capacity for each in (before, now, after)]
        if None in capacities:
            continue
        most = max(*(each for each in capacities if each is not None), before.used.high)
        # A client keeps a lost connection until it releases it; asyncpg opens another meanwhile.
        alive = max(ends) if any(each.closed for each in samples) else now.used.high
        demand(
            min(now.used.high, alive) <= most,
            f"{pool}, sample {now.index} at {now.t:.3f} s: {now.used.high} used, limits allow"
            f" {now.capacity} and {before.used.high} were in use before",
        )


def check_agreement(sample: Sample, *, with_server: bool) -> None:
    """At a moment when no client works, pool, meter and server count the same."""
    reported, where = sample.reported_counts, f"at {sample.t:.3f} s, with no client at work"
    demand(
        reported.open in (None, sample.open.last),
        f"{where}: {sample.open.last} open by the meter, {reported.open} by the pool",
    )
    demand(
        reported.used in (None, sample.used.last),
        f"{where}: {sample.used.last} used by the meter, {reported.used} by the pool",
    )
    demand(
        reported.pending in (None, sample.pending.last),
        f"{where}: {sample.pending.last} pending by the meter, {reported.pending} by the pool",
    )
    demand(
        sample.capacity is None or sample.open.last <= sample.capacity,
        f"{where}: {sample.open.last} open, {sample.capacity} allowed",
    )
    if with_server and sample.server is not None:
        demand(
            sample.server.total == sample.open.last,
            f"{where}: {sample.open.last} open by the meter, {sample.server.total} by the server",
        )


def check_rows(pool: str, rows: Rows | None, *, exact: bool) -> None:
    """What clients committed is in the table, unless somebody killed what would write it, or a
    client's rollback undid what others wrote on the connection that they share."""
    if rows is not None and exact and not _mixes_transactions(pool_class(pool)):
        demand(rows.expected == rows.found, f"rows: {rows.sentence}")


def _mixes_transactions(kind: type[Pool]) -> bool:
    """Return whether several clients may have one connection, and so one transaction.

    StaticPool has but one. SimpleConnectionPool counts its keys without a lock, and lends two
    clients one connection where both get the same key. AssertionPool, also for one client, refuses
    a second.
    """
    return kind.shares or kind.id == "psycopg2.SimpleConnectionPool"


def check_end(session: Session, samples: Sequence[Sample]) -> None:
    """After an orderly end nothing is open."""
    left = session.summary().connections.open_after_close
    demand(left == 0, f"{left} connections are open after {session.scenario.pool} was closed")


def check_recorded_until(session: Session, samples: Sequence[Sample], killed: float) -> None:
    """At most a second before the kill, at Unix time `killed`, is missing."""
    last = session.started.timestamp() + (samples[-1].t if samples else 0.0)
    demand(
        killed - last <= _MISSING,
        f"the session ends {killed - last:.2f} s before the kill: {len(samples)} samples",
    )


def check_nothing_left(before: Found, home: Path, mark: str, allowed: set[int]) -> None:
    """No thread, descriptor, shared memory or temporary file of this process, no process of the
    round anywhere, no lock file of its servers. Processes of the round have `mark` in their
    environment, except those that are `allowed`."""

    def left() -> list[str]:
        return [*beyond(before), *_marked(mark, allowed), *_remains(home)]

    deadline = time.monotonic() + PATIENCE
    while found := left():
        demand(time.monotonic() < deadline, "left behind: " + "; ".join(found))
        time.sleep(0.05)


def marked_processes(mark: str, allowed: set[int]) -> list[psutil.Process]:
    """Return the processes that this program's children and theirs became."""
    found = []
    for process in psutil.process_iter():
        if process.pid not in allowed:
            try:
                if mark in process.environ().values():
                    found.append(process)
            except (psutil.Error, OSError):
                continue  # another user's, or it has just ended
    return found


def _marked(mark: str, allowed: set[int]) -> list[str]:
    found = []
    for process in marked_processes(mark, allowed):
        try:
            words = " ".join(process.cmdline())[:150]
            found.append(f"process {process.pid} ({process.status()}): {words}")
        except psutil.Error:
            continue
    return found


def _remains(home: Path) -> list[str]:
    return [
        f"a server's file {path}"
        for data in home.glob("postgres/*/data")
        for pattern in _KEPT_BY_SERVER
        for path in data.glob(pattern)
    ]
