"""What comes of a run: its figures, its session, and how it ended."""

from __future__ import annotations

from typing import Any

from poolviz.model.errors import PoolvizError
from poolviz.model.messages import RunEnded
from poolviz.model.sample import Mark
from poolviz.runs.warnings import RunWarning
from poolviz.sessions.session import Session
from poolviz.sessions.summary import RunSummary
from poolviz.sessions.thresholds import Verdict


class Result(RunSummary, frozen=True, kw_only=True):
    """The figures of a run, under the names of `poolviz run --json`, and where they come from.

    Times are in seconds. `session` reads everything that was recorded; close it when you are done
    with it, or use the result in a `with` block. `warnings` are sentences about the run that were
    known before it started.
    """

    session: Session
    warnings: tuple[RunWarning, ...] = ()

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Changes, faults and notes, in the order of their times."""
        return self.session.marks

    @property
    def thresholds(self) -> tuple[Verdict, ...]:
        """What became of each condition of the scenario's `fail_if`."""
        return self.session.thresholds

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `poolviz run --json` prints, as dictionaries and lists."""
        return self.session.to_dict()

    def _repr_html_(self) -> str:
        """Return figures and charts for a notebook."""
        return self.session._repr_html_()

    def close(self) -> None:
        """Close the session."""
        self.session.close()

    def __enter__(self) -> Result:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RunFailed(PoolvizError):
    """A run that ended early, with the sentence that says why.

    `result` has the figures up to then, and the session; None if the load never began. Close it
    like that of a run that didn't fail.
    """

    def __init__(self, ended: RunEnded, result: Result | None = None) -> None:
        super().__init__(ended.failure)
        self.exit_status = ended.exit_status or 1
        self.result = result
