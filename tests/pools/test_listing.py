"""The pools that come with poolviz, found by their files without importing a library."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from poolviz.pools import listing
from poolviz.pools.listing import Listing, built_in_listings
from poolviz.pools.registry import pool_class, pool_id

DRIVERS = ("psycopg2", "psycopg", "sqlalchemy", "asyncpg", "aiopg", "aiomysql", "dbutils", "numpy")


@pytest.mark.parametrize("one", built_in_listings(), ids=lambda one: one.id)
def test_a_listing_and_its_class_agree(one: Listing) -> None:
    if one.missing:
        pytest.skip(f"{one.id} lacks its driver: {one.missing}")
    pool = one.load()
    assert (pool.id, pool.title) == (one.id, one.title)
    assert pool.__module__ == one.module


@pytest.mark.parametrize(
    ("listing", "name"), [(one, name) for one in built_in_listings() for name in one.classes]
)
def test_a_pool_is_found_by_the_names_of_its_librarys_class(listing: Listing, name: str) -> None:
    if listing.missing:
        pytest.skip(f"{listing.id} lacks its driver: {listing.missing}")
    module, _, attribute = name.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, type):
        assert f"{found.__module__}:{found.__qualname__}" == listing.classes[0]
    assert (pool_id(name), pool_class(name)) == (listing.id, listing.load())


def test_ids_are_unique_and_ranks_give_the_order() -> None:
    found = built_in_listings()
    assert len({one.id for one in found}) == len(found)
    assert [(one.rank, one.id) for one in found] == sorted((one.rank, one.id) for one in found)


def test_all_pools_are_listed_without_importing_a_driver() -> None:
    program = (
        "import sys; from poolviz.pools.registry import listings; assert listings();"
        f"print([name for name in {DRIVERS} if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert (ended.stdout.strip(), ended.stderr) == ("[]", "")


def test_a_pool_is_found_by_its_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "pools.py").write_text(
        "import no_such_library\n"
        'LATE = Listing("library.Late", "Late", rank=9)\n'
        'EARLY = Listing(\n    "library.Early", "Early", rank=3, drivers=("json",), extra="x"\n)\n'
        'class Late:\n    nested = Listing("not.one", "Not one")\n'
        'TOO_LATE = Listing("library.TooLate", "Too late")\n'
    )
    monkeypatch.setattr(listing, "_FOLDER", tmp_path)
    module = "poolviz.pools.library.pools"
    assert built_in_listings.__wrapped__() == (
        Listing("library.Early", "Early", 3, ("json",), "x", module),
        Listing("library.Late", "Late", 9, module=module),
    )


def test_missing_sources_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_FOLDER", tmp_path)
    with pytest.raises(RuntimeError, match="sources of the pools are missing"):
        built_in_listings.__wrapped__()
