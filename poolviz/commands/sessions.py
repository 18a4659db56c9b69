"""`poolviz sessions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import click

from poolviz.commands import options
from poolviz.language import tr, trn
from poolviz.model.errors import InputError

if TYPE_CHECKING:
    from poolviz.sessions.folder import SessionsFolder
    from poolviz.sessions.kept_session import KeptSession


@click.command(short_help="List the sessions that are kept; name, note, keep or delete them.")
@click.argument("action", required=False)
@click.argument("words", nargs=-1)
@options.as_json
@click.option("--off", is_flag=True, help="With keep: let age and size remove it again.")
@click.option("--age", metavar="AGE", help="With limits: how long to keep, 90d, 12w, 36h or none.")
@click.option("--size", metavar="SIZE", help="With limits: how much, 2GB, 500MB or none.")
@click.option(
    "--lanes", metavar="SIZE", help="With limits: how much of lanes in each session, 20MB or none."
)
def command(
    *,
    action: str | None,
    words: tuple[str, ...],
    as_json: bool,
    off: bool,
    age: str | None,
    size: str | None,
    lanes: str | None,
) -> None:
    """List the sessions that are kept, the newest first, or change one.

    \b
      poolviz sessions [--json]               list them
      poolviz sessions rename SESSION NAME    give it a name; "" takes it away
      poolviz sessions note SESSION TEXT      note something about it; "" removes the note
      poolviz sessions keep SESSION [--off]   never remove it by age or size
      poolviz sessions delete SESSION…        remove it now
      poolviz sessions limits [--age AGE] [--size SIZE] [--lanes SIZE]

    SESSION is its file, its name, or the beginning of its file's name if no other begins so. A file
    elsewhere can be named, noted and marked too, and is yours to delete. Those with a name are
    never removed by age or size either. They are in the sessions folder: `sessions`
    in the user's data folder, or what POOLVIZ_SESSIONS names.
    """
    from poolviz.sessions.folder import SessionsFolder  # noqa: PLC0415 - loads numpy
    from poolviz.system.folders import sessions_folder  # noqa: PLC0415 - only here

    folder = SessionsFolder(sessions_folder())
    if off and action != "keep":
        raise InputError(tr("--off is for `poolviz sessions keep`."))
    given = {"age": age, "size": size, "lanes": lanes}
    if any(each is not None for each in given.values()) and action != "limits":
        raise InputError(tr("--age, --size and --lanes are for `poolviz sessions limits`."))
    if as_json and action not in (None, "limits"):
        raise InputError(tr("`poolviz sessions {action}` prints no JSON.", action=action))
    match action, words:
        case None, ():
            _list(folder, as_json=as_json)
        case "limits", ():
            _limits(folder, given, as_json=as_json)
        case "rename", (session, name):
            _change(folder, session, name=name.strip())
        case "note", (session, text):
            _change(folder, session, note=text)
        case "keep", (session,):
            _change(folder, session, keep=not off)
        case "delete", (_, *_):
            _delete(folder, words)
        case _:
            raise InputError(_usage(action))


def _usage(action: str | None) -> str:
    takes = {
        "rename": tr("a session and its name"),
        "note": tr("a session and a text"),
        "keep": tr("a session"),
        "delete": tr("one session or several"),
        "limits": tr("--age, --size and --lanes"),
    }
    if action in takes:
        return tr("`poolviz sessions {action}` takes {takes}.", action=action, takes=takes[action])
    from poolviz.model.parameters import suggest  # noqa: PLC0415 - for a mistake

    return tr(
        "{action} is nothing that `poolviz sessions` does: {suggest}.",
        action=action,
        suggest=suggest(str(action), list(takes)),
    )


def _change(folder: SessionsFolder, session: str, **changes: str | bool) -> None:
    from poolviz.commands.console import say  # noqa: PLC0415 - loads numpy

    found = folder.find(session)
    change: Callable[..., None] = folder.relabel
    change(found.path, **changes)
    say(tr("Changed {path}.", path=found.path))


def _delete(folder: SessionsFolder, words: tuple[str, ...]) -> None:
    """Remove sessions, each whatever becomes of the others; none if one of the words names none."""
    from poolviz.commands.console import say  # noqa: PLC0415 - loads numpy

    paths = dict.fromkeys(folder.find(word).path for word in words)
    gone, errors = folder.delete_all(paths)
    for path in gone:
        say(tr("Removed {path}.", path=path))
    if errors:
        raise InputError.merged(errors)


def _limits(folder: SessionsFolder, texts: Mapping[str, str | None], *, as_json: bool) -> None:
    import msgspec  # noqa: PLC0415 - as below

    from poolviz.sessions.limits import (  # noqa: PLC0415 - only here
        SessionLimits,
        parse_age,
        parse_size,
    )

    parse = {"age": parse_age, "size": parse_size, "lanes": parse_size}
    fields = {"age": "age_s", "size": "size_bytes", "lanes": "lanes_bytes"}
    given = {fields[key]: parse[key](text) for key, text in texts.items() if text is not None}
    try:
        before = folder.limits()
    except InputError:
        if not {"age_s", "size_bytes"} <= given.keys():
            raise
        before = SessionLimits()  # whatever was there
    limits = msgspec.structs.replace(before, **given)
    if given:
        folder.set_limits(limits)
    click.echo(msgspec.json.encode(limits) if as_json else limits.sentence)


def _list(folder: SessionsFolder, *, as_json: bool) -> None:
    import msgspec  # noqa: PLC0415 - as above

    from poolviz.commands.console import say  # noqa: PLC0415 - loads numpy
    from poolviz.sessions.limits import shown_size  # noqa: PLC0415 - only here

    found = list(folder.sessions())
    total = sum(each.size for each in found)
    limits, trouble = None, ""
    try:
        limits = folder.limits()
    except InputError as error:
        trouble = str(error)
    if as_json:
        listed = {
            "folder": str(folder.folder),
            "size_bytes": total,
            "limits": limits,
            "sessions": [each.as_object() for each in found],
        }
        click.echo(msgspec.json.format(msgspec.json.encode(listed)).decode())
        if trouble:
            say(trouble)
        return
    if found:
        heads = (
            *(tr("started"), tr("length"), tr("size"), tr("ended"), tr("pool"), tr("server")),
            *(tr("name"), tr("file")),
        )
        click.echo(_columns([heads, *map(_row, found)]))
        for each in found:
            name, note = each.path.name, each.label.note
            if each.sentence:
                click.echo(_sentence(f"{name}: {each.sentence}"))
            if note:
                click.echo(_sentence(tr("{name}: note: {note}", name=name, note=note)))
    click.echo(
        trn(
            "{n:,} session takes {size} in {folder}. {sentence}",
            "{n:,} sessions take {size} in {folder}. {sentence}",
            len(found),
            size=shown_size(total),
            folder=folder.folder,
            sentence=limits.sentence if limits else trouble,
        )
    )


def _row(each: KeptSession) -> tuple[str, ...]:
    from poolviz.model.server_name import server_in_words  # noqa: PLC0415 - as below
    from poolviz.sessions.limits import shown_size  # noqa: PLC0415 - only here

    known = each.started is not None
    return (
        f"{each.started.astimezone():%Y-%m-%d %H:%M:%S}" if each.started is not None else "",
        tr("{n:,.1f} s", n=each.duration_s) if known else "",
        shown_size(each.size),
        tr(each.ending.value),
        ", ".join(filter(None, (each.pool, each.processes_in_words))),
        server_in_words(each.server),
        tr("{name} (keep)", name=each.label.name).strip() if each.label.keep else each.label.name,
        each.path.name,
    )


def _columns(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _sentence(text: str) -> str:
    from poolviz.model.text import sentence  # noqa: PLC0415 - only here

    return sentence(text)
