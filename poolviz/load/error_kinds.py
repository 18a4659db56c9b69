"""The kinds of errors that clients meet, and what is known of each from its first error on."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from time import perf_counter_ns

from poolviz.model.error_text import message_of, name_of, unwrapped

_MOST_KINDS = 100  # names; a pool that makes a class for each error must not fill the record
OTHER = "other errors"


class ErrorKinds:
    """Names errors for counting, and keeps the time and the message of the first of each kind.

    Kinds are forgotten when a segment begins, so that each segment has a first error of its own.
    Clients call `name`, from any thread; one other thread calls `take` and `forget`. An error that
    comes at the same moment as `forget` may be counted without its details.
    """

    def __init__(self, passwords: Collection[str] = ()) -> None:
        self._passwords = passwords
        self._names: set[str] = set()  # of the whole run
        self._known: set[tuple[str, bool]] = set()  # of this segment
        self._first: deque[tuple[str, bool, int, str]] = deque()

    def name(self, error: BaseException, *, timeout: bool = False) -> str:
        """Return the name by which `error` is counted, as a `timeout` or as an error."""
        error = unwrapped(error)
        name = name_of(error)
        if name not in self._names:
            if len(self._names) >= _MOST_KINDS:
                name = OTHER
            self._names.add(name)
        if (name, timeout) not in self._known:
            self._known.add((name, timeout))
            now = perf_counter_ns()
            self._first.append((name, timeout, now, message_of(error, self._passwords)))
        return name

    def take(self) -> list[tuple[str, bool, int, str]]:
        """Take the first errors since the last call: name, whether it is a timeout, the moment
        in ns of `perf_counter_ns`, and the message."""
        taken = []
        while self._first:
            taken.append(self._first.popleft())
        return taken

    def forget(self) -> None:
        """Let the next error of each kind be a first one: a segment begins."""
        self._known.clear()
