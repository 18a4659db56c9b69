"""The export menu: all export formats, each written by a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSettings, QStandardPaths, Qt, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from poolviz.language import tr, tr_noop
from poolviz.model.messages import RunStarted
from poolviz.model.sample import Mark, MarkKind
from poolviz.model.scenario import Scenario
from poolviz.runs.export_process import ExportCancelled, ExportProcess
from poolviz.scenarios.toml_file import as_toml
from poolviz.sessions.derived import EVERYTHING, Scope
from poolviz.sessions.export.exporter import PICTURE, Exporter
from poolviz.sessions.export.file_name import suggested_name
from poolviz.sessions.export.registry import exporters
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.to_scenario import to_draft
from poolviz.system.files import write_text
from poolviz.ui.charts.by_name import CHARTS
from poolviz.ui.charts.charts_widget import ChartsWidget
from poolviz.ui.session.controller import Controller
from poolviz.ui.session.notices import Notice, Weight, sentence_of
from poolviz.ui.toolbar.export_strip import ExportStrip

_FOLDER = "export/folder"
_KEYS = {".png": "Ctrl+E", ".poolviz": "Ctrl+S"}
_GRAPHS, _SCENARIO = ".png", ".toml"
_USUAL, _ALL, _SHOWN = "", "all", "shown"  # choices of charts, beside the name of a single one
_LABELS = {_SCENARIO: tr_noop("Save as scenario")}


class ExportMenu(QMenu):
    """Asks for a path and has a process write the file, one after the other. Emits a sentence for
    each step; `strip` shows what is being written. `charts` show a part of the session, and are
    those that the user has chosen."""

    wrote = Signal(str)
    failed = Signal(object)  # a Notice

    def __init__(
        self,
        controller: Controller,
        settings: QSettings,
        parent: QWidget,
        charts: ChartsWidget,
    ) -> None:
        super().__init__(parent)
        self._shown_charts = charts
        self._running: list[ExportProcess] = []
        self.strip = ExportStrip(parent)
        self.strip.cancelled.connect(self._cancel)
        self._controller, self._settings, self._window = controller, settings, parent
        self.formats = formats = exporters()
        for suffix in sorted(formats, key=lambda suffix: suffix != _GRAPHS):
            exporter = formats[suffix]
            action = self.addAction(f"{tr(_LABELS.get(suffix, exporter.label))}…")
            action.setObjectName(f"export{suffix}")
            action.triggered.connect(lambda _=False, suffix=suffix: self._ask(suffix))
            if suffix in _KEYS:
                action.setShortcut(_KEYS[suffix])
                parent.addAction(action)
        self.addSeparator()
        self.choice = QMenu(self)
        self.charts = self._chart_choice()
        self.only_visible = self.addAction(tr("Only what the charts show"))
        self.anonymous = self.addAction(tr("Without names of servers and users"))
        for choice in (self.only_visible, self.anonymous):
            choice.setCheckable(True)

    @property
    def scope(self) -> Scope:
        """What is exported, as it is chosen now."""
        chosen = self.charts.checkedAction()
        name = str(chosen.data()) if chosen is not None else _USUAL
        several = {_USUAL: (), _ALL: PICTURE, _SHOWN: self._shown_charts.shown}
        charts = several.get(name, (name,))
        if name != _SHOWN and not self.only_visible.isChecked():
            return Scope(anonymous=self.anonymous.isChecked(), charts=charts)
        frame = self._shown_charts.frame
        return Scope(max(frame.start, 0.0), frame.end, self.anonymous.isChecked(), charts)

    def _chart_choice(self) -> QActionGroup:
        """Add the menu in which charts are chosen for pictures and reports: the usual, all, one
        alone, or what the window shows, which is also of that time alone. Its title says which."""
        menu = self.choice
        self.addMenu(menu)
        group = QActionGroup(self)
        group.triggered.connect(
            lambda action: menu.setTitle(
                tr("Charts in pictures and reports: {words}", words=action.text())
            )
        )
        several = {
            _USUAL: tr("The usual ones"),
            _SHOWN: tr("As the window shows"),
            _ALL: tr("All"),
        }
        for name in (*several, *PICTURE):
            words = several.get(name) or tr("{chart} alone", chart=tr(CHARTS[name].title))
            action = menu.addAction(words)
            if name == _SHOWN:
                action.setToolTip(tr("The charts and the part of the session that are shown now."))
            action.setData(name)
            action.setCheckable(True)
            group.addAction(action)
        group.actions()[0].trigger()
        return group

    def _ask(self, suffix: str) -> None:
        exporter = self.formats[suffix]
        recorder = self._controller.shown.recorder
        if recorder is None or recorder.last is None:
            sentence = tr("There is nothing to export yet: start a run or open a session.")
            self.failed.emit(Notice("export", sentence, passing=True))
            return
        scope = self.scope
        self._ask_where(
            exporter.label,
            suggested_name(recorder, suffix),
            lambda path: self._write(exporter, recorder, path, scope),
        )

    def save_scenario(self) -> None:
        """Save the run that is shown as a scenario, or without one what Start would run."""
        recorder = self._controller.recorder
        if recorder is not None and recorder.last is not None:
            self._ask(_SCENARIO)
            return
        scenario = self._controller.scenario
        self._ask_where(
            self.formats[_SCENARIO].label,
            f"poolviz{_SCENARIO}",
            lambda path: self._have_written(path, lambda: write_scenario(scenario, path)),
        )

    def _ask_where(self, label: str, name: str, write: Callable[[Path], None]) -> None:
        suffix, label = Path(name).suffix, tr(label)
        dialog = QFileDialog(self._window, label)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(f"{label} (*{suffix})")
        dialog.setDefaultSuffix(suffix.removeprefix("."))
        dialog.setDirectory(self._folder())
        dialog.selectFile(name)
        dialog.fileSelected.connect(lambda chosen: write(Path(chosen)))
        dialog.open()

    def _folder(self) -> str:
        last = str(self._settings.value(_FOLDER, ""))
        if last and Path(last).is_dir():
            return last
        place = QStandardPaths.StandardLocation.DocumentsLocation
        documents = QStandardPaths.writableLocation(place)
        return documents if Path(documents).is_dir() else str(Path.home())

    def _write(
        self, exporter: Exporter, recorder: Recorder, path: Path, scope: Scope = EVERYTHING
    ) -> None:
        suffix = next(suffix for suffix, each in self.formats.items() if each is exporter)
        inbox = self._controller.inbox
        export = ExportProcess(
            recorder, path, suffix, scope, lambda share: inbox.post(lambda: self._advance(share))
        )
        self._running.append(export)
        self._have_written(path, lambda: self._run(export, exporter), export)

    def _run(self, export: ExportProcess, exporter: Exporter) -> tuple[Path, ...]:
        """Export. Called by the worker."""
        exporter.check(export.path)
        self._controller.inbox.post(
            lambda: self.strip.begin(tr("Writing {file}…", file=export.path.name))
        )
        return export.run()

    def _advance(self, share: float) -> None:
        self.strip.advance(share)

    def _cancel(self) -> None:
        """Cancel what is being written, and what waits for its end."""
        for export in self._running:
            export.cancel()
        self.strip.cancelling()

    def _over(self, export: ExportProcess | None) -> None:
        if export in self._running:
            self._running.remove(export)
        if not self._running:
            self.strip.hide()

    def _have_written(
        self,
        path: Path,
        write: Callable[[], tuple[Path, ...]],
        export: ExportProcess | None = None,
    ) -> None:
        self._settings.setValue(_FOLDER, str(path.parent))

        def done(files: tuple[Path, ...]) -> None:
            self._over(export)
            names = " and ".join(file.name for file in files)
            self.wrote.emit(tr("Wrote {names} to {parent}", names=names, parent=path.parent))

        def failed(error: BaseException) -> None:
            self._over(export)
            if isinstance(error, ExportCancelled):
                self.wrote.emit(str(error))
                return
            self.failed.emit(Notice("export", sentence_of(error), Weight.BAD))

        self._controller.file_worker.do(write, done, failed)


def write_scenario(scenario: Scenario, path: Path) -> tuple[Path, ...]:
    """Write a scenario that wasn't run; InputError if the file can't be written."""
    marks = [
        Mark(t=change.at, kind=MarkKind.CHANGE, text="", key=change.key, new=change.value)
        for change in scenario.changes
    ]
    draft = to_draft(RunStarted(0.0, scenario, {}), marks, 0.0).with_fields(
        duration=scenario.duration
    )
    write_text(path, as_toml(draft))
    return (path,)
