"""The ways in which applications use a pool, declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from poolviz.model.parameters import Value


class Use(msgspec.Struct, frozen=True):
    """One way in which applications use a pool, as its library's manual shows it.

    `code` is what a client does, in a line of Python. `ends` says how the transaction of an
    operation ends before the connection is given back: "commit" if that is part of this use, so
    that it is rolled back after an error; "" if giving back ends it. If `always`, that is so
    whatever the client did before, as at the end of a `with` block. If `gives_back`, the end of a
    transaction gives the connection back, so that it can't come before the hold.
    """

    name: str
    code: str
    ends: Literal["", "commit"] = ""
    always: bool = False
    gives_back: bool = False


POOL = Use("pool", "connection = pool.acquire(); …; pool.release(connection)")


def use_of(settings: Mapping[str, Value], uses: Sequence[Use]) -> Use:
    """Return the use that the setting `use` names; the first, if `uses` has none of that name."""
    return next((use for use in uses if use.name == settings["use"]), uses[0])
