"""A recorded session, to be read from Python, also in a notebook."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np

from poolviz.language import tr
from poolviz.model.errors import InputError, PoolvizError
from poolviz.model.messages import RunStarted
from poolviz.model.sample import Mark, Sample
from poolviz.model.scenario import Scenario
from poolviz.sessions.cards import Card, effects
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.notebook import as_html
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.report import as_object
from poolviz.sessions.summary import RunSummary, SegmentSummary
from poolviz.sessions.sweep_record import SIZING_OF
from poolviz.sessions.table import Table, table_of
from poolviz.sessions.thresholds import Verdict, verdicts


class Session:
    """One run as it was recorded. Close it, or use it in a `with` block.

    In a notebook it is shown with its figures and charts.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    @classmethod
    def open(cls, path: Path) -> Session:
        """Open the session file at `path`. InputError if it isn't one or is damaged."""
        return cls(Recorder.open(path))

    @property
    def path(self) -> Path | None:
        """The session file; None if the run was recorded into a temporary one."""
        return self._recorder.path

    @property
    def scenario(self) -> Scenario:
        """What was run."""
        return self._began.scenario

    @property
    def started(self) -> datetime:
        """When the run started."""
        return datetime.fromtimestamp(self._began.started, UTC)

    @property
    def environment(self) -> dict[str, str]:
        """Server, versions and machine. Nothing in it is secret."""
        return dict(self._began.environment)

    @property
    def duration_s(self) -> float:
        """Seconds recorded."""
        return self._recorder.duration

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Changes, faults and notes, in the order of their times."""
        return self._recorder.marks

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the pools that ran at the same time, if they were several. The figures of
        the session are those of their sum."""
        return self._recorder.members

    def member(self, name: str) -> Session:
        """Return one of several pools as a session of its own, which is closed with this one.
        InputError if there is none of that name."""
        return Session(self._recorder.member(name))

    @property
    def segments(self) -> list[SegmentSummary]:
        """The figures between two changes or faults, with what was in force then."""
        return self.summary().segments

    @property
    def cards(self) -> list[Card]:
        """What each change and each fault did, by the figures before and after it, with 95 %
        intervals. Made of all samples, which takes about a second for an hour."""
        return effects(self._recorder).cards

    @property
    def sizing(self) -> Any:
        """The answer of the sweep that this session is of, as `poolviz.size` returns it; None if it
        is none. Reads every sample."""
        return pkgutil.resolve_name(SIZING_OF)(self._recorder)

    def columns(self) -> Table:
        """Return every figure of every sample as a numpy array, by name: `t_s`, `used`,
        `used_high`, `throughput_per_s`, `wait_time_p95_s` and others. What wasn't measured is
        NaN."""
        return table_of(self._recorder.columns())

    def frame(self) -> Any:
        """Return `columns` as a pandas DataFrame, whose index is the time in UTC; without pandas,
        as `columns` does."""
        found = self.columns()
        try:
            import pandas  # noqa: PLC0415 - an extra
        except ImportError:
            return found
        moments = self._began.started + found.get("t_s", np.empty(0))
        microseconds = np.round(moments * 1e6).astype("datetime64[us]")
        index = pandas.DatetimeIndex(microseconds, tz="UTC", name="t_utc")
        return pandas.DataFrame(found, index=index)

    def to_png(self) -> bytes:
        """Return the charts as a PNG image. PoolvizError if Qt can't be loaded."""
        with TemporaryDirectory() as folder:
            (path,) = self.export(Path(folder, "charts.png"))
            return path.read_bytes()

    def _repr_png_(self) -> bytes | None:
        """Return the charts for a notebook; None where they can't be drawn."""
        try:
            return self.to_png()
        except PoolvizError:
            return None

    def _repr_html_(self) -> str:
        """Return figures and charts for a notebook."""
        return as_html(self.summary(), self.thresholds, self._repr_png_())

    def samples(self) -> Iterator[Sample]:
        """Yield every sample in order, 20 for each second."""
        return self._recorder.samples()

    def summary(self) -> RunSummary:
        """Return the figures of the whole run and of each segment."""
        return self._recorder.summary()

    @property
    def thresholds(self) -> tuple[Verdict, ...]:
        """What became of each condition of `fail_if`, by the figures that were recorded."""
        return verdicts(self._recorder)

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `poolviz run --json` prints, as dictionaries and lists."""
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(as_object(self._recorder)))
        return found

    def export(self, path: str | Path) -> tuple[Path, ...]:
        """Write the session in the format of the suffix of `path`; return the files that were
        made. InputError if the suffix isn't known or a file can't be written."""
        path = Path(path)
        return exporter_for(path).export(self._recorder, path)

    def close(self) -> None:
        """Close the session; a temporary file is removed."""
        self._recorder.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _began(self) -> RunStarted:
        if self._recorder.began is None:
            raise InputError(tr("The session holds no run: it ended before the load started."))
        return self._recorder.began
