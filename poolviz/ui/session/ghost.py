"""The run before, which the one that is shown repeats or whose pool was switched: it is drawn paler
behind the new one until it is dismissed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, Signal

from poolviz.language import tr
from poolviz.sessions.recorder import Recorder
from poolviz.ui.session.notices import Notices, Weight

_TOPIC = "ghost"  # of notices


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
        """Say which session is shown, if one is, and in sentences what of it isn't repeated; "" as
        its name means the run before, on another pool."""
        if self.recorder is None:
            return
        if name:
            sentence = tr(
                "The pale curves (active and waiting, wait p95, ops/s) are those of {name}, which "
                "is run again.",
                name=name,
            )
        else:
            began = self.recorder.began
            sentence = tr(
                "The pale curves (active and waiting, wait p95, ops/s) are those of the run "
                "before, "
                "on {pool}. Its figures are beside those of the new run (F8). Esc removes it.",
                pool=began.scenario.pool if began is not None else tr("another pool"),
            )
        self._notices.say(
            _TOPIC,
            " ".join((sentence, *left_out)),
            Weight.WARN if left_out else Weight.INFO,
            tr("Remove them"),
            self.remove,
            closable=False,
        )
