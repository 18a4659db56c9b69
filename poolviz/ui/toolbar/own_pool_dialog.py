"""The dialog that asks which of a file's classes, functions and objects is the pool, and how it is
used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import tr, tr_noop
from poolviz.load.settings import settings_for
from poolviz.model.errors import InputError
from poolviz.pools.base import Pool, TaskPool
from poolviz.pools.custom.candidates import Candidate
from poolviz.pools.custom.own_options import OWN_OPTIONS, check_options, with_options
from poolviz.pools.registry import pool_class
from poolviz.ui.session.controller import Controller
from poolviz.ui.session.notices import sentence_of

_RECOGNISED = tr_noop("as recognised")
_TO_RUN = tr_noop("Connect to the run's server, where it has a server of its own")
_CLIENTS = (_RECOGNISED, "threads", "tasks")


def usable(id: str) -> type[Pool]:
    """Return the pool `id`. Raises InputError if it can't be loaded or run under a load."""
    pool = pool_class(id)
    settings_for(pool)
    return pool


def found_of(candidates: Sequence[Candidate]) -> dict[str, type[Pool] | InputError]:
    """Return for the id of each candidate its pool, or why it can't be used."""
    found: dict[str, type[Pool] | InputError] = {}
    for each in candidates:
        try:
            found[each.id] = usable(each.id)
        except InputError as refusal:
            found[each.id] = refusal
    return found


