"""The dialog that asks for a server of the user's and tests it."""

from __future__ import annotations

import os

from PySide6.QtCore import QSettings, Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE, dialect_of
from poolviz.model.errors import InputError, PoolvizError
from poolviz.model.text import shortened
from poolviz.pools.connections.dsn import postgres_url, where_option_belongs
from poolviz.runs.warnings import room
from poolviz.servers.dispatch import passwords, reach, with_password, without_password
from poolviz.servers.target import Target
from poolviz.ui.session.worker import Worker

_REMEMBERED = "server/dsn"
_FEW, _LONGEST = 3, 40  # options of a URL that are named, and the characters of a name
_DATABASE_URL = "DATABASE_URL"  # by which many applications are told their server
_KINDS = (
    ("PostgreSQL", "postgresql://user@host:5432/database or keywords"),
    ("MySQL, MariaDB", "mysql://user@host:3306/database"),
    ("SQLite", "sqlite:///file.db"),
)
_NOTES = {
    POSTGRESQL: "PGPASSWORD, PGPASSFILE and PGSERVICE are used too.",
    MYSQL: "Options may follow the database: ?unix_socket=PATH, ?ssl_ca=FILE.",
    SQLITE: "A file that doesn't exist is created by the first connection.",
}


def remember(settings: QSettings, target: Target) -> None:
    """Store a server that was reached, for the next time the dialog opens.

    A DSN that wasn't reached may contain a password anywhere.
    """
    if not target.embedded:
        settings.setValue(_REMEMBERED, without_password(target.conninfo))


class ServerDialog(QDialog):
    """Asks for a DSN and a password, which isn't kept after the dialog. Emits `chosen`."""

    chosen = Signal(str)

    def __init__(self, worker: Worker, settings: QSettings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Own server")
        self.setMinimumWidth(520)
        self._worker = worker
        self._tries = 0
        self._open = True
        self.dsn, self.password, self.answer = QLineEdit(), QLineEdit(), QLabel()
        self.dsn.setPlaceholderText("postgresql://user@host:5432/database")
        self.dsn.setText(str(settings.value(_REMEMBERED, "")))
        self.dsn.setAccessibleName("DSN")
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.password.setPlaceholderText("if the server requires one; never stored")
        self.password.setAccessibleName("password")
        self.answer.setWordWrap(True)
        self.answer.setMinimumHeight(54)
        self.answer.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._url = os.environ.get(_DATABASE_URL, "").strip()
        self.offered = QPushButton(f"Use {_DATABASE_URL}", self)
        self.offered.setVisible(bool(self._url))
        self.offered.setToolTip(f"Fill in the server that {_DATABASE_URL} names.")
        self.offered.setAutoDefault(False)
        self.offered.clicked.connect(self._take_database_url)
        self.test_button, self.connect_button = QPushButton("Test"), QPushButton("Connect")
        self.connect_button.setProperty("primary", "true")
        self.connect_button.setDefault(True)
        self._lay_out()
        self.dsn.textChanged.connect(self._changed)
        self.password.textChanged.connect(self._changed)
        self.test_button.clicked.connect(self._test)
        self.connect_button.clicked.connect(self._connect)
        self.finished.connect(self._finished)
        self._changed()

    def _lay_out(self) -> None:
        words = QLabel(
            "The load starts only when you press Start. It opens as many connections as\n"
            "the pool's limits allow, and one more to watch them. Nothing is created there,\n"
            "except the tables of the statements read and read_write, and only if you allow it."
        )
        words.setProperty("role", "note")
        form = QFormLayout()
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(8)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        form.addRow("DSN", self.dsn)
        form.addRow("", _kinds())
        if self._url:
            form.addRow("", self.offered)
        form.addRow("Password", self.password)
        cancel = QPushButton("Cancel")
        cancel.clicked.connect(self.reject)
        for button in (self.test_button, cancel):
            button.setAutoDefault(False)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.test_button)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.connect_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(12)
        column.addWidget(words)
        column.addLayout(form)
        column.addWidget(self.answer)
        column.addLayout(buttons)

    @property
    def _whole(self) -> str:
        password = self.password.text()
        return with_password(self.dsn.text(), password) if password else self.dsn.text().strip()

    def _take_database_url(self) -> None:
        """Fill in the server that the environment names; its password isn't shown. What its URL
        says to a library, and not to libpq, is left out with a sentence each."""
        url, left_out = _for_libpq(self._url)
        shown = without_password(url)
        if not shown:  # reading it says why; any part may be a password
            self.password.clear()
            self._show(f"{_DATABASE_URL} can't be read as the URL of a server: check it.", "bad")
            return
        self.dsn.setText(shown)
        self.password.setText(next(iter(passwords(url)), ""))
        if left_out:
            self._show("\n".join(left_out[:_FEW]), "note")

    def _changed(self) -> None:
        self._tries += 1  # the result of an earlier test is about another DSN
        dsn = self.dsn.text().strip()
        dialect = dialect_of(dsn)
        self.test_button.setEnabled(bool(dsn))
        self.connect_button.setEnabled(bool(dsn))
        self.password.setEnabled(dialect != SQLITE)
        self._show(_NOTES[dialect], "note")

    def _test(self) -> None:
        self._tries += 1
        attempt, dsn = self._tries, self._whole
        self.test_button.setEnabled(False)
        self._show("Connecting…", "note")
        self._worker.do(
            lambda: reach(dsn),
            lambda target: self._tested(attempt, target),
            lambda error: self._failed(attempt, error),
        )

    def _tested(self, attempt: int, target: Target) -> None:
        if not self._open or attempt != self._tries:
            return
        self.test_button.setEnabled(True)
        self._show(f"✓ {target.product} {target.version}; {room(target)}.", "good")

    def _failed(self, attempt: int, error: BaseException) -> None:
        if not isinstance(error, PoolvizError):
            raise error
        if self._open and attempt == self._tries:
            self.test_button.setEnabled(True)
            self._show(str(error), "bad")

    def _connect(self) -> None:
        self.accept()
        self.chosen.emit(self._whole)

    def _finished(self) -> None:
        self._open = False

    def _show(self, words: str, role: str) -> None:
        self.answer.setText(words)
        self.answer.setProperty("role", role)
        self.answer.style().unpolish(self.answer)
        self.answer.style().polish(self.answer)


def _for_libpq(url: str) -> tuple[str, list[str]]:
    """Return a URL without the options that libpq doesn't know, and a sentence on each of them."""
    try:
        read = postgres_url(url) if dialect_of(url) == POSTGRESQL else None
    except InputError:
        return url, []
    if read is None or not read.others:
        return url, []
    sentences = []
    for name in read.others:
        where = where_option_belongs(name)
        about = f"which is {where}" if where else "which libpq doesn't know"
        sentences.append(f"Left out of it: {shortened(name, _LONGEST)}, {about}.")
    return read.libpq, sentences


def _kinds() -> QLabel:
    """Return a label with an example DSN for each kind of server."""
    kinds = QLabel("\n".join(f"{kind}: {dsn}" for kind, dsn in _KINDS))
    kinds.setProperty("role", "note")
    kinds.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return kinds
