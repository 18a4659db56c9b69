"""The fields of a server in its dialog, with what is wrong beside the field that it is about."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from poolviz.language import tr, tr_noop
from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE
from poolviz.servers.dsn_fields import FIELDS, PORTS, TLS_MODES

KINDS = {POSTGRESQL: "PostgreSQL", MYSQL: "MySQL, MariaDB", SQLITE: "SQLite"}
NAMES = {
    "host": tr_noop("Host"),
    "port": tr_noop("Port"),
    "database": tr_noop("Database"),
    "user": tr_noop("User"),
    "password": tr_noop("Password"),
    "tls": "TLS",
    "ca": tr_noop("CA certificate"),
    "certificate": tr_noop("Client certificate"),
    "key": tr_noop("Client key"),
}
FILES = ("ca", "certificate", "key")
_OF_DRIVER = tr_noop("as the driver does")
# Row and column of each label; its field stands right of it. Below each row one is left for an
# answer.
_PLACES = {
    **{"host": (2, 0), "port": (2, 2), "database": (4, 0), "user": (6, 0), "password": (6, 2)},
    **{"tls": (10, 0), "ca": (12, 0), "certificate": (14, 0), "key": (16, 0)},
}
_LAST = 18
_NO_KEYRING = tr_noop("The password is kept in memory, for this session only.")


class ServerFields(QWidget):
    """Shows and asks for the parts of a DSN. `edited` has the field and its new value."""

    kind_chosen = Signal(str)  # a dialect
    edited = Signal(str, str)
    file_wanted = Signal(str)  # the field whose file is looked for

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 3)
        self._grid.setColumnStretch(3, 2)
        self.kind = QComboBox()
        self.kind.setAccessibleName(tr("Kind of server"))
        for dialect, name in KINDS.items():
            self.kind.addItem(name, dialect)
        self.kind.activated.connect(lambda _: self.kind_chosen.emit(self.kind.currentData()))
        self._add_label(tr("Kind"), 0, 0, self.kind)
        self._grid.addWidget(self.kind, 0, 1)
        self.edits = {field: QLineEdit() for field in FIELDS if field != "tls"}
        self.tls = QComboBox()
        self.tls.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._labels = {field: self._add_field(field) for field in FIELDS}
        self._add_browsers()
        self.edits["password"].setEchoMode(QLineEdit.EchoMode.Password)
        self.remember_box = QCheckBox(tr("Remember the password in the system's keyring"))
        self.remember_box.setEnabled(False)
        self._grid.addWidget(self.remember_box, 8, 1, 1, 3)
        self.keyring_note = QLabel(tr(_NO_KEYRING))
        self.keyring_note.setProperty("role", "note")
        self.keyring_note.setWordWrap(True)
        self._grid.addWidget(self.keyring_note, 9, 1, 1, 3)
        self.answer = QLabel()
        self.answer.setAccessibleName(tr("Result"))
        self.answer.setWordWrap(True)
        self.answer.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._grid.addWidget(self.answer, _LAST, 0, 1, 4)
        self._dialect = ""

    def _add_label(self, text: str, row: int, column: int, buddy: QWidget) -> QLabel:
        label = QLabel(text)
        label.setBuddy(buddy)
        self._grid.addWidget(label, row, column, Qt.AlignmentFlag.AlignRight)
        return label

    def _add_field(self, field: str) -> QLabel:
        row, column = _PLACES[field]
        editor: QWidget = self.tls
        if field == "tls":
            self.tls.activated.connect(
                lambda _: self.edited.emit("tls", self.tls.currentData() or "")
            )
        else:
            edit = editor = self.edits[field]
            edit.textChanged.connect(lambda text: self.edited.emit(field, text))
        # Assistive technology, and the tests, call the password as it always was.
        editor.setAccessibleName(tr(NAMES[field]))
        label = self._add_label(tr(NAMES[field]), row, column, editor)
        wide = field in ("database", "tls", *FILES)
        self._grid.addWidget(editor, row, column + 1, 1, 2 if wide else 1)
        return label

    def _add_browsers(self) -> None:
        self._browsers = {}
        for field in ("database", *FILES):
            button = self._browsers[field] = QPushButton(tr("Browse…"))
            button.setAccessibleName(tr("Browse for {field}", field=tr(NAMES[field])))
            button.setAutoDefault(False)
            button.clicked.connect(lambda _=False, field=field: self.file_wanted.emit(field))
            self._grid.addWidget(button, _PLACES[field][0], 3, Qt.AlignmentFlag.AlignLeft)

    def show_values(self, dialect: str, values: Mapping[str, str]) -> None:
        """Show what a DSN says, and the fields that its kind of server has."""
        if dialect != self._dialect:
            self._dialect = dialect
            self.kind.setCurrentIndex(self.kind.findData(dialect))
            self._fill_tls(dialect)
        for field, edit in self.edits.items():
            if edit.text() != values[field]:  # keeps the cursor
                edit.setText(values[field])
        at = self.tls.findData(values["tls"])
        self.tls.setCurrentIndex(max(at, 0))
        self.edits["port"].setPlaceholderText(PORTS[dialect])
        self.edits["host"].setPlaceholderText("localhost")
        file = dialect == SQLITE
        encrypted = values["tls"] not in ("", "disable")
        self._labels["database"].setText(tr("File") if file else tr(NAMES["database"]))
        for field in FIELDS:
            shown = field == "database" or not file
            if field in FILES:
                shown = not file and (encrypted or bool(values[field]))
            for widget in (self._labels[field], self.edits.get(field, self.tls)):
                widget.setVisible(shown)
            if field in self._browsers:
                self._browsers[field].setVisible(shown and (field in FILES or file))
        self.remember_box.setVisible(not file)
        self.keyring_note.setVisible(not file and bool(self.keyring_note.text()))

    def _fill_tls(self, dialect: str) -> None:
        self.tls.clear()
        for mode in TLS_MODES[dialect]:
            self.tls.addItem(mode or tr(_OF_DRIVER), mode)

    def show_keyring(self, lacking: str) -> None:
        """Offer the keyring, or say why passwords are kept for this session only."""
        self.remember_box.setEnabled(not lacking)
        if lacking:
            self.remember_box.setChecked(False)
        self.keyring_note.setText(
            f"{tr(_NO_KEYRING)} {lacking}"
            if lacking
            else tr("Else it is kept in memory, for this session only.")
        )
        self.keyring_note.setVisible(not self.remember_box.isHidden())

    def show_answer(self, words: str, role: str, field: str = "") -> None:
        """Show a sentence below the field that it is about, or below all fields."""
        place = _PLACES.get(field)
        row = place[0] + 1 if place is not None else _LAST
        if field and not self._editor(field).isVisible():
            row = _LAST
        if field == "dsn":
            row = 1
        self._grid.removeWidget(self.answer)
        first = 0 if row == _LAST else 1
        self._grid.addWidget(self.answer, row, first, 1, 4 - first)
        for name in FIELDS:
            editor = self._editor(name)
            wrong = "true" if name == field else "false"
            if editor.property("wrong") != wrong:
                editor.setProperty("wrong", wrong)
                _restyle(editor)
            editor.setAccessibleDescription(words if name == field else "")
        self.answer.setText(words)
        self.answer.setVisible(bool(words))
        self.answer.setProperty("role", role)
        _restyle(self.answer)

    def _editor(self, field: str) -> QWidget:
        return self.edits.get(field, self.tls)


def _restyle(widget: QWidget) -> None:
    widget.style().unpolish(widget)
    widget.style().polish(widget)
