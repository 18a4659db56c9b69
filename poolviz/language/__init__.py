"""The texts that people read, in their language: `tr` and what belongs to it.

Texts are written in English, in the code, and are the keys of the catalogues in
`resources/translations/`. CONTRIBUTING.md says how one is added. Nothing here knows Qt or any other
part of poolviz.
"""

from __future__ import annotations

from poolviz.language.choice import FALLBACK, LANGUAGES, VARIABLE, wanted_language
from poolviz.language.notation import for_search, is_found
from poolviz.language.translation import (
    current_language,
    day,
    environment_with_language,
    from_users_notation,
    in_language,
    in_users_language,
    in_users_notation,
    moment,
    number,
    tr,
    tr_noop,
    trc,
    trn,
    use_language,
)

__all__ = [
    "FALLBACK",
    "LANGUAGES",
    "VARIABLE",
    "current_language",
    "day",
    "environment_with_language",
    "for_search",
    "from_users_notation",
    "in_language",
    "in_users_language",
    "in_users_notation",
    "is_found",
    "moment",
    "number",
    "tr",
    "tr_noop",
    "trc",
    "trn",
    "use_language",
    "wanted_language",
]
