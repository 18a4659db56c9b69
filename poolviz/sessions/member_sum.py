"""The sum of a run's members: pools that run at the same time, each in a process of its own.

The sum is itself a run, with a sample for each tick, so that charts, figures and exports need to
know nothing of members. What is counted or timed is added up exactly: each operation, wait and
error of a member is in one sample of the sum. Each process has its own ticks, so what is counted
in one sample of the sum is up to a tick, 50 ms, apart. The lowest and the highest value of a count
are the sums of those of the members, which bound the true ones.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec

from poolviz.model.error_text import without_variables
from poolviz.model.histogram import Histogram
from poolviz.model.sample import (
    TICK,
    ErrorCount,
    ErrorKind,
    Level,
    Mark,
    MarkKind,
    PoolerView,
    ReportedCounts,
    Sample,
    ServerView,
)

LAG = 2.0  # seconds that the sum waits for a member's samples, unless they come from afar
_SAME = 1.0  # seconds within which one change reaches all members
_CLIENTS = 1_000_000  # clients of a member are numbered from so many times its number on
_LEVELS = ("open", "used", "idle", "overflow", "pending", "retrying", "backlog")
_TIMES = ("wait", "use", "create", "retry")

N = TypeVar("N", int, float)


def shifted(sample: Sample, by: float) -> Sample:
    """Return `sample` with all its moments `by` seconds later."""
    if not by:
        return sample
    kinds = [msgspec.structs.replace(kind, first=kind.first + by) for kind in sample.error_kinds]
    counts = [msgspec.structs.replace(each, last=each.last + by) for each in sample.error_counts]
    return msgspec.structs.replace(sample, t=sample.t + by, error_kinds=kinds, error_counts=counts)


class _Kind(NamedTuple):
    """What tells a kind of error from others, whichever member it came from."""

    name: str
    timeout: bool
    sqlstate: str | None
    exception: str
    text: str


@dataclass
class _Summand:
    """A member, with its samples that are not in the sum yet, each with its tick."""

    number: int
    samples: deque[tuple[int, Sample]] = field(default_factory=deque)
    taken: Sequence[Sample] = ()  # those of the tick that is added up
    before: Sample | None = None  # the newest of the ticks before
    begin: float = math.inf  # of its first sample
    tick: int = -1  # the newest of which there is a sample
    is_over: bool = False
    server: ServerView | None = None
    seen: bool = False  # by the server, since the sum last had its view
    kinds: dict[int, int] = field(default_factory=dict)  # the sum's number of each of its kinds
    messages: dict[int, str] = field(default_factory=dict)  # the latest of each of its kinds

    def add(self, sample: Sample) -> None:
        """Add the next sample. It belongs to the tick that it ends soon after, or just before."""
        self.tick = round(sample.t / TICK)
        self.samples.append((self.tick, sample))
        self.begin = min(self.begin, sample.t - sample.span)

    def take(self, tick: int) -> None:
        """Take the samples up to a tick."""
        self.before = self.newest
        taken = []
        while self.samples and self.samples[0][0] <= tick:
            taken.append(self.samples.popleft()[1])
        self.taken = taken

    @property
    def newest(self) -> Sample | None:
        """The newest sample up to the end of the tick; None once nothing follows it."""
        if self.taken:
            return self.taken[-1]
        return None if self.is_over and not self.samples else self.before

    def level(self, name: str, start: float, end: float) -> Level:
        """Return a count of it in the tick from `start` to `end`."""
        newest = self.newest
        parts = self.taken or [sample for _, sample in islice(self.samples, 1)]  # which covers it
        levels = [getattr(sample, name) for sample in parts]
        if newest is None:
            return Level()
        if not levels:  # it is late
            standing = getattr(newest, name).last
            return Level(standing, standing, standing, standing)
        until = newest.t if self.is_over and not self.samples else end
        covered = (min(end, until) - max(start, self.begin)) / (end - start)
        span = sum(sample.span for sample in parts)
        area = sum(level.mean * part.span for level, part in zip(levels, parts, strict=True))
        return Level(
            last=getattr(newest, name).last,
            low=min(level.low for level in levels) if covered >= 1 else 0,
            high=max(level.high for level in levels),
            mean=min(max(covered, 0.0), 1.0) * (area / span if span else levels[-1].mean),
        )


class _AddedMark(NamedTuple):
    """A mark of the sum, when it was made, and the members that have had it."""

    mark: Mark
    t: float
    members: set[int]


class MemberSum:
    """Adds up the samples and marks of members. Not thread-safe.

    Moments are in seconds on the axis of the whole run. Every method returns what follows from it
    for the sum, in order. A tick is added up once every member has one after it, or is more than
    `lag` seconds behind; what such a member says later of that tick is counted in the next one.
    """

    def __init__(self, lag: float = LAG) -> None:
        self._lag = lag
        self._members: dict[str, _Summand] = {}
        self._errors = _Errors()
        self._marks: deque[tuple[int, Mark]] = deque()  # that were not looked at yet
        self._added: list[_AddedMark] = []
        self._t, self._index, self._segment = 0.0, 0, 0  # of the newest sample, and the next one
        self._tick = -1  # the newest that was added up
        self._capacity: int | None = None

    def begin(self, name: str) -> None:
        """Add a member, which begins now."""
        self._members[name] = _Summand(len(self._members) + 1)

    def sample(self, name: str, sample: Sample) -> list[Sample | Mark]:
        """Add a member's next sample."""
        self._members[name].add(sample)
        return self._complete()

    def mark(self, name: str, mark: Mark) -> None:
        """Add a mark of a member. One that several members have within a second is one mark of the
        sum."""
        self._marks.append((self._members[name].number, mark))

    def mark_whole(self, mark: Mark) -> None:
        """Add a mark that is of no member."""
        self._marks.append((0, mark))

    def end(self, name: str) -> list[Sample | Mark]:
        """End a member, which has no more samples and nothing open."""
        self._members[name].is_over = True
        return self._complete()

    def flush(self) -> list[Sample | Mark]:
        """Add up what there is, whoever has not said anything of it yet."""
        return self._complete(wait=False)

    def _complete(self, *, wait: bool = True) -> list[Sample | Mark]:
        made: list[Sample | Mark] = []
        while (tick := self._oldest()) is not None and (not wait or self._is_complete(tick)):
            made += self._add_up(tick)
        return made

    def _oldest(self) -> int | None:
        """Return the next tick of which there is a sample; None if there is none. A sample that is
        late counts in it."""
        oldest = (each.samples[0][0] for each in self._members.values() if each.samples)
        tick = min(oldest, default=None)
        return None if tick is None else max(tick, self._tick + 1)

    def _is_complete(self, tick: int) -> bool:
        newest = max(member.tick for member in self._members.values())
        return all(
            member.is_over or member.tick > tick or newest - tick > self._lag / TICK
            for member in self._members.values()
        )

    def _add_up(self, tick: int) -> list[Sample | Mark]:
        for member in self._members.values():
            member.take(tick)
        t = max(sample.t for member in self._members.values() for sample in member.taken)
        if t <= self._t:  # all of them are late
            t = tick * TICK
        marks = self._marks_until(t)
        sample = self._sum(t)
        self._t, self._index, self._tick = t, self._index + 1, tick
        return [*marks, sample]

    def _marks_until(self, t: float) -> list[Mark]:
        """Return the marks of the sum up to `t`. Changes and faults stand where a segment of it
        begins, which is where the sample before ended."""
        made: list[Mark] = []
        begins = False
        later: deque[tuple[int, Mark]] = deque()
        for number, mark in self._marks:
            if mark.t > t:
                later.append((number, mark))
                continue
            if self._is_known(number, mark):
                continue
            self._added.append(_AddedMark(mark, mark.t, {number}))
            if mark.kind is MarkKind.NOTE:
                made.append(mark)
            else:
                begins = True
                made.append(msgspec.structs.replace(mark, t=self._t))
        self._marks = later
        if begins and self._index:
            self._segment += 1
            self._errors.begin_segment()
        return made

    def _is_known(self, number: int, mark: Mark) -> bool:
        for added in reversed(self._added):
            if mark.t - added.t > _SAME:
                return False
            same = (mark.kind, mark.text) == (added.mark.kind, added.mark.text)
            if same and number not in added.members:
                added.members.add(number)
                return True
        return False

    def _sum(self, t: float) -> Sample:
        """Return the sum of what was taken of the members for the tick that ends at `t`."""
        members = list(self._members.values())
        samples = [sample for member in members for sample in member.taken]
        last = [member.newest for member in members if member.newest is not None]
        ending = all(sample.ending for sample in last)
        if not ending:  # members that end one after the other leave the limit as it was
            self._capacity = _total(sample.capacity for sample in last)
        return Sample(
            index=self._index,
            t=t,
            span=t - self._t,
            segment=self._segment,
            **{name: _level(name, members, self._t, t) for name in _LEVELS},
            operations=sum(sample.operations for sample in samples),
            timeouts=sum(sample.timeouts for sample in samples),
            errors=_counts(sample.errors for sample in samples),
            opened=sum(sample.opened for sample in samples),
            closed=sum(sample.closed for sample in samples),
            **{name: _durations(samples, name) for name in _TIMES},
            limits=last[0].limits,
            load=last[0].load,
            faults=last[0].faults,
            capacity=self._capacity,
            per_client=_of_clients(members, lambda sample: sample.per_client, int.__add__),
            longest_waits=_of_clients(members, lambda sample: sample.longest_waits, max),
            reported_counts=_reported(last),
            server=_server(members),
            missed=sum(sample.missed for sample in samples),
            cpu=max(sample.cpu for sample in last),
            lag=max(sample.lag for sample in last),
            clients=sum(sample.clients for sample in last),
            overloaded=any(sample.overloaded for sample in last),
            timeout_names=_counts(sample.timeout_names for sample in samples),
            **self._errors.of(members),
            waits_unfinished=sum(sample.waits_unfinished for sample in samples),
            ending=ending,
            clients_restarted=sum(sample.clients_restarted for sample in samples),
            oldest_age=max(sample.oldest_age for sample in last),
            mean_age=_mean_age(last),
            processes=len(last),
            pooler=_pooler(samples),
        )


