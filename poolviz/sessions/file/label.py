"""What a user says of a session: its name, a note, and that it is to stay.

It is in the file itself, under "label" in `meta`, so that it goes with a copy; sessions without one
have an empty label.
"""

from __future__ import annotations

from typing import TypedDict

import msgspec

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError
from poolviz.model.text import is_text

LABEL = "label"  # its key in `meta`
LONGEST_NAME, LONGEST_NOTE = 80, 2_000  # characters


class LabelChanges(TypedDict, total=False):
    """What is to change of a label; the rest stays."""

    name: str
    note: str
    keep: bool


class Label(msgspec.Struct, array_like=True, frozen=True):
    """A name, a note, and whether the session stays whatever its age and the folder's size."""

    name: str = ""
    note: str = ""
    keep: bool = False

    @property
    def stays(self) -> bool:
        """The session is never removed by age or size."""
        return self.keep or bool(self.name)

    def check(self) -> None:
        """Raise InputError unless name and note are lines of text that can be shown anywhere."""
        for text, longest, too_long, unprintable in (
            (
                self.name,
                LONGEST_NAME,
                tr_noop("The name has {n:,} characters: {longest:,} are allowed."),
                tr_noop("The name holds characters that can't be shown: remove them."),
            ),
            (
                self.note,
                LONGEST_NOTE,
                tr_noop("The note has {n:,} characters: {longest:,} are allowed."),
                tr_noop("The note holds characters that can't be shown: remove them."),
            ),
        ):
            if len(text) > longest:
                raise InputError(tr(too_long, n=len(text), longest=longest))
            shown = text.replace("\n", "") if longest == LONGEST_NOTE else text
            if not is_text(text) or not shown.isprintable():
                raise InputError(tr(unprintable))
        if self.name != self.name.strip():
            raise InputError(tr("The name begins or ends with a space: remove it."))
