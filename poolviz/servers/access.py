"""What poolviz needs from each kind of server, beside the connections of the pools themselves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from poolviz.model.errors import PoolvizError
from poolviz.servers.diagnosis import Diagnosis
from poolviz.servers.fault_injection import FaultInjection
from poolviz.servers.tables import Tables
from poolviz.servers.target import Target

if TYPE_CHECKING:
    from poolviz.servers.monitor import Monitor  # which loads numpy


class ServerAccess(ABC):
    """One kind of server. `poolviz.servers.dispatch` documents the functions for callers; it
    chooses the kind by the DSN and passes the arguments on. Without state, so any thread may call
    it."""

    @abstractmethod
    def reach(self, dsn: str) -> Target:
        """See `dispatch.reach`."""

    @abstractmethod
    def diagnose(self, dsn: str, unwanted: Callable[[], bool]) -> Diagnosis:
        """See `dispatch.diagnose`."""

    @abstractmethod
    def with_password(self, dsn: str, password: str) -> str:
        """See `dispatch.with_password`; raises InputError if `dsn` can't be read."""

    @abstractmethod
    def without_password(self, dsn: str) -> str:
        """See `dispatch.without_password`; raises InputError if `dsn` can't be read."""

    @abstractmethod
    def passwords(self, conninfo: str) -> tuple[str, ...]:
        """See `dispatch.passwords`."""

    @abstractmethod
    def with_application_name(self, conninfo: str, name: str) -> str:
        """See `dispatch.with_application_name`."""

    @abstractmethod
    def monitor(self, conninfo: str, application_name: str) -> Monitor | None:
        """See `dispatch.monitor_for`."""

    @abstractmethod
    def fault_injection(self, conninfo: str, application_name: str) -> FaultInjection | None:
        """See `dispatch.fault_injection_for`."""

    @abstractmethod
    def tables(self, conninfo: str) -> AbstractContextManager[Tables]:
        """Connect, and give access to poolviz' tables within a `with` block."""

    @abstractmethod
    def count_rows(self, conninfo: str, seconds: float) -> int:
        """See `dispatch.count_rows`."""

    @abstractmethod
    def describe_error(self, error: Exception, conninfo: str) -> PoolvizError | None:
        """See `dispatch.describe_error`."""
