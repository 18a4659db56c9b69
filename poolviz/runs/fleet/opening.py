"""Opening a fleet by the address of the command line, as far as that may be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from poolviz.language import tr
from poolviz.model.errors import InputError
from poolviz.model.text import on_one_line, shortened
from poolviz.pools.registry import is_built_in
from poolviz.runs.fleet.address import FleetAddress

if TYPE_CHECKING:
    from poolviz.runs.fleet.cluster import Fleet


def fleet_address(text: str, pool: str) -> FleetAddress:
    """Return the address that `text` names, for a run of that pool. InputError where nothing may be
    sent there, or where workers can't have the pool."""
    address = FleetAddress.parse(text)
    if not is_built_in(pool):
        raise InputError(
            tr(
                "{pool} can't run in a fleet, whose workers don't have your code: choose one of "
                "`poolviz pools`.",
                pool=shortened(on_one_line(pool), 200),
            )
        )
    return address


def open_fleet(address: FleetAddress, say: Callable[[str], None]) -> Fleet:
    """Return the fleet at an address. InputError where it can't be used, or the extra that it needs
    isn't installed."""
    from poolviz.runs.fleet.cluster import Fleet  # noqa: PLC0415 - an extra

    return Fleet(address, say)
