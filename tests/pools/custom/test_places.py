"""The line of the user's own code where an error came from, or a thread or a coroutine waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from poolviz.pools.custom.places import place_of_coroutine, place_of_error, place_of_thread
from tests.servers.fixtures import wait_until

SOURCE = """\
import json
import threading

def reads():
    return json.loads("{")

def waits(event):
    event.wait()

async def suspends(event):
    await event.wait()
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "own_code.py"
    path.write_text(SOURCE)
    module = ModuleType("own_code")
    exec(compile(SOURCE, str(path), "exec"), module.__dict__)
    yield module


def test_an_error_in_a_library_is_placed_where_the_users_code_called_it(own: Any) -> None:
    with pytest.raises(ValueError, match="Expecting") as raised:
        own.reads()
    assert str(place_of_error(raised.value)) == (
        'own_code.py, line 5, in reads: return json.loads("{")'
    )


def test_a_thread_is_placed_where_it_waits(own: Any) -> None:
    event = threading.Event()
    thread = threading.Thread(target=own.waits, args=(event,))
    thread.start()
    try:
        wait_until(lambda: place_of_thread(thread.ident), "the thread runs")
        assert str(place_of_thread(thread.ident)) == ("own_code.py, line 8, in waits: event.wait()")
    finally:
        event.set()
        thread.join()
    assert place_of_thread(thread.ident) is None


def test_a_coroutine_is_placed_where_it_is_suspended(own: Any) -> None:
    async def main() -> str:
        event = asyncio.Event()

        async def call() -> None:
            await own.suspends(event)

        coroutine = call()
        task = asyncio.create_task(coroutine)
        await asyncio.sleep(0)
        found = str(place_of_coroutine(coroutine))
        event.set()
        await task
        return found

    assert asyncio.run(main()) == "own_code.py, line 11, in suspends: await event.wait()"
