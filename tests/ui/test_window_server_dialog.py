"""The dialog for a server: fields and URL in step, tests of servers, recent ones, passwords."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backends.fail
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keyrings.alt.file import PlaintextKeyring
from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poolviz.runs.pooler_warnings import PREPARED
from poolviz.servers.dsn_fields import fields_of, identity
from poolviz.system import keyring_passwords
from poolviz.ui.dialogs.server_dialog import ServerDialog
from poolviz.ui.session.controller import State
from poolviz.ui.session.server_memory import ServerMemory
from poolviz.ui.session.worker import Inbox
from poolviz.ui.window import Window
from tests.servers.fixtures import TcpServer, tcp_server
from tests.servers.pgbouncer import pgbouncer
from tests.ui.running import plan, servers_home, until, window

__all__ = ["pgbouncer", "servers_home", "tcp_server", "window"]

PASSWORD = "s3cret wörd"


@pytest.fixture
def no_keyring() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())
    yield
    keyring.set_keyring(before)


@pytest.fixture
def keyring_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A keyring in a file, as a user may have named it to the library keyring."""
    before = keyring.get_keyring()
    backend = PlaintextKeyring()
    backend.file_path = str(tmp_path / "keyring")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyrings.alt.file.PlaintextKeyring")
    keyring.set_keyring(backend)
    yield Path(backend.file_path)
    keyring.set_keyring(before)


def open_dialog(qtbot: QtBot, window: Window) -> ServerDialog:
    window.ask_for_server()
    until(qtbot, lambda: bool(window.findChildren(ServerDialog)))
    return window.findChildren(ServerDialog)[-1]


def test_a_url_and_its_fields_are_always_in_step(window: Window, qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, window)
    edits = dialog.fields.edits
    dialog.dsn.setText(
        "postgresql+asyncpg://bob@[::1]:6432/shop?application_name=x&sslmode=require"
    )
    assert {key: edit.text() for key, edit in edits.items() if edit.text()} == {
        "host": "::1", "port": "6432", "database": "shop", "user": "bob",
    }  # fmt: skip
    assert dialog.fields.tls.currentData() == "require"
    edits["host"].setText("db.example")
    edits["user"].setText("al ice")
    assert dialog.dsn.text() == (
        "postgresql+asyncpg://al%20ice@db.example:6432/shop?application_name=x&sslmode=require"
    )
    dialog.fields.tls.setCurrentText("verify-full")
    dialog.fields.tls.activated.emit(dialog.fields.tls.currentIndex())
    assert dialog.dsn.text().endswith("sslmode=verify-full")
    assert edits["ca"].isVisible()
    dialog.fields.kind.setCurrentIndex(1)
    dialog.fields.kind.activated.emit(1)
    assert dialog.dsn.text().startswith("mysql://al%20ice@db.example:6432/shop?ssl_verify")
    dialog.fields.kind.setCurrentIndex(2)
    dialog.fields.kind.activated.emit(2)
    assert dialog.dsn.text() == "sqlite:///"
    assert edits["database"].isVisible() and not edits["host"].isVisible()
    dialog.reject()


def test_any_keys_pressed_in_the_fields_leave_both_in_step(window: Window, qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, window)
    text = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), max_size=8)
    fields = st.sampled_from(["host", "port", "database", "user", "ca"])

    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(fields, text), max_size=4))
    def steps(pressed: list[tuple[str, str]]) -> None:
        dialog.dsn.setText("postgresql://bob@h/shop?connect_timeout=3")
        for field, value in pressed:
            dialog.fields.edits[field].setText(value)
        found = fields_of(dialog.dsn.text())
        for field, value in dict(pressed).items():
            assert dialog.fields.edits[field].text() == value
            if field in ("database", "user", "ca"):
                assert found[field] == value
        assert "connect_timeout=3" in dialog.dsn.text()

    steps()
    dialog.reject()


def test_a_password_typed_into_the_url_leaves_it(window: Window, qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, window)
    until(qtbot, dialog.isActiveWindow)
    dialog.dsn.setFocus()
    QTest.keyClicks(dialog.dsn, "postgresql://bob:s3cret@h/shop")
    assert dialog.password.text() == "s3cret"
    QTest.keyClick(dialog.dsn, Qt.Key.Key_Tab)
    assert dialog.dsn.text() == "postgresql://bob@h/shop"
    assert dialog.password.text() == "s3cret"
    dialog.password.setText("")
    assert dialog.dsn.text() == "postgresql://bob@h/shop"
    dialog.reject()


