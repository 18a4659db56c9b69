"""Windows without a display."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["QT_QPA_PLATFORM"] = "offscreen"

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            # All that Qt's offscreen platform has to say when a window is shown.
            item.add_marker(pytest.mark.qt_log_ignore("does not support propagateSizeHints"))
