"""What F1 shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from poolviz.ui.dialogs.help import HelpDialog, LicencesDialog


def test_the_packaged_program_shows_the_licences_of_its_parts(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file lies where the packaged program finds its resources."""
    resources = tmp_path / "poolviz" / "resources"
    resources.mkdir(parents=True)
    (resources / "THIRD-PARTY.txt").write_text("Qt is under the LGPL.\n", "utf-8")
    monkeypatch.setattr("sys._MEIPASS", str(tmp_path), raising=False)
    dialog = HelpDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.licences.isVisible()
    dialog.licences.click()
    (licences,) = dialog.findChildren(LicencesDialog)
    assert licences.text.toPlainText() == "Qt is under the LGPL.\n"


def test_from_the_source_there_are_none_to_show(qtbot: QtBot) -> None:
    dialog = HelpDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    assert not dialog.licences.isVisible()
