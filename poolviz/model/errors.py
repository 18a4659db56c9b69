"""What can go wrong, as the user is told it: whole sentences, never a traceback."""

from __future__ import annotations

from collections.abc import Iterable


class PoolvizError(Exception):
    """A fault with a sentence for the user. `exit_status` is what a command ends with."""

    exit_status = 1


class InputError(PoolvizError):
    """Wrong use or bad input. Holds one sentence for each mistake found, all at once."""

    exit_status = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    @classmethod
    def merged(cls, errors: Iterable[InputError]) -> InputError:
        """One error that names every mistake of `errors`, in their order."""
        return cls(*(problem for error in errors for problem in error.problems))


class ServerError(PoolvizError):
    """No server to work with. `code` is the SQLSTATE where the server gave one."""

    exit_status = 3

    def __init__(self, sentence: str, code: str | None = None) -> None:
        super().__init__(sentence)
        self.code = code
