"""Differences as people read them: `wait p95 12 → 480 ms, throughput −31 %`."""

from __future__ import annotations

from collections.abc import Sequence

from poolviz.language import number, tr, tr_noop
from poolviz.model.parameters import shown_time
from poolviz.sessions.batches import is_time
from poolviz.sessions.differences import Difference, Outcome, Part

NAMES = {
    "throughput_per_s": tr_noop("throughput"),
    "wait_p50_s": tr_noop("wait p50"),
    "wait_p95_s": tr_noop("wait p95"),
    "wait_p99_s": tr_noop("wait p99"),
    "wait_mean_s": tr_noop("wait mean"),
    "use_mean_s": tr_noop("use mean"),
    "used_mean": tr_noop("active, mean"),
    "open_mean": tr_noop("open, mean"),
    "pending_mean": tr_noop("waiting, mean"),
    "timeouts_per_s": tr_noop("timeouts"),
    "errors_per_s": tr_noop("errors"),
}
OUTCOMES = {
    Outcome.CLEAR: tr_noop("clear"),
    Outcome.NOT_CLEAR: tr_noop("no clear difference"),
    Outcome.TOO_FEW: tr_noop("too few samples"),
}
_OTHERS = ("wait_p50_s", "wait_p99_s", "pending_mean", "used_mean", "open_mean", "use_mean_s")
_FIRST = ("wait_p95_s", "throughput_per_s")  # of these every card says what became of them
_MOST = 3  # figures in a sentence, where the first ones show nothing


def in_words(few: str, found: Sequence[Difference], before: Part, after: Part) -> str:
    """Return what differs: the first figures if they do, else others; and all errors, which are
    facts, however few. `few` says in words that there are too few samples."""
    by_name = {each.figure: each for each in found}
    clear = [name for name in (*_FIRST, *_OTHERS) if by_name[name].outcome is Outcome.CLEAR]
    shown = [name for name in _FIRST if name in clear] or clear[:_MOST]
    words = [few or tr("no clear difference")] if few or not shown else []
    words += [said(by_name[name]) for name in shown]
    for noun, was, is_ in (
        (tr("timeouts"), before.timeouts, after.timeouts),
        (tr("errors"), before.errors, after.errors),
    ):
        if was or is_:
            words.append(f"{noun} {number(was)} → {number(is_)}")
    return ", ".join(words)


def said(difference: Difference) -> str:
    """Return a clear difference in words: a time as both values, a rate as what it changed by."""
    name = short_name(difference.figure)
    before, after = difference.before.value or 0.0, difference.after.value or 0.0
    if is_time(difference.figure):
        return f"{name} {times(before, after)}"
    relative = difference.relative
    if difference.figure == "throughput_per_s" and relative is not None:
        return f"{name} {percent(relative.value or 0.0)}"
    return f"{name} {number(before, '.3g')} → {number(after, '.3g')}"


def short_name(figure: str) -> str:
    """Return the name of a figure without saying that it is a mean, in the user's language."""
    return tr(NAMES[figure]).removesuffix(tr(", mean"))


def times(before: float, after: float) -> str:
    """Return two times with one unit where they have it in common: `12 → 480 ms`."""
    texts = [shown_time(float(f"{value:.3g}")) for value in (before, after)]
    (first, unit), (second, other) = (text.rsplit(" ", 1) for text in texts)
    return f"{first} → {second} {other}" if unit == other else f"{texts[0]} → {texts[1]}"


def percent(share: float) -> str:
    """Return a change in percent with its sign, `+22 %`, `−31 %`; from tenfold on as a factor,
    `×12`."""
    if share >= 9:
        return f"×{number(share + 1, ',.3g' if share < 999 else ',.0f')}"
    size = abs(share) * 100
    digits = 2 if 99 < size < 99.995 else 0 if size >= 9.95 else 1
    return f"{'−' if share < 0 else '+'}{number(size, f'.{digits}f')} %"
