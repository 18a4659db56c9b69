"""The kinds of errors that clients meet: told apart by class, SQLSTATE and what their text says.

Texts are compared without what differs between two errors of a kind: numbers, names in quotes,
addresses and ids (see `kind_of_text`). There is an end to the kinds of one run: where a pool gives
each error a text or a class of its own, all further ones are one kind.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Mapping
from time import perf_counter_ns

from poolviz.model.error_text import (
    kind_of_text,
    name_of,
    qualified_name_of,
    raw_text,
    shown_text,
    sqlstate_of,
    unwrapped,
)
from poolviz.model.sample import ErrorCount, ErrorKind

_MOST_NAMES = 100
_MOST_TEXTS = 20  # of one name
_MOST_KINDS = 200  # told apart by their text
_MOST_REMEMBERED = 1_000  # texts whose kind is found without looking at them again
_LONGEST_REMEMBERED = 1_000  # characters of such a text
# ns between two latest messages of a kind that are recorded: at least, and for each kind there is
_NEWS_EVERY, _NEWS_EVERY_BY_KIND = 1_000_000_000, 100_000_000
OTHER = "other errors"


class CountedKind:
    """A kind of error, as clients count it. Written by the threads of clients, without a lock."""

    __slots__ = (
        *("exception", "latest", "name", "number", "sqlstate", "timeout"),
        *("_segment", "_recorded", "_recorded_at"),
    )  # fmt: skip

    def __init__(
        self, number: int, name: str, *, exception: str, sqlstate: str | None, timeout: bool
    ) -> None:
        self.number, self.name, self.timeout = number, name, timeout
        self.exception, self.sqlstate = exception, sqlstate
        self.latest = (0, "")  # when the latest error came (perf_counter_ns), and what it said
        self._segment = -1  # in which one came last
        self._recorded: str | None = None  # the latest text that was taken, and when
        self._recorded_at = 0

    def came(self, text: str, segment: int) -> bool:
        """Note that an error came; return whether it is the first one in `segment`."""
        self.latest = (perf_counter_ns(), text)
        if self._segment == segment:
            return False
        self._segment = segment
        return True

    def news(self, every: int) -> str | None:
        """Return the latest text if it has not been taken yet, and came at least `every` ns after
        the one that was taken before."""
        moment, text = self.latest
        if text == self._recorded or moment - self._recorded_at < every:
            return None
        self._recorded, self._recorded_at = text, moment
        return text


class ErrorKinds:
    """Tells errors apart for counting, and keeps the first and the latest message of each kind.

    Kinds begin anew when a segment does, so that each segment has a first error of its own.
    Clients call `kind`, from any thread; one other thread calls the rest. An error that comes at
    the same moment as `forget` may be counted without its details.
    """

    def __init__(self, passwords: Collection[str] = ()) -> None:
        self._passwords = passwords
        self._segment = 0
        # By the id of its class, which is kept with it so that the id stays that of this class.
        self._by_text: dict[tuple[int, bool, str | None, str], tuple[CountedKind, type]] = {}
        self._by_class: dict[int, tuple[str, str, type]] = {}
        self._lock = threading.Lock()  # guards the three below, which few errors need
        self._kinds: dict[tuple[object, ...], CountedKind] = {}
        self._names: dict[tuple[str, bool], int] = {}  # with the number of their texts
        self._texts = 0
        self._first: deque[tuple[CountedKind, int, str]] = deque()

    def kind(self, error: BaseException, *, timeout: bool = False) -> CountedKind:
        """Return the kind as which `error` is counted, as a `timeout` or as an error."""
        error = unwrapped(error)
        text, sqlstate = raw_text(error), sqlstate_of(error)
        text_of_class = (id(type(error)), timeout, sqlstate, text)
        known = self._by_text.get(text_of_class)
        if known is not None:
            kind = known[0]
        else:
            kind = self._find(error, sqlstate, text, timeout=timeout)
            if len(text) <= _LONGEST_REMEMBERED:
                if len(self._by_text) >= _MOST_REMEMBERED:
                    self._by_text.clear()
                self._by_text[text_of_class] = (kind, type(error))
        if kind.came(text, self._segment):
            self._first.append((kind, *kind.latest))
        return kind

    def first(self, began: int) -> list[ErrorKind]:
        """Take the first errors of each kind since the last call. The run `began` at that moment,
        in ns of `perf_counter_ns`."""
        taken = []
        while self._first:
            kind, moment, text = self._first.popleft()
            taken.append(
                ErrorKind(
                    kind.name,
                    _seconds(moment, began),
                    shown_text(text, self._passwords),
                    kind.timeout,
                    kind.number,
                    kind.sqlstate,
                    kind.exception,
                )
            )
        return taken

    def counts(
        self, counted: Mapping[CountedKind, int], began: int, until: int, *, complete: bool
    ) -> list[ErrorCount]:
        """Return these counts of errors up to the moment `until`, with the time of the latest of
        each kind. Its message is there if it is another than before; one that comes within a second
        of another, or longer if there are many kinds, is kept back, unless a segment is to be
        `complete`."""
        kinds = self._kinds.copy().values() if complete else counted
        every = 0 if complete else max(_NEWS_EVERY, _NEWS_EVERY_BY_KIND * len(self._kinds))
        taken = []
        for kind in kinds:
            count, text = counted.get(kind, 0), kind.news(every)
            if count or text is not None:
                message = None if text is None else shown_text(text, self._passwords)
                last = _seconds(min(kind.latest[0], until), began)
                taken.append(ErrorCount(kind.number, count, last, message))
        return taken

    def forget(self) -> None:
        """Let the next error of each kind be a first one: a segment begins."""
        self._segment += 1

    def _find(
        self, error: BaseException, sqlstate: str | None, text: str, *, timeout: bool
    ) -> CountedKind:
        """Return the kind of an error by its text, or the one for all further texts."""
        name, exception = self._names_of(error)
        by_text = (exception, timeout, sqlstate, kind_of_text(error, text, sqlstate))
        with self._lock:
            kind = self._kinds.get(by_text)
            if kind is not None:
                return kind
            if (name, timeout) not in self._names and len(self._names) >= _MOST_NAMES:
                return self._kind((OTHER, timeout), OTHER, "", None, timeout=timeout)
            texts = self._names.setdefault((name, timeout), 0)
            if texts >= _MOST_TEXTS or self._texts >= _MOST_KINDS:
                return self._kind((name, timeout), name, "", None, timeout=timeout)
            self._names[name, timeout] += 1
            self._texts += 1
            return self._kind(by_text, name, exception, sqlstate, timeout=timeout)

    def _names_of(self, error: BaseException) -> tuple[str, str]:
        """Return the name of an exception's class, without and with that of its module."""
        kind = type(error)
        known = self._by_class.get(id(kind))
        if known is None:
            known = (name_of(error), qualified_name_of(error), kind)
            if len(self._by_class) < _MOST_NAMES:
                self._by_class[id(kind)] = known
        return known[:2]

    def _kind(
        self,
        key: tuple[object, ...],
        name: str,
        exception: str,
        sqlstate: str | None,
        *,
        timeout: bool,
    ) -> CountedKind:
        kind = self._kinds.get(key)
        if kind is None:
            number = len(self._kinds)
            kind = self._kinds[key] = CountedKind(
                number, name, exception=exception, sqlstate=sqlstate, timeout=timeout
            )
        return kind


def _seconds(moment: int, began: int) -> float:
    return max((moment - began) * 1e-9, 0.0)
