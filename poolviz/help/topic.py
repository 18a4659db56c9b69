"""A topic of the help, and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from poolviz.language import for_search, tr_noop


class Kind(StrEnum):
    """What a topic is about, in the order in which topics are listed."""

    START = tr_noop("Using poolviz")
    FIGURE = tr_noop("Figures")
    CHART = tr_noop("Charts")
    POOL = tr_noop("Pools")
    LIMIT = tr_noop("Limits")
    LOAD = tr_noop("Load")
    FAULT = tr_noop("Faults")
    CONNECT = tr_noop("Connect arguments")
    PRESET = tr_noop("Presets")
    FORMAT = tr_noop("Export formats")


class Item(NamedTuple):
    """A line of a list: a term, what it means, and the topic that says more, if any."""

    term: str
    text: str
    topic: str = ""


@dataclass(frozen=True)
class Section:
    """Paragraphs, and a list after them, under a heading or none. Code is shown as it is."""

    heading: str = ""
    paragraphs: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    code: str = ""


@dataclass(frozen=True)
class Topic:
    """One topic. `name` is what the command line calls it, `aliases` are other names for it, and
    `see_also` names topics that belong to it."""

    name: str
    title: str
    kind: Kind
    sections: tuple[Section, ...]
    aliases: tuple[str, ...] = ()
    see_also: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """Its first sentence."""
        first = next((text for section in self.sections for text in section.paragraphs), "")
        return f"{first.partition('. ')[0].rstrip('.')}." if first else ""

    @cached_property
    def heading_words(self) -> str:
        """Its names and its title, for a search."""
        return for_search(" ".join((self.name, *self.aliases, self.title)))

    @cached_property
    def words(self) -> str:
        """All its text, for a search."""
        parts = [self.heading_words]
        for section in self.sections:
            parts += [section.heading, *section.paragraphs, section.code]
            parts += [f"{item.term} {item.text}" for item in section.items]
        return for_search(" ".join(parts))
