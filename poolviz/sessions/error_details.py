"""The kinds of errors of a run or a segment: how many there were, the first and the latest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

from poolviz.language import number, tr
from poolviz.model.sample import ErrorKind, Sample

# A kind in a record: its number, or name and whether it is a timeout in older sessions.
_Key: TypeAlias = int | tuple[str, bool]


class ErrorDetails(msgspec.Struct, frozen=True):
    """A kind of error: the name of the exception, how many there were, and when the first and the
    latest came, in seconds since the run began, with their messages.

    Kinds of one name differ in what they say, in `sqlstate`, or in the module of the `exception`.
    `timeout` says that it is counted in `timeouts` and not in `errors`. Where a pool gives each
    error a text of its own, one kind has all the further ones.
    """

    name: str
    count: int
    first_s: float
    message: str
    timeout: bool = False
    last_s: float = 0.0
    last_message: str = ""
    sqlstate: str | None = None
    exception: str = ""

    @property
    def title(self) -> str:
        """The name, with the SQLSTATE if there is one: `AdminShutdown (57P01)`."""
        return f"{self.name} ({self.sqlstate})" if self.sqlstate else self.name

    @property
    def first_said(self) -> str:
        """When they came and what the first one said: `1.2 to 3.4 s: no connection is free`."""
        first, last = number(self.first_s, ".1f"), number(self.last_s, ".1f")
        if first == last:
            times = tr("at {time} s", time=first)
        else:
            times = tr("{first} to {last} s", first=first, last=last)
        return f"{times}: {self.message}" if self.message else times

    @property
    def latest_said(self) -> str:
        """What the latest one said, if that is something else than what the first one did."""
        return (
            tr("latest: {message}", message=self.last_message)
            if self.last_message != self.message
            else ""
        )


class Counted(msgspec.Struct):
    """One kind in one span of time: what is known of it, how often it came, and the latest."""

    first: ErrorKind
    last_message: str
    last: float
    count: int = 0


class ErrorCounts:
    """Counts errors and timeouts by kind. `whole` counts those of the whole run, if this counts
    those of a segment: each sample is added there first, and its messages stand in where a segment
    has none of its own. `kinds` are those that were counted before, from `state`."""

    def __init__(self, whole: ErrorCounts | None = None, kinds: Iterable[Counted] = ()) -> None:
        self._whole = whole
        self._kinds: dict[_Key, Counted] = {_key(counted.first): counted for counted in kinds}

    def state(self) -> list[Counted]:
        """Return what was counted so far, to be stored."""
        return list(self._kinds.values())

    def rewrite(
        self, kinds: Callable[[list[ErrorKind]], list[ErrorKind]], text: Callable[[str], str]
    ) -> None:
        """Change what is said of each kind, and its latest message."""
        for counted in self._kinds.values():
            (counted.first,) = kinds([counted.first])
            counted.last_message = text(counted.last_message)

    def add(self, sample: Sample) -> None:
        """Add the next sample."""
        for kind in sample.error_kinds:
            key = _key(kind)
            known = self._kinds.get(key)
            if known is None:
                self._kinds[key] = _counted(kind, kind.message)
            elif kind.first < known.first.first:
                known.first = kind
        for count in sample.error_counts:
            counted = self._of(count.number, sample)
            if counted is not None:
                self._add(counted, count.number, count.count, count.last, count.message)
        if not sample.error_counts:
            self._add_names(sample)

    def details(self) -> list[ErrorDetails]:
        """Return the errors and then the timeouts, the most frequent first."""
        return sorted(
            (
                ErrorDetails(
                    counted.first.name,
                    counted.count,
                    counted.first.first,
                    counted.first.message,
                    counted.first.timeout,
                    max(counted.last, counted.first.first),
                    counted.last_message,
                    counted.first.sqlstate,
                    counted.first.exception,
                )
                for counted in self._kinds.values()
                if counted.count
            ),
            key=lambda kind: (kind.timeout, -kind.count, kind.name, kind.first_s),
        )

    def _add(
        self, counted: Counted, key: _Key, count: int, last: float, message: str | None
    ) -> None:
        counted.count += count
        if count:
            counted.last = max(counted.last, last)
        if message is None:  # the same as before, which may have been in an earlier segment
            earlier = self._whole._kinds.get(key) if self._whole is not None else None
            message = earlier.last_message if earlier is not None else None
        if message is not None:
            counted.last_message = message

    def _add_names(self, sample: Sample) -> None:
        """Add a sample of an older session, which counts by names."""
        for names, timeout in ((sample.errors, False), (sample.timeout_names, True)):
            for name, count in names.items():
                counted = self._of((name, timeout), sample) or self._unknown(name, timeout, sample)
                self._add(counted, (name, timeout), count, sample.t, None)

    def _of(self, key: _Key, sample: Sample) -> Counted | None:
        """Return what is counted of a kind; None if nothing is known of it. At a segment's border
        an error may come without its first one."""
        counted = self._kinds.get(key)
        earlier = self._whole._kinds.get(key) if self._whole is not None else None
        if counted is None and earlier is not None:
            first = msgspec.structs.replace(earlier.first, first=_begin(sample))
            counted = self._kinds[key] = _counted(first, earlier.last_message)
        return counted

    def _unknown(self, name: str, timeout: bool, sample: Sample) -> Counted:
        first = ErrorKind(name, _begin(sample), "", timeout)
        counted = self._kinds[name, timeout] = _counted(first, "")
        return counted


def _counted(first: ErrorKind, last_message: str) -> Counted:
    return Counted(first, last_message, first.first)


def _key(kind: ErrorKind) -> _Key:
    return kind.number if kind.number >= 0 else (kind.name, kind.timeout)


def _begin(sample: Sample) -> float:
    return max(sample.t - sample.span, 0.0)
