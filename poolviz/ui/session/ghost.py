"""The session that a run repeats, to be drawn paler behind it until it is dismissed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, Signal

from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.notices import Notices, Weight

_TOPIC = "ghost"  # of notices
_CURVES = "The pale curves (active and waiting, wait p95, ops/s) are those of"


class Ghost(QObject):
    """At most one session, which it owns. Belongs to the GUI thread; `close` closes a record
    elsewhere."""

    changed = Signal()  # `recorder` is another

    def __init__(
        self, notices: Notices, close: Callable[[Recorder], None], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._notices, self._close = notices, close
        self.recorder: Recorder | None = None

    def show(self, recorder: Recorder | None) -> None:
        """Show another session, or with None none; the one before is closed."""
        old, self.recorder = self.recorder, recorder
        if recorder is None:
            self._notices.take_back(_TOPIC)
        if old is not recorder:
            self.changed.emit()
            if old is not None:
                self._close(old)

    def remove(self) -> None:
        """Show none any more."""
        self.show(None)

    def describe(self, name: str, left_out: Sequence[str] = ()) -> None:
        """Say which session is shown, if one is, and in sentences what of it isn't repeated."""
        if self.recorder is not None:
            self._notices.say(
                _TOPIC,
                " ".join((f"{_CURVES} {name}, which is run again.", *left_out)),
                Weight.WARN if left_out else Weight.INFO,
                "Remove them",
                self.remove,
                closable=False,
            )
