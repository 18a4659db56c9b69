"""The dialog that asks for a server of the user's and tests it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from poolviz.language import tr, tr_noop
from poolviz.model.dialect import POSTGRESQL, SQLITE, dialect_of
from poolviz.model.errors import InputError, PoolvizError, ServerError
from poolviz.model.text import shortened
from poolviz.pools.connections.dsn import postgres_url, where_option_belongs
from poolviz.runs.warnings import room
from poolviz.servers.diagnosis import Diagnosis, Finding, pooler_findings
from poolviz.servers.dispatch import (
    ask_pooler,
    diagnose,
    passwords,
    pooler_console_of,
    with_password,
    without_password,
)
from poolviz.servers.dsn_fields import environment_notes, fields_of, of_kind, with_fields
from poolviz.system import keyring_passwords
from poolviz.ui.pooler_field import PoolerField
from poolviz.ui.server_fields import FILES, NAMES, ServerFields
from poolviz.ui.session.server_memory import ServerMemory
from poolviz.ui.session.worker import Inbox, Worker

_FEW, _LONGEST = 3, 40  # options of a URL that are named, and the characters of a name
_DATABASE_URL = "DATABASE_URL"  # by which many applications are told their server
_SIGNS = {"good": "✓", "note": "–", "bad": "✗"}
_LONGEST_ENTRY = 60  # characters of a server in the menu
_PLACES = {
    "session": tr_noop("known for this session"),
    "keyring": tr_noop("in the system's keyring"),
    "": tr_noop("if the server requires one"),
}


class ServerDialog(QDialog):
    """Asks for a server by a URL and by fields, which are always in step. Emits `chosen` with the
    complete DSN, and that of the console of a pooler in between or "". `memory` keeps servers and
    passwords beyond the dialog; `arguments` are the keys of the connect arguments of the chosen
    pool."""

    chosen = Signal(str, str)

    def __init__(
        self,
        inbox: Inbox,
        memory: ServerMemory,
        arguments: Collection[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Own server"))
        self._memory, self._arguments = memory, arguments
        self._worker = Worker("server test worker", inbox)
        self._cancelled = threading.Event()
        self._tries = 0
        self._open = True
        self._filling = False  # one side shows what the other one says
        self._in_url = False  # the password in the box is that of the URL
        self.dsn = QLineEdit()
        self.dsn.setPlaceholderText("postgresql://user@host:5432/database")
        self.dsn.setAccessibleName("DSN")
        self.recent_button = QPushButton(tr("Recent"))
        self.recent_button.setAccessibleName(tr("Recent servers"))
        self.recent_button.setProperty("menu", "true")
        self.recent_button.setAutoDefault(False)
        self.fields = ServerFields()
        self.pooler = PoolerField()
        self.password = self.fields.edits["password"]
        self.remember_box = self.fields.remember_box
        self.answer = self.fields.answer
        self._url = os.environ.get(_DATABASE_URL, "").strip()
        self.offered = QPushButton(tr("Use {variable}", variable=_DATABASE_URL), self)
        self.offered.setVisible(bool(self._url))
        self.offered.setToolTip(
            tr("Fill in the server that {variable} names.", variable=_DATABASE_URL)
        )
        self.offered.setAutoDefault(False)
        self.test_button, self.connect_button = QPushButton(tr("Test")), QPushButton(tr("Connect"))
        self.connect_button.setProperty("primary", "true")
        self.connect_button.setDefault(True)
        self._lay_out()
        self._fill_recent()
        recent = memory.recent
        self.dsn.setText(recent[0] if recent else "")
        self._connect_signals()
        self._show_fields()
        self._changed()
        self.dsn.setFocus()
        self._worker.do(keyring_passwords.lacking, self._show_keyring)

    def _lay_out(self) -> None:
        words = QLabel(
            tr(
                "The load starts only when you press Start. It opens as many connections as the "
                "pool's "
                "limits allow, and one more to watch them. Nothing is created there, except the "
                "tables "
                "of the statements read and read_write, and only if you allow it."
            )
        )
        words.setWordWrap(True)
        words.setProperty("role", "note")
        url = QHBoxLayout()
        url.setSpacing(8)
        label = QLabel(tr("URL or keywords"))
        label.setBuddy(self.dsn)
        url.addWidget(label)
        url.addWidget(self.dsn, 1)
        url.addWidget(self.recent_button)
        if self._url:
            url.addWidget(self.offered)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(20, 16, 20, 6)
        column.setSpacing(12)
        column.addWidget(words)
        column.addLayout(url)
        column.addWidget(self.fields)
        column.addWidget(self.pooler)
        column.addStretch(1)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(inner)
        cancel = QPushButton(tr("Cancel"))
        cancel.clicked.connect(self.reject)
        for button in (self.test_button, cancel):
            button.setAutoDefault(False)
        buttons = QHBoxLayout()
        buttons.setContentsMargins(20, 8, 20, 16)
        buttons.setSpacing(8)
        buttons.addWidget(self.test_button)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.connect_button)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self._scroll, 1)
        whole.addLayout(buttons)
        self.setMinimumSize(520, 300)
        self.resize(680, 540)

    def _connect_signals(self) -> None:
        self.dsn.textChanged.connect(self._follow_url)
        self.dsn.editingFinished.connect(self._take_password_out)
        self.fields.kind_chosen.connect(self._take_kind)
        self.fields.edited.connect(self._take_field)
        self.fields.file_wanted.connect(self._ask_for_file)
        self.offered.clicked.connect(self._take_database_url)
        self.test_button.clicked.connect(self._test_or_cancel)
        self.connect_button.clicked.connect(self._connect)
        self.finished.connect(self._finished)

    # URL and fields

    @property
    def _whole(self) -> str:
        password = self.password.text()
        return with_password(self.dsn.text(), password) if password else self.dsn.text().strip()

    def _follow_url(self) -> None:
        """Show in the fields what the URL says."""
        if not self._filling:
            self._show_fields()
        self._changed()

    def _show_fields(self) -> None:
        self._filling = True
        dsn = self.dsn.text()
        found = fields_of(dsn)
        if found["password"]:
            self._in_url = True
        elif self._in_url:  # it was removed there
            self._in_url = False
        else:
            found["password"] = self.password.text()
        self.fields.show_values(dialect_of(dsn.strip()), found)
        self.pooler.setVisible(dialect_of(dsn.strip()) == POSTGRESQL)
        self._filling = False

    def _take_field(self, field: str, value: str) -> None:
        """Write a field into the URL. A password is never written there, and leaves it."""
        if self._filling:
            return
        self._filling = True
        if field == "password":
            self._in_url = False
            self.dsn.setText(with_fields(self.dsn.text(), {"password": ""}))
        else:
            dsn = self.dsn.text()
            start = dsn if dsn.strip() else "postgresql://"
            self.dsn.setText(with_fields(start, {field: value}))
            self.dsn.setCursorPosition(0)
        self._filling = False
        self._changed()

    def _take_kind(self, dialect: str) -> None:
        self.dsn.setText(of_kind(self.dsn.text(), dialect))
        if not self.dsn.text().strip():
            self.dsn.setText(f"{dialect}://")

    def _take_password_out(self) -> None:
        """Move a password from the URL, where it can be read, into its box."""
        if self._in_url and fields_of(self.dsn.text())["password"]:
            self._in_url = False
            self._filling = True
            self.dsn.setText(with_fields(self.dsn.text(), {"password": ""}))
            self._filling = False

    def _take_database_url(self) -> None:
        """Fill in the server that the environment names; its password isn't shown. What its URL
        says to a library, and not to libpq, is left out with a sentence each."""
        url, left_out = _for_libpq(self._url)
        shown = without_password(url)
        if not shown:  # reading it says why; any part may be a password
            self.password.clear()
            self._show(
                tr(
                    "{variable} can't be read as the URL of a server: check it.",
                    variable=_DATABASE_URL,
                ),
                "bad",
            )
            return
        self.dsn.setText(with_fields(url, {"password": ""}) if "://" in url else shown)
        self.password.setText(next(iter(passwords(url)), ""))
        if left_out:
            self._show("\n".join(left_out[:_FEW]), "note")

    def _ask_for_file(self, field: str) -> None:
        name = tr(NAMES[field]) if field in FILES else tr("SQLite file")
        dialog = QFileDialog(self, name, str(Path.home()))
        dialog.setFileMode(QFileDialog.FileMode.AnyFile)
        dialog.fileSelected.connect(self.fields.edits[field].setText)
        dialog.open()

    def _changed(self) -> None:
        """Forget what was said of another DSN, and say what completes this one."""
        self._tries += 1  # the result of an earlier test is about another DSN
        self._cancelled.set()
        dsn = self.dsn.text().strip()
        self.test_button.setText(tr("Test"))
        self.test_button.setEnabled(bool(dsn))
        self.connect_button.setEnabled(bool(dsn))
        self.password.setEnabled(dialect_of(dsn) != SQLITE)
        place = self._memory.password_place(dsn)
        self.password.setPlaceholderText(tr(_PLACES[place]))
        if place == "keyring":
            self.remember_box.setChecked(True)
        self._show("\n".join(environment_notes(dsn)), "note")

    # Recent servers and the keyring

    def _fill_recent(self) -> None:
        menu, forget = QMenu(self), QMenu(tr("Forget"), self)
        recent = self._memory.recent
        for dsn in recent:
            shown = shortened(dsn, _LONGEST_ENTRY).replace("&", "&&")
            menu.addAction(shown, self._taking(dsn))
            forget.addAction(shown, self._forgetting(dsn))
        menu.addSeparator()
        forget.addSeparator()
        forget.addAction(tr("All of them"), self._forget_all)
        menu.addMenu(forget)
        self.recent_button.setMenu(menu)
        self.recent_button.setEnabled(bool(recent))

    def _taking(self, dsn: str) -> Callable[[], None]:
        def take() -> None:
            self.password.clear()
            self.dsn.setText(dsn)

        return take

    def _forgetting(self, dsn: str) -> Callable[[], None]:
        def forget() -> None:
            self._memory.forget(dsn)
            self._forgot()

        return forget

    def _forget_all(self) -> None:
        self._memory.forget_all()
        self._forgot()

    def _forgot(self) -> None:
        self._fill_recent()
        self._changed()

    def _show_keyring(self, lacking: str) -> None:
        if self._open:
            self.fields.show_keyring(lacking)

    # Test

    def _test_or_cancel(self) -> None:
        if self.test_button.text() == tr("Test"):
            self._test()
        else:
            self._changed()
            self._show(tr("The test was cancelled."), "note")

    def _test(self) -> None:
        self._take_password_out()
        self._tries += 1
        attempt, dsn = self._tries, self._whole
        find, console = self._password_finder(), self.pooler.dsn(self.password.text())
        cancelled = self._cancelled = threading.Event()
        self.test_button.setText(tr("Cancel test"))
        self._show(tr("Connecting…"), "note")

        def test() -> Diagnosis:
            password = find()
            whole = with_password(dsn, password) if password else dsn
            return _with_pooler(diagnose(whole, cancelled.is_set), console)

        self._worker.do(
            test,
            lambda found: self._tested(attempt, found),
            lambda error: self._failed(attempt, error),
        )

    def _password_finder(self) -> Callable[[], str]:
        """Return what finds the password that the box doesn't say."""
        if self.password.text() or not self.password.isEnabled():
            return str
        return self._memory.password_finder(self.dsn.text())

    def _tested(self, attempt: int, found: Diagnosis) -> None:
        if not self._open or attempt != self._tries:
            return
        self.test_button.setText(tr("Test"))
        target = found.target
        lines = [f"✓ {target.product} {target.version}; {room(target)}."]
        findings = [*found.findings]
        if found.pooler is not None:
            findings += pooler_findings(found.pooler, self._arguments)
            self.pooler.offer(found.pooler.console)
        lines += [line for each in findings for line in _lines(each)]
        self._show("\n".join(lines), "good" if all(_is_good(f) for f in findings) else "")

    def _failed(self, attempt: int, error: BaseException) -> None:
        if not isinstance(error, PoolvizError):
            raise error
        if self._open and attempt == self._tries:
            self.test_button.setText(tr("Test"))
            field = error.field if isinstance(error, ServerError) else "dsn"
            self._show(str(error), "bad", field)

    def _connect(self) -> None:
        """Hand the complete DSN on, with the password that the keyring has."""
        self._take_password_out()
        self._tries += 1
        attempt, dsn, typed = self._tries, self._whole, self.password.text()
        keep = self.remember_box.isChecked() and self.remember_box.isEnabled()
        waits = self._memory.password_place(self.dsn.text()) == "keyring" and not typed
        find = self._password_finder()

        def go_on(password: str) -> None:
            if not self._open or attempt != self._tries:
                return
            self._memory.choose(self.dsn.text().strip(), typed, keep=keep)
            self.accept()
            whole = with_password(dsn, password) if password else dsn
            self.chosen.emit(whole, self._console(typed or password))

        if not waits:
            go_on(find())
            return
        self._show(tr("Asking the system's keyring for the password…"), "note")
        self._worker.do(find, go_on, lambda error: self._failed(attempt, error))

    def _console(self, password: str) -> str:
        """Return the DSN of the pooler's console, "" where the server can't have one."""
        of_postgres = dialect_of(self.dsn.text().strip()) == POSTGRESQL
        return self.pooler.dsn(password) if of_postgres else ""

    def _finished(self) -> None:
        self._open = False
        self.pooler.forget_password()
        with QSignalBlocker(self.password):  # nothing keeps it longer than needed
            self.password.clear()
        self._cancelled.set()
        self._worker.close(0.0)  # ends with what it does, which nobody waits for

    def _show(self, words: str, role: str, field: str = "") -> None:
        if field == "dsn":
            self.dsn.setFocus()
        self.fields.show_answer(words, role, field)
        if words:
            self._scroll.ensureWidgetVisible(self.answer, 0, 0)


def _with_pooler(found: Diagnosis, console: str) -> Diagnosis:
    """Return a server's test with what its pooler says at the `console` that the user named."""
    if not console:
        return found
    try:
        pooler = ask_pooler(pooler_console_of(console), found.target.conninfo)
    except PoolvizError as error:
        about = Finding("pooler", "bad", str(error))
        return replace(found, findings=(*found.findings, about))
    return replace(found, pooler=pooler)


def _lines(finding: Finding) -> list[str]:
    """Return a finding as lines, the remedy on its own, so that it can be copied."""
    lines = [f"{_SIGNS[finding.weight]} {finding.sentence}"]
    return [*lines, f"    {finding.remedy}"] if finding.remedy else lines


def _is_good(finding: Finding) -> bool:
    return finding.weight == "good"


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
        about = tr("which is {where}", where=where) if where else tr("which libpq doesn't know")
        sentences.append(
            tr("Left out of it: {name}, {about}.", name=shortened(name, _LONGEST), about=about)
        )
    return read.libpq, sentences
