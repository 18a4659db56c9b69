"""What a test of a server finds out beyond that it can be reached: plain data and its sentences."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from poolviz.language import tr
from poolviz.servers.pooler import SESSION, TRANSACTION, Pooler
from poolviz.servers.target import Target

Weight: TypeAlias = Literal["good", "note", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing that was found. `remedy` is the statement or the setting that would change it."""

    topic: str
    weight: Weight
    sentence: str
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """A server as a test found it. Times are seconds. `tls` is the protocol's version, "" without
    TLS; None where there is no network. Nothing in the findings is secret."""

    target: Target = field(repr=False)
    connect_s: float | None = None
    latency_s: float | None = None
    tls: str | None = None
    pooler: Pooler | None = None
    findings: tuple[Finding, ...] = ()

    def as_object(self) -> dict[str, Any]:
        """Return it for JSON, without anything secret."""
        target, pooler = self.target, self.pooler
        return {
            "server": target.shown,
            "product": target.product,
            "version": target.version,
            "max_connections": target.max_connections,
            "free_connections": target.free_connections,
            "connect_s": self.connect_s,
            "latency_s": self.latency_s,
            "tls": self.tls,
            "pooler": pooler
            and {"name": pooler.name, "mode": pooler.mode, "connections": pooler.size},
            "findings": [vars(each) for each in self.findings],
        }


def shown_time(seconds: float) -> str:
    """Return a short time for people: `0.08 ms`, `12 ms`."""
    return (
        tr("{seconds:.2g} ms", seconds=seconds * 1000)
        if seconds < 0.1
        else tr("{seconds:.0f} ms", seconds=seconds * 1000)
    )


def tls_finding(version: str, *, local: bool) -> Finding:
    """Return whether the connection is encrypted."""
    if version:
        return Finding(
            "tls", "good", tr("The connection is encrypted by {version}.", version=version)
        )
    if local:
        return Finding("tls", "good", tr("The connection stays on this machine, without TLS."))
    return Finding(
        "tls",
        "note",
        tr("The connection isn't encrypted: whoever is on the way can read what is sent."),
        tr("Choose the TLS mode require, or verify-full to check the certificate."),
    )


def latency_finding(connect_s: float, latency_s: float) -> Finding:
    """Return how long it takes to connect, and for an answer to come."""
    return Finding(
        "latency",
        "good",
        tr(
            "Connecting took {shown_time}; an answer takes {shown_time2}.",
            shown_time=shown_time(connect_s),
            shown_time2=shown_time(latency_s),
        ),
    )


def pooler_findings(pooler: Pooler, arguments: Collection[str] | None = None) -> list[Finding]:
    """Return what a pooler in between means for a pool, by the keys of the connect arguments that
    the pool's driver takes; for pools of any kind without them."""
    name = pooler.name or "A pooler"
    size = tr(" It opens {size} connections at most.", size=pooler.size) if pooler.size else ""
    between = tr("{name} stands between poolviz and the server", name=name)
    if pooler.mode == SESSION:
        return [
            Finding(
                "pooler",
                "note",
                tr(
                    "{between}, in session mode: each connection of the pool keeps one of "
                    "the server's.{size} What the pool opens beyond that waits in the pooler.",
                    between=between,
                    size=size,
                ),
            )
        ]
    if pooler.mode != TRANSACTION:
        return [
            Finding(
                "pooler",
                "note",
                tr(
                    "{between}; its mode can't be seen, because it gave no second connection "
                    "in time.{size} Waits in the pooler count as use, not as waiting for the "
                    "pool.",
                    between=between,
                    size=size,
                ),
            )
        ]
    found = [
        Finding(
            "pooler",
            "note",
            tr(
                "{between}, in transaction mode: the pool's connections share the "
                "server's from one transaction to the next.{size} Waits in the pooler "
                "count as use, not as waiting for the pool, and what is set for a "
                "session (SET, LISTEN, advisory locks, temporary tables) doesn't last.",
                between=between,
                size=size,
            ),
        )
    ]
    remedies = [
        f"{key}={value}"
        for key, value in (("statement_cache_size", "0"), ("prepare_threshold", "never"))
        if arguments is None or key in arguments
    ]
    if remedies and not pooler.follows_prepared:
        found.append(
            Finding(
                "prepared",
                "note",
                tr(
                    "asyncpg and psycopg prepare statements, which such a pooler may not know on "
                    "the "
                    "next connection (PgBouncer does from 1.21 on, with max_prepared_statements)."
                ),
                tr("Connect with {remedies}.", remedies=" or ".join(remedies)),
            )
        )
    return found
