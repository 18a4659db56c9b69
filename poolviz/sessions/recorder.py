"""The record of one run, from which charts, exports and reports are made."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from types import TracebackType

import msgspec

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.lanes import Pieces
from poolviz.model.messages import MarkAdded, Report, RunEnded, RunStarted, SampleTaken
from poolviz.model.sample import TICK, ErrorKind, Mark, PoolerView, Sample, ServerView
from poolviz.model.secrets import without_secrets
from poolviz.sessions.details import ClientView, Details, DetailView
from poolviz.sessions.error_details import ErrorDetails
from poolviz.sessions.file.background_writer import BackgroundWriter
from poolviz.sessions.file.columns import Columns
from poolviz.sessions.file.contents import IMPOSSIBLE
from poolviz.sessions.file.format import LANES, WHOLE, Damage
from poolviz.sessions.file.kept_lanes import KeptLanes
from poolviz.sessions.file.reader import SessionHeader, SessionReader
from poolviz.sessions.file.writer import SessionWriter
from poolviz.sessions.holds import US, Hold, holders
from poolviz.sessions.lane_pieces import Shares
from poolviz.sessions.lane_states import LaneStates
from poolviz.sessions.lanes import (
    LaneRecord,
    Less,
    StoredLanes,
    WaitShares,
    longest_holds,
    longest_of,
)
from poolviz.sessions.member_sum import MemberSum, shifted
from poolviz.sessions.recent import LONGEST, Recent, recent_figures
from poolviz.sessions.resolutions import Band, Resolutions, View
from poolviz.sessions.share_done import ShareDone, unheard
from poolviz.sessions.stored_details import StoredDetails
from poolviz.sessions.stored_resolutions import StoredResolutions
from poolviz.sessions.summary import Reading, RunSummary, SummaryBuilder
from poolviz.sessions.sweep_record import SweepRecord

__all__ = ["Band", "Recent", "Recorder", "View"]

_REPORT_EVERY = 500  # samples
_POOLER_KEPT = 3.0  # seconds


class Recorder:
    """The record of one run, of a run that goes on or of a session file. Thread-safe: one thread
    adds, any thread reads.

    `path` is the session file to record into; without one, samples are kept in a temporary file
    that is removed by `close`. InputError if the path can't be written or holds something else
    than a session. The lock is held for microseconds and never while waiting for a disk.
    The run is complete without its file where that is `optional`, unless samples are missing.
    Who had which connection when takes at most `lanes` bytes in the file, None without a bound.

    A run may have several members: pools that run at the same time, each in a process of its own.
    Each of them has a record of its own in the same file (`member`), and this is of their sum.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        file: SessionReader | SessionWriter | None = None,
        optional: bool = False,
        lanes: int | None = LANES,
    ) -> None:
        self._file = file or SessionWriter(BackgroundWriter(path), KeptLanes(lanes))
        self._optional = optional
        self._members: Mapping[str, Recorder] = {}
        self._sum = MemberSum()
        self._lock = threading.Lock()  # guards the four below
        self._resolutions, self._details = Resolutions(), Details()
        self._lanes: LaneRecord | StoredLanes = LaneRecord()
        self._stored: StoredResolutions | None = None  # of a session that was opened
        self._stored_details: StoredDetails | None = None  # likewise, once it was asked for
        self._summary_builder = SummaryBuilder()
        self._recent: deque[Sample] = deque(maxlen=round(LONGEST / TICK))
        self.revision = 0
        self.began: RunStarted | None = None
        self.ended: RunEnded | None = None
        self.last: Sample | None = None
        self.server: ServerView | None = None  # the newest one
        self.pooler: PoolerView | None = None  # likewise, unless it is too old
        self._pooler_until = 0.0  # the moment up to which it isn't
        self.marks: tuple[Mark, ...] = ()
        self.sweep: SweepRecord | None = None  # what a sweep of sizes keeps

    @classmethod
    def open(cls, path: Path, member: str = "") -> Recorder:
        """Open the session file at `path`, or the `member` of that name in it, for reading.
        InputError if it isn't one, is damaged, or was written by a newer poolviz, or has no such
        member."""
        reader = SessionReader(path, _number_of(member, path) if member else WHOLE)
        recorder = cls(file=reader)
        stored = reader.stored
        recorder.began, recorder.ended, recorder.marks = stored.began, stored.ended, stored.marks
        recorder.sweep = stored.sweep
        try:
            summed = 0
            if stored.sums is not None:
                recorder._summary_builder = SummaryBuilder.restored(
                    stored.sums.state, stored.segments
                )
                summed = stored.sums.samples
            for number, sample in enumerate(stored.newest, start=stored.newest_from):
                if number >= summed:
                    recorder._summary_builder.add(sample)
                recorder._see(sample)
            recorder._stored = StoredResolutions(reader)
            recorder._lanes = StoredLanes(reader)
        except Damage as error:
            raise reader.damaged(error) from None
        except IMPOSSIBLE:
            raise reader.damaged(tr("what is in it is not what was written")) from None
        recorder.revision = 1
        return recorder

    @property
    def path(self) -> Path | None:
        """The session file; None if the run is not kept."""
        return self._file.path

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the pools that ran at the same time, if they were several."""
        if isinstance(self._file, SessionReader):
            return self._file.members
        return tuple(self._members)

    def member(self, name: str) -> Recorder:
        """Return the record of a member, which is closed with this one. InputError if there is none
        of that name, or it can't be read."""
        if name not in self._members and isinstance(self._file, SessionReader):
            self._members = {**self._members, name: Recorder.open(self._file.path, name)}
        if name not in self._members:
            raise no_member(name, self._members)
        return self._members[name]

    @property
    def trouble(self) -> str:
        """A sentence while the session can't be written, or if samples are missing in it; else
        empty. What is recorded while it can't be written is kept in memory."""
        unread = self._stored.trouble if self._stored is not None else ""
        lanes = self._lanes.trouble if isinstance(self._lanes, StoredLanes) else ""
        return " ".join(filter(None, (self._file.trouble, unread, lanes)))

    @property
    def missing(self) -> int:
        """How many samples were taken and are not in the session, because the disk took none for
        too long. The figures contain them while the run is recorded, and not later."""
        return self._file.missing

    @property
    def duration(self) -> float:
        """Seconds recorded: the end of the last sample."""
        return self.last.t if self.last is not None else 0.0

    def add(self, report: Report, member: str = "") -> None:
        """Record a RunStarted, SampleTaken, MarkAdded or RunEnded; ignore other reports.

        Reports of a `member` make up those of the whole run, but for its RunEnded, which says that
        no member follows. A member has its own name and its own RunStarted, which comes first.
        """
        if member:
            self._add_of_member(report, member)
        elif isinstance(report, SampleTaken):
            self._take(self._writer.add_sample(report.sample, self._summary_builder))
        elif isinstance(report, MarkAdded) and self._members:
            self._sum.mark_whole(report.mark)
        elif isinstance(report, MarkAdded):
            self._mark(report.mark)
        elif isinstance(report, RunStarted):
            self.began = _without_secrets(report)
            self._writer.begin(self.began)
        elif isinstance(report, RunEnded):
            self._add_all(self._sum.flush())
            self.ended = report
            if self.began is not None:  # a run that never started leaves no session
                self._writer.end(report)
        else:
            return
        self.revision += 1

    def wait_for_members(self, seconds: float) -> None:
        """Wait that long for what a member has to say of a moment, before the sum goes on without
        it. Call it before there are any."""
        self._sum = MemberSum(seconds)

    def keep_sweep(self, record: SweepRecord) -> None:
        """Keep how far a sweep is, in place of what was kept of it before. Returns at once."""
        self.sweep = record
        self._writer.keep_sweep(record)

    def close(self) -> None:
        """Write what is left, end the writer thread, and leave one single file. What was recorded
        can still be read. A member is closed with the whole."""
        if self._stored_details is not None:
            self._stored_details.close()
        if isinstance(self._file, SessionReader):
            for member in self._members.values():
                member.close()
        self._file.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def view(self, start: float, end: float, points: int) -> View:
        """Return the run from `start` to `end` (seconds) in about `points` bins at most, and one
        more at each side, at the finest resolution that allows it and still has `start`."""
        if self._stored is not None:
            return self._stored.view(start, end, points)
        with self._lock:
            return self._resolutions.view(start, end, points)

    def details(
        self, start: float, end: float, points: int, *, complete: bool = False
    ) -> DetailView:
        """Return what single charts draw of the run from `start` to `end`, as `view` does.

        A session that was opened is read by a thread from the first call on: until it has all,
        unless `complete` waits for that, what was read is returned, and `revision` grows.
        """
        stored = self._details_of_file(complete=complete)
        if stored is not None:
            return stored.view(start, end, points)
        with self._lock:
            return self._details.view(start, end, points)

    def clients(self, start: float, end: float, *, complete: bool = False) -> ClientView:
        """Return the operations of each client from `start` to `end`, or a little more, in the same
        way as `details`."""
        stored = self._details_of_file(complete=complete)
        if stored is not None:
            return stored.clients(start, end)
        with self._lock:
            return self._details.clients(start, end)

    def _details_of_file(self, *, complete: bool) -> StoredDetails | None:
        if self._stored is None or not isinstance(self._file, SessionReader):
            return None
        with self._lock:
            if self._stored_details is None:
                self._stored_details = StoredDetails(self._file, self._grow)
        if complete:
            self._stored_details.wait()
        return self._stored_details

    def _grow(self) -> None:
        self.revision += 1

    def lane_pieces(self, start: int, end: int) -> Pieces | None:
        """Return who had which connection between two moments, in µs, and perhaps some before and
        after; None if there is too much to be read at once. InputError if the session can't be
        read there."""
        if isinstance(self._lanes, StoredLanes):
            return self._lanes.pieces(start, end)
        with self._lock:
            return self._lanes.pieces(start, end)

    def lane_shares(self, start: int, end: int) -> tuple[int, int, Shares] | None:
        """Return which part of each bin between two moments, in µs, lanes were in each state, as
        `LaneRecord.shares`; None as `lane_pieces`. InputError as that."""
        if isinstance(self._lanes, StoredLanes):
            return self._lanes.shares(start, end)
        with self._lock:
            return self._lanes.shares(start, end)

    def waits(self, start: int, end: int) -> Pieces | None:
        """Return which clients waited for a connection between two moments, as `lane_pieces`; the
        lane of each is its client."""
        if isinstance(self._lanes, StoredLanes):
            return self._lanes.waits(start, end)
        with self._lock:
            return self._lanes.waits(start, end)

    def wait_shares(self, start: int, end: int) -> WaitShares | None:
        """Return which part of each bin clients waited, as `lane_shares`."""
        if isinstance(self._lanes, StoredLanes):
            return self._lanes.wait_shares(start, end)
        with self._lock:
            return self._lanes.wait_shares(start, end)

    def less_of_lanes(self, start: int, end: int) -> list[Less]:
        """Return where less than edges is known of lanes between two moments, in µs. InputError as
        `lane_pieces`."""
        if isinstance(self._lanes, StoredLanes):
            return self._lanes.less(start, end)
        with self._lock:
            return self._lanes.less(start, end)

    def lane_states(self, start: int, end: int) -> list[LaneStates]:
        """Return the states of lanes between two moments, in µs, for samples that have no edges."""
        if isinstance(self._lanes, StoredLanes):
            return self._lanes.states(start, end)
        with self._lock:
            return self._lanes.states(start, end)

    def longest_holds(self) -> list[Hold]:
        """Return the ten longest times that a client had a connection, the longest first. Reads all
        of a session that was opened."""
        if isinstance(self._lanes, StoredLanes):
            return longest_holds(self.columns())
        with self._lock:
            return self._lanes.newest_longest()

    def longest_between(self, start: float, end: float, most: int) -> list[Hold]:
        """Return the longest holds that any part of lies between two moments, in seconds, the
        longest first. Reads all of that: some seconds for an hour. InputError as `lane_pieces`."""
        begin, until = round(start / US), round(end / US)
        if self.members:
            return self._of_members(lambda each: each.longest_between(start, end, most), most)
        if isinstance(self._lanes, StoredLanes):
            return self._lanes.longest(begin, until, most)
        with self._lock:
            ticks = self._lanes.ticks(begin, until)
        return longest_of(ticks, begin, until, most)

    def holders(self, moment: float, most: int) -> list[Hold]:
        """Return who holds connections at a moment, in seconds, the longest holder first.
        InputError as `lane_pieces`."""
        if self.members:
            return self._of_members(lambda each: each.holders(moment, most), most)
        at = round(min(moment, self.duration) / US)
        pieces = self.lane_pieces(at - 1, at)
        return holders(pieces, at, most) if pieces is not None else []

    def _of_members(self, holds: Callable[[Recorder], list[Hold]], most: int) -> list[Hold]:
        """Return the longest holds of all members, the longest first."""
        found = [
            hold._replace(member=name) for name in self.members for hold in holds(self.member(name))
        ]
        return sorted(found, key=lambda hold: hold.seconds, reverse=True)[:most]

    def columns(self, share_done: ShareDone = unheard) -> Iterator[Columns]:
        """Yield all samples recorded until now, in order, as columns: many at once, some hundred
        times as quick as one by one. `share_done` hears which share was taken."""
        whole = self.duration
        for part in self._file.columns():
            yield part
            share_done(_share(float(part["t"][-1]), whole))

    def samples(
        self, start: float = 0.0, end: float = math.inf, share_done: ShareDone = unheard
    ) -> Iterator[Sample]:
        """Yield every sample recorded until now, in order, from the file: those between `start` and
        `end` (seconds), and perhaps some before and after, of which a session that was opened needs
        not read many. `share_done` hears which share of that time was taken."""
        if isinstance(self._file, SessionReader):
            found = self._file.samples(start, end)
        else:
            found = self._file.samples()
        whole = min(end, self.duration) - start
        for number, sample in enumerate(found, 1):
            yield sample
            if number % _REPORT_EVERY == 0:
                share_done(_share(sample.t - start, whole))

    def copy(self, path: Path) -> bool:
        """Write the session that was opened to `path`, where no file may be; return False if this
        is a run that is being recorded, or a member. OSError or sqlite3.Error if that fails."""
        if isinstance(self._file, SessionWriter) or self._file.is_member:
            return False
        self._file.copy(path)
        return True

    def summary(self) -> RunSummary:
        """Return the figures so far, of the whole run and of each segment."""
        trouble = "" if self._optional and not self.missing else self.trouble
        with self._lock:
            return self._summary_builder.summary(self.began, self.ended, trouble, self.marks)

    def reading(self) -> Reading | None:
        """Return the newest sample, and what was counted until then; None before the first one."""
        with self._lock:
            return self._summary_builder.reading()

    def error_details(self) -> list[ErrorDetails]:
        """Return every kind of error and timeout of the run so far, which costs little."""
        with self._lock:
            return self._summary_builder.error_details()

    def error_kinds(self) -> list[ErrorKind]:
        """Return every kind of error and timeout of the run so far as its first one was."""
        with self._lock:
            return self._summary_builder.error_kinds()

    def recent(self, seconds: float) -> Recent:
        """Return the figures of the last `seconds`, at most `recent.LONGEST`."""
        with self._lock:
            since = self.duration - seconds
            samples = list(takewhile(lambda sample: sample.t > since, reversed(self._recent)))
        return recent_figures(samples)

    @property
    def _writer(self) -> SessionWriter:
        if not isinstance(self._file, SessionWriter):
            raise RuntimeError("This session was opened for reading.")
        return self._file

    def _add_of_member(self, report: Report, name: str) -> None:
        if isinstance(report, RunStarted):
            self._begin_member(msgspec.structs.replace(report, member=name))
        member = self._members.get(name)
        if member is None or member.began is None or self.began is None:
            return  # it could not start
        after = max(member.began.started - self.began.started, 0.0)
        if isinstance(report, SampleTaken):
            sample = shifted(report.sample, after)
            member.add(SampleTaken(sample))
            self._add_all(self._sum.sample(name, sample))
        elif isinstance(report, MarkAdded):
            mark = msgspec.structs.replace(report.mark, t=report.mark.t + after)
            member.add(MarkAdded(mark))
            self._sum.mark(name, mark)
        elif isinstance(report, RunEnded):
            member.add(report)
            self._add_all(self._sum.end(name))

    def _begin_member(self, began: RunStarted) -> None:
        if began.member in self._members:
            raise ValueError(f"There is a member {began.member!r} already.")
        if self.began is None:
            self.add(msgspec.structs.replace(began, member=""))
        began = _without_secrets(began)
        member = Recorder(file=self._writer.further_member(began), optional=self._optional)
        member.began, member.revision = began, 1
        self._members = {**self._members, began.member: member}
        self._sum.begin(began.member)

    def _add_all(self, made: Iterable[Sample | Mark]) -> None:
        for each in made:
            if isinstance(each, Sample):
                self.add(SampleTaken(each))
            else:
                self._mark(each)

    def _mark(self, mark: Mark) -> None:
        self._writer.add_mark(mark)
        self.marks += (mark,)

    def _take(self, sample: Sample) -> None:
        with self._lock:
            self._resolutions.add(sample)
            self._details.add(sample)
            assert isinstance(self._lanes, LaneRecord)
            self._lanes.add(sample)
            self._summary_builder.add(sample)
            self._see(sample)

    def _see(self, sample: Sample) -> None:
        self._recent.append(sample)
        self.last = sample
        if sample.server is not None:
            self.server = sample.server
        if sample.pooler is not None or sample.t > self._pooler_until:
            self.pooler, self._pooler_until = sample.pooler, sample.t + _POOLER_KEPT


def no_member(name: str, members: Iterable[str]) -> InputError:
    """Return the error to raise if a run has no member of that name."""
    known = ", ".join(members)
    which = tr("its pools are {known}", known=known) if known else tr("it has one pool only")
    return InputError(
        tr("There is no pool {name!r} in this session: {which}.", name=name, which=which)
    )


def _share(done: float, whole: float) -> float:
    return min(max(done / whole, 0.0), 1.0) if whole > 0 else 1.0


def _number_of(name: str, path: Path) -> int:
    members = SessionHeader(path).members
    if name not in members:
        raise no_member(name, members)
    return members.index(name) + 1


def _without_secrets(began: RunStarted) -> RunStarted:
    """Remove passwords from the environment, whatever described it."""
    environment = {key: without_secrets(text) for key, text in began.environment.items()}
    return msgspec.structs.replace(began, environment=environment)
