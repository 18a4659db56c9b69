"""Defaults of a user's constructor that can be limits."""

from __future__ import annotations

import math

from poolviz.model.parameters import INTEGER_LIMIT


def limit_value(default: object) -> bool | int | float | None:
    """Return a default as the value of a limit; None if no limit can hold it.

    That is a switch or a finite number of at most 64 bits. A number of a class derived from
    Python's, such as a member of an IntEnum, is returned as the plain number.
    """
    if isinstance(default, bool):
        return default
    if not isinstance(default, (int, float)):
        return None
    number = float(default) if isinstance(default, float) else int(default)
    return number if math.isfinite(number) and abs(number) < INTEGER_LIMIT else None