class _Errors:
    """The kinds of errors of all members: those that are alike are one kind of the sum."""

    def __init__(self) -> None:
        self._numbers: dict[_Kind, int] = {}
        self._messages: dict[int, str] = {}  # the latest that the sum has said of each kind

    def begin_segment(self) -> None:
        """Say messages again: a segment has its own."""
        self._messages.clear()

    def of(self, members: Iterable[_Summand]) -> dict[str, Any]:
        """Return what the sum's sample says of errors in those of its members."""
        kinds: dict[int, ErrorKind] = {}
        counts: dict[int, ErrorCount] = {}
        for member in members:
            for sample in member.taken:
                for kind in sample.error_kinds:
                    number = self._number(member, kind)
                    found = kinds.get(number)
                    if found is None or kind.first < found.first:
                        kinds[number] = msgspec.structs.replace(kind, number=number)
                for count in sample.error_counts:
                    self._add(counts, member, count)
        for number, count in counts.items():
            if count.message == self._messages.get(number):
                counts[number] = msgspec.structs.replace(count, message=None)
            elif count.message is not None:
                self._messages[number] = count.message
        return {"error_kinds": list(kinds.values()), "error_counts": list(counts.values())}

    def _number(self, member: _Summand, kind: ErrorKind) -> int:
        text = without_variables(kind.message)
        key = _Kind(kind.name, kind.timeout, kind.sqlstate, kind.exception, text)
        number = self._numbers.setdefault(key, len(self._numbers))
        member.kinds.setdefault(kind.number, number)
        member.messages.setdefault(kind.number, kind.message)
        return member.kinds[kind.number]

    def _add(self, counts: dict[int, ErrorCount], member: _Summand, count: ErrorCount) -> None:
        """Add a member's count to that of the sum's kind, with the message of the latest."""
        number = member.kinds.get(count.number)
        if number is None:
            return  # never described, which no run does
        if count.message is not None:
            member.messages[count.number] = count.message
        message = member.messages.get(count.number)
        known = counts.get(number, ErrorCount(number, 0, -1.0))
        if count.last < known.last:
            message = known.message
        counts[number] = ErrorCount(
            number, known.count + count.count, max(known.last, count.last), message
        )


