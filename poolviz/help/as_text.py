"""The help as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

from poolviz.help.topic import Kind, Section, Topic
from poolviz.language import tr

WIDTH = 80  # columns
_TERM = 16  # columns of a term that its text follows on the same line


def as_text(topic: Topic) -> str:
    """Return a topic as text of 80 columns; code is as wide as it is."""
    title = topic.title if topic.title == topic.name else f"{topic.title} ({topic.name})"
    parts = [title, *(_section(section) for section in topic.sections)]
    if topic.see_also:
        parts.append(filled(tr("See also: {topics}", topics=", ".join(topic.see_also))))
    return "\n\n".join(part for part in parts if part)


def listing(known: Mapping[str, Topic]) -> str:
    """Return the names of all topics, by kind."""
    parts = []
    for kind in Kind:
        names = [topic.name for topic in known.values() if topic.kind is kind]
        parts.append(f"{tr(kind.value)}\n{filled(', '.join(names), '  ')}")
    return "\n\n".join(parts)


def found(topics: Iterable[Topic]) -> str:
    """Return the topics that a search found, each with its first sentence."""
    return "\n".join(f"{topic.name}\n{filled(topic.summary, '  ')}" for topic in topics)


def _section(section: Section) -> str:
    parts = [section.heading] if section.heading else []
    parts += [filled(text) for text in section.paragraphs]
    parts += [_item(item.term, item.text) for item in section.items]
    if section.code:
        parts.append(textwrap.indent(section.code.rstrip(), "  "))
    return "\n".join(parts)


def _item(term: str, text: str) -> str:
    if len(term) <= _TERM:
        return filled(f"{term:<{_TERM}}  {text}", "  ", " " * (_TERM + 4))
    return f"  {term}\n{filled(text, ' ' * (_TERM + 4))}"


def filled(text: str, indent: str = "", rest: str | None = None) -> str:
    """Return `text` in lines of 80 columns, indented; those after the first by `rest`, if given."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
