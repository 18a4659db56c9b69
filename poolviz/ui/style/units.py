"""The units in which the window shows times and rates, as the user prefers. Files don't change."""

from __future__ import annotations

from dataclasses import dataclass

from poolviz.language import number, tr, tr_noop
from poolviz.ui.settings import AUTOMATIC, MILLISECONDS, PER_MINUTE, PER_SECOND, SECONDS


@dataclass
class _Units:
    """What is shown from now on; exports are made by processes that leave it as it is."""

    times: str = AUTOMATIC
    rates: str = PER_SECOND


_units = _Units()


def use_units(times: str, rates: str) -> None:
    """Show times and rates in these units from now on."""
    _units.times, _units.rates = times, rates


def in_milliseconds(seconds: float) -> bool:
    """Whether a time is shown in milliseconds, and otherwise in seconds."""
    return _units.times == MILLISECONDS or (_units.times == AUTOMATIC and seconds < 1)


def time_with_unit(seconds: float) -> str:
    """Return a wait as text: `0.15 ms`, `38 ms`, `1.20 s`."""
    if in_milliseconds(seconds):
        size = seconds * 1e3
        digits = ",.0f" if size >= 100 else ".1f" if size >= 1 else ".2g"
        return f"{number(size, digits)} ms"
    return f"{number(seconds, '.2f' if seconds >= 1 else '.3g')} s"


def time_axis_unit() -> str:
    """Return the unit of a logarithmic axis of times, untranslated. Where it is automatic, numbers
    of another unit carry that."""
    return tr_noop("s, log") if _units.times == SECONDS else tr_noop("ms, log")


def decade(power: int) -> str:
    """Return the label of 10 to `power` milliseconds on an axis of times."""
    if _units.times == SECONDS:
        return number(10.0 ** (power - 3), ".10g")
    if power >= 3 and _units.times == AUTOMATIC:
        return f"{10 ** (power - 3)} s"
    return number(10.0**power, ",.10g")


def per_second() -> bool:
    """Whether rates are a second's, and otherwise a minute's."""
    return _units.rates != PER_MINUTE


def rate(a_second: float) -> float:
    """Return a rate in the unit in which rates are shown."""
    return a_second if per_second() else a_second * 60


def rate_unit() -> str:
    """Return the unit of the throughput."""
    return tr("ops/s") if per_second() else tr("ops/min")
