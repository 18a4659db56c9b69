"""What a lesson's remedy did to its figure: before and after it, in the same run."""

from __future__ import annotations

from poolviz.language import number
from poolviz.model.figures import figure_named
from poolviz.model.parameters import shown_time
from poolviz.model.sample import TICK
from poolviz.sessions.summary import RunSummary, SegmentSummary
from poolviz.sessions.thresholds import FIGURES

# Counts of what happened, which are compared by the second.
_HAPPENED = ("operations", "timeouts", "errors", "opened", "closed")


def before_and_after(
    summary: RunSummary, mended_at: float
) -> tuple[SegmentSummary | None, SegmentSummary | None]:
    """Return the segment before the remedy that was applied at `mended_at` seconds, and the newest
    one after it; None for one that isn't there yet."""
    long = [each for each in summary.segments if each.duration_s >= TICK]
    before = [each for each in long if each.from_s < mended_at - TICK]
    after = [each for each in long if each.from_s >= mended_at - TICK]
    return (before[-1] if before else None), (after[-1] if after else None)


def measured(figures: SegmentSummary, name: str) -> float | None:
    """Return a figure of a segment, counts of what happened by the second. None if there is no such
    figure, or nothing was counted for it."""
    value = FIGURES[name](figures) if name in FIGURES else None
    if value is None or name not in _HAPPENED:
        return value
    return value / figures.duration_s if figures.duration_s else None


def shown(name: str, value: float | None) -> str:
    """Return a figure as text, with its unit."""
    if value is None:
        return "–"
    figure = figure_named(name)
    if figure.is_time:
        return shown_time(float(f"{value:.3g}"))
    text = number(value, ",.0f" if value >= 100 or value == round(value) else ".2g")
    return f"{text}/s" if name in (*_HAPPENED, "throughput") else text
