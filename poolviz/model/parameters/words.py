"""Parameters whose values are words: on or off, one of a few, any text, the path of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poolviz.language import tr, tr_noop
from poolviz.model.parameters.base import Parameter, Translated, Value, either
from poolviz.model.text import is_text

_ON = ("true", "on", "yes", "1")
_LONGEST = 1 << 20  # characters of a text
_OFF = ("false", "off", "no", "0")


class Switch(Parameter, frozen=True, kw_only=True):
    """On or off."""

    kind = "switch"

    default: bool

    def parse(self, text: str) -> bool:
        """Return whether `text` is `on`, `true`, `yes` or `1`. Raises ParameterError."""
        word = text.lower()
        if word not in (*_ON, *_OFF):
            raise self._refusal(text)
        return word in _ON

    def check(self, value: object) -> bool:
        """Return `value` if it is a bool. Raises ParameterError."""
        if isinstance(value, bool):
            return value
        raise self._refusal(value)

    def show(self, value: Value) -> str:
        """Return "on" or "off"."""
        return tr_noop("on") if value else tr_noop("off")

    def shown(self, value: Value) -> str:
        """Return "on" or "off" in the user's words."""
        return tr(self.show(value))

    def allowed(self, translated: Translated = str) -> str:
        """Return "on or off"."""
        return translated(tr_noop("on or off"))

    @property
    def bare(self) -> bool:
        """On."""
        return True

    def phrase(self, value: Value) -> str:
        """Return the key alone for on: `restart_server`."""
        return self.key if value else super().phrase(value)

    def _type_schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Choice(Parameter, frozen=True, kw_only=True):
    """One of the words in `choices`."""

    kind = "choice"

    default: str
    choices: tuple[str, ...]

    def parse(self, text: str) -> str:
        """Return `text` if it is one of the choices. Raises ParameterError."""
        return self.check(text)

    def check(self, value: object) -> str:
        """Return `value` if it is one of the choices. Raises ParameterError."""
        if isinstance(value, str) and value in self.choices:
            return value
        raise self._refusal(value)

    def show(self, value: Value) -> str:
        """Return the word itself."""
        return str(value)

    def allowed(self, translated: Translated = str) -> str:
        """Return the choices: "fail or retry"."""
        return either(self.choices, translated)

    def _type_schema(self) -> dict[str, Any]:
        return {"enum": list(self.choices)}


class Text(Parameter, frozen=True, kw_only=True):
    """Any text, of any number of lines, that a database takes: without NUL, at most 1 MB."""

    kind = "text"

    default: str

    def parse(self, text: str) -> str:
        """Return `text`. Raises ParameterError as `check` does."""
        return self.check(text)

    def check(self, value: object) -> str:
        """Return `value` if it is text without NUL, of at most 1 MB. Raises ParameterError."""
        if isinstance(value, str) and len(value) <= _LONGEST and is_text(value):
            return value
        raise self._refusal(value)

    def show(self, value: Value) -> str:
        """Return the text itself."""
        return str(value)

    def allowed(self, translated: Translated = str) -> str:
        """Return "a text"."""
        return translated(tr_noop("a text"))

    def _type_schema(self) -> dict[str, Any]:
        return {"type": "string"}


class File(Text, frozen=True, kw_only=True):
    """The path of a file, which needn't exist until it is used; empty for none."""

    kind = "file"

    def allowed(self, translated: Translated = str) -> str:
        """Return "the path of a file"."""
        return translated(tr_noop("the path of a file"))

    def in_folder(self, value: Value, folder: Path) -> Value:
        """Return `value` as a path from `folder`, unless it is empty, absolute or begins with ~."""
        path = str(value)
        return str(folder / path) if path and not path.startswith("~") else path

    def names_file(self, value: Value) -> bool:
        """Return whether there is a path at all."""
        return bool(value)
