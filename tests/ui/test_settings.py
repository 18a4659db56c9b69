"""Preferences: kept, checked, applied at once, and reset; whatever their file says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QSpinBox
from pytestqt.qtbot import QtBot

from poolviz.model.errors import InputError
from poolviz.sessions.limits import read_limits
from poolviz.ui.app import _begin_as_preferred, reset_settings
from poolviz.ui.dialogs.preferences import PreferencesDialog
from poolviz.ui.session.controller import State
from poolviz.ui.session_list.limits_bar import LimitsBar
from poolviz.ui.settings import (
    AT_START,
    FRAME_RATE,
    HIGH_CONTRAST,
    PALETTE,
    PER_MINUTE,
    PREFERENCES,
    RATES,
    REDUCED_MOTION,
    SECONDS,
    START_NAME,
    TEXT_SIZE,
    THEME,
    TIMES,
    Settings,
)
from poolviz.ui.style.colours import LIGHT_CONTRAST
from poolviz.ui.window import Window
from tests.servers.fixtures import home
from tests.ui.running import open_window, servers_home, until, window

__all__ = ["home", "servers_home", "window"]


def stored(folder: Path) -> QSettings:
    return QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def usual_look(qapp: QApplication) -> Iterator[None]:
    """Leave the application as other tests expect it."""
    yield
    from poolviz.ui.style.theme import scale_texts

    scale_texts(1.0)


def test_each_preference_is_kept_and_reset(tmp_path: Path) -> None:
    preferences = Settings(stored(tmp_path))
    changed: list[str] = []
    preferences.changed.connect(changed.append)
    for setting, value in ((TEXT_SIZE, 150), (THEME, "dark"), (REDUCED_MOTION, True)):
        preferences.put(setting, value)
    assert changed == ["text_size", "theme", "reduced_motion"]
    again = Settings(stored(tmp_path))
    assert (again.number(TEXT_SIZE), again.value(THEME)) == (150, "dark")
    assert again.value(REDUCED_MOTION) is True
    assert again.most_frames == 2
    again.reset()
    for setting in PREFERENCES:
        assert Settings(stored(tmp_path)).value(setting) == setting.default
    with pytest.raises(InputError, match="text_size is 10"):
        again.put(TEXT_SIZE, 10)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([each.key for each in PREFERENCES]),
    st.one_of(st.text(), st.integers(-(2**31), 2**31 - 1), st.lists(st.text()), st.binary()),
)
def test_any_value_gives_a_setting_or_its_default_and_a_sentence(
    tmp_path: Path, key: str, value: object
) -> None:
    store = stored(tmp_path)
    store.setValue(key, value)
    preferences = Settings(store)
    for setting in PREFERENCES:
        assert setting.takes(preferences.value(setting))
    setting = next(each for each in PREFERENCES if each.key == key)
    if preferences.value(setting) == setting.default and preferences.problem:
        assert key in preferences.problem
    store.clear()


HOSTILE = """[General]
theme=neon
text_size=1000000
frame_rate=-3
language=@ByteArray(\\xff)
palette=@Invalid()
at_start=1, 2, 3
[window]
geometry=garbage
divided=1, 2
[server]
recent=[{
[tour]
step=north
[charts]
shown=9
"""


@pytest.mark.parametrize("text", [HOSTILE, "\x00\xff" * 300, "[[[]]]\n=\n=="])
def test_the_window_opens_whatever_the_file_says(
    qapp: QApplication, qtbot: QtBot, tmp_path: Path, text: str
) -> None:
    (tmp_path / "settings.ini").write_text(text, encoding="latin-1")
    with open_window(qapp, tmp_path) as opened:
        QApplication.processEvents()
        assert opened.isVisible()
        for setting in PREFERENCES:
            assert opened.theme_manager.preferences.value(setting) == setting.default
        if text == HOSTILE:
            sentence = opened.banner.sentences["settings"]
            assert "theme, language, text_size" in sentence.replace("palette, ", "")


@pytest.mark.usefixtures("usual_look")
def test_what_the_dialog_changes_holds_at_once(window: Window, qtbot: QtBot) -> None:
    QTest.keySequence(window, "Ctrl+,")
    until(qtbot, lambda: bool(window.findChildren(PreferencesDialog)))
    (dialog,) = window.findChildren(PreferencesDialog)
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    before = application.font().pixelSize()
    size, palette = dialog.editors["text_size"], dialog.editors["palette"]
    assert isinstance(size, QSpinBox) and isinstance(palette, QComboBox)
    size.setValue(200)
    assert application.font().pixelSize() == 2 * before
    palette.setCurrentIndex(palette.findData(HIGH_CONTRAST))
    palette.activated.emit(palette.currentIndex())
    theme = dialog.editors["theme"]
    assert isinstance(theme, QComboBox)
    theme.setCurrentIndex(theme.findData("light"))
    theme.activated.emit(theme.currentIndex())
    assert window.theme_manager.theme is LIGHT_CONTRAST
    frames = dialog.editors["frame_rate"]
    assert isinstance(frames, QSpinBox)
    frames.setValue(5)
    assert window.refresher._rate.frames_per_second == 5
    bar = dialog.findChild(LimitsBar)
    assert bar is not None
    bar.age.setEditText("7 days")
    edit = bar.age.lineEdit()
    assert edit is not None
    edit.editingFinished.emit()
    bar.lanes.setEditText("20 MB")
    edit = bar.lanes.lineEdit()
    assert edit is not None
    edit.editingFinished.emit()
    limits = read_limits(window.controller.sessions_folder)
    assert (limits.age_s, limits.lanes_bytes) == (7 * 86_400, 20_000_000)
    QTest.mouseClick(dialog.reset_button, Qt.MouseButton.LeftButton)
    assert application.font().pixelSize() == before
    assert (size.value(), frames.value(), palette.currentData()) == (100, 30, "okabe-ito")
    dialog.accept()


def test_nothing_runs_at_start_if_that_is_preferred(window: Window, qtbot: QtBot) -> None:
    window.theme_manager.preferences.put(AT_START, "nothing")
    _begin_as_preferred(window, window.controller.scenario)
    until(qtbot, lambda: window.controller.target is not None)
    assert window.controller.state is State.READY
    assert window.controller.recorder is None


def test_a_preset_runs_at_start_if_that_is_preferred(window: Window, qtbot: QtBot) -> None:
    preferences = window.theme_manager.preferences
    preferences.put(AT_START, "named")
    preferences.put(START_NAME, "leak")
    _begin_as_preferred(window, window.controller.scenario)
    until(qtbot, lambda: window.controller.state is State.RUNNING)
    assert window.controller.scenario.title


def test_a_file_that_is_gone_is_said_at_start(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    preferences = window.theme_manager.preferences
    preferences.put(AT_START, "named")
    preferences.put(START_NAME, str(tmp_path / "gone.toml"))
    _begin_as_preferred(window, window.controller.scenario)
    until(qtbot, lambda: "gone.toml" in window.banner.sentences.get("scenario", ""))


def test_the_settings_are_reset_by_the_command_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = QSettings(str(home / "settings.ini"), QSettings.Format.IniFormat)
    store.setValue("theme", "dark")
    store.setValue("server/recent", '[{"dsn": "postgresql://bob@h/shop"}]')
    store.sync()
    ran = subprocess.run(
        [sys.executable, "-m", "poolviz", "--reset-settings"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "was removed" in ran.stdout and "1 server was forgotten" in ran.stdout
    assert not (home / "settings.ini").exists()
    assert "already" in reset_settings()


def test_a_frame_rate_is_never_above_what_is_preferred() -> None:
    from poolviz.ui.frame_rate import FrameRate

    rate = FrameRate()
    for most in (1, 10, 30):
        rate.most = most
        assert rate.frames_per_second <= most
    assert FRAME_RATE.takes(30)
    assert PALETTE.takes(HIGH_CONTRAST)


@pytest.mark.usefixtures("usual_look")
def test_units_and_size_of_texts_hold_in_the_charts_at_once(window: Window, qtbot: QtBot) -> None:
    until(qtbot, window.charts.canvas.isVisible)
    preferences, charts = window.theme_manager.preferences, window.charts.canvas.chart_scene.by_name
    wait, throughput = charts["wait"], charts["throughput"]
    usual = wait.plot.left(), wait.plot.top(), window.charts.overview.trough.left()
    preferences.put(TIMES, SECONDS)
    preferences.put(RATES, PER_MINUTE)
    assert (wait.subtitle, throughput.subtitle) == ("s, log", "operations/min; errors as bars")
    preferences.put(TEXT_SIZE, 150)
    larger = wait.plot.left(), wait.plot.top(), window.charts.overview.trough.left()
    assert larger == tuple(1.5 * each for each in usual)
    assert wait.least_height == 1.5 * wait.least
    preferences.reset()
    assert (wait.subtitle, throughput.subtitle) == ("ms, log", "operations/s; errors as bars")
    assert usual == (wait.plot.left(), wait.plot.top(), window.charts.overview.trough.left())
