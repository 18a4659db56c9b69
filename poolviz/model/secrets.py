"""Removal of passwords from text that is written down: logs, session files, reports."""

from __future__ import annotations

import re

# Also sslpassword, PGPASSWORD, ssl_key_passwd, MYSQL_PWD, and what was meant by pasword.
_KEY = r"\w*(?:pass?w(?:or)?d|pwd)"
_PATTERNS = (
    # ://user:PASSWORD@host. A password may hold an @ or a space that should have been escaped, so
    # everything up to the last @ of the line counts, unless another URL begins before it.
    # But for the words of an example in a message; and a path has but one slash of the two.
    (re.compile(r"(:/{1,2}(?!user:password@host)[^:/@\s]*):(?:(?!://)[^\n])*@"), r"\1@"),
    # ?password=… in a URL's query. A quote may be part of it, if what follows isn't the end of what
    # quotes the URL.
    (
        re.compile(rf"([?&]{_KEY}=)(?:[^&\s'\"]|['\"]+(?=[^&\s'\",;:.)\]}}]))*", re.IGNORECASE),
        r"\1***",
    ),
    # password='…' of libpq's keywords, SQL and Python, where a repr() around it may have put
    # backslashes before the quotes. Without a closing quote, the rest of the line counts.
    (
        re.compile(
            rf"(?<![?&\w])({_KEY}(?:\\*['\"]\s*:\s*|\s*=\s*|\s+)|IDENTIFIED\s+BY\s+)"
            r"b?(?P<quote>\\*['\"])"
            r"(?:(?:(?P=quote){2}|.)*?(?<!\\)(?P=quote)(?!(?P=quote))|[^\n]*)",
            re.IGNORECASE | re.DOTALL,
        ),
        r"\1***",
    ),
    # password=… without quotes, where libpq lets a backslash escape a space. Words before the next
    # keyword, or after a line break, were meant to be part of it.
    (
        re.compile(
            rf"(?<![?&\w])({_KEY}\s*=\s*)(?!\*\*\*)(?:\\+.|[^\s\\])+"
            r"(?:\s+(?<=[\r\n])(?!\w+\s*=)[^\s=]{1,200}"
            r"|\s+(?!\w+\s*=)[^\s=]{1,200}(?=(?:\s+[^\s=]{1,200}){0,5}\s+\w+\s*=)){0,6}",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
)


def without_secrets(text: str) -> str:
    """Return `text` without the passwords in it, in any form in which a DSN, an SQL statement or
    the repr of a call holds them. Where it isn't clear how long a password is, more is removed."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
