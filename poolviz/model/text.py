"""Text for people: printable, on one line, of bounded length, and without any password."""

from __future__ import annotations

import re

from poolviz.model.secrets import without_secrets

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~&:@!])")  # what stands for something else in it
_LONGEST = 600  # characters of a sentence, of which the end, with the advice, has a third


def on_one_line(text: str) -> str:
    """Return `text` with unprintable characters, such as line ends, written as escapes.

    So are lone surrogates, which stand for bytes that aren't UTF-8, and which no file or terminal
    could take.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def in_markdown(text: str) -> str:
    """Return `text` as Markdown that shows it; GitHub takes what is between two $ for a formula."""
    return _MARKDOWN.sub(r"\\\1", on_one_line(text)).replace("$", "<span>$</span>")


def is_text(text: str) -> bool:
    """Return whether `text` can be written to a file and sent to a server: it has neither NUL nor
    lone surrogates, which stand for bytes that aren't UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def shortened(text: str, longest: int) -> str:
    """Return `text` of at most `longest` characters; a long one loses what is in its middle."""
    if len(text) <= longest:
        return text
    end = longest // 3
    return f"{text[: longest - end - 3]} … {text[-end:]}"


def sentence(text: str) -> str:
    """Return `text`, which may quote anything that a user or a server wrote, as it may be shown."""
    return shortened(on_one_line(without_secrets(text)), _LONGEST)
