"""The catalogues hold every text of the code, translated, and every text goes through them."""

from __future__ import annotations

import ast
import gettext
import io
import re
from collections.abc import Container, Iterator
from pathlib import Path

import pytest

from poolviz.language.translation import AREAS
from tests.language import catalogues
from tests.language.catalogues import ROOT, TRANSLATED, catalogue_path

CATALOGUES = [(language, area) for language in TRANSLATED for area in AREAS]
UPDATE = "run `uv run python -m tests.language.catalogues`"

# Methods and classes of Qt, and our own, whose first texts people read.
SHOWING = {
    *("setText", "setToolTip", "setPlaceholderText", "setAccessibleName", "setWindowTitle"),
    *("setTitle", "addAction", "addRow", "addItem", "addTab", "QLabel", "QPushButton", "QAction"),
    *("QMenu", "QCheckBox", "QRadioButton", "QGroupBox", "ElidedLabel", "say", "Notice"),
}
# Errors whose texts people read, and what hands a sentence to them, in any room.
SAYING = {
    *("PoolvizError", "InputError", "ParameterError", "ServerError", "OutputError", "RunFailed"),
    *("KeyringError", "TablesMissing", "TablesNotAllowed", "RunStopped", "PoolBlocked", "Damage"),
    *("NoAnswer", "ViewLost", "NotAConnection", "ConnectRefused", "on_problem", "_on_problem"),
    *("report_problem", "_tell", "_tell_error", "say", "_complain", "element", "table", "Row"),
}
_SENTENCES = ("problem", "advice", "text", "reason")  # arguments that are given by name
WORDS = re.compile(r"[A-Za-z]{2}[^A-Za-z]* [A-Za-z]|^[A-Z][a-z]+…?$")
# The same in each language: names, what is typed, and the key of a picture's metadata.
SAME = re.compile(
    r"^(Software|DSN|URL|TLS|SQLite|PostgreSQL|MySQL, MariaDB|poolviz|Python \(\*\.py\))|://"
)


@pytest.fixture(scope="module")
def of_code() -> dict[str, set[str]]:
    return {
        area: {str(message.id) for message in catalogue if message.id}
        for area, catalogue in catalogues.extracted().items()
    }


@pytest.mark.parametrize(("language", "area"), CATALOGUES)
def test_catalogue_has_the_texts_of_the_code(
    language: str, area: str, of_code: dict[str, set[str]]
) -> None:
    have = {str(message.id) for message in catalogues.read(language, area) if message.id}
    assert have == of_code[area], UPDATE


@pytest.mark.parametrize(("language", "area"), CATALOGUES)
def test_every_text_is_translated(language: str, area: str) -> None:
    assert not list(catalogues.untranslated(catalogues.read(language, area)))


@pytest.mark.parametrize(("language", "area"), CATALOGUES)
def test_translations_have_the_placeholders_of_their_texts(language: str, area: str) -> None:
    assert not list(catalogues.mismatched(catalogues.read(language, area)))


@pytest.mark.parametrize(("language", "area"), CATALOGUES)
def test_compiled_catalogue_is_that_of_its_source(language: str, area: str) -> None:
    source = catalogues.read(language, area)
    path = catalogue_path(language, area).with_suffix(".mo")
    fresh = gettext.GNUTranslations(io.BytesIO(catalogues.compiled(source)))
    with path.open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert {**compiled._catalog, "": ""} == {**fresh._catalog, "": ""}, UPDATE


@pytest.mark.parametrize(
    "path", sorted((ROOT / "poolviz" / "ui").rglob("*.py")), ids=lambda path: path.stem
)
def test_window_shows_no_text_that_is_not_translated(path: Path) -> None:
    found = [f"{path}:{line}: {text!r}" for line, text in shown_literals(path.read_text())]
    assert not found


@pytest.mark.parametrize("room", sorted(each.name for each in (ROOT / "poolviz").iterdir()))
def test_errors_and_reports_have_no_text_that_is_not_translated(room: str) -> None:
    path = ROOT / "poolviz" / room
    found = [
        f"{each}:{line}: {text!r}"
        for each in ([path] if path.suffix == ".py" else path.rglob("*.py"))
        for line, text in shown_literals(each.read_text(), SAYING)
    ]
    assert not found


def test_literal_errors_are_found() -> None:
    code = 'raise InputError(f"{path} is no file.")\nServerError("a" if x else "no such server")\n'
    assert [line for line, _ in shown_literals(code, SAYING)] == [1, 2]
    assert not list(shown_literals('raise InputError(tr("No such file."))', SAYING))


def test_literal_texts_are_found() -> None:
    code = 'label.setText("Some words")\nQLabel(f"{n} of them")\nQLabel(tr("Some words"))\n'
    assert [line for line, _ in shown_literals(code)] == [1, 2]


def shown_literals(code: str, showing: Container[str] = SHOWING) -> Iterator[tuple[int, str]]:
    """Yield the literal texts that are handed to what shows them, with their lines."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name not in showing:
            continue
        named = [each.value for each in node.keywords if each.arg in _SENTENCES]
        for argument in (*node.args, *named):
            for each in _alternatives(argument):
                text = _literal(each)
                if text is not None and WORDS.search(text) and not SAME.search(text):
                    yield each.lineno, text


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what an expression may be: both sides of a condition, each part of a sum."""
    if isinstance(node, ast.IfExp):
        yield from (*_alternatives(node.body), *_alternatives(node.orelse))
    elif isinstance(node, ast.BinOp):
        yield from (*_alternatives(node.left), *_alternatives(node.right))
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _alternatives(value)
    else:
        yield node


def _literal(node: ast.expr) -> str | None:
    """Return a literal text, an f-string with X for its values; None for any other expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values
        )
    return None
