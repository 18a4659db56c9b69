"""The tables that some statements need, made or dropped without a run."""

from __future__ import annotations

from collections.abc import Callable

from poolviz.language import tr
from poolviz.load.statements import SCHEMA
from poolviz.servers.dispatch import drop_tables as drop
from poolviz.servers.dispatch import prepare_tables as prepare
from poolviz.servers.target import Target


def make_tables(target: Target, scale: int, say: Callable[[str], None]) -> str:
    """Make the tables unless they are there; what was done, in a sentence. ServerError where they
    can't be made."""
    where = tr("schema {schema} on {shown}", schema=SCHEMA, shown=target.in_words)
    if prepare(target.conninfo, scale, say, embedded=target.embedded):
        return tr("Made tables of scale {scale} in {where}.", scale=scale, where=where)
    return tr(
        "The tables in {where} are there already, of scale {scale} or more.",
        where=where,
        scale=scale,
    )


def drop_tables(target: Target, say: Callable[[str], None]) -> str:
    """Drop the tables that poolviz made, and nothing else; what was done, in a sentence.
    ServerError where they can't be dropped."""
    where = tr("schema {schema} on {shown}", schema=SCHEMA, shown=target.in_words)
    if drop(target.conninfo, say, embedded=target.embedded):
        return tr("Dropped the tables in {where}.", where=where)
    return tr("There is no {where} to drop.", where=where)
