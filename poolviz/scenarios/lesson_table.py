"""Read the table [lesson] of a scenario into a lesson, with every mistake in it; write one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from poolviz.language import tr
from poolviz.model.lesson import BECOMES, CHOICES, SUBJECTS, Lesson, LessonTexts
from poolviz.model.parameters import either, seconds_schema, suggest
from poolviz.model.scenario import LANGUAGES
from poolviz.model.text import is_text
from poolviz.scenarios.draft import seconds_of
from poolviz.scenarios.toml_lines import KeyPath

KEYS: Mapping[str, str] = {
    "subject": f"What it is about: {either(tuple(SUBJECTS))}.",
    "answer": f"The number of the right choice, from 1 to {CHOICES}.",
    "figure": "The figure that is shown with the answer, one of those of fail_if.",
    "becomes": "What the remedy does to that figure: lower or higher.",
    "mend_at": "The time in `changes` whose changes are the remedy.",
}
TEXTS: Mapping[str, str] = {
    "question": "What is to be predicted.",
    "choices": f"The {CHOICES} answers to choose from.",
    "why": "What happened, and why.",
}
_LESSON = "lesson"

Wrong = Callable[[KeyPath, str | Callable[[], str]], None]


def lesson_schema(figures: Iterable[str]) -> dict[str, Any]:
    """Return the JSON Schema of the table; `figures` are those of `fail_if`."""
    text = {"type": "string", "minLength": 1}
    texts = {
        "question": text,
        "choices": {"type": "array", "items": text, "minItems": CHOICES, "maxItems": CHOICES},
        "why": text,
    }
    in_language = {
        "type": "object",
        "properties": {key: texts[key] | {"description": about} for key, about in TEXTS.items()},
        "required": list(TEXTS),
        "additionalProperties": False,
    }
    kinds: dict[str, dict[str, Any]] = {
        "subject": {"enum": list(SUBJECTS)},
        "answer": {"type": "integer", "minimum": 1, "maximum": CHOICES},
        "figure": {"enum": list(figures)},
        "becomes": {"enum": list(BECOMES)},
        "mend_at": seconds_schema(minimum=0, exclusive=True),
    }
    return {
        "type": "object",
        "properties": {
            **{key: kinds[key] | {"description": about} for key, about in KEYS.items()},
            **dict.fromkeys(LANGUAGES, in_language),
        },
        "required": ["answer"],
        "anyOf": [{"required": [language]} for language in LANGUAGES],
        "dependentRequired": {"becomes": ["figure", "mend_at"]},
        "additionalProperties": False,
    }


def read_lesson(table: Mapping[str, Any], wrong: Wrong, shown: Callable[[object], str]) -> Lesson:
    """Return the lesson that a table means, as far as it is right. `wrong` hears each mistake, with
    the path of its key, and `shown` returns a value as a message shows it."""
    reading = _Reading(table, wrong, shown)
    lesson = Lesson(
        texts={language: reading.texts(language) for language in LANGUAGES if language in table},
        answer=reading.answer(),
        subject=reading.word("subject", tuple(SUBJECTS)),
        figure=reading.figure(),
        becomes=reading.word("becomes", BECOMES),  # type: ignore[arg-type]
        mend_at=reading.seconds("mend_at"),
    )
    reading.check_keys(lesson)
    return lesson


class _Reading:
    """Reads the parts of a table."""

    def __init__(
        self, table: Mapping[str, Any], wrong: Wrong, shown: Callable[[object], str]
    ) -> None:
        self._table, self._wrong, self._shown = table, wrong, shown

    def texts(self, language: str) -> LessonTexts:
        """Return the texts in one language, empty where they are wrong."""
        table = self._table[language]
        if not isinstance(table, dict):
            takes = tr("it takes a table, [{lesson}.{language}]", lesson=_LESSON, language=language)
            self._wrong(
                (_LESSON, language),
                tr("is {shown}: {takes}.", shown=self._shown(table), takes=takes),
            )
            table = None
        given = table or {}
        for key in given:
            if key not in TEXTS:
                unknown = partial(_unknown, key, tuple(TEXTS))
                self._wrong((_LESSON, language, key), unknown)
        if table is None:
            return LessonTexts(question="", choices=("",) * CHOICES, why="")
        return LessonTexts(
            question=self._text(language, given, "question"),
            choices=self._choices(language, given),
            why=self._text(language, given, "why"),
        )

    def answer(self) -> int:
        """Return the number of the right choice."""
        answer = self._table.get("answer")
        if isinstance(answer, int) and not isinstance(answer, bool) and 1 <= answer <= CHOICES:
            return answer
        takes = tr("it takes the number of the right choice, from 1 to {choices}.", choices=CHOICES)
        if answer is None:
            self._wrong((_LESSON,), tr("has no answer: {takes}", takes=takes))
        else:
            self._wrong(
                (_LESSON, "answer"),
                tr("is {shown}: {takes}", shown=self._shown(answer), takes=takes),
            )
        return 1

    def word(self, key: str, words: tuple[str, ...]) -> str:
        """Return one of a few words, "" without one."""
        word = self._table.get(key, "")
        if word in ("", *words) and isinstance(word, str):
            return word
        self._wrong(
            (_LESSON, key),
            tr("is {shown}: it takes {words}.", shown=self._shown(word), words=either(words, tr)),
        )
        return ""

    def figure(self) -> str:
        """Return the name of a figure, which isn't looked up here."""
        figure = self._table.get("figure", "")
        if isinstance(figure, str) and (not figure or figure.isidentifier()):
            return figure
        takes = tr("it takes the name of a figure, such as wait_p95")
        self._wrong(
            (_LESSON, "figure"), tr("is {shown}: {takes}.", shown=self._shown(figure), takes=takes)
        )
        return ""

    def seconds(self, key: str) -> float | None:
        """Return a time, None without one."""
        given = self._table.get(key)
        if given is None:
            return None
        try:
            return seconds_of(given, positive=True)
        except ValueError as error:
            self._wrong(
                (_LESSON, key), tr("is {shown}, {error}.", shown=self._shown(given), error=error)
            )
            return None

    def check_keys(self, lesson: Lesson) -> None:
        """Note keys that no lesson has, and what is missing."""
        known = (*KEYS, *LANGUAGES)
        for key in self._table:
            if key not in known:
                self._wrong((_LESSON, key), partial(_unknown, key, known))
        if not lesson.texts:
            tables = either([f"[{_LESSON}.{language}]" for language in LANGUAGES], tr)
            self._wrong((_LESSON,), tr("has no question: give it a table {tables}.", tables=tables))
        if lesson.becomes and not self._table.get("figure"):
            self._wrong((_LESSON, "becomes"), tr("needs a figure."))
        if lesson.becomes and "mend_at" not in self._table:
            self._wrong((_LESSON, "becomes"), tr("needs mend_at, the time of the remedy."))

    def _text(self, language: str, table: Mapping[str, Any], key: str) -> str:
        text = table.get(key)
        if isinstance(text, str) and text.strip() and is_text(text):
            return text
        if text is None:
            self._wrong((_LESSON, language), tr("has no {key}.", key=key))
        else:
            self._wrong(
                (_LESSON, language, key),
                tr("is {shown}: it takes a text.", shown=self._shown(text)),
            )
        return ""

    def _choices(self, language: str, table: Mapping[str, Any]) -> tuple[str, ...]:
        choices = table.get("choices")
        if (
            isinstance(choices, list)
            and len(choices) == CHOICES
            and all(isinstance(each, str) and each.strip() and is_text(each) for each in choices)
        ):
            return tuple(choices)
        if choices is None:
            self._wrong(
                (_LESSON, language),
                tr("has no choices: it takes {choices} texts.", choices=CHOICES),
            )
        else:
            found = (
                tr("has {choices:,}", choices=len(choices))
                if isinstance(choices, list)
                else tr("is no array")
            )
            takes = tr("it takes an array of {choices} texts", choices=CHOICES)
            self._wrong((_LESSON, language, "choices"), f"{found}: {takes}.")
        return ("",) * CHOICES


def _unknown(key: str, known: tuple[str, ...]) -> str:
    return tr("is no key of a lesson: {near}.", near=suggest(key, known))


def lesson_as_table(lesson: Lesson) -> dict[str, Any]:
    """Return a lesson as the table that it is read from."""
    fields = {
        "subject": lesson.subject,
        "answer": lesson.answer,
        "figure": lesson.figure,
        "becomes": lesson.becomes,
        "mend_at": lesson.mend_at,
    }
    texts = {
        language: {"question": each.question, "choices": list(each.choices), "why": each.why}
        for language, each in lesson.texts.items()
    }
    return {key: value for key, value in fields.items() if value} | texts
