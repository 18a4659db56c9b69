"""What a run without a window prints: warnings and progress while it goes on."""

from __future__ import annotations

import math
import queue
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import click

from poolviz.commands.progress_line import WIPE, bar, progress_line
from poolviz.language import in_users_language, tr
from poolviz.model.messages import ChangeRefused, ProblemReported, Report
from poolviz.model.preset_titles import title_in_words
from poolviz.model.scenario import Scenario
from poolviz.model.text import sentence
from poolviz.runs.run import Run
from poolviz.runs.warnings import RunWarning
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.result_text import rounded
from poolviz.sessions.share_done import ShareDone

_LINE_EVERY = 5.0  # seconds, where lines can't be overwritten


def say(words: str) -> None:
    """Print a sentence of its own to standard error."""
    click.echo(f"poolviz: {sentence(words)}", err=True)


def names_of(files: Sequence[Path]) -> str:
    """Return the sentence that names files that were written."""
    return tr("Wrote {map}.", map=", ".join(map(str, files)))


class Console:
    """Standard error during a run: sentences, and one line of progress, which is rewritten on a
    terminal and printed now and then elsewhere. Hears of the run (a `RunListener`).

    What other threads report waits in a queue until the main thread prints it.
    """

    def __init__(self, duration: float, *, quiet: bool) -> None:
        self._duration = duration
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._sentences: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._shown = 0
        self._next_line = _LINE_EVERY
        self._drawn = False

    def introduce(self, scenario: Scenario) -> None:
        """Print the title of a scenario and what to watch in it."""
        if scenario.title:
            self.say(
                " ".join(
                    (f"{title_in_words(scenario.title)}.", in_users_language(scenario.watch))
                ).strip()
            )

    def progressed(self, sentence: str) -> None:
        """Print what is being done before the load starts."""
        self.say(sentence)

    def warned(self, warning: RunWarning) -> None:
        """Print a warning."""
        self.say(warning.sentence)

    def reported(self, run: Run, report: Report) -> None:  # noqa: ARG002 - there is one run
        """Keep a problem until it is printed. Called by the engine's reader thread."""
        if isinstance(report, ProblemReported) and report.sentence:
            self._sentences.put(report.sentence)
        elif isinstance(report, ChangeRefused):
            self._sentences.put(report.reason)

    def notify(self, sentence: str) -> None:
        """Keep a sentence until it is printed. Called by any thread."""
        self._sentences.put(sentence)

    def say(self, sentence: str) -> None:
        """Print a sentence on a line of its own."""
        if not self._quiet:
            self._wipe()
            say(sentence)

    def wrote(self, files: Sequence[Path]) -> None:
        """Print the names of files that were written."""
        if files:
            self.say(names_of(files))

    def writing(self, words: str) -> AbstractContextManager[ShareDone]:
        """Show for the length of a block what is being written, and how far that is."""
        self.flush()
        return progress_line(words, quiet=self._quiet)

    def show(self, recorder: Recorder) -> None:
        """Print what was reported since the last call, and how far the run is."""
        self.flush()
        sample = recorder.last
        if self._quiet or sample is None or recorder.revision == self._shown:
            return
        self._shown = recorder.revision
        if not self._terminal and sample.t < self._next_line:
            return
        self._next_line = (sample.t // _LINE_EVERY + 1) * _LINE_EVERY
        recent = recorder.recent(1.0)
        wait = "–" if math.isnan(recent.wait_p95) else rounded(recent.wait_p95)
        text = tr(
            "{t:5.0f} of {duration:g} s   {throughput:,.0f} operations/s   used "
            "{used_mean:.1f} of {value}   waiting {last}   wait p95 {wait}",
            t=sample.t,
            duration=self._duration,
            throughput=recent.throughput,
            used_mean=recent.used_mean,
            value=sample.capacity or "∞",
            last=sample.pending.last,
            wait=wait,
        )
        if self._terminal:
            share = min(sample.t / self._duration, 1.0) if self._duration else 0.0
            click.echo(f"{WIPE}{bar(share)} {text}", err=True, nl=False)
            self._drawn = True
        else:
            click.echo(text, err=True)

    def flush(self) -> None:
        """Print what was reported and not printed yet, and leave the terminal's line empty."""
        while not self._sentences.empty():
            self.say(self._sentences.get())

    def end(self) -> None:
        """Leave the terminal as it was."""
        self.flush()
        self._wipe()

    def _wipe(self) -> None:
        if self._drawn:
            click.echo(WIPE, err=True, nl=False)
            self._drawn = False
