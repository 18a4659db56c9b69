"""The command line in Spanish: helps, and what is refused, click's own words included."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from poolviz.commands.cli import group, run_command_line
from poolviz.commands.click_words import PLACEHOLDERS
from poolviz.language import LANGUAGES, VARIABLE, in_language, tr
from poolviz.system.preferences import preferred_language
from tests.language.english import english_in

COMMANDS = group.list_commands(click.Context(group))
# Words of click's own sentences.
OF_CLICK = re.compile(
    r"Usage|Options|Commands|Missing|Invalid|requires|does not|unexpected|Try |default:|No such"
)
SAME = {"DSN", "HOST", "ID", "TOML", "URL"}  # placeholders and names, the same in both


@pytest.fixture
def spanish() -> Iterator[None]:
    with in_language("es"):
        yield


@pytest.mark.usefixtures("spanish")
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_spanish(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line([*([name] if name else []), "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Uso: poolviz")
    assert not english_in(printed)
    assert not OF_CLICK.search(printed)
    # What stands for something that is typed is named alike in usage and text.
    names = {word for word in PLACEHOLDERS if tr(word) != word}
    assert not names & set(re.findall(r"(?<![\w-])[A-Z]{2,}(?!\w)", printed))


def test_placeholders_of_every_command_are_translated() -> None:
    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        takes = [each for each in command.params if not getattr(each, "is_flag", False)]
        for parameter in takes:
            words = re.findall(r"[A-Z]{2,}", parameter.make_metavar(context))
            assert set(words) <= {*PLACEHOLDERS, *SAME}, (name, words)


@pytest.mark.usefixtures("spanish")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run --nope", "No hay ninguna opción --nope"),
        ("run --seed", "--seed necesita un valor, N"),
        ("run --limit", "--limit necesita un valor, CLAVE=VALOR"),
        ("run --seed x", "--seed es x: admite un número entero"),
        ("run --json=3", "--json no admite ningún valor"),
        ("run a b c", "«b c» sobra en `poolviz run`"),
        ("compare", "Falta SESIÓN SESIÓN…: `poolviz compare --help`"),
        ("export", "Falta SESIÓN"),
        ("export a.poolviz", "Falta FICHERO…"),
        ("--help=3", "--help no admite ningún valor"),
        ("a b", "«b» sobra en `poolviz`: `poolviz --help`"),
        ("--dsn", "--dsn necesita un valor, URL: `poolviz --help`"),
        ("pools --log-level loud", "--log-level es loud: admite debug, info"),
        ("tables --scale x", "--scale es x: admite un número entero"),
        ("sessions list", "no hace list"),
    ],
)
def test_mistakes_are_told_in_spanish(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(line.split()) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert not OF_CLICK.search(printed.err)


@pytest.mark.parametrize(
    ("settings", "environment", "usage"),
    [
        ("[General]\nlanguage=es\n", {}, "Uso: "),
        ("[General]\nlanguage=es\n", {"LANG": "en_US.UTF-8"}, "Uso: "),
        ("[General]\nlanguage=en\n", {"LANG": "es_ES.UTF-8"}, "Usage: "),
        ("[General]\nlanguage=es\n", {VARIABLE: "en"}, "Usage: "),
        ("[General]\ntheme=dark\n", {"LANG": "es_ES.UTF-8"}, "Uso: "),
        ("", {}, "Usage: "),
    ],
)
def test_language_of_the_window_is_the_one_of_the_command_line(
    settings: str, environment: dict[str, str], usage: str, tmp_path: Path
) -> None:
    (tmp_path / "settings.ini").write_text(settings)
    unset = (VARIABLE, "LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES")
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    printed = subprocess.run(
        [sys.executable, "-m", "poolviz", "--help"],
        env=inherited | {"POOLVIZ_HOME": str(tmp_path), "LC_CTYPE": "C.UTF-8"} | environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    assert printed.startswith(usage)


@pytest.mark.parametrize(
    "settings",
    [
        b"",
        b"language=es\n",
        b"\xff\xfe\x00[General]\nlanguage=es\n",
        b"[General\nlanguage=es\n",
        b"[General]\nlanguage=../../es\n",
        b"[General]\nlanguage\n",
        b"[General]\nlanguage=" + b"x" * 2_000_000,
    ],
)
def test_settings_that_cannot_be_read_name_no_language(
    settings: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLVIZ_HOME", str(tmp_path))
    (tmp_path / "settings.ini").write_bytes(settings)
    assert preferred_language() not in LANGUAGES


def test_settings_written_by_qt_name_the_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qt = pytest.importorskip("PySide6.QtCore")
    monkeypatch.setenv("POOLVIZ_HOME", str(tmp_path))
    store = qt.QSettings(str(tmp_path / "settings.ini"), qt.QSettings.Format.IniFormat)
    store.setValue("geometry", qt.QByteArray(b"\x00\xff%\n[x]\n=;"))
    store.setValue("language", "es")
    store.setValue("servers/recent", ["postgresql://ñ%40@h/d", "a, b"])
    store.sync()
    assert preferred_language() == "es"
