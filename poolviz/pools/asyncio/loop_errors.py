"""What libraries tell their loop, beside what they tell their caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


def hear_nothing_of(
    expected: Callable[[dict[str, Any]], bool], loop: asyncio.AbstractEventLoop
) -> None:
    """Have the loop pass over what a library tells it and everybody knows, which it would print to
    the user's terminal."""
    others = loop.get_exception_handler()

    def hear(loop: asyncio.AbstractEventLoop, trouble: dict[str, Any]) -> None:
        if expected(trouble):
            return
        if others is None:
            loop.default_exception_handler(trouble)
        else:
            others(loop, trouble)

    loop.set_exception_handler(hear)
