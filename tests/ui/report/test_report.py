"""The report as a browser shows it, and what is in it."""

from __future__ import annotations

import base64
import html
import html.parser
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from poolviz.language import in_language
from poolviz.model.lanes import Edge, Edges, State, pack_edges
from poolviz.model.messages import MarkAdded
from poolviz.model.sample import Mark, MarkKind
from poolviz.sessions.export.exporter import NAMES, PICTURE, REPORT
from poolviz.sessions.export.manifest import manifest
from poolviz.sessions.export.registry import exporter_for
from poolviz.sessions.recorder import Recorder
from poolviz.sessions.report import as_object
from poolviz.ui.charts.by_name import CHARTS
from poolviz.ui.report import chart_data
from poolviz.ui.style.colours import DARK, LIGHT
from tests.sessions.builders import began, change, record, reports, samples, ticks
from tests.sessions.test_cards import at_samples, part
from tests.sessions.test_lanes import LANES, with_lanes
from tests.ui.report.browser import Browser, browser

HOSTILE = "</script><script>document.title='owned'</script><!--<script><img src=x onerror=alert(1)>"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as made:
        note = Mark(t=3.0, kind=MarkKind.NOTE, text=HOSTILE)
        yield record(made, reports(samples(ticks(400)), change(8.0), note))


