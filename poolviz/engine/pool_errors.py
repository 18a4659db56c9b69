"""What an error means that a pool raised while it was opened or resized."""

from __future__ import annotations

from poolviz.model.errors import PoolvizError
from poolviz.servers import dispatch


def describe_error(error: BaseException, conninfo: str) -> PoolvizError:
    """Return a pool's error as one sentence for the user."""
    if isinstance(error, PoolvizError):
        return error
    described = dispatch.describe_error(error, conninfo) if isinstance(error, Exception) else None
    return described or PoolvizError(f"The pool raised {type(error).__name__}: {error}".strip())