def _level(name: str, members: Iterable[_Summand], start: float, end: float) -> Any:
    """Return the sum of a count of all members."""
    levels = [member.level(name, start, end) for member in members]
    return Level(
        sum(level.last for level in levels),
        sum(level.low for level in levels),
        sum(level.high for level in levels),
        sum(level.mean for level in levels),
    )


def _server(members: Sequence[_Summand]) -> ServerView | None:
    """Return the backends of all members, if all of them were counted anew, or one twice and all of
    them once: they are counted at one moment and told soon after."""
    twice = False
    for member in members:
        for sample in member.taken:
            if sample.server is not None:
                twice = twice or member.seen
                member.server, member.seen = sample.server, True
    there = [member for member in members if member.newest is not None]
    views = [member.server for member in there if member.server is not None]
    anew = twice or all(member.seen for member in there)
    if not anew or not views or len(views) < len(there):
        return None
    for member in members:
        member.seen = False
    ours = sum(view.total for view in views)
    # What is another program's to a member may be another member's.
    others = [view.others - (ours - view.total) for view in views if view.others is not None]
    return ServerView(
        active=sum(view.active for view in views),
        idle=sum(view.idle for view in views),
        idle_in_transaction=sum(view.idle_in_transaction for view in views),
        other=sum(view.other for view in views),
        others=max(min(others), 0) if others else None,
        free=min((view.free for view in views if view.free is not None), default=None),
    )


