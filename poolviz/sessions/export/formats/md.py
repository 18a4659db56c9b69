"""The result as one line of Markdown, for a job's page on GitHub and for comments.

Whatever is quoted in it, it is shown as text: it makes no link, no mention and no formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poolviz.language import tr, trn
from poolviz.model.parameters import shown_time
from poolviz.model.text import in_markdown
from poolviz.sessions.cards import Card, effects
from poolviz.sessions.differences import Outcome
from poolviz.sessions.export.exporter import Exporter
from poolviz.sessions.export.manifest import run_started
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.share_done import ShareDone, unheard
from poolviz.sessions.summary import RunSummary, no_success
from poolviz.sessions.thresholds import Verdict, verdicts

_MOST_SENTENCES = 10  # of conditions that didn't pass
_MOST_CARDS = 5


def _write(recorder: Recorder, paths: Sequence[Path], share_done: ShareDone) -> None:
    paths[0].write_text(f"{summary_line(recorder, share_done)}\n", encoding="utf-8")


def summary_line(recorder: Recorder, share_done: ShareDone = unheard) -> str:
    """Return what was run and what came of it, on one line."""
    summary, checked = recorder.summary(), verdicts(recorder)
    wrong = summary.incomplete_reason or no_success(summary)
    failed = [verdict for verdict in checked if not verdict.passed]
    if wrong:
        outcome = tr("incomplete")
    elif checked:
        outcome = tr("failed") if failed else tr("passed")
    else:
        outcome = tr("done")
    pool = in_markdown(run_started(recorder).scenario.pool)
    parts = [f"**poolviz: {outcome}.** {pool}: {_figures(summary)}."]
    if wrong:
        parts.append(in_markdown(wrong))
    if checked:
        parts.append(_thresholds(checked, failed))
    parts += _cards(effects(recorder, share_done).cards)
    return " ".join(parts)


def _cards(cards: Sequence[Card]) -> list[str]:
    """Return a sentence for each change and fault of which something can be said."""
    known = [card for card in cards if card.outcome is not Outcome.TOO_FEW]
    said = [
        tr("At {t:.1f} s {sentence}.", t=card.at_s, sentence=in_markdown(card.sentence))
        for card in known[:_MOST_CARDS]
    ]
    left = len(known) - _MOST_CARDS
    return [*said, tr("And {left} more.", left=left)] if left > 0 else said


def _figures(summary: RunSummary) -> str:
    wait = summary.wait_time_s.p95
    errors = sum(summary.errors.values())
    figures = [
        trn(
            "{n:,} operation in {seconds:.1f} s",
            "{n:,} operations in {seconds:.1f} s",
            summary.operations,
            seconds=summary.duration_s,
        ),
        tr("{n:,.1f} a second", n=summary.throughput_per_s or 0),
        tr("nobody got a connection")
        if wait is None
        else tr("wait p95 {time}", time=_rounded(wait)),
        trn("{n:,} timeout", "{n:,} timeouts", summary.timeouts),
        trn("{n:,} error", "{n:,} errors", errors),
    ]
    return ", ".join(figures)


def _thresholds(checked: Sequence[Verdict], failed: Sequence[Verdict]) -> str:
    counted = trn(
        "{passed} of {n} threshold passed",
        "{passed} of {n} thresholds passed",
        len(checked),
        passed=len(checked) - len(failed),
    )
    if not failed:
        return f"{counted}."
    sentences = [in_markdown(verdict.sentence) for verdict in failed[:_MOST_SENTENCES]]
    more = len(failed) - _MOST_SENTENCES
    if more > 0:
        sentences.append(tr("And {left} more.", left=more))
    return f"{counted}: {' '.join(sentences)}"


def _rounded(seconds: float) -> str:
    return shown_time(float(f"{seconds:.3g}"))


EXPORTER = Exporter("Summary in a line of Markdown", _write, long=True)
