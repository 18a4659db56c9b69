"""The words of a card: a line for the ribbon, and the rows of the card itself."""

from __future__ import annotations

from typing import NamedTuple

from poolviz.language import number, tr
from poolviz.sessions.batches import is_time
from poolviz.sessions.cards import Card
from poolviz.sessions.differences import Difference, Outcome, Part
from poolviz.sessions.differences_in_words import OUTCOMES, percent, said, short_name, times

_FIRST = ("wait_p95_s", "throughput_per_s")
_MOST = 5  # figures of a card
GOOD, BAD, PLAIN = "good", "bad", ""  # roles of labels


class Line(NamedTuple):
    """A figure before and after, what it changed by, and whether that is for the better."""

    name: str
    values: str
    change: str
    role: str


def in_short(card: Card) -> str:
    """Return a card in a few words: `max_overflow 5 → 15: wait p95 72 → 1.4 ms`."""
    by_name = {each.figure: each for each in card.differences}
    clear = [
        name
        for name in (*_FIRST, *by_name)
        if name in by_name and by_name[name].outcome is Outcome.CLEAR
    ]
    what = said(by_name[clear[0]]) if clear else tr(OUTCOMES[card.outcome])
    return tr("{changes}: {what}", changes=card.title, what=what)


def lines(card: Card) -> list[Line]:
    """Return the figures of a card: wait and throughput, and what else differs clearly."""
    by_name = {each.figure: each for each in card.differences}
    others = [name for name in by_name if by_name[name].outcome is Outcome.CLEAR]
    names = list(dict.fromkeys((*_FIRST, *others)))[:_MOST]
    return [_line(by_name[name]) for name in names if name in by_name]


def counted(card: Card) -> str:
    """Return how much was counted on both sides, and what was left out."""
    before, after = card.before, card.after
    parts = [
        tr(
            "{before:,} and {after:,} operations",
            before=before.operations,
            after=after.operations,
        )
    ]
    if before.timeouts or after.timeouts:
        parts.append(
            tr("timeouts {before:,} → {after:,}", before=before.timeouts, after=after.timeouts)
        )
    if before.errors or after.errors:
        parts.append(tr("errors {before:,} → {after:,}", before=before.errors, after=after.errors))
    if after.settling_s:
        parts.append(tr("{seconds:.1f} s of settling left out", seconds=after.settling_s))
    return "; ".join(parts)


def spans(card: Card) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the parts that a card compares, in seconds since the run's start."""
    return _span(card.before), _span(card.after)


def _span(part: Part) -> tuple[float, float]:
    return part.from_s, part.to_s


def _line(difference: Difference) -> Line:
    name = short_name(difference.figure)
    before, after = difference.before.value, difference.after.value
    if before is None or after is None:
        return Line(name, tr(OUTCOMES[Outcome.TOO_FEW]), "", PLAIN)
    values = (
        times(before, after)
        if is_time(difference.figure)
        else f"{_number(before)} → {_number(after)}"
    )
    if difference.outcome is not Outcome.CLEAR:
        return Line(name, values, tr(OUTCOMES[difference.outcome]), PLAIN)
    relative = difference.relative
    change = percent(relative.value or 0.0) if relative is not None else ""
    return Line(name, values, change, _role(difference.figure, after - before))


def _number(value: float) -> str:
    return number(value, ",.0f" if value >= 100 else ".3g")


def _role(figure: str, moved: float) -> str:
    """Return whether a figure moved for the better; not every figure has a better."""
    if figure == "throughput_per_s":
        return GOOD if moved > 0 else BAD
    if figure.startswith("wait_") or figure in ("timeouts_per_s", "errors_per_s"):
        return GOOD if moved < 0 else BAD
    return PLAIN
