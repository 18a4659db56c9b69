"""Who runs the server: PostgreSQL refuses root, so root lends it an unprivileged account."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

from poolviz.model.errors import ServerError


@dataclass(frozen=True)
class OsAccount:
    """An account of the operating system that isn't the one poolviz runs under."""

    name: str
    uid: int
    gid: int

    def popen(self) -> dict[str, Any]:
        """The arguments for subprocess to run a program under this account and no group else."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def lent_account() -> OsAccount | None:
    """The account that the server runs under in place of ours: `nobody` for root, else None."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415 - Windows has none

    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise ServerError(
            "PostgreSQL refuses to run as root, and this machine has no user 'nobody' to run it "
            "under: start poolviz as an ordinary user, or name a server with --dsn."
        ) from None
    return OsAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)


def own_name() -> str:
    """The name of the user that poolviz runs as, which the server lets in and nobody else."""
    if sys.platform == "win32":
        raise NotImplementedError("Windows knows no peer authentication")
    import pwd  # noqa: PLC0415 - Windows has none

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise ServerError(
            f"The user id {os.geteuid()} has no name on this machine, and PostgreSQL needs one: "
            "give it an entry in /etc/passwd, or name a server with --dsn."
        ) from None
