"""What a session that is over, or was opened, lacks: a sentence for the banner."""

from __future__ import annotations

from poolviz.sessions.recorder import Recorder
from poolviz.sessions.summary import no_success
from poolviz.ui.session.notices import Weight


def shortcoming(recorder: Recorder) -> tuple[str, Weight]:
    """Return why the run in `recorder` isn't complete, or that nothing succeeded in it, and how
    much that matters; "" if there is nothing to say."""
    summary = recorder.summary()
    reason = summary.incomplete_reason or ""
    if reason == recorder.trouble:
        reason = ""  # a notice of its own says so
    nobody = no_success(summary)
    words = " ".join(sentence for sentence in (reason, nobody) if sentence)
    asked = recorder.ended is not None and recorder.ended.stopped and not recorder.ended.failure
    return words, Weight.INFO if asked and not nobody else Weight.BAD
