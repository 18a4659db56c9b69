"""What every pool looks like from outside: its limits, and how it acquires, releases, resizes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from poolviz.model.parameters import Parameters, Value
from poolviz.model.sample import Books


class Door(Protocol):
    """Where connections are counted: each one opened goes through `opened` before anybody can use
    it, and through `closed` once nobody can any more. Called from any thread."""

    def opened(self, seconds: float) -> None:
        """A connection was made; it took `seconds`."""

    def closed(self) -> None:
        """A connection that was opened is no more."""


class PoolStopped(Exception):
    """Raised by `acquire` once `interrupt` was called: the run is over."""


class Pool(ABC):
    """A library's pool, behaving as its library ships it, with limits that hold when changed.

    `acquire` and `release` are called by clients, from any thread; `resize`, `interrupt` and
    `close` by the engine's control thread alone, one at a time, while clients go on.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    library: ClassVar[str]  # the distribution whose version a report names
    about: ClassVar[str]  # one sentence: what this pool does when it runs out
    limits: ClassVar[Parameters]
    waits: ClassVar[bool]  # a caller waits when the pool is exhausted, instead of failing at once
    exhausted: ClassVar[tuple[type[Exception], ...]]  # no connection was free, and acquire gave up

    @classmethod
    @abstractmethod
    def capacity(cls, limits: Mapping[str, Value]) -> int | None:
        """The most connections that `limits` allow; None where they allow any number."""

    @classmethod
    @abstractmethod
    def kept(cls, limits: Mapping[str, Value]) -> int:
        """The connections that the pool keeps open when idle; open ones beyond are overflow."""

    @abstractmethod
    def __init__(self, conninfo: str, door: Door, limits: Mapping[str, Value]) -> None:
        """Make the pool as its library does; psycopg2.OperationalError where it connects at once
        and can't."""

    @abstractmethod
    def acquire(self) -> Any:
        """A DB-API connection. Raises what the library raises, or PoolStopped."""

    @abstractmethod
    def release(self, connection: Any) -> None:
        """Give back what `acquire` gave; whatever state it is in, its place in the pool is freed."""

    @abstractmethod
    def resize(self, limits: Mapping[str, Value]) -> None:
        """Put `limits`, complete and checked, in force. No connection in use is taken away."""

    @abstractmethod
    def interrupt(self) -> None:
        """Wake every caller that waits in `acquire`; they and all later ones get PoolStopped."""

    @abstractmethod
    def books(self) -> Books:
        """The pool's own counts, read without waiting for its locks."""

    @abstractmethod
    def close(self) -> None:
        """Close every connection; those still in use are closed when they are released."""
