"""The help as HTML of the kind that text widgets show; links lead to `topic:NAME`."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from poolviz.help.topic import Item, Section, Topic
from poolviz.language import tr

SCHEME = "topic"


def as_html(topic: Topic, known: Mapping[str, Topic]) -> str:
    """Return a topic, with links to those of `known` that it names."""
    name = "" if topic.title == topic.name else f"<p class='name'>{escape(topic.name)}</p>"
    parts = [f"<h2>{escape(topic.title)}</h2>{name}"]
    parts += [_section(section, known) for section in topic.sections]
    links = [_link(known[name].title, name) for name in topic.see_also if name in known]
    if links:
        parts.append(f"<p>{tr('See also: {topics}', topics=', '.join(links))}</p>")
    return "".join(parts)


def _section(section: Section, known: Mapping[str, Topic]) -> str:
    parts = [f"<h3>{escape(section.heading)}</h3>"] if section.heading else []
    parts += [f"<p>{escape(text)}</p>" for text in section.paragraphs]
    if section.items:
        rows = "".join(_row(item, known) for item in section.items)
        parts.append(f"<table cellspacing='0' cellpadding='3'>{rows}</table>")
    if section.code:
        parts.append(f"<pre>{escape(section.code.rstrip())}</pre>")
    return "".join(parts)


def _row(item: Item, known: Mapping[str, Topic]) -> str:
    term = _link(item.term, item.topic) if item.topic in known else escape(item.term)
    return f"<tr><td class='term'>{term}&nbsp;&nbsp;</td><td>{escape(item.text)}</td></tr>"


def _link(text: str, topic: str) -> str:
    return f"<a href='{SCHEME}:{escape(topic)}'>{escape(text)}</a>"
