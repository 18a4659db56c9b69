"""Finds out, whenever something else is requested for, whether it can be carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from poolviz.model.parameters import Value
from poolviz.ui.session.warnings import mistake_in
from poolviz.ui.session.worker import Worker


class LoadValidator:
    """Keeps the `mistake` in what was requested for last, and calls `then` each time that is known.

    A file may take long to read, so that is done by `file_worker`; what it finds of a load that is
    not requested for any more is dropped. Belongs to the GUI thread.
    """

    def __init__(self, file_worker: Worker, then: Callable[[], None]) -> None:
        self._file_worker, self._then = file_worker, then
        self._number = 0  # of the load that was requested for last
        self.mistake = ""  # why it can't all be carried out

    def validate(self, load: Mapping[str, Value], dialect: str, *, names_a_file: bool) -> None:
        """See whether `load` can be carried out on a server of that kind."""
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
