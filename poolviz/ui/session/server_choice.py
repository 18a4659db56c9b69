"""Which server is chosen, and the way to it: reached, not reached, tried again, lost."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from poolviz.language import tr
from poolviz.runs.runner import SERVER_LOST, Runner
from poolviz.servers.target import Target
from poolviz.ui.session.notices import Notices, Weight, sentence_of
from poolviz.ui.session.worker import Inbox, Worker


class ServerChoice(QObject):
    """The chosen server, and what is known of it. Belongs to the GUI thread; `run_worker` does
    what blocks. Notices on the topic `server` say what goes on."""

    changed = Signal()  # an attempt begins, or has failed
    reached = Signal(object, bool)  # the Target, and whether a start was waiting for it

    def __init__(
        self,
        runner: Runner,
        run_worker: Worker,
        inbox: Inbox,
        notices: Notices,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner, self._run_worker = runner, run_worker
        self._inbox, self._notices = inbox, notices
        self.dsn: str | None = None  # the user's own server; None: the embedded one
        self.pooler: str | None = None  # the console of a pooler before it, as a DSN
        self.target: Target | None = None
        self._attempt = 0  # the number of the one that goes on; 0: none does
        self._attempts = 0
        self._start = False  # a start waits for the server

    @property
    def connecting(self) -> bool:
        """An attempt to reach the server goes on."""
        return bool(self._attempt)

    @property
    def embedded(self) -> bool:
        """The chosen server is the one that poolviz brings along."""
        return self.dsn is None

    @property
    def ready(self) -> Target | None:
        """The server, if it was reached and, where it is the embedded one, still runs."""
        lost = self.target is not None and self.target.embedded and not self._runner.server_alive
        return None if lost else self.target

    def connect_to_it(self, *, start: bool) -> None:
        """Reach for the chosen server. A start may wait for that."""
        self.target = None
        self._start = start
        self._attempts += 1
        attempt = self._attempt = self._attempts
        dsn, pooler = self.dsn, self.pooler
        sentence = tr("Starting PostgreSQL…") if dsn is None else tr("Connecting to your server…")
        self._notices.say("server", sentence, closable=False)
        self._run_worker.do(
            lambda: self._runner.reach(dsn, self._progress, pooler=pooler),
            lambda target: self._arrive(attempt, target),
            lambda error: self._fail(attempt, error),
        )
        self.changed.emit()

    def start_when_reached(self) -> None:
        """Have a start wait for the attempt that goes on."""
        self._start = True

    def give_up(self) -> None:
        """Ignore the outcome of an attempt that goes on."""
        self._attempt = 0

    def notice_loss(self) -> str:
        """Return what to say if the embedded server has ended since the last call; else ""."""
        if self.target is None or self.ready is not None:
            return ""
        self.target = None
        return tr(SERVER_LOST)

    def _progress(self, words: str) -> None:
        """Show what the runner is doing. Called in the worker's thread."""
        self._inbox.post(lambda: self._notices.say("server", f"{words}…", closable=False))

    def _arrive(self, attempt: int, target: Target) -> None:
        if attempt != self._attempt:
            return  # another server was chosen meanwhile
        self._attempt = 0
        self.target = target
        self._notices.take_back("server")
        self.reached.emit(target, self._start)

    def _fail(self, attempt: int, error: BaseException) -> None:
        if attempt != self._attempt:
            return
        self._attempt = 0
        start = self._start
        self._notices.say(
            "server",
            sentence_of(error),
            Weight.BAD,
            tr("Try again"),
            lambda: self._try_again(start),
        )
        self.changed.emit()

    def _try_again(self, start: bool) -> None:
        if not self.connecting:
            self.connect_to_it(start=start)
