"""Save a screenshot: `python -m tests.packaging.screenshot FILE`.

A program of its own, because one process has Qt on one display only.
"""

from __future__ import annotations

import sys

from PySide6.QtGui import QGuiApplication

if __name__ == "__main__":
    application = QGuiApplication([])
    taken = application.primaryScreen().grabWindow(0)
    sys.exit(0 if taken.save(sys.argv[1]) else 1)
