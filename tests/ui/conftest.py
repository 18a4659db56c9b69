"""Windows without a display."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QTimer
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import getAllValidWrappers

os.environ["QT_QPA_PLATFORM"] = "offscreen"

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            # All that Qt's offscreen platform has to say when a window is shown.
            item.add_marker(pytest.mark.qt_log_ignore("does not support propagateSizeHints"))


@pytest.fixture(autouse=True)
def _no_widget_and_no_timer_is_left() -> Iterator[None]:
    """Fail a test that leaves a widget without parent, or a timer that goes on."""
    before = {id(widget) for widget in _widgets()}
    yield
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    left = [widget for widget in _widgets() if id(widget) not in before]
    if left:
        gc.collect()  # of a widget in a circle of references nothing but memory is left
        left = [widget for widget in _widgets() if id(widget) not in before]
    assert not left, f"left behind: {left}"
    assert not (timers := _active_timers()), f"left behind: {timers}"


def _widgets() -> list[QWidget]:
    return QApplication.topLevelWidgets() if QApplication.instance() is not None else []


def _active_timers() -> list[QTimer]:
    """Every timer that was made in Python and fires."""
    timers = [each for each in getAllValidWrappers() if isinstance(each, QTimer)]
    return [each for each in timers if each.isActive()]
