"""What a SQLite URL means, and whether its file can be used."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote

from poolviz.language import tr
from poolviz.model.errors import InputError, ServerError
from poolviz.servers.diagnosis import Diagnosis, Finding
from poolviz.servers.target import Target
from poolviz.system.files import resolved

_HOW = "sqlite:///file.db for a file in this folder, sqlite:////folder/file.db for any other"


def reach(dsn: str) -> Target:
    """See `dispatch.reach`. A file that doesn't exist yet is left to the first connection to
    create. SQLite doesn't limit the number of connections, so the target has no such figures."""
    url = dsn.strip()
    path = file_of(url)
    if path is not None:
        _check(path)
    return Target(url, url.partition("?")[0], sqlite3.sqlite_version, None, None, product="SQLite")


def diagnose(dsn: str) -> Diagnosis:
    """See `dispatch.diagnose`."""
    target = reach(dsn)
    path = file_of(dsn.strip())
    if path is None:
        found = Finding(
            "file", "note", tr("The database is in memory: each connection has its own.")
        )
    elif not path.exists():
        found = Finding("file", "good", tr("The first connection creates {path}.", path=path))
    elif os.access(path, os.W_OK):
        found = Finding("file", "good", tr("{path} can be read and written.", path=path))
    else:
        found = Finding("file", "note", tr("{path} can be read, not written.", path=path))
    return Diagnosis(target, findings=(found,))


def file_of(url: str) -> Path | None:
    """Return the file that `url` names, None for a database in memory."""
    rest = url.partition("?")[0].partition(":")[2]
    if not rest.startswith("//") or (rest != "//" and not rest.startswith("///")):
        raise InputError(
            tr("The DSN isn't the URL of a SQLite database: write it as {how}.", how=_HOW)
        )
    name = unquote(rest[3:])
    if name.startswith("file:"):
        raise InputError(tr("The DSN names the file by a URI: write it as {how}.", how=_HOW))
    return None if name in ("", ":memory:") else Path(name)


def _check(path: Path) -> None:
    resolved(path)
    if not path.parent.is_dir():
        raise ServerError(
            tr(
                "There is no folder {parent} for the SQLite database {file}.",
                parent=path.parent,
                file=path.name,
            )
        )
    if path.is_dir():
        raise ServerError(tr("{path} is a folder: name a file for the SQLite database.", path=path))
    if not path.exists():
        return
    if not path.is_file():  # opening a pipe would wait for ever
        raise ServerError(
            tr("{path} is not an ordinary file: name one for the SQLite database.", path=path)
        )
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error as error:
        raise ServerError(
            tr("{path} can't be read as a SQLite database: {error}.", path=path, error=error)
        ) from None
