"""The export menu: every format there is, written by a worker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSettings, QStandardPaths, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from poolviz.sessions.export import Exporter, exporters_with, suggested_name
from poolviz.sessions.recorder import Recorder
from poolviz.ui.lab import Lab
from poolviz.ui.notice import Notice, Weight, sentence_of
from poolviz.ui.picture import write_png

_FOLDER = "export/folder"
_KEYS = {".png": "Ctrl+E", ".poolviz": "Ctrl+S"}


def _write_graphs(recorder: Recorder, paths: Sequence[Path]) -> None:
    write_png(recorder, paths[0])


GRAPHS = Exporter(".png", "Graphs as PNG", _write_graphs)


class ExportMenu(QMenu):
    """Asks where to, has the file written, and says that it was."""

    wrote = Signal(str)
    failed = Signal(object)  # a Notice

    def __init__(self, lab: Lab, settings: QSettings, parent: QWidget) -> None:
        super().__init__(parent)
        self._lab, self._settings, self._window = lab, settings, parent
        self.formats = formats = exporters_with(GRAPHS)
        for suffix in sorted(formats, key=lambda suffix: suffix != GRAPHS.suffix):
            exporter = formats[suffix]
            action = self.addAction(f"{exporter.label}…")
            action.setObjectName(f"export{suffix}")
            action.triggered.connect(lambda _=False, exporter=exporter: self._ask(exporter))
            if suffix in _KEYS:
                action.setShortcut(_KEYS[suffix])
                parent.addAction(action)

    def _ask(self, exporter: Exporter) -> None:
        recorder = self._lab.recorder
        if recorder is None or recorder.last is None:
            return
        dialog = QFileDialog(self._window, exporter.label)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(f"{exporter.label} (*{exporter.suffix})")
        dialog.setDefaultSuffix(exporter.suffix.removeprefix("."))
        dialog.setDirectory(self._folder())
        dialog.selectFile(suggested_name(recorder, exporter.suffix))
        dialog.fileSelected.connect(lambda name: self._write(exporter, recorder, Path(name)))
        dialog.open()

    def _folder(self) -> str:
        last = str(self._settings.value(_FOLDER, ""))
        if last and Path(last).is_dir():
            return last
        place = QStandardPaths.StandardLocation.DocumentsLocation
        documents = QStandardPaths.writableLocation(place)
        return documents if Path(documents).is_dir() else str(Path.home())

    def _write(self, exporter: Exporter, recorder: Recorder, path: Path) -> None:
        self._settings.setValue(_FOLDER, str(path.parent))

        def done(files: tuple[Path, ...]) -> None:
            names = " and ".join(file.name for file in files)
            self.wrote.emit(f"Wrote {names} to {path.parent}")

        def failed(error: Exception) -> None:
            self.failed.emit(Notice("export", sentence_of(error), Weight.BAD))

        self.wrote.emit(f"Writing {path.name}…")
        self._lab.errands.do(lambda: exporter.export(recorder, path), done, failed)
