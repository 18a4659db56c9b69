"""Drafts from what the options of a command say: for commands that run something."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from poolviz.commands import options
from poolviz.language import tr, trn
from poolviz.model.errors import InputError
from poolviz.model.parameters import Parameter, Value, either, parse_seconds, shown_time
from poolviz.runs.repetition import Replay
from poolviz.runs.request import check_draft
from poolviz.scenarios.check import Declared, declared
from poolviz.scenarios.draft import Draft, Mistake
from poolviz.scenarios.presets import open_scenario
from poolviz.scenarios.toml_file import draft_of
from poolviz.sessions.folder import SessionsFolder, is_session_file
from poolviz.system.folders import sessions_folder


def draft_from(scenario: Path | None) -> tuple[Draft, Replay | None]:
    """Return the draft that SCENARIO names, a file or a preset; of a session, what replays it too.
    Without one it is that of every default."""
    if scenario is None:
        return Draft(), None
    if is_session_file(scenario):
        replay = _replay_of(scenario)
        return replay.draft, replay
    return open_scenario(scenario), None


def _replay_of(session: Path) -> Replay:
    """Return the session to run again: a file, or one of the sessions folder by its file's name."""
    kept = sessions_folder() / session.name
    if session.parent == Path() and not session.exists() and kept.exists():
        session = SessionsFolder(sessions_folder()).find(session.name).path
    return Replay.open(session)


def with_own_pool(draft: Draft, own_pool: Sequence[str]) -> Draft:
    """Return `draft` with its pool used as the options say. InputError for a mistake in them."""
    if not own_pool:
        return draft
    given = dict(options.assignment(text, "--own-pool") for text in own_pool)
    used = draft_of({"pool": draft.pool, "own_pool": given})
    return draft.with_fields(pool=used.pool, mistakes=(*draft.mistakes, *used.mistakes))


def with_options(
    draft: Draft, sections: Mapping[str, Sequence[str]], at: Sequence[str] = ()
) -> Draft:
    """Return `draft` with what the options say, those of `limits`, `load` and `connect` by section,
    and with the mistakes in them."""
    try:
        known = declared(draft.pool, draft.dsn)
    except InputError:
        return draft  # the pool is a mistake that is reported when the draft is checked
    mistakes = list(draft.mistakes)
    said: dict[str, dict[str, object]] = {section: {} for section in sections}
    changes = list(draft.changes)
    for section, texts in sections.items():
        option = f"--{section.removesuffix('s')}"
        for text in texts:
            try:
                key, value = options.assignment(text, option)
                said[section][key] = _parsed(known.find_in(section, key), value)
            except InputError as error:
                mistakes.append(Mistake((), str(error)))
    for text in at:
        try:
            changes.append(_change(text, known))
        except InputError as error:
            mistakes.append(Mistake((), str(error)))
    return draft.with_values(**said).with_fields(changes=changes, mistakes=tuple(mistakes))


def ineffective(draft: Draft, load: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each of the `--load` options that changes nothing, because it needs
    another value of another setting, at the start or by a change."""
    try:
        known = declared(draft.pool, draft.dsn).load
    except InputError:
        return  # as above
    values = {**known.defaults(), **draft.load}
    for key in dict.fromkeys(text.partition("=")[0].strip() for text in load):
        needed = known[key].only_when if key in known else None
        while needed is not None:
            other, those = needed
            reached = [values.get(other), *(change.get(other) for change in draft.changes)]
            if not any(str(value) in those for value in reached):
                yield tr(
                    "--load {key} changes nothing: it has an effect only with {other} = {values}.",
                    key=key,
                    other=other,
                    values=either(those, tr),
                )
                break
            needed = known[other].only_when  # what gives that one its effect


def cut_off(draft: Draft, duration: str | None) -> str:
    """Return a sentence on the changes of a scenario that come after the end that `--duration`
    gives it; "" if there are none."""
    try:
        end = parse_seconds(duration) if duration is not None else math.inf
        late = sum(parse_seconds(str(change.get("at", 0))) >= end for change in draft.changes)
    except ValueError:
        return ""  # a mistake that is reported when the draft is checked
    if not late:
        return ""
    return trn(
        "{n} change of the scenario comes after the end at {time}, and is left out.",
        "{n} changes of the scenario come after the end at {time}, and are left out.",
        late,
        time=shown_time(end),
    )


def check_for_pool(draft: Draft, scenario: Path, written_for: str) -> None:
    """Raise InputError if a scenario can't be run on the pool that `--pool` names instead of the
    one that it was written for, and say what can be done."""
    if draft.pool == written_for:
        return
    try:
        check_draft(draft)
    except InputError as error:
        raise InputError(
            *error.problems,
            tr(
                "{scenario} is written for {pool}: run it without --pool, or record it and replay "
                "the session on the other pool, which leaves out what that doesn't have: "
                "`poolviz run {scenario} --out session.poolviz`, `poolviz run session.poolviz "
                "--pool {other}`.",
                scenario=scenario,
                pool=written_for,
                other=draft.pool,
            ),
        ) from None


def _change(text: str, known: Declared) -> dict[str, object]:
    """Return what `SECONDS:KEY=VALUE` says; of a switch, `SECONDS:KEY` turns it on."""
    moment, colon, rest = text.partition(":")
    if not colon:
        raise InputError(
            tr("--at {words}: it takes SECONDS:KEY=VALUE, such as 3:maxconn=8.", words=text)
        )
    if "=" not in rest and rest.strip() and (bare := known.find(rest.strip()).bare) is not None:
        return {"at": moment, rest.strip(): bare}
    key, value = options.assignment(rest, "--at")
    return {"at": moment, key: _parsed(known.find(key), value)}


def _parsed(parameter: Parameter, text: str) -> Value:
    """Return `text` as the parameter's value; a file is looked for from the current folder."""
    return parameter.in_folder(parameter.parse(text), Path.cwd())