class OwnPoolDialog(QDialog):
    """Lists what a file has; those that can be used come first. Emits `chosen` with a pool.

    The options of its use are those of `--own-pool`. A choice that can't be used with them is
    answered in the dialog, which stays open.
    """

    chosen = Signal(object)

    def __init__(
        self,
        controller: Controller,
        candidates: Sequence[Candidate],
        found: Mapping[str, type[Pool] | InputError],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Your own pool"))
        self.resize(620, 520)
        self._controller, self._found = controller, found
        self._open = True
        self.list = QTreeWidget()
        self.acquire, self.release = QLineEdit(), QLineEdit()
        self.clients, self.to_run = QComboBox(), QCheckBox(tr(_TO_RUN))
        self.answer = QLabel()
        self.use_button = QPushButton(tr("Use this pool"))
        self._fill(candidates)
        self._set_up()
        self._lay_out(candidates)
        self.list.currentItemChanged.connect(self._show_current)
        self.list.itemActivated.connect(self._use)
        self.use_button.clicked.connect(self._use)
        self.finished.connect(self._finished)
        self.choose(self.names[0])

    @property
    def names(self) -> list[str]:
        """The names that are listed."""
        items = (self.list.topLevelItem(row) for row in range(self.list.topLevelItemCount()))
        return [item.text(0) for item in items if item is not None]

    def choose(self, name: str) -> None:
        """Make the row of that name the current one."""
        exactly = Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchCaseSensitive
        for item in self.list.findItems(name, exactly):
            self.list.setCurrentItem(item)

    def _fill(self, candidates: Sequence[Candidate]) -> None:
        self.list.setColumnCount(3)
        self.list.setHeaderLabels([tr("Name"), tr("What it is"), tr("Clients")])
        usable_first = sorted(
            candidates, key=lambda each: isinstance(self._found[each.id], InputError)
        )
        for each in usable_first:
            pool = self._found[each.id]
            refused = isinstance(pool, InputError)
            what = each.what if isinstance(pool, InputError) else pool.what or each.what
            clients = "" if isinstance(pool, InputError) else _clients(pool)
            item = QTreeWidgetItem([each.name, what, tr("can't be used") if refused else clients])
            item.setData(0, Qt.ItemDataRole.UserRole, each.id)
            if refused:
                for column in range(3):
                    item.setForeground(column, self.palette().placeholderText())
            self.list.addTopLevelItem(item)

    def _set_up(self) -> None:
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setAccessibleName(tr("classes, functions and objects of the file"))
        header = self.list.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        for key, line in (("acquire", self.acquire), ("release", self.release)):
            line.setPlaceholderText(tr(_RECOGNISED))
            line.setToolTip(OWN_OPTIONS[key])
            line.setAccessibleName(tr("{key} method", key=key))
        self.clients.addItems(_CLIENTS)
        self.clients.setToolTip(OWN_OPTIONS["clients"])
        self.clients.setAccessibleName("clients")
        self.to_run.setToolTip(OWN_OPTIONS["url"])
        self.answer.setWordWrap(True)
        self.answer.setTextFormat(Qt.TextFormat.PlainText)
        self.answer.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.answer.setMinimumHeight(54)
        self.answer.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.use_button.setProperty("primary", "true")
        self.use_button.setDefault(True)

    def _lay_out(self, candidates: Sequence[Candidate]) -> None:
        place = QLabel(candidates[0].id.rpartition(":")[0])
        place.setProperty("role", "note")
        place.setTextFormat(Qt.TextFormat.PlainText)
        place.setWordWrap(True)
        question = QLabel(tr("Which of these is the pool?"))
        question.setProperty("role", "name")
        form = QFormLayout()
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(8)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        form.addRow(tr("Acquire by"), self.acquire)
        form.addRow(tr("Release by"), self.release)
        form.addRow(tr("Clients"), self.clients)
        form.addRow("", self.to_run)
        cancel = QPushButton(tr("Cancel"))
        cancel.setAutoDefault(False)
        cancel.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.use_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(10)
        column.addWidget(question)
        column.addWidget(place)
        column.addWidget(self.list, 1)
        column.addWidget(self.answer)
        column.addLayout(form)
        column.addLayout(buttons)

    @property
    def _options(self) -> dict[str, str]:
        """The options that were given."""
        given = {"acquire": self.acquire.text().strip(), "release": self.release.text().strip()}
        given["url"] = "run" if self.to_run.isChecked() else ""
        given["clients"] = self.clients.currentText() if self.clients.currentIndex() else ""
        return {key: value for key, value in given.items() if value}

    def _current(self) -> str:
        item = self.list.currentItem()
        return "" if item is None else str(item.data(0, Qt.ItemDataRole.UserRole))

    def _show_current(self) -> None:
        """Say how the pool of the current row is used, or why it can't be."""
        found = self._found.get(self._current())
        if isinstance(found, InputError):
            self._say(sentence_of(found), "warn")
        elif found is not None:
            self._say(f"{found.about} {found.uses[0].code}" if found.uses else found.about, "note")

    def _use(self) -> None:
        bare, options = self._current(), self._options
        if not bare or not self.use_button.isEnabled():
            return
        try:
            check_options(options, bare.rpartition(":")[2])
        except InputError as error:
            self._say(sentence_of(error), "bad")
            return
        known = self._found[bare]
        if not options and not isinstance(known, InputError):
            self._take(known)
            return
        id = with_options(bare, options)
        self.use_button.setEnabled(False)
        self._say(tr("Importing the file…"), "note")

        def learned(_: None) -> None:
            self._controller.file_worker.do(lambda: usable(id), self._take, self._refuse)

        self._controller.learn([id], learned, self._refuse)

    def _take(self, pool: type[Pool]) -> None:
        if self._open:
            self.accept()
            self.chosen.emit(pool)

    def _refuse(self, error: BaseException) -> None:
        if self._open:
            self.use_button.setEnabled(True)
            self._say(sentence_of(error), "bad")

    def _finished(self) -> None:
        self._open = False

    def _say(self, words: str, role: str) -> None:
        self.answer.setText(words)
        self.answer.setProperty("role", role)
        self.answer.style().unpolish(self.answer)
        self.answer.style().polish(self.answer)


def _clients(pool: type[Pool]) -> str:
    return "tasks" if issubclass(pool, TaskPool) else "threads"
