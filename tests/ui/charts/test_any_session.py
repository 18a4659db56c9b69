"""Pictures of sessions that say what no run has said: drawn, soon and of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtGui import QImage

from poolviz.model.messages import MarkAdded, SampleTaken
from poolviz.model.sample import Mark, MarkKind, Sample
from poolviz.sessions.recorder import Recorder
from poolviz.ui.charts.image import SessionImage
from poolviz.ui.charts.png import png
from poolviz.ui.style.colours import LIGHT
from tests.sessions.builders import began, far_apart, samples, ticks

pytestmark = pytest.mark.usefixtures("qapp")

LONG = "<img src='x'>\n=\u202e" + "x" * 200_000


def session(path: Path, run: Iterator[Sample]) -> Recorder:
    """A session whose every text is long and full of markup, opened from its file."""
    scenario = msgspec.structs.replace(
        began().scenario,
        title=LONG,
        pool=f"no_such_package:{LONG}",
        limits={f"{number}{LONG}": LONG for number in range(5)},
        load={"clients": 40, LONG: LONG},
    )
    environment = {"server": LONG, "max_connections": LONG, "server version": LONG}
    environment |= {f"library {number}": "1.0" for number in range(20_000)}
    with Recorder(path) as recorder:
        recorder.add(began(scenario=scenario, environment=environment))
        for sample in run:
            recorder.add(SampleTaken(sample))
        for kind in MarkKind:
            recorder.add(MarkAdded(Mark(t=0.1, kind=kind, text=LONG, key=LONG, new=LONG)))
    return Recorder.open(path)


@pytest.mark.parametrize("scale", ["usual", "far apart"])
def test_a_session_of_endless_texts_is_a_picture_of_the_usual_size(
    tmp_path: Path, scale: str
) -> None:
    run = samples(ticks(10))
    with session(tmp_path / "a.poolviz", far_apart(run) if scale != "usual" else run) as recorder:
        image = QImage.fromData(png(recorder))
        words = SessionImage(recorder, LIGHT).title
    assert image.width() == 2560
    assert 1700 < image.height() < 3000
    assert "<img" in words, "shown as it is"
