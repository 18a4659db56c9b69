"""Drops the tables that poolviz made on a server, after a question."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from poolviz.language import tr
from poolviz.load.statements import SCHEMA
from poolviz.model.dialect import SQLITE, dialect_of
from poolviz.runs.tables import drop_tables
from poolviz.servers.target import Target
from poolviz.ui.question import Question
from poolviz.ui.session.controller import Controller
from poolviz.ui.session.notices import Weight, sentence_of

_TOPIC = "drop"


def why_not(controller: Controller) -> str:
    """Return why no tables can be dropped now, as a sentence; "" if they can."""
    if controller.busy:
        return tr("A run is going on, which may need them: stop it first.")
    if controller.target is None:
        return tr("No server is connected.")
    if dialect_of(controller.target.conninfo) == SQLITE:
        return tr("poolviz keeps no tables in SQLite.")
    return ""


def ask_to_drop(controller: Controller, window: QWidget) -> None:
    """Ask whether to drop the tables on the chosen server; a worker drops them."""
    target = controller.target
    if target is None or why_not(controller):
        return
    question = Question(
        tr("Drop the poolviz tables"),
        tr("Drop the tables in schema {schema} on {shown}?", schema=SCHEMA, shown=target.in_words),
        tr(
            "poolviz created them; nothing else is dropped. A load that needs them creates them "
            "again."
        ),
        tr("Drop tables"),
        window,
    )
    question.accepted.connect(lambda: _drop(controller, target))
    question.open()


def _drop(controller: Controller, target: Target) -> None:
    if reason := why_not(controller):  # it was not so when the question was requested
        controller.notices.say(_TOPIC, reason, Weight.WARN, passing=True)
        return
    where = tr("schema {schema} on {shown}", schema=SCHEMA, shown=target.in_words)
    notes: list[str] = []  # the worker's until it is done

    def done(sentence: str) -> None:
        controller.notices.say(
            _TOPIC, " ".join([sentence, *(f"{note}." for note in notes)]), passing=True
        )

    def failed(error: BaseException) -> None:
        controller.notices.say(_TOPIC, sentence_of(error), Weight.BAD)

    controller.notices.say(
        _TOPIC, tr("Dropping the tables in {where}…", where=where), closable=False
    )
    controller.before_any_run(lambda: drop_tables(target, notes.append), done, failed)
