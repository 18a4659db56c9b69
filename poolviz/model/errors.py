"""Errors with a message for the user: whole sentences, never a traceback."""

from __future__ import annotations

from collections.abc import Iterable


class PoolvizError(Exception):
    """An error with a message for the user. `exit_status` is the status of a command it ends."""

    exit_status = 1


class InputError(PoolvizError):
    """Wrong use or bad input. `problems` has one sentence for each mistake that was found."""

    exit_status = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

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
    `code` is the SQLSTATE if the server sent one.
    """

    exit_status = 3

    def __init__(self, problem: str, code: str | None = None, *, advice: str = "") -> None:
        super().__init__(f"{problem}: {advice}" if advice else problem)
        self.problem, self.code, self.advice = problem, code, advice
