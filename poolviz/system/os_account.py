"""The account that runs the embedded server. PostgreSQL refuses root, so root uses `nobody`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

from poolviz.language import tr
from poolviz.model.errors import ServerError


@dataclass(frozen=True)
class OsAccount:
    """An account of the operating system other than that of the current user."""

    name: str
    uid: int
    gid: int

    def popen(self) -> dict[str, Any]:
        """Return arguments for subprocess to run a program as this user, in its group only."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_account() -> OsAccount | None:
    """Return the account to run the server under: `nobody` for root, None for the current user.
    Raises ServerError if there is no such account."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415 - Windows has none

    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise ServerError(
            tr(
                "PostgreSQL refuses to run as root, and this machine has no user 'nobody' to run "
                "it "
                "under"
            ),
            advice=tr("start poolviz as an ordinary user, or name a server with --dsn."),
        ) from None
    return OsAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)


def user_name() -> str:
    """Return the name of the current user, the only one whom the server lets in."""
    if sys.platform == "win32":
        raise NotImplementedError("Windows has no peer authentication")
    import pwd  # noqa: PLC0415 - Windows has none

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise ServerError(
            tr(
                "The user id {geteuid} has no name on this machine, and PostgreSQL needs one",
                geteuid=os.geteuid(),
            ),
            advice=tr("give it an entry in /etc/passwd, or name a server with --dsn."),
        ) from None