def _pooler(samples: Sequence[Sample]) -> PoolerView | None:
    """Return what a pooler said last: each member asks it, of all its clients."""
    asked = [sample for sample in samples if sample.pooler is not None]
    return max(asked, key=lambda sample: sample.t).pooler if asked else None


def _durations(samples: Sequence[Sample], name: str) -> Any:
    histogram = Histogram()
    for sample in samples:
        histogram.merge(getattr(sample, name))
    return histogram.pack()


def _counts(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total


def _of_clients(
    members: Iterable[_Summand],
    figures: Callable[[Sample], Mapping[int, N]],
    add: Callable[[N, N], N],
) -> dict[int, N]:
    """Return figures of clients, which have other numbers in the sum than within their member."""
    total: dict[int, N] = {}
    for member in members:
        for sample in member.taken:
            for client, figure in figures(sample).items():
                number = member.number * _CLIENTS + client
                total[number] = add(total[number], figure) if number in total else figure
    return total


def _total(counts: Iterable[int | None]) -> int | None:
    """Return the sum; None if any of them isn't known, or there are none."""
    found = list(counts)
    return (
        sum(count for count in found if count is not None) if found and None not in found else None
    )


def _mean_age(samples: Sequence[Sample]) -> float:
    """Return the mean age of all open connections; -1 where that of a member isn't known."""
    if any(sample.mean_age < 0 for sample in samples):
        return -1.0
    total = sum(sample.open.last for sample in samples)
    ages = sum(sample.mean_age * sample.open.last for sample in samples)
    return ages / total if total else 0.0


def _reported(samples: Sequence[Sample]) -> ReportedCounts:
    counts = [sample.reported_counts for sample in samples]
    return ReportedCounts(
        open=_total(count.open for count in counts),
        used=_total(count.used for count in counts),
        pending=_total(count.pending for count in counts),
    )
