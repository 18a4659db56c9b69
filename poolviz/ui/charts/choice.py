"""Which charts the window shows: a choice that is kept in the settings."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QObject, QSettings, Signal

from poolviz.sessions.export.exporter import PICTURE, USUAL

_KEY = "charts/shown"


class ChartChoice(QObject):
    """The names of the charts that are shown, at least one of them, in their order from above.

    Without settings the choice is not kept.
    """

    changed = Signal()

    def __init__(self, settings: QSettings | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        kept = settings.value(_KEY) if settings is not None else None
        self._names = _known([kept] if isinstance(kept, str) else kept or ()) or USUAL

    @property
    def names(self) -> tuple[str, ...]:
        """The charts that are shown."""
        return self._names

    def choose(self, names: Iterable[str]) -> None:
        """Show these charts; without any of them nothing changes."""
        chosen = _known(names)
        if not chosen or chosen == self._names:
            return
        self._names = chosen
        if self._settings is not None:
            self._settings.setValue(_KEY, list(chosen))
        self.changed.emit()

    def toggle(self, name: str) -> None:
        """Hide a chart, or show it again."""
        self.choose(set(self._names) ^ {name})


def _known(names: object) -> tuple[str, ...]:
    """Return those of the names that are of charts; settings may hold anything."""
    wanted = set(names) if isinstance(names, Iterable) else set()
    return tuple(name for name in PICTURE if name in wanted)
