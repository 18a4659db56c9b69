"""What the sentences about all servers' errors have in common."""

from __future__ import annotations


def first_line(text: object) -> str:
    """Return the first line of what a server or driver said, without a full stop at its end."""
    lines = str(text).strip().splitlines()
    return lines[0].rstrip(".") if lines else "no reason given"
