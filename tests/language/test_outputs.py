"""What commands print is in the user's language, and what programs read is the same in each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from poolviz.commands.help import TOPICS
from poolviz.language import VARIABLE, in_language, tr
from poolviz.load.settings import SETTINGS
from poolviz.model.errors import InputError
from poolviz.model.parameters import Numeric
from poolviz.model.preset_titles import TITLES, title_in_words
from poolviz.pools import catalogue
from poolviz.pools.registry import POOLS, pool_class
from poolviz.scenarios import schema
from poolviz.scenarios.presets import presets
from poolviz.sessions.thresholds import FIGURES, Threshold
from tests.language import catalogues
from tests.language.english import english_in

OUTPUTS: dict[str, Callable[[], str]] = {
    **{f"help {topic}": show for topic, show in TOPICS.items()},
    "pools": catalogue.as_text,
    "schema --text": schema.as_text,
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_nothing_of_it_is_english_in_spanish(name: str) -> None:
    with in_language("es"):
        assert not english_in(OUTPUTS[name]())


@pytest.mark.parametrize("json", [catalogue.as_json, lambda: schema.as_json(FIGURES)])
def test_json_is_the_same_in_every_language(json: Callable[[], str]) -> None:
    with in_language("en"):
        expected = json()
    with in_language("es"):
        assert json() == expected


@pytest.mark.parametrize("pool", POOLS)
def test_refusals_are_spanish(pool: str) -> None:
    declared = {**pool_class(pool).limits, **SETTINGS}
    with in_language("es"):
        for parameter in declared.values():
            if isinstance(parameter, Numeric):
                with pytest.raises(InputError) as refused:
                    parameter.parse("much")
                assert ": admite " in str(refused.value)
                assert not english_in(str(refused.value))
        with pytest.raises(InputError, match="no es ningún límite de"):
            pool_class(pool).limits.find("much")


def test_conditions_are_refused_in_spanish() -> None:
    with in_language("es"):
        for text, part in (
            ("much > 3", "no es una cifra"),
            ("wait_p95 3", "admite CIFRA OPERADOR VALOR"),
            ("wait_p95 > 3 > 4", "se compara con un tiempo"),
            ("wait_p95 > 3 in much", "no indica ninguna parte"),
            ("errors > much", "se compara con un número"),
        ):
            with pytest.raises(InputError, match=part):
                Threshold.parse(text)


def test_values_are_in_the_users_notation() -> None:
    with in_language("es"):
        assert SETTINGS["hold_time"].shown(0.0015) == "1,5 ms"
        assert SETTINGS["hold_time"].show(0.0015) == "1.5 ms"  # as files and commands have it
        assert SETTINGS["hold_spread"].shown(0.25) == "0,25×"
        assert pool_class("sqlalchemy.QueuePool").limits["max_overflow"].shown(-1) == "sin límite"
        assert "0,577" in SETTINGS["hold_distribution"].description(tr)


def test_declarations_are_english_whatever_the_language_at_import() -> None:
    code = (
        "from tests.language.declared import declared, of_commands;"
        "print(*sorted({ascii(text) for text, _ in (*declared(), *of_commands())}), sep='\\n')"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, VARIABLE: language},
            cwd=catalogues.ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for language in ("en", "es")
    ]
    assert printed[0] == printed[1]


def test_titles_of_presets_are_translated() -> None:
    assert {preset.title for preset in presets()} == TITLES
    with in_language("es"):
        assert title_in_words("Leak") == "Fuga de conexiones"
        assert title_in_words("Leak of mine") == "Leak of mine"
