"""The window in another language."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QFileDialog
from pytestqt.qtbot import QtBot

from poolviz.language import current_language, tr, use_language
from poolviz.pools.sqlalchemy.queue_pool import QueuePool
from poolviz.runs.warnings import warnings_before
from poolviz.scenarios.check import complete_draft
from poolviz.scenarios.draft import Draft
from poolviz.servers.dsn_fields import identity
from poolviz.sessions.folder import SessionsFolder
from poolviz.ui.app import Windows
from poolviz.ui.language import apply_language, typed_value
from poolviz.ui.session.controller import Controller
from tests.ui.running import open_window, plan, until


@pytest.fixture(autouse=True)
def _english_again(qapp: QApplication, tmp_path: Path) -> Iterator[None]:
    yield
    use_language("en")
    apply_language(qapp, QSettings(str(tmp_path / "none.ini"), QSettings.Format.IniFormat))


def test_language_is_switched_at_once_and_kept(
    qtbot: QtBot, qapp: QApplication, tmp_path: Path
) -> None:
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    controller = Controller(SessionsFolder(tmp_path / "sessions"))
    windows = Windows(qapp, controller, settings)
    try:
        first = windows.shown
        first.show()
        controller.notices.say("topic", "a sentence")
        server = "postgresql://alice@localhost/app"
        controller.logins.passwords[identity(server)] = "for this session"
        first.language_chosen.emit("es")
        until(qtbot, lambda: windows.shown is not first)
        second = windows.shown
        assert second.isVisible()
        assert second.toolbar.preset_button.text() == "Ejemplo"
        assert second.banner.sentences["topic"] == "a sentence"
        assert second._servers.password_place(server) == "session"
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        assert "Cancelar" in buttons.button(QDialogButtonBox.StandardButton.Cancel).text()
        buttons.deleteLater()
        second.language_chosen.emit("en")
        until(qtbot, lambda: windows.shown is not second)
        assert windows.shown.toolbar.preset_button.text() == "Preset"
        assert settings.value("language") == "en"
        controller.notices.say("topic", "another sentence")
        assert windows.shown.banner.sentences["topic"] == "another sentence"
    finally:
        windows.shown.close()
        windows.shown.deleteLater()


def test_values_are_shown_and_typed_in_the_users_notation() -> None:
    use_language("es")
    assert current_language() == "es"
    timeout, overflow = QueuePool.limits["pool_timeout"], QueuePool.limits["max_overflow"]
    assert timeout.shown(1.5) == "1,5 s"
    assert overflow.shown(-1) == "sin límite"
    assert typed_value(timeout, "2,5 s", 1.0) == 2.5
    assert typed_value(timeout, "2.5 s", 1.0) == 2.5
    assert typed_value(overflow, "Sin límite", 1) == -1
    assert typed_value(overflow, "no limit", 1) == -1


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_side_panel_does_not_scroll_sideways_when_a_fault_is_pointed_at(
    language: str, qtbot: QtBot, qapp: QApplication, tmp_path: Path
) -> None:
    use_language(language)
    with open_window(qapp, tmp_path) as window:
        plan(window)
        qtbot.waitExposed(window)
        panel = window.panel
        assert panel.reveal("kill_all_backends") is panel.faults.buttons["kill_all_backends"]
        assert panel._scroll.horizontalScrollBar().maximum() == 0
        assert panel._content.width() == panel._scroll.viewport().width()


def test_what_an_export_asks_and_what_a_pool_warns_of_are_in_the_users_language(
    qapp: QApplication, tmp_path: Path
) -> None:
    use_language("es")
    draft = Draft(pool="psycopg2.SimpleConnectionPool", load={"clients": 8})
    with open_window(qapp, tmp_path) as window:
        window.controller.plan(complete_draft(draft))
        window.export.save_scenario()
        (dialog,) = window.findChildren(QFileDialog)
        label = tr(window.export.formats[".toml"].label)
        assert label != window.export.formats[".toml"].label
        assert (dialog.windowTitle(), dialog.nameFilters()) == (label, [f"{label} (*.toml)"])
        dialog.reject()
    warnings = dict(warnings_before(complete_draft(draft), None))
    assert "está hecho para un solo hilo" in warnings["clients"]
