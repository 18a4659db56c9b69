"""Errors with a message for the user: whole sentences, never a traceback."""

from __future__ import annotations

from collections.abc import Iterable

from poolviz.language import trn
from poolviz.model.text import sentence

MOST_PROBLEMS = 20  # that one error spells out; of others it has the number


class PoolvizError(Exception):
    """An error with a message for the user. `exit_status` is the status of a command it ends.

    Whatever is quoted in the message, it is printable, of bounded length, and has no password.
    """

    exit_status = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(sentence(message))


class InputError(PoolvizError):
    """Wrong use or bad input. `problems` has one sentence for each mistake that was found.

    Of more than `MOST_PROBLEMS` it has the first ones, and a sentence with the number of the
    others; `more` is how many of them the caller hasn't even worded.
    """

    exit_status = 2

    def __init__(self, *problems: str, more: int = 0) -> None:
        self.problems = _first_of(problems, more)
        Exception.__init__(self, "\n".join(self.problems))

    @staticmethod
    def merged(errors: Iterable[InputError]) -> InputError:
        """Return one error with every problem of `errors`, in their order."""
        return InputError(*(problem for error in errors for problem in error.problems))


class ParameterError(InputError):
    """A mistake in what one parameter or option says.

    `problem` is what is wrong, and goes on after `key`: "is 3: it takes …". So whoever knows
    where the key stands, in a file for instance, can name that place instead.
    """

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key} {problem}")
        self.key, self.problem = key, problem


class ServerError(PoolvizError):
    """No server to work with.

    The message is `problem` and, after a colon, `advice` on what to do if it is given apart.
    `code` is the SQLSTATE if the server sent one. `field` is what of the server's address is wrong,
    as `servers.dsn_fields` calls it; "" if that isn't one of them.
    """

    exit_status = 3

    def __init__(
        self, problem: str, code: str | None = None, *, advice: str = "", field: str = ""
    ) -> None:
        super().__init__(f"{problem}: {advice}" if advice else problem)
        self.problem, self.code, self.advice = sentence(problem), code, advice
        self.field = field


class OutputError(PoolvizError):
    """The result can't be written to standard output. Nobody wants to read it if this has no
    message."""


def _first_of(problems: tuple[str, ...], more: int) -> tuple[str, ...]:
    """Return as many problems as are spelled out, each as a sentence, and the number of others."""
    first = tuple(sentence(problem) for problem in problems[:MOST_PROBLEMS])
    left = len(problems) - len(first) + more
    if not left:
        return first
    return (
        *first,
        trn("… and {n:,} more mistake.", "… and {n:,} more mistakes.", left),
    )
