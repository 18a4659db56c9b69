"""The table [lesson] of a scenario: what it may say, and what is said of mistakes in it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomli_w

from poolviz.model.errors import InputError
from poolviz.runs.request import check_draft
from poolviz.scenarios.schema import schema
from poolviz.scenarios.toml_file import as_toml, draft_of, read_draft
from poolviz.sessions.thresholds import FIGURES

PUBLISHED = schema(FIGURES)
TEXTS = {"question": "Which?", "choices": ["a", "b", "c"], "why": "Because."}
RIGHT: dict[str, Any] = {
    "changes": [{"at": 5, "pool_size": 10}],
    "lesson": {
        "subject": "size",
        "answer": 2,
        "figure": "wait_p95",
        "becomes": "lower",
        "mend_at": "5s",
        "en": TEXTS,
        "es": TEXTS,
    },
}


def with_lesson(**changed: object) -> dict[str, Any]:
    """Return the right scenario with other values in its lesson; None removes one."""
    lesson = {**RIGHT["lesson"], **changed}
    return RIGHT | {"lesson": {key: value for key, value in lesson.items() if value is not None}}


def test_a_lesson_is_read_written_and_read_again() -> None:
    draft = draft_of(RIGHT)
    check_draft(draft)
    jsonschema.validate(RIGHT, PUBLISHED)
    assert draft.lesson is not None
    assert draft.lesson.mend_at == 5
    assert draft.lesson.texts["es"].choices == ("a", "b", "c")
    again = draft_of(tomllib.loads(as_toml(draft)))
    assert again.lesson == draft.lesson


def test_a_scenario_without_a_lesson_is_as_before() -> None:
    draft = draft_of({"pool": "sqlalchemy.QueuePool"})
    assert draft.lesson is None
    assert "lesson" not in as_toml(draft)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"answer": 4}, "lesson.answer is 4: it takes the number of the right choice, from 1 to 3"),
        ({"answer": True}, "lesson.answer is true"),
        ({"answer": None}, "lesson has no answer"),
        ({"en": None, "es": None}, "lesson has no question: give it a table [lesson.en] or"),
        ({"en": "Which?"}, "lesson.en is 'Which?': it takes a table, [lesson.en]"),
        ({"en": {**TEXTS, "choices": ["a", "b"]}}, "lesson.en.choices has 2: it takes an array"),
        ({"en": {**TEXTS, "choices": "abc"}}, "lesson.en.choices is no array"),
        ({"en": {**TEXTS, "choices": ["a", "b", 3]}}, "it takes an array of 3 texts"),
        ({"en": {**TEXTS, "why": ""}}, "lesson.en.why is ''"),
        ({"en": {**TEXTS, "why": "a\0b"}}, "lesson.en.why"),
        ({"en": {"question": "Which?", "choices": ["a", "b", "c"]}}, "lesson.en has no why"),
        ({"en": {**TEXTS, "whi": "x"}}, "lesson.en.whi is no key of a lesson: perhaps why"),
        ({"fr": TEXTS}, "lesson.fr is no key of a lesson"),
        ({"subject": "cooking"}, "it takes size, application, library or server"),
        ({"subject": ["size"]}, "lesson.subject is an array"),
        ({"becomes": "better"}, "lesson.becomes is 'better': it takes lower or higher"),
        ({"figure": "wait_p96"}, "wait_p96 is no figure of a run"),
        ({"figure": "wait p95 > 1"}, "it takes the name of a figure"),
        ({"figure": None}, "lesson.becomes needs a figure"),
        ({"mend_at": None}, "lesson.becomes needs mend_at"),
        ({"mend_at": "soon"}, "lesson.mend_at is 'soon'"),
        ({"mend_at": 0}, "lesson.mend_at is 0"),
        ({"mend_at": 7}, "lesson.mend_at is 7 s, and no change is made then"),
    ],
)
def test_a_mistake_gets_a_sentence(changed: dict[str, object], said: str, tmp_path: Path) -> None:
    given = with_lesson(**changed)
    with pytest.raises(InputError) as caught:
        check_draft(draft_of(given))
    [problem] = caught.value.problems
    assert said in problem
    file = tmp_path / "lesson.toml"
    file.write_text(tomli_w.dumps(given), "utf-8")
    with pytest.raises(InputError, match=r"lesson\.toml"):
        check_draft(read_draft(file))


@pytest.mark.parametrize("given", ["size", 3, [], True])
def test_a_lesson_that_is_no_table_gets_a_sentence(given: object) -> None:
    with pytest.raises(InputError, match="it takes a table"):
        check_draft(draft_of({"lesson": given}))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"lesson": given}, PUBLISHED)
