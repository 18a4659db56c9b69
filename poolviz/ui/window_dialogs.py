"""The dialogs of the window, each imported when it is first opened, for a quick start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from poolviz.model.errors import InputError
from poolviz.sessions.folder import SessionsFolder
from poolviz.sessions.limits import SessionLimits
from poolviz.ui.session.controller import Controller
from poolviz.ui.session.current_run import TablesQuestion
from poolviz.ui.session.server_memory import ServerMemory
from poolviz.ui.settings import Settings

if TYPE_CHECKING:
    from poolviz.ui.dialogs.help import HelpDialog


class WindowDialogs(QObject):
    """Opens the dialogs over `window`. `mistaken` has a sentence on what can't be done."""

    mistaken = Signal(str)
    limits_changed = Signal()  # those of the kept sessions

    def __init__(
        self,
        window: QWidget,
        controller: Controller,
        preferences: Settings,
        servers: ServerMemory,
    ) -> None:
        super().__init__(window)
        self._window, self._controller = window, controller
        self._preferences, self._servers = preferences, servers
        self._help: HelpDialog | None = None  # made when it is first asked for

    def ask_for_server(self) -> None:
        """Open the dialog in which the user names a server."""
        from poolviz.ui.dialogs.server_dialog import ServerDialog  # noqa: PLC0415 - as the head says

        controller = self._controller
        arguments = controller.arguments
        dialog = ServerDialog(controller.inbox, self._servers, tuple(arguments), self._window)
        dialog.chosen.connect(lambda dsn, pooler: controller.connect_to(dsn, pooler=pooler or None))
        dialog.open()

    def show_preferences(self) -> None:
        """Open the dialog of preferences."""
        from poolviz.ui.dialogs.preferences import PreferencesDialog  # noqa: PLC0415 - as above
        from poolviz.ui.session_list.limits_bar import LimitsBar  # noqa: PLC0415 - likewise

        folder, bar = SessionsFolder(self._controller.sessions_folder), LimitsBar(with_lanes=True)
        bar.mistaken.connect(self.mistaken)

        def keep(limits: SessionLimits) -> None:
            try:
                folder.set_limits(limits)
            except InputError as error:
                self.mistaken.emit(str(error))
            self.limits_changed.emit()

        bar.chosen.connect(keep)
        try:
            bar.show_limits(folder.limits())
        except InputError as error:
            self.mistaken.emit(str(error))
        PreferencesDialog(self._preferences, bar, self._window).open()

    def show_help(self, topic: str = "") -> None:
        """Show a topic of the help, beside the window."""
        if self._help is None:
            from poolviz.ui.dialogs.help import HelpDialog  # noqa: PLC0415 - as above

            self._help = HelpDialog(self._controller.file_worker, self._window)
        self._help.show_topic(topic)
        self._help.show()
        self._help.activateWindow()

    def ask_for_tables(self, question: TablesQuestion) -> None:
        """Ask whether tables may be created."""
        from poolviz.ui.dialogs.create_tables import CreateTablesDialog  # noqa: PLC0415 - as above

        CreateTablesDialog(question, self._window).open()

    def close(self) -> None:
        """Close what is open over the window, which would outlast it."""
        while (menu := QApplication.activePopupWidget()) is not None and menu.close():
            pass
        for dialog in self._window.findChildren(QDialog):
            dialog.close()
