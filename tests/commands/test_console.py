"""What a run prints of its changes."""

from __future__ import annotations

import re

from poolviz.sessions.cards import effects
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.result_text import text
from tests.sessions.builders import change, record, reports, samples
from tests.sessions.test_cards import at_samples, part


def printed(*segments: int) -> list[str]:
    run = [tick for number, each in enumerate(segments) for tick in part(each, number)]
    taken = list(samples(run))
    moments = [sum(segments[:number]) / 20 for number in range(1, len(segments))]
    with Recorder() as recorder:
        record(recorder, reports(taken, *at_samples(taken, [change(each) for each in moments])))
        return text(recorder.summary(), recorder.marks, (), effects(recorder)).splitlines()


def test_what_a_change_did_is_printed_with_its_rule_and_intervals() -> None:
    lines = printed(200, 200, 10)
    first, second = (line for line in lines if line.startswith("  change"))
    assert first == "  change        at 10.0 s: pool_size 5 → 8: no clear difference"
    assert "too few samples: 0.5 s after, 2.5 s needed" in second
    settled = [line for line in lines if line.startswith("  settled")]
    assert re.fullmatch(
        r"  settled       after \d\.\d s: [\d.]+ \([\d.]+ to [\d.]+\) a second, "
        r"wait p95 [\d.]+ ms \([\d.]+ ms to [\d.]+ ms\)",
        settled[0],
    )
    assert "(too few samples for an interval)" in settled[2]
    assert "left out, by MSER-5" in " ".join(lines)


def test_a_run_without_changes_is_printed_without_a_rule() -> None:
    assert "MSER" not in " ".join(printed(100))
