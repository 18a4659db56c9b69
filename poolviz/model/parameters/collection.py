"""Parameters that were declared together, and checks of their values side by side."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from poolviz.language import tr, tr_noop
from poolviz.model.errors import InputError, ParameterError
from poolviz.model.parameters.base import Parameter, Value, either

_FEW = 12  # as many keys as a sentence may list
_OF_A_POOL = {
    "limit": tr_noop("limit of {pool}"),
    "connect argument": tr_noop("connect argument of {pool}"),
}
_NOUNS = (
    tr_noop("limit"),
    tr_noop("connect argument"),
    tr_noop("setting of the load"),
    tr_noop("fault"),
    tr_noop("a pool of your own"),
)


class Parameters(Mapping[str, Parameter]):
    """Parameters by their keys: the limits of a pool, the settings of the load, or the faults.

    `noun` is what one of them is, in English: one of `_NOUNS`, or "limit of sqlalchemy.QueuePool".
    """

    def __init__(self, noun: str, *declared: Parameter) -> None:
        self._noun = noun
        self._declared = {parameter.key: parameter for parameter in declared}

    def __getitem__(self, key: str) -> Parameter:
        return self._declared[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._declared)

    def __len__(self) -> int:
        return len(self._declared)

    @property
    def noun(self) -> str:
        """What one of them is, as part of a sentence in the user's language."""
        kind, of, pool = self._noun.partition(" of ")
        return tr(_OF_A_POOL[kind], pool=tr(pool)) if of and kind in _OF_A_POOL else tr(self._noun)

    def defaults(self) -> dict[str, Value]:
        """Return every parameter's default, in the order of their declaration."""
        return {key: parameter.default for key, parameter in self.items()}

    def find(self, key: str) -> Parameter:
        """Return the parameter `key`. Raises ParameterError, which suggests the nearest keys."""
        if key in self._declared:
            return self._declared[key]
        raise ParameterError(
            key, tr("is no {noun}: {suggested}.", noun=self.noun, suggested=suggest(key, self))
        )

    def complete(self, given: Mapping[str, object]) -> dict[str, Value]:
        """Return `given` checked, with defaults for the rest. Raises InputError with every mistake.

        A default yields to a neighbour that was given: `maxconn=1` alone lowers the default of
        `minconn`, whereas a given `minconn` above it is a mistake.
        """
        mistakes, values = [], {}
        for key, value in given.items():
            try:
                values[key] = self.find(key).check(value)
            except ParameterError as error:
                mistakes.append(error)
        if mistakes:
            raise InputError.merged(mistakes)
        return self.fill(values)

    def fill(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Return values that were checked already, with defaults for the rest.

        Raises ParameterError if two of them may not stand together.
        """
        values = {**self.defaults(), **given}
        self._let_defaults_yield(given, values)
        self.check_together(values)
        return values

    def changed(
        self, values: Mapping[str, Value], changes: Mapping[str, object]
    ) -> dict[str, Value]:
        """Return `values` with `changes` made all at once. Raises ParameterError."""
        new = {**values, **{key: self.find(key).check(value) for key, value in changes.items()}}
        self.check_together(new)
        return new

    def check_together(self, values: Mapping[str, Value]) -> None:
        """Raise ParameterError if a value falls below one that it must not fall below."""
        for key, parameter in self.items():
            floor = parameter.at_least
            if floor is not None and float(values[key]) < float(values[floor]):
                raise ParameterError(
                    floor,
                    tr(
                        "is {value} and {key} is {limit}: {floor} may be at most {key}.",
                        value=values[floor],
                        key=key,
                        limit=values[key],
                        floor=floor,
                    ),
                )

    def _let_defaults_yield(self, given: Mapping[str, object], values: dict[str, Value]) -> None:
        for key, parameter in self.items():
            floor = parameter.at_least
            if floor is None or float(values[key]) >= float(values[floor]):
                continue
            if floor not in given:
                values[floor] = values[key]
            elif key not in given:
                values[key] = values[floor]


def suggest(word: str, known: Mapping[str, object] | Sequence[str]) -> str:
    """Return half a sentence for an unknown word: the nearest known ones, or all of them."""
    return _nearest(word, list(known)) or tr("known are {known}", known=", ".join(known))


def suggest_key(key: str, *declared: Parameters) -> str:
    """Return half a sentence for an unknown key: the nearest, all, or where keys are listed."""
    known = [known for parameters in declared for known in parameters]
    if len(known) <= _FEW:
        return suggest(key, known)
    listed = tr("`poolviz schema --text` and `poolviz pools` list what there is")
    return _nearest(key, known) or listed


def unknown_key(key: str, *declared: Parameters) -> ParameterError:
    """Return the error for a key that is in none of `declared`: limits, settings, faults."""
    nouns = either([parameters.noun for parameters in declared], tr)
    suggested = suggest_key(key, *declared)
    return ParameterError(key, tr("is no {noun}: {suggested}.", noun=nouns, suggested=suggested))


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(str(word), known, n=3)  # Python may give any key
    return tr("perhaps {names} is meant", names=either(near, tr)) if near else ""
