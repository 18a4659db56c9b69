"""The menu of pools: those that poolviz knows, those that it could, and the user's own."""

from __future__ import annotations

import ast
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QFileDialog, QInputDialog, QMenu, QWidget

from poolviz.load.settings import settings_for
from poolviz.model.errors import InputError
from poolviz.pools.base import Pool
from poolviz.pools.listing import Listing
from poolviz.pools.registry import listings, pool_class
from poolviz.ui.session.controller import Controller
from poolviz.ui.session.notices import Weight, log_fault, sentence_of


class PoolMenu(QMenu):
    """Lets the user choose the controller's pool. A library is loaded when its pool is chosen, and
    never in the GUI thread, which an import may hold up for long."""

    def __init__(self, controller: Controller, parent: QWidget) -> None:
        super().__init__(parent)
        self._controller = controller
        self.setToolTipsVisible(True)
        self._pools = QActionGroup(self)
        self._end = self.addSeparator()
        self.addAction("Your own pool…").triggered.connect(self._ask_for_file)
        listed = listings()
        for listing in listed:
            self._add(listing.id, listing.title)
        # To know whether a package's own pool can be used, it has to be loaded.
        controller.file_worker.do(
            lambda: [(each, each.missing) for each in listed], self._grey_out, log_fault
        )

    def show_chosen(self) -> None:
        """Put the check mark to the controller's pool, whoever chose it."""
        pool = self._controller.pool
        actions = {action.data(): action for action in self._pools.actions()}
        chosen = actions.get(pool.id) or self._add(pool.id, pool.title)
        chosen.setChecked(True)
        chosen.setToolTip(pool.about)

    def _grey_out(self, found: list[tuple[Listing, str]]) -> None:
        """Say what those that can't be used lack."""
        actions = {action.data(): action for action in self._pools.actions()}
        for listing, missing in found:
            if missing:
                action, driver = actions[listing.id], bool(listing.drivers)
                action.setText(f"{listing.title}   {missing}" if driver else listing.title)
                action.setToolTip(f"Its driver isn't installed: {missing}" if driver else missing)
                action.setEnabled(False)

    def _add(self, id: str, title: str) -> QAction:
        """One pool more, below the others."""
        action = QAction(title, self)
        action.setCheckable(True)
        action.setData(id)
        action.triggered.connect(lambda: self._choose(id))
        self._pools.addAction(action)
        self.insertAction(self._end, action)
        return action

    def _choose(self, id: str) -> None:
        self._controller.file_worker.do(lambda: usable(id), self._take, self._complain)

    def _take(self, pool: type[Pool]) -> None:
        self._controller.choose_pool(pool.id)
        self.show_chosen()

    def _complain(self, error: Exception) -> None:
        self._controller.notices.say("pool", sentence_of(error), Weight.WARN)
        self.show_chosen()

    def _ask_for_file(self) -> None:
        dialog = QFileDialog(self.window(), "Your own pool")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter("Python (*.py)")
        dialog.fileSelected.connect(self._look_into)
        dialog.open()

    def _look_into(self, name: str) -> None:
        self._controller.file_worker.do(lambda: pools_in(Path(name)), self._offer, self._complain)

    def _offer(self, pools: list[type[Pool]]) -> None:
        """Take the only one, or ask which."""
        if len(pools) == 1:
            self._take(pools[0])
            return
        names = {pool.id.rpartition(":")[2]: pool for pool in pools}
        dialog = QInputDialog(self.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Your own pool")
        dialog.setLabelText("The file has several pools. Which one?")
        dialog.setComboBoxItems(list(names))
        dialog.textValueSelected.connect(lambda name: self._take(names[name]))
        dialog.open()


def usable(id: str) -> type[Pool]:
    """The pool that goes by `id`; InputError where it can't be loaded or be put under a load."""
    pool = pool_class(id)
    settings_for(pool)
    return pool


def pools_in(path: Path) -> list[type[Pool]]:
    """The classes of a file that are pools; InputError, in a sentence, where there is none."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} can't be read as a Python file: {error}.") from error
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    pools, refusals = [], []
    for name in classes:
        try:
            pools.append(usable(f"{path}:{name}"))
        except InputError as refusal:
            refusals.append(refusal)
    if not pools:
        raise refusals[0] if refusals else InputError(f"{path} has no class, and so no pool.")
    return pools
