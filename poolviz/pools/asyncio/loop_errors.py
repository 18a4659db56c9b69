"""Errors that asyncio drivers report to the event loop as well as to the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


def ignore_loop_errors(
    expected: Callable[[dict[str, Any]], bool], loop: asyncio.AbstractEventLoop
) -> None:
    """Ignore reports to the loop's exception handler for which `expected` is true.

    asyncio's default handler would print them to the terminal. `expected` is given the context of
    `loop.call_exception_handler`.
    """
    previous = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if expected(context):
            return
        if previous is None:
            loop.default_exception_handler(context)
        else:
            previous(loop, context)

    loop.set_exception_handler(handle)
