"""`poolviz compare`: what it prints and writes, and what it says of mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poolviz.commands.cli import run_command_line
from poolviz.sessions.folder import SessionsFolder
from poolviz.system.folders import sessions_folder
from tests.sessions.builders import change
from tests.sessions.test_cards import part
from tests.sessions.test_comparison import recorded
from tests.ui.report.browser import browser


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two sessions, which is the sessions folder and the current one too."""
    monkeypatch.setenv("POOLVIZ_SESSIONS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name, wait in (("first", 0.01), ("second", 0.05)):
        run = [*part(200, 0), *part(200, 1, wait=wait)]
        with recorded(run, change(10.0, "max_overflow", 5, 0), path=tmp_path / f"{name}.poolviz"):
            pass
    return tmp_path


def test_sessions_are_named_by_their_files_or_by_their_names(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = SessionsFolder(sessions_folder())
    kept.relabel(folder / "second.poolviz", name="after the fix")
    assert run_command_line(["compare", "first.poolviz", "after the fix"]) == 0
    out = capsys.readouterr().out
    assert "baseline   first: sqlalchemy.QueuePool" in out
    assert "\n  after the fix: wait p95 " in out
    assert "\nSegment 2: max_overflow 5 → 0\n" in out


def test_json_is_what_the_file_has(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--out", "a.json", "--out", "a.html", "--out", "a.csv", "--out", "a.md"]
    command = ["compare", "first.poolviz", "second.poolviz", "--align", "max_overflow", "--json"]
    assert run_command_line([*command, *files]) == 0
    printed, said = capsys.readouterr()
    assert said == "poolviz: Wrote a.json, a.html, a.csv, a.md.\n"
    found = json.loads(printed)
    assert found == json.loads((folder / "a.json").read_text())
    assert [round(each["zero_s"]) for each in found["sessions"]] == [10, 10]
    assert found["parts"][0]["title"] == "From max_overflow on"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["first.poolviz"], "Comparing takes two sessions or more."),
        (["first.poolviz", "none.poolviz"], "none.poolviz"),
        (["first.poolviz", "third"], "third"),
        (["first.poolviz", "second.poolviz", "--align", "leak"], "it has max_overflow."),
        (["first.poolviz", "second.poolviz", "--out", "a.xlsx"], "a.xlsx has no suffix"),
        (["first.poolviz", "note.txt"], "note.txt"),
        (["first.poolviz", "second.poolviz", "--charts", "waits"], "There is no chart 'waits' in"),
        (["first.poolviz", "second.poolviz", "--charts", "wait"], "None of these files has charts"),
    ],
)
def test_a_mistake_is_said_in_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    (folder / "note.txt").write_text("no session")
    assert run_command_line(["compare", *arguments]) == 2
    out, said = capsys.readouterr()
    assert out == "" and sentence in said and said.count("\n") == 1
    assert not (folder / "a.xlsx").exists()


def test_some_charts_are_drawn_by_the_names_that_exports_have(folder: Path) -> None:
    files = ["first.poolviz", "second.poolviz", "--out", "a.html", "--out", "a.svg"]
    assert run_command_line(["compare", *files, "--charts", "waiting", "--charts", "wait_p99"]) == 0
    page, picture = ((folder / name).read_text("utf-8") for name in ("a.html", "a.svg"))
    for title, drawn in (
        ("Waiting clients", True), ("Wait to acquire, p99", True), ("Open connections", False),
    ):  # fmt: skip
        assert (f">{title}" in page) is drawn
        assert (f"{title}</text>" in picture) is drawn
    assert '"open_0"' not in page


def test_a_browser_draws_every_chart_of_a_comparison(folder: Path) -> None:
    (folder / "x.poolviz").write_bytes((folder / "second.poolviz").read_bytes())
    SessionsFolder(folder).relabel(folder / "x.poolviz", name="</script><b>x")
    files = ["first.poolviz", "second.poolviz", "x.poolviz"]
    assert run_command_line(["compare", *files, "--out", "a.html"]) == 0
    document, said = browser(folder / "profile").dom(folder / "a.html")
    assert said == []
    assert 'data-drawn="8"' in document
    assert "&lt;/script&gt;&lt;b&gt;x" in document and "</script><b>" not in document
    assert "http://" not in document.replace("http://www.w3.org", "")
