"""What every parameter has in common, whatever its values are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import msgspec

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError, ParameterError
from poolviz.model.text import on_one_line, shortened

Value: TypeAlias = bool | int | float | str
Translated: TypeAlias = Callable[[str], str]  # `tr`, for texts of which files have the English

INTEGER_LIMIT = 2**63  # whole numbers from here on fit neither a message nor TOML


class Effect(StrEnum):
    """When a change of a parameter takes effect while the pool is in use."""

    NOW = "now"
    NEW_REQUESTS = "new requests"
    REBUILD = "by rebuilding"
    NEW_RUN = "new run"


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One declared parameter: what it takes, and what a change of it does.

    `only_when` is (key, values): the parameter has an effect only while the parameter `key` has
    one of `values`. `group` is the heading under which the window folds rarely used parameters
    away; without one the parameter is always shown. `effect` and `effect_help` say when a change
    takes effect, and how.
    """

    kind: ClassVar[str]  # how `poolviz pools --json` names the class

    key: str
    default: Value
    help: str
    effect: Effect = Effect.NOW
    effect_help: str = ""
    only_when: tuple[str, tuple[str, ...]] | None = None
    group: str = ""

    @abstractmethod
    def parse(self, text: str) -> Value:
        """Return the value that `text` means on a command line. Raises ParameterError."""

    @abstractmethod
    def check(self, value: object) -> Value:
        """Return `value` in this parameter's own type. Raises ParameterError if it isn't one."""

    @abstractmethod
    def show(self, value: Value) -> str:
        """Return `value` as it is shown to people: `5`, `20 ms`, `on`, `no limit`."""

    def shown(self, value: Value) -> str:
        """Return `value` as `show` does, in the user's words and notation."""
        return self.show(value)

    def takes(self, value: object) -> bool:
        """Return whether `check` accepts `value`."""
        try:
            self.check(value)
        except InputError:
            return False
        return True

    @abstractmethod
    def allowed(self, translated: Translated = str) -> str:
        """Return what this parameter takes, as part of a sentence, in English or `translated`: "a
        time, 0 s or more"."""

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of this parameter's values, with its default and description."""
        return self._type_schema() | {"default": self.default, "description": self.description()}

    def description(self, translated: Translated = str) -> str:
        """Return the help with the unit, what the parameter depends on, and what a change does, in
        English or `translated`."""
        sentences = [translated(self.help), translated(self._unit_help())]
        if self.only_when is not None:
            key, values = self.only_when
            only = translated(tr_noop("Only with {key} = {values}."))
            sentences.append(only.format(key=key, values=either(values, translated)))
        sentences.append(translated(self.effect_help))
        return " ".join(sentence for sentence in sentences if sentence)

    def phrase(self, value: Value) -> str:
        """Return the key with `value`, as a mark on the timeline names it: `lock_table 2 s`."""
        return f"{self.key} {self.show(value)}"

    def in_folder(self, value: Value, folder: Path) -> Value:  # noqa: ARG002 - files only
        """Return `value` with a relative path taken from `folder`, for parameters that hold one."""
        return value

    def names_file(self, value: Value) -> bool:  # noqa: ARG002 - files only
        """Return whether `value` is the path of a file, which takes long to check."""
        return False

    @property
    def bare(self) -> Value | None:
        """The value that the key alone means on a command line; None if it needs a value."""
        return None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The least and the greatest value; None if values have no order."""
        return None

    @property
    def special(self) -> Mapping[float, str]:
        """Values with a meaning of their own (-1: "no limit"), allowed outside the bounds."""
        return {}

    @property
    def at_least(self) -> str | None:
        """The key of a parameter whose value this one's may not fall below."""
        return None

    @abstractmethod
    def _type_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values alone."""

    def _unit_help(self) -> str:
        """Return a sentence about the unit of the values; empty if they have none."""
        return ""

    def _refusal(self, value: object) -> ParameterError:
        """Return the error for a value that this parameter doesn't take."""
        if isinstance(value, int) and abs(value) >= INTEGER_LIMIT:
            shown = tr("a number of more than 64 bits")
        else:
            shown = on_one_line(str(value))
            shown = f"'{shortened(shown, 80)}'" if isinstance(value, str) else shown
        return ParameterError(
            self.key, tr("is {shown}: it takes {allowed}.", shown=shown, allowed=self.allowed(tr))
        )


def either(words: Sequence[str], translated: Translated = str) -> str:
    """Return `words` as alternatives in a sentence: "a", "a or b", "a, b or c"."""
    *others, last = words
    if not others:
        return last
    return translated(tr_noop("{others} or {last}")).format(others=", ".join(others), last=last)


def both(words: Sequence[str]) -> str:
    """Return `words` as parts of a sentence in the user's language: "a", "a and b"."""
    *others, last = words
    return tr("{others} and {last}", others=", ".join(others), last=last) if others else last
