"""The menu of pools: poolviz' own, those of installed packages, and files of the user's own."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.pools.base import Pool
from poolviz.pools.custom.candidates import Candidate, candidates_in
from poolviz.pools.listing import Listing
from poolviz.pools.registry import is_built_in, listings, missing_for
from poolviz.ui.session.controller import Controller
from poolviz.ui.session.notices import Weight, log_fault, sentence_of
from poolviz.ui.toolbar.own_pool_dialog import OwnPoolDialog, found_of, usable


class PoolMenu(QMenu):
    """Lets the user choose the controller's pool. Its entries are made when it is first opened.

    A library is loaded when its pool is chosen, and by a worker: the GUI thread would be blocked
    for too long. Code that isn't poolviz' own is loaded by the engine's process alone.
    """

    def __init__(self, controller: Controller, parent: QWidget) -> None:
        super().__init__(parent)
        self._controller = controller
        self._filled = False
        self.setToolTipsVisible(True)
        self._pools = QActionGroup(self)
        self._end = self.addSeparator()
        self.addAction(tr("Your own pool…")).triggered.connect(self._ask_for_file)
        self.aboutToShow.connect(self.fill)

    def fill(self) -> None:
        """List every pool, unless that was done, and check the controller's."""
        if not self._filled:
            self._filled = True
            listed = listings()
            for listing in listed:
                self._add(listing.id, listing.title)
            self._controller.file_worker.do(
                lambda: [(each, missing_for(each)) for each in listed], self._disable, log_fault
            )
        self._show_chosen()

    def _show_chosen(self) -> None:
        """Check the controller's pool, wherever it was chosen."""
        pool = self._controller.pool
        actions = {action.data(): action for action in self._pools.actions()}
        chosen = actions.get(pool.id) or self._add(pool.id, pool.title)
        chosen.setChecked(True)
        chosen.setToolTip(tr(pool.about))

    def _disable(self, found: list[tuple[Listing, str]]) -> None:
        """Disable the pools that can't be used and say what they lack."""
        actions = {action.data(): action for action in self._pools.actions()}
        for listing, missing in found:
            if missing:
                action, driver = actions[listing.id], bool(listing.drivers)
                action.setText(f"{listing.title}   {missing}" if driver else listing.title)
                action.setToolTip(
                    tr("Its driver isn't installed: {missing}", missing=missing)
                    if driver
                    else missing
                )
                action.setEnabled(False)

    def _add(self, id: str, title: str) -> QAction:
        """Add a pool below the others."""
        action = QAction(title, self)
        action.setCheckable(True)
        action.setData(id)
        action.triggered.connect(lambda _checked=False: self._choose(id))
        self._pools.addAction(action)
        self.insertAction(self._end, action)
        return action

    def _choose(self, id: str) -> None:
        if is_built_in(id):
            self._load(id)
        else:
            self._controller.learn([id], lambda _: self._load(id), self._complain)

    def _load(self, id: str) -> None:
        self._controller.file_worker.do(lambda: usable(id), self._take, self._complain)

    def _take(self, pool: type[Pool]) -> None:
        self._controller.choose_pool(pool.id)
        self._show_chosen()

    def _complain(self, error: BaseException) -> None:
        self._controller.notices.say("pool", sentence_of(error), Weight.WARN)
        self._show_chosen()

    def _ask_for_file(self) -> None:
        dialog = QFileDialog(self.window(), tr("Your own pool"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(tr("Python (*.py)"))
        dialog.fileSelected.connect(self._read_file)
        dialog.open()

    def _read_file(self, name: str) -> None:
        self._controller.file_worker.do(
            lambda: candidates_in(Path(name)), self._learn_all, self._complain
        )

    def _learn_all(self, candidates: list[Candidate]) -> None:
        """Find out which of a file's classes, functions and objects are pools."""
        self._controller.learn(
            [each.id for each in candidates],
            lambda _: self._controller.file_worker.do(
                lambda: found_of(candidates),
                lambda found: self._choose_from(candidates, found),
                self._complain,
            ),
            self._complain,
        )

    def _choose_from(
        self, candidates: list[Candidate], found: dict[str, type[Pool] | InputError]
    ) -> None:
        """Ask which of them is meant."""
        dialog = OwnPoolDialog(self._controller, candidates, found, self.window())
        dialog.chosen.connect(self._take)
        dialog.open()
