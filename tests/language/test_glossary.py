"""The Spanish keeps to the glossary of resources/translations/README.md."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from poolviz.scenarios.presets import presets
from tests.language import catalogues
from tests.language.catalogues import ROOT

# What isn't written, and what is instead.
REJECTED = {
    r"\bocios[ao]s?\b": "inactiva, of connections",
    r"\b(las|conexiones|quedan) activas\b": "en uso",
    r"(?i)\badquirir\b": "obtener",
    r"\b(hebra|archivo|ordenador|librería|desempeño|preajuste|directorio raíz)s?\b": (
        "hilo, fichero, máquina, biblioteca, rendimiento, ejemplo"
    ),
    r"(?i)\bsegmentos?\b": "tramo",
    r"tiempos? de espera (agotado|máximo)|los tiempos de espera\b": "timeout",
    r"\bstatement timeout\b|timeout de statement": "timeout de sentencia",
    r"modo transacción": "modo transaction, the parameter's value",
    r"\bpool(es)? de conexión\b": "pool de conexiones",
    r"\bsesiones guardadas\b|sesión registrada": "conservadas; grabada",
    r"\brecorrer\b": "barrer, of sizes",
    r"\block(s)?\b(?!_)": "bloqueo",
    r"fallo de(l propio)? poolviz": "error de poolviz: a fault is one that was injected",
    r"(?i)\b(usted|tú|ustedes|vosotros)\b": "nobody is addressed",
    r"(?:^|[.:;,] )(Inicie|Elija|Puls[ea]|Haga|Seleccione|Compruebe|Quite|Escriba|Abra|Use|Indique"
    r"|Elige|Haz|Selecciona)\b": "infinitives",
    r"\.\.\.(?!\d)": "…",
    r"\d%": "a space before %",
    r"(?<![\d.])\d+\.\d{1,2}(?![\d.])(?= (s|ms|%|MB|GB|núcleos))": "a decimal comma",
}
QUESTION = re.compile(r"\w\?(?=[\s,.)»]|$)")
CODE = re.compile(r"`[^`]*`|'[^']*'|https?://\S+|\{[^}]*\}")


def spanish() -> Iterator[tuple[str, str]]:
    """Each Spanish text, with where it stands."""
    for area in catalogues.AREAS:
        for message in catalogues.read("es", area):
            texts = message.string if isinstance(message.string, tuple) else (message.string,)
            yield from ((str(message.id), text) for text in texts if message.id and text)
    for preset in presets():
        yield preset.name, preset.watch["es"]
        if preset.draft.lesson is not None:
            lesson = preset.draft.lesson.texts["es"]
            yield from ((preset.name, text) for text in (lesson.question, *lesson.choices))
            yield preset.name, lesson.why
    readme = re.sub(r"^```.*?^```$", "", (ROOT / "README.es.md").read_text(), flags=re.S | re.M)
    yield from (("README.es.md", line) for line in readme.splitlines())


@pytest.mark.parametrize("pattern", REJECTED)
def test_rejected_words_are_not_used(pattern: str) -> None:
    found = [
        f"{place[:60]!r}: {text[:200]!r}"
        for place, text in spanish()
        if re.search(pattern, CODE.sub("", text))
    ]
    assert not found, f"write {REJECTED[pattern]}"


def test_questions_begin_as_they_end() -> None:
    for place, text in spanish():
        plain = CODE.sub("", text)
        assert len(QUESTION.findall(plain)) <= plain.count("¿"), (place, text)


def test_each_rejected_word_would_be_found() -> None:
    wrong = (
        "Elija un pool. Las activas esperan 1.5 s, el 5% de los segmentos. Un statement timeout..."
    )
    hits = [pattern for pattern in REJECTED if re.search(pattern, wrong.replace("Las", "las"))]
    assert len(hits) == 7
