"""Finds out, whenever something else is asked for, whether it can be carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from poolviz.model.parameters import Value
from poolviz.ui.session.warnings import mistake_in
from poolviz.ui.session.worker import Chores


class Examiner:
    """Keeps the `mistake` in what was asked for last, and calls `then` each time that is known.

    A file may take long to read, so that is done by `errands`; what it finds of a load that is not
    asked for any more is dropped. Belongs to the GUI thread.
    """

    def __init__(self, errands: Chores, then: Callable[[], None]) -> None:
        self._errands, self._then = errands, then
        self._number = 0  # of the load that was asked for last
        self.mistake = ""  # why it can't all be carried out

    def examine(self, load: Mapping[str, Value], dialect: str, *, names_a_file: bool) -> None:
        """See whether `load` can be carried out on a server of that kind."""
        self._number += 1
        number = self._number
        if names_a_file:
            self._errands.do(
                lambda: mistake_in(load, dialect), lambda mistake: self._found(number, mistake)
            )
        else:
            self._found(number, mistake_in(load, dialect))

    def _found(self, number: int, mistake: str) -> None:
        if number == self._number:
            self.mistake = mistake
            self._then()
