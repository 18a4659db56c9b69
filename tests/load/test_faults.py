"""What faults declare: one parameter each, at rest by default, and where they can be done."""

from __future__ import annotations

import pytest

from poolviz.load.faults import FAULT_PARAMETERS, FAULTS, FaultConditions
from poolviz.load.settings import SETTINGS
from poolviz.load.statements import STATEMENTS
from poolviz.model.dialect import MYSQL, POSTGRESQL, SQLITE
from poolviz.model.errors import InputError
from poolviz.model.parameters import Count, Seconds, Switch, Value
from poolviz.pools.listing import built_in_listings
from poolviz.pools.registry import pool_class

ON_A_SERVER = {"kill_backend", "kill_all_backends", "restart_server", "lock_table"}


def place(dialect: str = POSTGRESQL, *, ours: bool = True, **load: Value) -> FaultConditions:
    return FaultConditions(
        dialect, ours, pool_class("sqlalchemy.QueuePool"), SETTINGS.complete(load)
    )


def impossible(where: FaultConditions) -> set[str]:
    return {key for key, fault in FAULTS.items() if fault.reason(where)}


def test_every_fault_has_a_key_of_its_own_which_is_no_setting_and_no_limit() -> None:
    assert list(FAULTS) == list(FAULT_PARAMETERS)
    taken = {*SETTINGS}
    for listing in built_in_listings():
        if not listing.missing:
            taken |= {*listing.load().limits}
    assert not taken & {*FAULTS}


def test_every_fault_rests_by_default_and_says_what_it_does() -> None:
    for fault in FAULTS.values():
        parameter = fault.parameter
        assert parameter.check(parameter.default) == parameter.default
        assert not parameter.default
        assert parameter.help.endswith(".")
        assert isinstance(parameter, (Switch, Seconds, Count))
        # A switch has no amount to take back, so what stands is never one.
        assert not (fault.standing and isinstance(parameter, Switch))


def test_amounts_are_checked_as_limits_are() -> None:
    assert FAULT_PARAMETERS["lock_table"].parse("2s") == 2.0
    assert FAULT_PARAMETERS["kill_backend"].parse("true") is True
    for key, text in (("leak_every", "-1"), ("lock_table", "soon"), ("kill_backend", "7")):
        with pytest.raises(InputError, match=key):
            FAULT_PARAMETERS[key].parse(text)
    with pytest.raises(InputError, match="perhaps kill_backend"):
        FAULT_PARAMETERS.find("kil_backend")


def test_everything_can_be_done_to_our_own_server_under_a_load_on_tables() -> None:
    for statement in ("read", "read_write"):
        assert impossible(place(statement=statement)) == set()


def test_a_server_that_is_not_ours_is_not_restarted_and_nothing_else_is_kept_from_it() -> None:
    assert impossible(place(ours=False, statement="read")) == {"restart_server"}
    assert impossible(place(MYSQL, ours=False, statement="read")) == {"restart_server"}


def test_without_tables_in_the_load_there_is_nothing_to_lock() -> None:
    for statement in STATEMENTS:
        reason = FAULTS["lock_table"].reason(place(statement=statement.name))
        assert (not reason) is statement.tables
        assert not reason or reason.endswith("statement = read or read_write.")


def test_sqlite_has_no_server_to_be_harmed_but_connections_can_be() -> None:
    where = place(SQLITE, ours=False)
    assert impossible(where) == ON_A_SERVER
    for key in ON_A_SERVER:
        assert "SQLite" in FAULTS[key].reason(where)
