"""`poolviz pools` as a program: every pool and limit, with and without drivers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poolviz.model.parameters import Effect
from poolviz.pools.base import TaskPool
from poolviz.pools.listing import built_in_listings
from poolviz.pools.registry import POOLS, listings
from tests.servers.fixtures import PROJECT

# What each extra brings, by the names of its modules.
DRIVERS = {
    "psycopg": ("psycopg", "psycopg_pool"),
    "asyncpg": ("asyncpg", "greenlet"),
    "aiopg": ("aiopg",),
    "mysql": ("aiomysql", "pymysql"),
    "dbutils": ("dbutils",),
}

Printed = Callable[..., str]


@pytest.fixture
def printed(tmp_path: Path) -> Printed:
    """Runs `poolviz pools` with a Python that lacks the modules of some extras.

    It starts without its site-packages, and finds links to the other packages instead.
    """

    def run(*arguments: str, without: tuple[str, ...] = ()) -> str:
        packages = tmp_path / "-".join(("packages", *without))
        if not packages.exists():
            packages.mkdir()
            missing = {module for extra in without for module in DRIVERS[extra]}
            for entry in Path(sysconfig.get_path("purelib")).iterdir():
                if entry.name.partition(".")[0] not in missing:
                    (packages / entry.name).symlink_to(entry)
        path = os.pathsep.join(map(str, (PROJECT, packages)))
        done = subprocess.run(
            [sys.executable, "-S", "-m", "poolviz", "pools", *arguments],
            check=True,
            timeout=120,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert done.stderr == ""
        return done.stdout

    return run


def parts_of(text: str) -> dict[str, str]:
    """The part of the text about each pool, by id."""
    return {part.partition("\n")[0]: part for part in text.strip().split("\n\n")}


def test_every_pool_is_listed_with_every_limit(printed: Printed) -> None:
    listed = json.loads(printed("--json"))["pools"]
    assert [one["id"] for one in listed] == [one.id for one in listings()]
    assert {one["id"] for one in listed if one["available"]} == set(POOLS)
    for one in listed:
        if not one["available"]:
            continue
        pool = POOLS[one["id"]]
        assert (one["title"], one["about"], one["install"]) == (pool.title, pool.about, "")
        assert one["runs"] == ("asyncio" if issubclass(pool, TaskPool) else "threads")
        assert tuple(one["servers"]) == pool.servers
        assert one["waits_when_exhausted"] is pool.waits
        assert [limit["key"] for limit in one["limits"]] == list(pool.limits)
        for limit in one["limits"]:
            declared = pool.limits[limit["key"]]
            assert limit["default"] == declared.default
            assert type(limit["default"]) is type(declared.default)
            assert limit["change"] in list(Effect)
            assert (limit["change"], limit["kind"]) == (declared.effect, declared.kind)
            assert (limit["help"], limit["change_does"]) == (declared.help, declared.effect_help)


def test_the_listed_bounds_of_a_limit_are_accepted(printed: Printed) -> None:
    listed = json.loads(printed("--json"))["pools"]
    limits = [(POOLS[one["id"]], limit) for one in listed for limit in one.get("limits", ())]
    assert limits
    for pool, limit in limits:
        declared = pool.limits[limit["key"]]
        assert limit["at_least"] is None or limit["at_least"] in pool.limits
        bounds = [limit[bound] for bound in ("minimum", "maximum") if limit[bound] is not None]
        for value in (limit["default"], *bounds, *map(float, limit["special"])):
            assert declared.check(value) == value
        assert bounds == sorted(bounds)
        assert bool(bounds) is (limit["kind"] in ("count", "seconds"))


def test_the_text_describes_every_pool_and_limit(printed: Printed) -> None:
    parts = parts_of(printed())
    assert list(parts) == [one.id for one in listings()]
    words = {Effect.NOW: "applies at once", Effect.NEW_REQUESTS: "applies to new requests"}
    for id, pool in POOLS.items():
        assert pool.about in parts[id]
        for key, limit in pool.limits.items():
            (line,) = [line for line in parts[id].splitlines() if line.split()[:1] == [key]]
            assert limit.show(limit.default) in line
            assert limit.allowed() in line
            assert line.endswith(f"a change {words[limit.effect]}.")
            assert limit.help in parts[id]


@pytest.mark.parametrize("without", [("aiopg",), tuple(DRIVERS)], ids=["one", "all"])
def test_a_pool_without_its_driver_is_listed_with_the_command_that_installs_it(
    printed: Printed, without: tuple[str, ...]
) -> None:
    listed = {one["id"]: one for one in json.loads(printed("--json", without=without))["pools"]}
    parts = parts_of(printed(without=without))
    assert list(listed) == list(parts) == [one.id for one in listings()]
    lacking = [one for one in built_in_listings() if one.extra in without]
    assert {one.extra for one in lacking} == set(without)
    for one in lacking:
        command = f"pip install 'poolviz[{one.extra}]'"
        assert listed[one.id] == {
            "id": one.id,
            "title": one.title,
            "available": False,
            "install": command,
        }
        assert parts[one.id] == f"{one.id}\n  (needs {' and '.join(one.drivers)}: {command})"
    others: list[Any] = [listed[one.id] for one in built_in_listings() if one not in lacking]
    assert all(one["available"] or one["install"] for one in others)
    assert any(one["available"] and one["limits"] for one in others)
