"""The tables that some statements need, made or dropped without a run."""

from __future__ import annotations

from collections.abc import Callable

from poolviz.load.statements import SCHEMA
from poolviz.servers.dispatch import drop_tables as drop
from poolviz.servers.dispatch import prepare_tables as prepare
from poolviz.servers.target import Target


def make_tables(target: Target, scale: int, say: Callable[[str], None]) -> str:
    """Make the tables unless they are there; what was done, in a sentence. ServerError where they
    can't be made."""
    where = f"schema {SCHEMA} on {target.shown}"
    if prepare(target.conninfo, scale, say, embedded=target.embedded):
        return f"Made tables of scale {scale} in {where}."
    return f"The tables in {where} are there already, of scale {scale} or more."


def drop_tables(target: Target, say: Callable[[str], None]) -> str:
    """Drop the tables that poolviz made, and nothing else; what was done, in a sentence.
    ServerError where they can't be dropped."""
    where = f"schema {SCHEMA} on {target.shown}"
    if drop(target.conninfo, say, embedded=target.embedded):
        return f"Dropped the tables in {where}."
    return f"There is no {where} to drop."
