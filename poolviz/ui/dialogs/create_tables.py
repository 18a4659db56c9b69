"""Asks before tables are created on a server of the user's."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from poolviz.language import tr
from poolviz.load.statements import ACCOUNTS, SCHEMA
from poolviz.ui.question import Question
from poolviz.ui.session.current_run import TablesQuestion

_MEGABYTES = 15  # of tables of scale 1


class CreateTablesDialog(Question):
    """Asks whether the tables that a load needs may be created, and passes the answer on."""

    def __init__(self, question: TablesQuestion, parent: QWidget) -> None:
        scale, present = question.scale, question.present
        replaced = (
            tr(" They replace those of scale {present} that are there.", present=present)
            if present
            else ""
        )
        super().__init__(
            tr("Create tables on your server"),
            tr(
                "Create tables in schema {schema} on {shown}?",
                schema=SCHEMA,
                shown=question.target.in_words,
            ),
            tr(
                "The load needs them: {scale:,} accounts, about {megabytes:,} "
                "MB.{replaced} Nothing else is created or changed. They stay until you "
                "drop them, from the window's menu or with `poolviz tables --drop`.",
                scale=scale * ACCOUNTS,
                megabytes=_MEGABYTES * scale,
                replaced=replaced,
            ),
            tr("Create tables"),
            parent,
        )
        self.accepted.connect(question.allow)
        self.rejected.connect(question.refuse)
