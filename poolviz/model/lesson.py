"""A lesson in a scenario: a question to predict, what is right and why, and what mends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from poolviz.language import tr_noop

CHOICES = 3  # of a question
# Subjects, in the order in which lessons are sorted, with their names.
SUBJECTS: Mapping[str, str] = {
    "size": tr_noop("The size of a pool"),
    "application": tr_noop("How applications use it"),
    "library": tr_noop("What libraries do"),
    "server": tr_noop("When the server fails"),
}
BECOMES = ("lower", "higher")  # what a remedy does to the figure


class LessonTexts(msgspec.Struct, frozen=True, kw_only=True):
    """The texts of a lesson in one language. `why` says what happened, and why."""

    question: str
    choices: tuple[str, ...]
    why: str


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """A lesson. `texts` are by language, `answer` is the number of the right choice, from 1.

    `figure` is one that conditions know, and is shown when the question is answered; "" for none.
    The changes at `mend_at`, in seconds, are the remedy, after which the figure `becomes` lower or
    higher; the changes before it make what is to be seen.
    """

    texts: dict[str, LessonTexts]
    answer: int
    subject: str = ""
    figure: str = ""
    becomes: Literal["", "lower", "higher"] = ""
    mend_at: float | None = None
