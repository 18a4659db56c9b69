"""Which language the user wants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolviz.language import LANGUAGES, wanted_language


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "es_ES.UTF-8"}, "es"),
        ({"LANG": "es_MX"}, "es"),
        ({"LANG": "ES"}, "es"),
        ({"LANG": "est_EE"}, "en"),
        ({"LANG": "es_ES.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "es_AR.UTF-8"}, "es"),
        ({"LANG": "es_ES.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "es_ES.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "es_ES.UTF-8", "LC_ALL": ""}, "es"),
        ({"LANG": "fr_FR.UTF-8", "LANGUAGE": "fr:es:en"}, "es"),
        ({"LANG": "es_ES.UTF-8", "LANGUAGE": "en_GB:es"}, "en"),
        ({"LANG": "C", "LANGUAGE": "es"}, "en"),
        ({"LANG": "en_US.UTF-8", "POOLVIZ_LANGUAGE": "es"}, "es"),
        ({"LANG": "es_ES.UTF-8", "POOLVIZ_LANGUAGE": "en"}, "en"),
        ({"LANG": "es_ES.UTF-8", "POOLVIZ_LANGUAGE": "de"}, "en"),
        ({"LANG": "es_ES.UTF-8", "POOLVIZ_LANGUAGE": " "}, "es"),
        ({"LANG": "en_US.UTF-8", "POOLVIZ_LANGUAGE": "../../es"}, "en"),
    ],
)
def test_environment_says_the_language(environment: dict[str, str], language: str) -> None:
    assert wanted_language(environment=environment) == language


def test_variable_comes_before_setting_before_environment_before_system() -> None:
    spanish = {"LANG": "es_ES.UTF-8"}
    assert wanted_language("en", environment=spanish) == "en"
    assert wanted_language("system", environment=spanish) == "es"
    assert wanted_language("en", environment={"POOLVIZ_LANGUAGE": "es"}) == "es"
    assert wanted_language("", ["es-MX", "en-US"], {}) == "es"
    assert wanted_language("", ["es-MX"], {"LANG": "en_US.UTF-8"}) == "en"


@given(st.dictionaries(st.sampled_from(["POOLVIZ_LANGUAGE", "LANG", "LC_ALL"]), st.text()))
def test_whatever_it_says_is_a_language(environment: dict[str, str]) -> None:
    assert wanted_language(environment=environment) in LANGUAGES
