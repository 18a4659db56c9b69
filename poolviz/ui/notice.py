"""What the window has to say, as data: a line with a topic, a weight, and perhaps a remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Weight(StrEnum):
    """How much a notice matters: news, something to look at, something broken."""

    INFO = "info"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Notice:
    """A sentence for the banner. A later one on the same topic replaces it."""

    topic: str
    sentence: str
    weight: Weight = Weight.INFO
    remedy: str = ""  # the button's text; none where empty
    act: Callable[[], None] | None = None  # what the button does
    passing: bool = False  # goes away by itself after some seconds
    closable: bool = True
