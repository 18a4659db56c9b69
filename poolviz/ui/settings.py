"""What the user prefers: each setting declared once, with default and bounds, and kept in a file.

The file may say anything. What isn't a value of its setting counts as the default, and `problem`
says so in one sentence.
"""

from __future__ import annotations

import logging

from PySide6.QtCore import QObject, QSettings, Signal

from poolviz.language import LANGUAGES, tr, tr_noop
from poolviz.model.errors import InputError
from poolviz.model.parameters import Choice, Count, Parameter, Switch, Text, Value

_logger = logging.getLogger(__name__)

SYSTEM = "system"
OKABE_ITO, HIGH_CONTRAST = "okabe-ito", "high-contrast"
AUTOMATIC, MILLISECONDS, SECONDS = "automatic", "milliseconds", "seconds"
PER_SECOND, PER_MINUTE = "per second", "per minute"
NOTHING, WELCOME, LAST, NAMED = "nothing", "welcome", "last", "named"

THEME = Choice(
    key="theme",
    default=SYSTEM,
    choices=(SYSTEM, "light", "dark"),
    help=tr_noop("Light or dark, or what the desktop has."),
)
LANGUAGE = Choice(
    key="language",
    default=SYSTEM,
    choices=(SYSTEM, *LANGUAGES),
    help=tr_noop("The language of texts, numbers and dates on the screen; files don't change."),
)
PALETTE = Choice(
    key="palette",
    default=OKABE_ITO,
    choices=(OKABE_ITO, HIGH_CONTRAST),
    help=tr_noop("Colours that differ for every kind of eyesight, or such of high contrast."),
)
TEXT_SIZE = Count(
    key="text_size",
    default=100,
    minimum=80,
    maximum=200,
    slider=(80, 200),
    help=tr_noop("The size of texts, in per cent."),
)
TIMES = Choice(
    key="times",
    default=AUTOMATIC,
    choices=(AUTOMATIC, MILLISECONDS, SECONDS),
    help=tr_noop("The unit of waits in tiles and charts; automatic: milliseconds below a second."),
)
RATES = Choice(
    key="rates",
    default=PER_SECOND,
    choices=(PER_SECOND, PER_MINUTE),
    help=tr_noop("Whether tiles and charts count operations and connections a second or a minute."),
)
FRAME_RATE = Count(
    key="frame_rate",
    default=30,
    minimum=1,
    maximum=30,
    slider=(1, 30),
    help=tr_noop("How often a second charts are drawn at most: less leaves more CPU to the load."),
)
REDUCED_MOTION = Switch(
    key="reduced_motion",
    default=False,
    help=tr_noop("Charts move on twice a second instead of flowing."),
)
AT_START = Choice(
    key="at_start",
    default=WELCOME,
    choices=(WELCOME, NOTHING, LAST, NAMED),
    help=tr_noop("What poolviz begins with where nothing is named on its command line."),
)
START_NAME = Text(
    key="start_name", default="", help=tr_noop("The preset, or the file of a scenario or session.")
)
PREFERENCES: tuple[Parameter, ...] = (
    *(THEME, LANGUAGE, PALETTE, TEXT_SIZE, TIMES, RATES),
    *(FRAME_RATE, REDUCED_MOTION, AT_START, START_NAME),
)
_CALM = 2  # frames a second


class Settings(QObject):
    """The preferences that hold, over the file of all settings. `changed` has the key of one that
    was given another value."""

    changed = Signal(str)

    def __init__(self, store: QSettings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._values: dict[str, Value] = {}
        mistaken = [each.key for each in PREFERENCES if not self._read(each)]
        self.problem = ""
        if store.status() is not QSettings.Status.NoError:
            self.problem = tr(
                "The settings in {file} can't be read, so the defaults hold.", file=store.fileName()
            )
        elif mistaken:
            self.problem = tr(
                "The file of settings says what {keys} can't be, so the defaults hold for that.",
                keys=", ".join(mistaken),
            )
        if self.problem:
            _logger.warning("%s", self.problem)

    def value(self, setting: Parameter) -> Value:
        """Return the value that holds."""
        return self._values[setting.key]

    def number(self, setting: Count) -> int:
        """Return the value of a setting that is a number."""
        return int(self._values[setting.key])

    def put(self, setting: Parameter, value: Value) -> None:
        """Give a setting another value, now and in the file. InputError if it can't have that."""
        checked = setting.check(value)
        if checked == self._values[setting.key]:
            return
        self._values[setting.key] = checked
        if checked == setting.default:
            self._store.remove(setting.key)
        else:
            self._store.setValue(setting.key, checked)
        self.changed.emit(setting.key)

    def reset(self) -> None:
        """Give each preference its default."""
        for setting in PREFERENCES:
            self.put(setting, setting.default)

    @property
    def most_frames(self) -> int:
        """How many frames a second are drawn at most."""
        frames = self.number(FRAME_RATE)
        return min(frames, _CALM) if self.value(REDUCED_MOTION) else frames

    def _read(self, setting: Parameter) -> bool:
        """Take a setting from the file; return False if that says what it can't be."""
        self._values[setting.key] = setting.default
        stored: object = self._store.value(setting.key)
        if stored is None:
            return True
        try:
            value = setting.parse(stored) if isinstance(stored, str) else setting.check(stored)
        except InputError:
            return False
        self._values[setting.key] = value
        return True
