"""Changing the label of a session that is closed."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.sessions.file.background_writer import is_being_recorded
from poolviz.sessions.file.format import (
    SQLITE_ERRORS,
    WHOLE,
    Damage,
    check_tables,
    has_members,
    pack,
    pragma,
    seal,
)
from poolviz.sessions.file.label import LABEL, Label
from poolviz.sessions.file.reader import SessionHeader

_PATIENCE = 5.0  # seconds to wait for another program that writes the file


def write_label(path: Path, label: Label) -> None:
    """Put `label` into the session at `path`, of whatever format, in one transaction.

    A crash leaves the old or the new one. InputError if the file isn't a whole session, is being
    recorded, or can't be written.
    """
    label.check()
    reader = SessionHeader(path)
    if is_being_recorded(path):
        raise InputError(
            tr("{path} is being recorded: label it once its run has ended.", path=path)
        )
    if not os.access(path, os.W_OK):
        raise InputError(tr("Can't write {path}: you have no permission to change it.", path=path))
    uri = f"{path.absolute().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE)) as connection:
            for setting in ("trusted_schema = OFF", "cell_size_check = ON", "synchronous = FULL"):
                connection.execute(f"PRAGMA {setting}")
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                version = pragma(connection, "user_version")
                check_tables(connection, version)  # another program may have put others there
                body = pack(label)
                place = (LABEL, WHOLE) if has_members(version) else (LABEL,)
                sealed = seal("meta", place, body) if version > 1 else body
                values = ", ".join("?" * (len(place) + 1))
                insert = f"INSERT OR REPLACE INTO meta VALUES ({values})"
                connection.execute(insert, (*place, sealed))
    except sqlite3.OperationalError as error:
        raise InputError(tr("Can't write {path}: {error}.", path=path, error=error)) from None
    except (*SQLITE_ERRORS, Damage) as error:
        raise reader.damaged(error) from None
