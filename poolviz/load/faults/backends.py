"""Connections that are lost because the server terminates their backends."""

from __future__ import annotations

from typing import ClassVar

from poolviz.language import tr
from poolviz.load.faults.base import Fault, FaultConditions, FaultContext
from poolviz.model.dialect import SQLITE
from poolviz.model.errors import ServerError
from poolviz.model.parameters import Switch, Value


class _TerminateBackends(Fault):
    """Terminate `how_many` backends of the run, or all."""

    how_many: ClassVar[int | None]

    @classmethod
    def reason(cls, conditions: FaultConditions) -> str:
        """Return that SQLite has no backends."""
        if conditions.dialect == SQLITE:
            return tr("SQLite has no server, and so no backend that could be terminated.")
        return ""

    def inject(self, context: FaultContext, value: Value) -> None:  # noqa: ARG002
        """Terminate them at once. Raises ServerError if there are none."""
        if not context.terminate(self.how_many):
            raise ServerError(tr("This run has no connection that could be terminated now."))


class KillBackend(_TerminateBackends):
    """One connection is lost."""

    parameter = Switch(
        key="kill_backend",
        default=False,
        help="Terminate one of this run's backends on the server: one in use, if there is one.",
    )
    rank = 10
    how_many = 1


class KillAllBackends(_TerminateBackends):
    """Every connection is lost."""

    parameter = Switch(
        key="kill_all_backends",
        default=False,
        help="Terminate all of this run's backends on the server, as a failover does.",
    )
    rank = 20
    how_many = None
