"""The catalogues of texts: extracted from the code, updated and compiled.

    uv run python -m tests.language.catalogues

brings `resources/translations/` up to date with the code: new texts get an empty translation, those
that are gone are removed. Then it says what isn't translated.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from poolviz.language.choice import FALLBACK, LANGUAGES
from poolviz.language.translation import AREAS
from tests.language.declared import declared, of_commands

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "resources" / "translations"
TRANSLATED = tuple(code for code in LANGUAGES if code != FALLBACK)
_KEYWORDS = {"tr": None, "tr_noop": None, "trn": (1, 2), "trc": ((1, "c"), 2)}
_DECLARING = ("model", "load", "pools")  # rooms whose texts are declarations


def area_of(path: Path) -> str:
    """Return the area to which the texts of a module of `poolviz/` belong."""
    room = path.relative_to(ROOT / "poolviz").parts[0]
    if room == "ui":
        return "window"
    return "declarations" if room in _DECLARING else "messages"


def extracted() -> dict[str, Catalog]:
    """Return the texts in the code, by area; a text of several areas stands in the first alone."""
    found = {area: Catalog(project="poolviz", domain=area) for area in AREAS}
    paths = sorted((ROOT / "poolviz").rglob("*.py"))
    known: set[object] = set()
    for area in AREAS:
        for path in (path for path in paths if area_of(path) == area):
            place = [(str(path.relative_to(ROOT)), None)]
            for _, text, _, context in extract_from_file("python", path, keywords=_KEYWORDS):
                key = (context, text[0] if isinstance(text, tuple) else text)
                if key not in known or found[area].get(key[1], context) is not None:
                    known.add(key)
                    found[area].add(text, locations=place, context=context)
        for text, place in {"declarations": declared, "messages": of_commands}.get(area, list)():
            if text and (None, text) not in known:
                known.add((None, text))
                found[area].add(text, locations=[(place, None)])
    return found


def catalogue_path(language: str, area: str) -> Path:
    """Return the catalogue's source; the compiled one lies beside it."""
    return FOLDER / language / f"{area}.po"


def read(language: str, area: str) -> Catalog:
    """Return a catalogue as it is on disk, an empty one if there is none."""
    path = catalogue_path(language, area)
    if not path.exists():
        return Catalog(locale=language, domain=area, project="poolviz")
    with path.open("rb") as file:
        return read_po(file, locale=language, domain=area)


def updated(language: str) -> dict[str, Catalog]:
    """Return the catalogues of a language with the texts of the code. A text that went to another
    area keeps its translation."""
    texts = extracted()
    before = {area: read(language, area) for area in AREAS}
    after: dict[str, Catalog] = {}
    for area in AREAS:
        after[area] = Catalog(locale=language, domain=area, project="poolviz", fuzzy=False)
        after[area].header_comment = f"# {LANGUAGES[language]}: texts of poolviz ({area}).\n#"
        for message in sorted(texts[area], key=_place):
            if message.id:
                places = sorted({(path, None) for path, _ in message.locations})
                after[area].add(
                    message.id,
                    _translation(message, before),
                    locations=places,
                    context=message.context,
                )
    return after


def _place(message: Message) -> tuple[str, ...]:
    return tuple(path for path, _ in message.locations)[:1]


def _translation(message: Message, catalogues: dict[str, Catalog]) -> str | tuple[str, ...]:
    key = message.id[0] if isinstance(message.id, tuple) else message.id
    for catalogue in catalogues.values():
        known = catalogue.get(key, message.context)
        if known is None or known.fuzzy or not known.string:
            continue
        if isinstance(known.id, tuple) == isinstance(message.id, tuple):
            return known.string
    return ("",) if isinstance(message.id, tuple) else ""


def source(catalogue: Catalog) -> bytes:
    """Return a catalogue as a .po file, without dates and line numbers, which only make noise."""
    file = io.BytesIO()
    write_po(file, catalogue, width=98, no_location=True)
    dates = rb'"(POT-Creation-Date|PO-Revision-Date|Generated-By|Last-Translator|Report-Msgid).*\n'
    return re.sub(dates, b"", file.getvalue())


def compiled(catalogue: Catalog) -> bytes:
    """Return a catalogue as a .mo file."""
    file = io.BytesIO()
    # The same on each day, so that a file changes with its texts alone.
    catalogue.creation_date = catalogue.revision_date = datetime(2000, 1, 1, tzinfo=UTC)
    write_mo(file, catalogue)
    return file.getvalue()


def untranslated(catalogue: Catalog) -> Iterator[str]:
    """Yield the texts without a whole translation, and those whose translation is in doubt."""
    for message in catalogue:
        key = message.id[0] if isinstance(message.id, tuple) else message.id
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        if key and (not all(strings) or message.fuzzy):
            yield key


def mismatched(catalogue: Catalog) -> Iterator[str]:
    """Yield the texts whose translation has other placeholders than they have."""
    for message in catalogue:
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        if not ids[0] or not all(strings):
            continue
        wanted = placeholders(ids[-1])
        for text in strings:
            have = placeholders(text)
            # "One connection" needn't say its number.
            if have != wanted and not (len(ids) > 1 and have | {"n"} == wanted | {"n"}):
                yield f"{ids[0]!r}: {text!r}"


def placeholders(text: str) -> set[str]:
    """Return the names of the placeholders in a text."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def main() -> int:
    """Update every catalogue, and say what isn't translated; 1 if anything isn't."""
    missing = 0
    for language in TRANSLATED:
        for area, catalogue in updated(language).items():
            path = catalogue_path(language, area)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source(catalogue))
            path.with_suffix(".mo").write_bytes(compiled(read(language, area)))
            left = list(untranslated(catalogue))
            missing += len(left)
            print(f"{path.relative_to(ROOT)}: {len(catalogue)} texts, {len(left)} untranslated")
            for text in left:
                print(f"    {text!r}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
