"""What changes and faults did, as cards and tables of the HTML reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from poolviz.language import tr
from poolviz.sessions.batches import is_time
from poolviz.sessions.cards import Card, SettledSegment
from poolviz.sessions.differences import Difference, Outcome
from poolviz.sessions.differences_in_words import NAMES, OUTCOMES, percent
from poolviz.sessions.statistics import Interval
from poolviz.sessions.thresholds import Outcome as Checked
from poolviz.ui.report.elements import Part, element, number, table

_MOST_CARDS = 100


def change_cards(cards: Sequence[Card]) -> Iterator[Element]:
    """Yield the cards of changes and faults."""
    if not cards:
        yield element("p", tr("Nothing was changed or injected, so there is nothing to compare."))
        return
    yield element("div", [_card(each) for each in cards[:_MOST_CARDS]], class_="changes")
    left = len(cards) - _MOST_CARDS
    if left > 0:
        yield element("p", tr("And {left:,} more, which poolviz export writes as JSON.", left=left))


def settled_table(segments: Sequence[SettledSegment]) -> Element:
    """Return the settled figures of each segment, with their intervals."""
    if not segments:
        return element("p", tr("Nothing was recorded."))
    heads = (
        *(tr("Segment"), tr("Settled from"), tr("To"), tr("Batches"), tr("Operations")),
        *map(_capital, NAMES),
    )
    rows = [
        [
            str(each.number),
            number(each.settled.from_s, "s"),
            number(each.settled.to_s, "s"),
            number(each.settled.batches),
            number(each.settled.operations),
            *[with_interval(each.figures[name], unit_of(name)) for name in NAMES],
        ]
        for each in segments
    ]
    return table(tr("Settled segments"), heads, rows)


def with_interval(figure: Interval, unit: str) -> Part:
    """Return a figure with its interval in small below it."""
    shown = number(figure.value, unit)
    if figure.low is None or figure.high is None:
        return shown
    between = (number(figure.low, unit), tr(" to "), number(figure.high, unit))
    return element("span", shown, element("small", *between))


def unit_of(figure: str) -> str:
    """Return the unit of a figure, as `number` takes it."""
    return "s" if is_time(figure) else "/s" if figure.endswith("_per_s") else ""


def difference_row(each: Difference) -> list[Part]:
    """Return a row of a table of differences: name, both figures, and what differs."""
    unit = unit_of(each.figure)
    return [
        tr(NAMES[each.figure]),
        with_interval(each.before, unit),
        with_interval(each.after, unit),
        change_of(each),
    ]


def change_of(each: Difference) -> Part:
    """Return in words what differs, with its interval."""
    if each.outcome is Outcome.TOO_FEW or each.change.value is None:
        return element("span", tr(OUTCOMES[Outcome.TOO_FEW]), class_="muted")
    relative = each.relative
    if relative is not None and relative.value is not None:
        shown = percent(relative.value)
        between = tr(
            "{low} to {high}",
            low=percent(relative.low or 0.0),
            high=percent(relative.high or 0.0),
        )
        parts: list[Part] = [shown, element("small", between)]
    else:
        parts = [with_interval(each.change, unit_of(each.figure))]
    if each.outcome is Outcome.CLEAR:
        return element("span", element("b", *parts))
    return element("span", *parts, element("small", tr(OUTCOMES[each.outcome])), class_="muted")


def _card(card: Card) -> Element:
    rows = [difference_row(each) for each in card.differences if _counted(each)]
    before, after = card.before, card.after
    made = element(
        "article",
        element("h3", card.title),
        element("p", tr("At "), number(card.at_s, "s"), ": ", _outcome(card), class_="muted"),
        class_="change",
    )
    if card.outcome is not Outcome.TOO_FEW:
        made.append(
            table(tr("Before and after"), ("", tr("Before"), tr("After"), tr("Change")), rows)
        )
    sides = tr(
        "{before:,} and {after:,} operations; {from_s:.1f} to {to_s:.1f} s and {from_2:.1f} to "
        "{to_2:.1f} s",
        before=before.operations,
        after=after.operations,
        from_s=before.from_s,
        to_s=before.to_s,
        from_2=after.from_s,
        to_2=after.to_s,
    )
    made.append(element("p", sides, class_="muted"))
    for verdict in card.thresholds:
        bad = verdict.outcome is not Checked.PASSED
        made.append(element("p", verdict.sentence, class_="bad" if bad else "muted"))
    return made


def _outcome(card: Card) -> str:
    return card.sentence.removeprefix(f"{card.title}: ")


def _counted(each: Difference) -> bool:
    return bool(each.before.value or each.after.value)


def _capital(name: str) -> str:
    title = tr(NAMES[name])
    return title[0].upper() + title[1:]