@pytest.fixture
def page(recorder: Recorder, tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    assert exporter_for(path).export(recorder, path) == (path,)
    return path


@pytest.fixture
def chromium(tmp_path: Path) -> Browser:
    return browser(tmp_path / "profile")


class _Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self._in_data = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_data = tag == "script" and dict(attrs).get("id") == "data"

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data


def read(page: Path) -> _Reader:
    reader = _Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader


def as_read(value: object) -> Any:
    return json.loads(msgspec.json.encode(value))


def test_a_browser_draws_every_chart_and_complains_of_nothing(
    page: Path, chromium: Browser
) -> None:
    dom, console = chromium.dom(page)
    assert console == []
    assert 'data-drawn="6"' in dom  # with what a pooler said
    assert dom.count("<canvas") == 6  # as many charts as were drawn
    assert re.search(r'id="shown"[^>]*>0:00 to 0:(19|20)', dom)
    assert "<title>sqlalchemy.QueuePool · poolviz</title>" in dom, "no text of the session ran"


def test_it_can_be_read_by_the_pointer_and_the_keyboard(
    page: Path, recorder: Recorder, chromium: Browser
) -> None:
    """Hover, zoom by dragging, keys and the theme, by events that a script makes."""
    text = page.read_text(encoding="utf-8")
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', text)
    assert policy is not None
    script = (Path(__file__).parent / "used_by_hand.js").read_text(encoding="utf-8")
    text = text.replace(policy[0], "").replace("</body>", f"<script>{script}</script></body>")
    page.write_text(text, encoding="utf-8")
    dom, console = chromium.dom(page)
    assert console == []
    found = re.search(r'<pre id="seen">(.*?)</pre>', dom)
    assert found is not None
    seen = json.loads(html.unescape(found[1]))

    view = json.loads(read(page).data)["views"]["fine"]
    at = min(
        range(len(view["t"])), key=lambda n: abs(view["t"][n] - seconds(seen["hover"]["time"]))
    )
    legend = re.fullmatch(r"([\d.,]+) \((\d+) to (\d+)\)", seen["hover"]["active"])
    assert legend is not None
    shown, low, high = legend.groups()
    assert float(shown) == pytest.approx(view["used"][at], rel=1e-3)
    assert (int(low), int(high)) == (view["used_low"][at], view["used_high"][at])
    assert seconds(seen["beside"]) == pytest.approx(seconds(seen["hover"]["time"]), abs=0.3)

    end = recorder.duration
    start, stop = map(seconds, seen["zoomed"].split(" to "))
    assert (start, stop) == (pytest.approx(end / 4, rel=0.05), pytest.approx(end / 2, rel=0.05))
    assert seconds(seen["left"]) == pytest.approx(start, abs=0.5), "the others are zoomed too"
    closer, later = ([*map(seconds, seen[name].split(" to "))] for name in ("closer", "later"))
    assert closer[1] - closer[0] == pytest.approx((stop - start) / 2, rel=0.05)
    assert later[0] > closer[0]
    assert seen["whole"].startswith("0:00 to 0:")
    assert seen["before"] != seen["after"]


def seconds(clock: str) -> float:
    minutes, rest = clock.split(":")
    return int(minutes) * 60 + float(rest)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_page_has_the_theme_of_the_desktop(
    page: Path, chromium: Browser, tmp_path: Path, theme: Any
) -> None:
    target = chromium.picture(page, tmp_path / "page.png", dark=theme is DARK)
    with Image.open(target) as image:
        colours = {f"#{r:02x}{g:02x}{b:02x}" for _, (r, g, b) in
                   image.convert("RGB").getcolors(1 << 24)}  # fmt: skip
    for name in ("bg", "panel", "throughput", "p99", "wait", "overflow"):
        assert getattr(theme, name) in colours, name


def test_a_card_says_what_a_change_did(tmp_path: Path, chromium: Browser) -> None:
    page, run = tmp_path / "report.html", list(samples([*part(200, 0), *part(200, 1, wait=0.4)]))
    with Recorder() as recorder:
        record(recorder, reports(run, *at_samples(run, [change(10.0)])))
        exporter_for(page).export(recorder, page)
        (card,) = as_object(recorder)["cards"]
    words, _ = chromium.dom(page)
    assert card.sentence.partition(": ")[2] in words
    assert f"{card.before.operations:,} and {card.after.operations:,} operations" in words
    assert "left out, by MSER-5" in words


def test_no_row_of_the_segments_is_as_tall_as_their_settings_are_long(page: Path) -> None:
    text = page.read_text("utf-8")
    segments, settings = (
        text.partition(f'<table aria-label="{name}"')[2].partition("</table>")[0]
        for name in ("Segments", "Settings in force")
    )
    assert segments
    assert 'class="long"' not in segments
    assert "max_overflow 10" in settings


def test_it_prints_with_its_text(page: Path, chromium: Browser, tmp_path: Path) -> None:
    pages = PdfReader(chromium.pdf(page, tmp_path / "page.pdf")).pages
    text = " ".join("".join(each.extract_text() for each in pages).split())
    for words in ("Segments", "pool_size 5 → 8", "how it was measured", "Durations"):
        assert words in text


def test_every_name_of_a_chart_is_that_of_one() -> None:
    assert tuple(CHARTS) == PICTURE
    assert (*(chart["name"] for chart in chart_data.CHARTS), "lanes") == REPORT
    for name in NAMES:
        assert exporter_for(Path("a.png")).of_charts((name,)).chosen


def test_a_report_of_one_chart_has_it_and_no_figure_of_another(
    recorder: Recorder, chromium: Browser, tmp_path: Path
) -> None:
    page = tmp_path / "wait.html"
    exporter_for(page).of_charts(["wait"]).export(recorder, page)
    dom, console = chromium.dom(page)
    assert console == []
    assert dom.count("<canvas") == 1
    assert 'aria-labelledby="chart-wait-title"' in dom
    views = json.loads(read(page).data)["views"]
    assert set(views["coarse"]) == {"t", "wait_p50_ms", "wait_p95_ms", "wait_p99_ms"}
    assert views["fine"] == {}


def test_the_data_are_those_of_the_session_to_the_last_digit(
    page: Path, recorder: Recorder
) -> None:
    data = json.loads(read(page).data)
    assert data["figures"] == as_read(as_object(recorder))
    assert data["manifest"] == as_read(manifest(recorder))
    fine = recorder.view(0.0, recorder.duration, 6000)
    assert len(fine.t) == 400
    columns = data["views"]["fine"]
    assert columns["t"] == fine.t.tolist()
    for name in ("open", "used", "overflow", "pending", "retrying", "backlog"):
        band = fine.levels[name]
        assert columns[name] == band.mean.tolist()
        assert columns[f"{name}_low"] == band.low.tolist()
        assert columns[f"{name}_high"] == band.high.tolist()
    assert columns["server_total"] == as_read(fine.lines["server_total"].tolist())
    coarse = recorder.view(0.0, recorder.duration, 100)
    columns = data["views"]["coarse"]
    for name in ("throughput", "timeouts", "errors"):
        assert columns[name] == coarse.lines[name].tolist()
    assert columns["wait_p95_ms"] == [wait * 1e3 for wait in coarse.lines["wait_p95"].tolist()]


def test_figures_in_the_tables_are_exact(page: Path, recorder: Recorder) -> None:
    exact = {attributes["value"] for tag, attributes in read(page).tags if tag == "data"}
    summary = recorder.summary()
    for figures in (summary, *summary.segments):
        for value in (
            figures.operations,
            figures.throughput_per_s,
            figures.wait_time_s.p99,
            figures.connections.used_mean,
        ):
            assert repr(value) in exact


def test_it_asks_for_nothing_and_runs_only_its_own_scripts(page: Path) -> None:
    tags = read(page).tags
    for tag, attributes in tags:
        assert not {"src", "href", "style", "action"} & set(attributes), tag
        assert not any(name.startswith("on") for name in attributes)
    assert [tag for tag, _ in tags].count("script") == 3
    policy = next(a["content"] for _, a in tags if "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    text = page.read_text(encoding="utf-8")
    assert HOSTILE not in text
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", text)


def test_every_table_is_labelled_and_its_heads_have_a_scope(page: Path) -> None:
    tags = read(page).tags
    assert all(a.get("scope") in ("row", "col") for tag, a in tags if tag == "th")
    assert all(a.get("aria-label") for tag, a in tags if tag == "table")
    assert [tag for tag, _ in tags].count("h1") == 1
    assert ("html", {"lang": "en"}) in tags


def test_a_run_without_a_sample_has_a_report(tmp_path: Path, chromium: Browser) -> None:
    path = tmp_path / "empty.html"
    with Recorder() as recorder:
        record(recorder, [began()])
        exporter_for(path).export(recorder, path)
    dom, console = chromium.dom(path)
    assert console == []
    assert 'data-drawn="5"' in dom


def test_a_long_run_is_small(tmp_path: Path) -> None:
    path = tmp_path / "long.html"
    some = list(samples(ticks(200)))
    with Recorder() as recorder:
        copies = (
            msgspec.structs.replace(some[n % 200], index=n, t=0.05 * (n + 1), span=0.05)
            for n in range(9_000)
        )
        record(recorder, reports(copies))
        for n in range(20):
            recorder.add(MarkAdded(change(100.0 * n)))
        exporter_for(path).export(recorder, path)
    assert path.stat().st_size < 3_000_000


def test_it_is_in_the_users_language(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "informe.html"
    with in_language("es"):
        exporter_for(path).export(recorder, path)
    text = path.read_text(encoding="utf-8")
    shown = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    assert '<html lang="es">' in text
    for spanish, english in (("Tramos", "Segments"), ("Rendimiento", "Throughput")):
        assert f">{spanish}</" in shown
        assert f">{english}</" not in shown
    exact = json.loads(re.findall(r'<script type="application/json".*?>(.*?)</script>', text)[0])
    assert exact["figures"]["operations"] == recorder.summary().operations
    assert re.search(r'<data value="[\d.]+\.\d+">\d+,\d+ ', shown)


def test_lanes_are_drawn_with_who_held_connections(tmp_path: Path, chromium: Browser) -> None:
    path = tmp_path / "lanes.html"
    with Recorder() as made:
        record(made, reports(with_lanes(400)))
        exporter_for(path).export(made, path)
        exporter_for(path).of_charts(["wait"]).export(made, tmp_path / "wait.html")
    dom, console = chromium.dom(path)
    assert console == []
    assert 'id="lanes"' in dom
    lanes = json.loads(read(path).data)["lanes"]
    rows = [name for _, name in lanes["rows"]]
    assert rows == ["1", "2", "3", "4", "c20", "c21"]
    cells = np.frombuffer(base64.b64decode(lanes["cells"]), np.uint8)
    cells = cells.reshape(len(rows), lanes["columns"])
    assert set(cells[LANES, 20:].tolist()) == {State.WORKING}, "client 9 keeps it"
    assert set(cells[0].tolist()) == {State.IDLE}, "it is so for 30 of 50 ms"
    assert set(cells[5, 20:].tolist()) == {State.WAITING}
    text = path.read_text(encoding="utf-8")
    assert re.search(r"<th scope=\"row\">9</th><td[^>]*>(<[^>]*>)*13", text)
    assert json.loads(read(tmp_path / "wait.html").data)["lanes"] is None
    assert 'id="lanes"' not in (tmp_path / "wait.html").read_text(encoding="utf-8")


def test_lanes_take_a_bounded_room(tmp_path: Path) -> None:
    rows = [(Edge.OPENED, lane, -1, lane) for lane in range(250)]
    rows += [(Edge.WAITING, 0, 16, client) for client in range(100)]
    kind, lane, at, who = np.array(rows, dtype=np.int64).T
    body = pack_edges(Edges(kind, lane, at, who, np.zeros_like(kind), False, True))
    path = tmp_path / "wide.html"
    with Recorder() as made:
        first, *others = samples(ticks(100))
        record(made, reports([msgspec.structs.replace(first, lanes=body), *others]))
        exporter_for(path).export(made, path)
    lanes = json.loads(read(path).data)["lanes"]
    assert (lanes["lanes"], len(lanes["rows"])) == (128, 176)
    assert lanes["left_out"][0] == 122
    assert len(lanes["cells"]) < 240_000
