"""Finds out, whenever the requested load changes, whether it can be carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from poolviz.load.settings import check_load
from poolviz.model.errors import InputError
from poolviz.model.parameters import Value
from poolviz.ui.session.worker import Worker


class LoadValidator:
    """Keeps the `mistake` in the load that was requested last, and calls `then` once it is known.

    A file may take long to read, so `file_worker` reads it; findings about a load that is no
    longer requested are ignored. Belongs to the GUI thread.
    """

    def __init__(self, file_worker: Worker, then: Callable[[], None]) -> None:
        self._file_worker, self._then = file_worker, then
        self._number = 0  # of the load that was requested last
        self.mistake = ""  # why it can't be carried out

    def validate(self, load: Mapping[str, Value], dialect: str, *, names_a_file: bool) -> None:
        """Check whether `load` can be carried out on a server of that dialect."""
        self._number += 1
        number = self._number
        if names_a_file:
            self._file_worker.do(
                lambda: mistake_in(load, dialect), lambda mistake: self._found(number, mistake)
            )
        else:
            self._found(number, mistake_in(load, dialect))

    def _found(self, number: int, mistake: str) -> None:
        if number == self._number:
            self.mistake = mistake
            self._then()


def mistake_in(load: Mapping[str, Value], dialect: str) -> str:
    """Return why a load can't be carried out on a server of that dialect; "" where it can. Reads
    the files that belong to it. May be called from any thread."""
    try:
        check_load(load, dialect)
    except InputError as error:
        return str(error)
    return ""
