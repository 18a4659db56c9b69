"""Warnings about the load, the pool and the server that are chosen, shown before Start."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from poolviz.language import tr, trn
from poolviz.load.statements import needs_tables
from poolviz.model.errors import InputError
from poolviz.model.sample import Sample
from poolviz.model.scenario import Scenario
from poolviz.pools.base import Pool
from poolviz.pools.registry import check_server
from poolviz.runs.warnings import TOPICS, connections_announced, warnings_before
from poolviz.ui.session.notices import Notices, Weight
from poolviz.ui.session.overload import Overload, limit_sentence
from poolviz.ui.session.server_choice import ServerChoice

_LOAD, _SETTING, _OVERLOAD = "load", "setting", "overload"  # topics of notices
_CONNECT = "connect"


class Warnings:
    """Shows as notices what `runs.warnings` finds, and what keeps the pool from this server.

    `ask_for_server` has the user name a server, `take_embedded` chooses the embedded one. Belongs
    to the GUI thread.
    """

    def __init__(
        self,
        notices: Notices,
        server: ServerChoice,
        ask_for_server: Callable[[], None],
        take_embedded: Callable[[], None],
    ) -> None:
        self._notices, self._server = notices, server
        self._overload = Overload()
        self._ask_for_server, self._take_embedded = ask_for_server, take_embedded

    def fits(self, pool: type[Pool]) -> bool:
        """Whether the pool runs on the chosen server; if it doesn't, a notice says why."""
        sentence = misfit(pool, self._server.dsn)
        if not sentence:
            return True
        remedy, act = tr("Own server…"), self._ask_for_server
        if not misfit(pool, None):
            remedy, act = tr("Embedded PostgreSQL"), self._take_embedded
        self._notices.say(_LOAD, sentence, Weight.WARN, remedy, act, closable=False)
        return False

    def show(self, pool: type[Pool], scenario: Scenario, mistake: str, *, busy: bool) -> None:
        """Show what is known of `scenario`, which Start would run, and the `mistake` in it."""
        self._warn(_SETTING, mistake)
        target = self._server.target
        found = dict(warnings_before(scenario, target))
        for topic in TOPICS:
            if topic == "clients" or not busy:
                self._warn(topic, found.get(topic, ""))
        if not self.fits(pool):
            return
        if busy or target is None or target.embedded:
            self._notices.take_back(_LOAD)
        else:
            sentence = connections_announced(scenario, target)
            if not needs_tables(scenario):
                sentence = f"{sentence} {tr('Nothing is created there.')}"
            self._notices.say(_LOAD, sentence, closable=False)

    def show_changed_arguments(self, keys: Sequence[str], start_again: Callable[[], None]) -> None:
        """Show that connect arguments which were changed during a run need a new one; none, that
        there are no such."""
        if not keys:
            self._notices.take_back(_CONNECT)
            return
        sentence = trn(
            "{keys} applies when a run begins: start a new one with it.",
            "{keys} apply when a run begins: start a new one with them.",
            len(keys),
            keys=", ".join(keys),
        )
        self._notices.say(_CONNECT, sentence, Weight.WARN, tr("Start again"), start_again)

    def watch(self, last: Sample | None) -> None:
        """Show a notice while the load generator is at its own limit, by the newest sample."""
        overloaded = self._overload.see(last)
        if overloaded is not None:
            if not self._notices.standing(_OVERLOAD):
                sentence = limit_sentence(overloaded)
                self._notices.say(_OVERLOAD, sentence, Weight.WARN, passing=True)
        elif self._notices.standing(_OVERLOAD):
            self._notices.take_back(_OVERLOAD)

    def take_back(self) -> None:
        """Show nothing: no load is about to start."""
        for topic in (_LOAD, _SETTING, *TOPICS):
            self._notices.take_back(topic)

    def _warn(self, topic: str, sentence: str) -> None:
        if not sentence:
            self._notices.take_back(topic)
        elif sentence != self._notices.standing(topic):  # else it may have been dismissed
            self._notices.say(topic, sentence, Weight.WARN)


def misfit(pool: type[Pool], dsn: str | None) -> str:
    """Return why the pool doesn't run on the server that `dsn` means, or on the embedded one; ""
    where it does."""
    try:
        check_server(pool, dsn)
    except InputError as error:
        return str(error)
    return ""
