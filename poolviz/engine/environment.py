"""The environment of a run, as reports state it: versions, the machine, the pool's class."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata

import psutil
from psycopg2.extensions import libpq_version

from poolviz.model.version import VERSION
from poolviz.pools.base import Pool


def describe_environment(pool: type[Pool], known: Mapping[str, str]) -> dict[str, str]:
    """Return what the run is measured with, and what is `known` of the server. Holds no secret."""
    return {
        **known,
        "poolviz": VERSION,
        "python": platform.python_version(),
        "pool class": pool.id,
        **_versions(pool.library, "psycopg2-binary"),
        "libpq": _libpq(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}, "
        f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.1f} GiB",
    }


def _versions(*distributions: str) -> dict[str, str]:
    """Return the versions of distributions, as far as they are installed: a user's pool may name
    any."""
    found = {}
    for name in distributions:
        with suppress(metadata.PackageNotFoundError, ValueError):
            found[name] = metadata.version(name)
    return found


def _libpq() -> str:
    """Return the version of the library under psycopg2: 180006 is 18.6."""
    number = libpq_version()
    return f"{number // 10000}.{number % 10000}"
