"""The field for the console of a pooler, in the dialog that asks for a server."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QWidget

from poolviz.language import tr
from poolviz.servers.dispatch import with_password, without_password
from poolviz.servers.dsn_fields import fields_of, with_fields


class PoolerField(QWidget):
    """Asks for the DSN of a pooler's console; empty where there is no pooler. A password in it is
    taken out and kept in memory, once the field is left."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.edit = QLineEdit()
        self.edit.setAccessibleName(tr("The pooler's console"))
        self.edit.setPlaceholderText("postgresql://user@host:6432/pgbouncer")
        self.edit.setToolTip(
            tr(
                "Where a pooler in between, such as PgBouncer, says how many clients wait in it. "
                "Test finds it, if this user may go there. Without a password of its own, that of "
                "the server is used."
            )
        )
        self.edit.editingFinished.connect(self._take_password_out)
        self._password = ""
        label = QLabel(tr("The pooler's console"))
        label.setBuddy(self.edit)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(label)
        row.addWidget(self.edit, 1)

    def offer(self, console: str) -> None:
        """Fill in a console that was found, without its password, unless one is there already."""
        if console and not self.edit.text().strip():
            self.edit.setText(without_password(console))
            self.edit.setCursorPosition(0)

    def dsn(self, password: str) -> str:
        """Return the complete DSN, with its own password or else that of the server; "" where there
        is no pooler."""
        self._take_password_out()
        text = self.edit.text().strip()
        password = self._password or password
        return with_password(text, password) if text and password else text

    def forget_password(self) -> None:
        """Keep the password no longer than it is needed."""
        self._password = ""

    def _take_password_out(self) -> None:
        text = self.edit.text()
        password = fields_of(text)["password"]
        if password:
            self._password = password
            self.edit.setText(with_fields(text, {"password": ""}))
        elif not text.strip():
            self._password = ""