def test_what_the_environment_adds_is_said(
    window: Window, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGSERVICE", "shop")
    dialog = open_dialog(qtbot, window)
    dialog.dsn.setText("host=h")
    assert "PGPASSWORD" in dialog.answer.text() and "service shop" in dialog.answer.text()
    assert PASSWORD not in dialog.answer.text()
    dialog.reject()


def test_a_test_says_what_is_there_and_what_is_lacking(
    window: Window, qtbot: QtBot, tcp_server: TcpServer
) -> None:
    dialog = open_dialog(qtbot, window)
    dialog.dsn.setText(f"postgresql://alice@127.0.0.1:{tcp_server.port}/postgres")
    dialog.password.setText(PASSWORD)
    QTest.mouseClick(dialog.test_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: dialog.answer.text().startswith("✓ PostgreSQL"))
    said = dialog.answer.text()
    assert "connections are free" in said
    assert 'GRANT pg_monitor TO "alice"' in said
    assert "Connecting took" in said
    assert PASSWORD not in said
    dialog.reject()


def test_a_test_recognises_a_pooler_and_says_what_it_means_for_the_pool(
    window: Window, qtbot: QtBot, pgbouncer: str
) -> None:
    window.controller.choose_pool("asyncpg.Pool")
    dialog = open_dialog(qtbot, window)
    dialog.dsn.setText(pgbouncer)
    QTest.mouseClick(dialog.test_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: "transaction mode" in dialog.answer.text())
    assert "PgBouncer 1." in dialog.answer.text()
    assert "statement_cache_size=0" in dialog.answer.text()
    assert "prepare_threshold" not in dialog.answer.text()
    dialog.reject()


def test_the_console_of_a_pooler_is_found_and_a_run_shows_who_waits_in_it(
    window: Window, qtbot: QtBot, pgbouncer: str
) -> None:
    controller = window.controller
    controller.choose_pool("asyncpg.Pool")
    dialog = open_dialog(qtbot, window)
    dialog.dsn.setText(pgbouncer)
    assert dialog.pooler.edit.text() == ""
    QTest.mouseClick(dialog.test_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: "transaction mode" in dialog.answer.text())
    assert "dbname=pgbouncer" in dialog.pooler.edit.text()
    QTest.mouseClick(dialog.connect_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: controller.target is not None and controller.target.pooler is not None)
    assert "prepares every statement" in controller.notices.standing(PREPARED)
    controller.requests.change({"clients": 9, "max_size": 9, "think_time": 0, "hold_time": 0})
    controller.start()
    until(
        qtbot,
        lambda: (
            controller.recorder is not None
            and controller.recorder.pooler is not None
            and controller.recorder.pooler.sv_active > 0
        ),
    )
    controller.stop()
    until(qtbot, lambda: controller.state is State.READY)


def test_a_password_in_the_poolers_console_is_taken_out_of_sight(
    window: Window, qtbot: QtBot, pgbouncer: str
) -> None:
    secret = "s3cret-of-the-console"
    dialog = open_dialog(qtbot, window)
    dialog.dsn.setText(pgbouncer)
    port = fields_of(pgbouncer)["port"]
    dialog.pooler.edit.setText(f"postgresql://alice:{secret}@127.0.0.1:{port}/nowhere")
    dialog.pooler.edit.editingFinished.emit()
    assert secret not in dialog.pooler.edit.text()
    assert dialog.pooler.dsn("another").count(secret) == 1
    QTest.mouseClick(dialog.test_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: "The pooler can't be asked" in dialog.answer.text())
    assert secret not in dialog.answer.text()
    dialog.reject()


@pytest.mark.parametrize(
    ("field", "value"),
    [("password", "no"), ("database", "nowhere"), ("port", "1")],
)
def test_a_failure_stands_beside_the_field_that_is_wrong(
    window: Window, qtbot: QtBot, tcp_server: TcpServer, field: str, value: str
) -> None:
    dialog = open_dialog(qtbot, window)
    dialog.dsn.setText(f"postgresql://alice@127.0.0.1:{tcp_server.port}/postgres")
    dialog.password.setText(PASSWORD)
    dialog.fields.edits[field].setText(value)
    QTest.mouseClick(dialog.test_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: dialog.answer.property("role") == "bad")
    edits = dialog.fields.edits
    assert [key for key, each in edits.items() if each.property("wrong") == "true"] == [field]
    assert edits[field].accessibleDescription() == dialog.answer.text()

    def gap() -> int:
        bottom = edits[field].mapTo(dialog, edits[field].rect().bottomLeft()).y()
        return dialog.answer.mapTo(dialog, dialog.answer.rect().topLeft()).y() - bottom

    until(qtbot, lambda: 0 <= gap() < 20)
    edits["host"].setText("localhost")
    assert not [key for key, each in edits.items() if each.property("wrong") == "true"]
    dialog.reject()


def test_a_test_can_be_cancelled(window: Window, qtbot: QtBot) -> None:
    dialog = open_dialog(qtbot, window)
    dialog.dsn.setText("postgresql://u@10.255.255.1/d?connect_timeout=2")
    QTest.mouseClick(dialog.test_button, Qt.MouseButton.LeftButton)
    assert dialog.test_button.text() == "Cancel test"
    QTest.mouseClick(dialog.test_button, Qt.MouseButton.LeftButton)
    assert dialog.test_button.text() == "Test"
    assert "cancelled" in dialog.answer.text()
    dialog.reject()


def connect(qtbot: QtBot, window: Window, dsn: str, password: str, *, keep: bool) -> None:
    dialog = open_dialog(qtbot, window)
    dialog.dsn.setText(dsn)
    dialog.password.setText(password)
    if keep:
        until(qtbot, dialog.remember_box.isEnabled)
        dialog.remember_box.setChecked(True)
    before = window.controller.target
    QTest.mouseClick(dialog.connect_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: window.controller.target not in (None, before))
    until(qtbot, lambda: not window.findChildren(ServerDialog))


def settings_of(window: Window) -> str:
    window._settings.sync()
    return Path(window._settings.fileName()).read_text(encoding="utf-8")


@pytest.mark.usefixtures("no_keyring")
def test_without_a_keyring_a_password_is_kept_for_the_session_and_the_dialog_says_so(
    window: Window, qtbot: QtBot, tcp_server: TcpServer
) -> None:
    plan(window)
    bare = f"postgresql://alice@127.0.0.1:{tcp_server.port}/postgres"
    connect(qtbot, window, bare, PASSWORD, keep=False)
    again = open_dialog(qtbot, window)
    until(qtbot, lambda: "this session only" in again.fields.keyring_note.text())
    until(qtbot, lambda: "no keyring" in again.fields.keyring_note.text())
    assert not again.remember_box.isEnabled()
    assert again.dsn.text() == bare
    assert again.password.placeholderText() == "known for this session"
    QTest.mouseClick(again.test_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: again.answer.text().startswith("✓"))
    again.reject()
    assert "s3cret" not in settings_of(window)


def test_a_password_is_kept_in_the_keyring_used_from_there_and_removed(
    window: Window, qtbot: QtBot, tcp_server: TcpServer, keyring_file: Path
) -> None:
    plan(window)
    bare = f"postgresql://alice@127.0.0.1:{tcp_server.port}/postgres?application_name=x"
    connect(qtbot, window, bare, PASSWORD, keep=True)
    until(qtbot, lambda: keyring_passwords.password_of(identity(bare)) == PASSWORD)
    assert "s3cret" not in settings_of(window)
    window.controller.logins.forget()  # as in the next session
    again = open_dialog(qtbot, window)
    assert again.password.placeholderText() == "in the system's keyring"
    assert again.remember_box.isChecked()
    QTest.mouseClick(again.connect_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: not window.findChildren(ServerDialog))
    until(qtbot, lambda: window.controller.target is not None)
    once_more = open_dialog(qtbot, window)
    forget = next(a.menu() for a in once_more.recent_button.menu().actions() if a.menu())
    forget.actions()[0].trigger()
    until(qtbot, lambda: keyring_passwords.password_of(identity(bare)) is None)
    assert not once_more.recent_button.isEnabled()
    assert once_more.password.placeholderText() == "if the server requires one"
    once_more.reject()
    assert "application_name" not in settings_of(window)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[ServerMemory]:
    stored = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    made = ServerMemory(stored, Inbox(), lambda _: None)
    yield made
    made.close()


@pytest.mark.parametrize(
    "stored",
    ["nonsense", "[1, 2]", '[{"dsn": 5}]', "[" * 9999, '[{"dsn": "postgresql://u:s3cret@@h"}]'],
)
def test_whatever_the_settings_say_of_recent_servers_is_survived(
    memory: ServerMemory, stored: str
) -> None:
    memory._settings.setValue("server/recent", stored)
    assert memory.recent == []


def test_the_server_that_an_earlier_version_remembered_is_there(memory: ServerMemory) -> None:
    memory._settings.setValue("server/dsn", "host=h dbname=d")
    assert memory.recent == ["host=h dbname=d"]
    memory.forget("host=h dbname=d")
    assert memory.recent == []
    assert json.loads(str(memory._settings.value("server/recent"))) == []


def test_a_keyring_that_does_not_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keyring_file: Path
) -> None:
    import os
    import threading

    os.mkfifo(keyring_file)  # reading it waits for a writer, as a prompt waits for the user
    monkeypatch.setattr(keyring_passwords, "LIMIT", 0.3)
    with pytest.raises(keyring_passwords.KeyringError, match="no answer within"):
        keyring_passwords.password_of("x")
    keyring_file.open("w").close()  # lets the thread go on
    for thread in threading.enumerate():
        if thread.name == "poolviz keyring":
            thread.join(30)


def test_a_keyring_that_fails_is_one_sentence_without_the_password(
    tmp_path: Path, keyring_file: Path
) -> None:
    keyring_file.mkdir()
    with pytest.raises(keyring_passwords.KeyringError) as raised:
        keyring_passwords.keep("x", PASSWORD)
    assert PASSWORD not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_keyring_that_is_not_safe_is_used_only_if_it_was_named(
    monkeypatch: pytest.MonkeyPatch, keyring_file: Path
) -> None:
    assert keyring_passwords.lacking() == ""
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND")
    assert "no keyring" in keyring_passwords.lacking()
