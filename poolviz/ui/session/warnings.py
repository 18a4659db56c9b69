"""What is to be said of a load before it is put on: of the server, of the pool, of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil

from poolviz.load.settings import check_load
from poolviz.load.shapes import shape_of
from poolviz.load.statements import ACCOUNTS, SCHEMA, needs_tables
from poolviz.model.errors import InputError
from poolviz.model.parameters import Value
from poolviz.model.sample import Sample
from poolviz.model.scenario import Scenario
from poolviz.pools.base import Pool
from poolviz.pools.registry import check_server
from poolviz.servers.target import Target
from poolviz.ui.session.notices import Notices, Weight
from poolviz.ui.session.overload import Overload, sentence_about
from poolviz.ui.session.server_choice import ServerChoice

_LOAD, _CLIENTS, _SETTING = "load", "clients", "setting"  # topics
_OVERLOAD = "overload"


class Warnings:
    """Says in notices what the user should know of the pool, the load and the server chosen.

    `ask_for_server` has the user name a server, `take_embedded` chooses the embedded one.
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
        """Whether the pool runs on the server chosen; where it doesn't, that is said."""
        sentence = misfit(pool, self._server.dsn)
        if not sentence:
            return True
        remedy, act = "Own server…", self._ask_for_server
        if not misfit(pool, None):
            remedy, act = "Embedded PostgreSQL", self._take_embedded
        self._notices.say(_LOAD, sentence, Weight.WARN, remedy, act, closable=False)
        return False

    def make(self, pool: type[Pool], scenario: Scenario, mistake: str, *, busy: bool) -> None:
        """Say what Start would do to a server that isn't ours, and what doesn't go together.

        `scenario` is what is requested for, and `mistake` why that can't all be carried out.
        """
        values = {**scenario.limits, **scenario.load}
        self._warn(_SETTING, mistake)
        self._warn(_CLIENTS, of_clients(pool, values))
        if not self.fits(pool):
            return
        target = self._server.target
        if busy or target is None or target.embedded:
            self._notices.take_back(_LOAD)
        else:
            sentence, weight = of_load(target, pool, values, needs_tables(scenario))
            self._notices.say(_LOAD, sentence, weight, closable=False)

    def _warn(self, topic: str, sentence: str) -> None:
        if not sentence:
            self._notices.take_back(topic)
        elif sentence != self._notices.standing(topic):  # else it may have been dismissed
            self._notices.say(topic, sentence, Weight.WARN)

    def watch(self, last: Sample | None) -> None:
        """Say so once the load generator is at its own limit, by the newest sample of the run."""
        strained = self._overload.see(last)
        if strained and last is not None:
            if not self._notices.standing(_OVERLOAD):
                self._notices.say(_OVERLOAD, sentence_about(last), Weight.WARN, passing=True)
        elif self._notices.standing(_OVERLOAD):
            self._notices.take_back(_OVERLOAD)

    def take_back(self) -> None:
        """Say nothing: no load is about to be put on."""
        for topic in (_LOAD, _CLIENTS, _SETTING):
            self._notices.take_back(topic)


def misfit(pool: type[Pool], dsn: str | None) -> str:
    """Why the pool doesn't run on the server that `dsn` means, or on the embedded one; empty
    where it does."""
    try:
        check_server(pool, dsn)
    except InputError as error:
        return str(error)
    return ""


def mistake_in(load: Mapping[str, Value], dialect: str) -> str:
    """Why a load can't be carried out on a server of that kind; empty where it can. Reads the files
    that belong to it. From any thread."""
    try:
        check_load(load, dialect)
    except InputError as error:
        return str(error)
    return ""


def of_load(
    target: Target, pool: type[Pool], values: Mapping[str, Value], scale: int
) -> tuple[str, Weight]:
    """What Start would do to a server that isn't ours, and how much that matters. `scale` is that
    of the tables that the load works on, 0 where it works on none."""
    capacity = pool.capacity(values)
    busiest = shape_of(values).highest if values["arrivals"] == "closed" else 1.0
    wanted = ceil(int(values["clients"]) * busiest) * int(values["checkouts"])
    most = wanted if capacity is None else min(wanted, capacity)
    most = max(most, pool.kept(values))  # some pools open those before anybody asks
    will = f"Start will open up to {_connections(most)} to {target.shown}"
    created = (
        f"Schema {SCHEMA}, with {scale * ACCOUNTS:,} accounts, is created there unless it exists."
        if scale
        else "Nothing is created there."
    )
    if target.free_connections is None:
        return f"{will}, which takes any number. {created}", Weight.INFO
    return (
        f"{will}, and one to watch them; it has {target.free_connections} of "
        f"{target.max_connections} left. {created}",
        Weight.INFO if target.has_room_for(most + 1) else Weight.WARN,
    )


def of_clients(pool: type[Pool], values: Mapping[str, Value]) -> str:
    """Why so many clients are more than the pool is made for; empty where they aren't."""
    return pool.one_client if int(values["clients"]) > 1 else ""


def room(target: Target) -> str:
    """How many connections a server could take when it was requested, as half a sentence."""
    if target.free_connections is None:
        return "it takes any number of connections"
    return f"{target.free_connections} of {target.max_connections} connections are free"


def _connections(number: int) -> str:
    return f"{number} connection{'' if number == 1 else 's'}"
