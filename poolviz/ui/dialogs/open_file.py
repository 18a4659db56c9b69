"""Opens scenarios, which are run, and sessions, which are shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import tr
from poolviz.model.lesson import Lesson
from poolviz.model.scenario import Scenario
from poolviz.pools.registry import is_built_in
from poolviz.runs.request import check_draft
from poolviz.scenarios.draft import Draft, DraftError
from poolviz.scenarios.toml_file import read_draft
from poolviz.ui.session.controller import Controller
from poolviz.ui.session.notices import Weight, sentence_of

SCENARIO, SESSION = ".toml", ".poolviz"
_TOPIC = "scenario"


@dataclass(frozen=True)
class _Opened:
    """A checked scenario, and the server and the pooler that its file names, if any."""

    scenario: Scenario
    dsn: str | None
    pooler: str | None
    lesson: Lesson | None


class FileOpener(QObject):
    """Has a worker read files, and passes their contents to the controller.

    A file with mistakes changes nothing.
    """

    lesson_opened = Signal(object, object, object)  # Lesson, Scenario, and its DSN or None

    def __init__(self, controller: Controller, window: QWidget) -> None:
        super().__init__(window)
        self._controller, self._window = controller, window

    def ask(self) -> None:
        """Let the user choose a file."""
        dialog = QFileDialog(self._window, tr("Open a scenario or a session"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters(
            [
                tr(
                    "Scenarios and sessions (*{scenario} *{session})",
                    scenario=SCENARIO,
                    session=SESSION,
                ),
                tr("Scenarios (*{scenario})", scenario=SCENARIO),
                tr("Sessions (*{session})", session=SESSION),
            ]
        )
        dialog.setDirectory(str(self._controller.sessions_folder))
        dialog.fileSelected.connect(lambda name: self.open(Path(name)))
        dialog.open()

    def open(self, path: Path, *, lesson: bool = True) -> None:
        """Show a session, run a scenario, or with `lesson` ask the question that it may have.
        On a server of the user's, Start runs it."""
        if path.suffix.lower() == SESSION:
            self._controller.view_session(path)
            return
        controller = self._controller
        target = controller.target
        dsn = None if controller.embedded or target is None else target.conninfo

        def refuse(error: BaseException) -> None:
            self._refuse(path, error)

        def check(draft: Draft) -> None:
            controller.file_worker.do(
                lambda: _checked(draft, dsn), partial(self._take, lesson), refuse
            )

        def learn(draft: Draft) -> None:
            if is_built_in(draft.pool):
                check(draft)
            else:
                controller.learn([draft.pool], lambda _: check(draft), refuse)

        controller.file_worker.do(lambda: read_draft(path), learn, refuse)

    def _take(self, lesson: bool, opened: _Opened) -> None:
        self._controller.notices.take_back(_TOPIC)
        if lesson and opened.lesson is not None:
            self.lesson_opened.emit(opened.lesson, opened.scenario, opened.dsn)
            return
        self._controller.perform(opened.scenario, opened.dsn, opened.pooler)

    def _refuse(self, path: Path, error: BaseException) -> None:
        if isinstance(error, DraftError) and error.count > 1:
            Mistakes(path, error, self._window).open()
        else:
            self._controller.notices.say(_TOPIC, sentence_of(error), Weight.BAD)


class Mistakes(QDialog):
    """The mistakes in a file, to be read and copied, without its name."""

    def __init__(self, path: Path, error: DraftError, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Mistakes in a scenario"))
        self.resize(640, 320)
        heading = QLabel(
            tr(
                "{file} has {count:,} mistakes. Nothing was changed.",
                file=path.name,
                count=error.count,
            )
        )
        heading.setProperty("role", "title")
        place = QLabel(str(path))
        place.setProperty("role", "note")
        for label in (heading, place):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.words = QPlainTextEdit("\n".join(error.problems_in_file))
        self.words.setReadOnly(True)
        self.words.setAccessibleName("mistakes")
        close = QPushButton(tr("Close"))
        close.setDefault(True)
        close.clicked.connect(self.accept)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(8)
        column.addWidget(heading)
        column.addWidget(place)
        column.addWidget(self.words, 1)
        column.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)


def _checked(draft: Draft, dsn: str | None) -> _Opened:
    """Return the scenario of a file, checked for the server that it names, or else for `dsn`.

    Raises InputError with every mistake.
    """
    own = draft.dsn
    if own is None and dsn is not None:
        draft = draft.with_fields(dsn=dsn)
    return _Opened(check_draft(draft), own, draft.pooler, draft.lesson)
