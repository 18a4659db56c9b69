"""The servers that were used last, and their passwords: in the system's keyring, or in memory."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from PySide6.QtCore import QSettings

from poolviz.model.errors import InputError, PoolvizError
from poolviz.model.secrets import without_secrets
from poolviz.servers.dispatch import passwords, without_password
from poolviz.servers.dsn_fields import fields_of, identity, with_fields
from poolviz.servers.target import Target
from poolviz.system import keyring_passwords
from poolviz.ui.session.worker import Inbox, Worker

_RECENT, _EARLIER = "server/recent", "server/dsn"  # the latter held one, before there were several
_MOST, _LONGEST = 10, 4000
_SSL_PASSWORD = "sslpassword"


class _Server(msgspec.Struct, frozen=True):
    """A server as it is stored: a DSN without any password, and whether the keyring has it."""

    dsn: str
    keyring: bool = False


class Logins:
    """What is remembered of servers until poolviz ends, and is stored nowhere."""

    def __init__(self) -> None:
        self.passwords: dict[str, str] = {}  # by login
        self.chosen: tuple[str, str, bool | None] | None = None  # DSN, password, keep it
        self.reached: Target | None = None

    def forget(self) -> None:
        """Forget all of it."""
        self.passwords.clear()
        self.chosen = self.reached = None


class ServerMemory:
    """Knows the recent servers, the newest first. Belongs to the GUI thread; a worker asks the
    keyring. `complain` gets a sentence where that fails. `logins` outlast it."""

    def __init__(
        self,
        settings: QSettings,
        inbox: Inbox,
        complain: Callable[[str], object],
        logins: Logins | None = None,
    ) -> None:
        self._settings, self._inbox, self._complain = settings, inbox, complain
        self._worker: Worker | None = None
        self._logins = logins or Logins()

    @property
    def recent(self) -> list[str]:
        """DSNs without passwords, the newest first. What isn't one is left out."""
        return [server.dsn for server in self._servers()]

    def password_place(self, dsn: str) -> str:
        """Return where the password of a login is: "session", "keyring", or "" if nowhere."""
        login = identity(dsn)
        if login in self._logins.passwords:
            return "session"
        kept = any(each.keyring and identity(each.dsn) == login for each in self._servers())
        return "keyring" if kept else ""

    def password_finder(self, dsn: str) -> Callable[[], str]:
        """Return what finds the password of a login, "" if there is none. It is for a worker to
        call: the keyring may wait for the user. Raises KeyringError."""
        login, place = identity(dsn), self.password_place(dsn)
        if place == "keyring":
            return lambda: keyring_passwords.password_of(login) or ""
        password = self._logins.passwords.get(login, "")
        return lambda: password

    def choose(self, dsn: str, password: str, *, keep: bool) -> None:
        """Take note of a server that is about to be reached, and whether the keyring is to have
        its password; without one here that of the DSN counts."""
        self._logins.chosen = dsn, password or fields_of(dsn)["password"], keep

    def note_reached(self, target: Target) -> None:
        """Remember a server that was reached. A DSN that wasn't may contain a password
        anywhere."""
        if target.embedded or target is self._logins.reached:
            return
        self._logins.reached = target
        dsn, password = target.conninfo, ""
        keep: bool | None = None
        chosen, self._logins.chosen = self._logins.chosen, None
        if chosen is not None and identity(chosen[0]) == identity(dsn):
            dsn, password, keep = chosen
        stored = storable(dsn)
        if not stored:
            return
        login, servers = identity(stored), self._servers()
        was_kept = any(each.keyring and identity(each.dsn) == login for each in servers)
        kept = was_kept if keep is None else keep and (was_kept or bool(password))
        others = [each for each in servers if identity(each.dsn) != login]
        self._store([_Server(stored, kept), *others][:_MOST])
        if password:
            self._logins.passwords[login] = password
        if kept and password:
            self._ask_keyring(lambda: keyring_passwords.keep(login, password))
        elif was_kept and not kept:
            self._ask_keyring(lambda: keyring_passwords.forget(login))

    def forget(self, dsn: str) -> None:
        """Forget a server, with its password wherever that is."""
        login = identity(dsn)
        servers = self._servers()
        gone = [each for each in servers if identity(each.dsn) == login]
        self._logins.passwords.pop(login, None)
        self._store([each for each in servers if each not in gone])
        if any(each.keyring for each in gone):
            self._ask_keyring(lambda: keyring_passwords.forget(login))

    def forget_all(self) -> None:
        """Forget every server."""
        for dsn in self.recent:
            self.forget(dsn)
        self._logins.passwords.clear()

    def close(self, seconds: float = 0.0) -> None:
        """Let the worker end with what it does, and wait at most that long for it."""
        if self._worker is not None:
            self._worker.close(seconds)

    def _servers(self) -> list[_Server]:
        stored = str(self._settings.value(_RECENT, "") or "")
        try:
            servers = msgspec.json.decode(stored, type=list[_Server]) if stored else []
        except (msgspec.MsgspecError, RecursionError):
            servers = []
        earlier = str(self._settings.value(_EARLIER, "") or "")
        if earlier and not stored:
            servers = [_Server(earlier)]
        return [each for each in servers if len(each.dsn) < _LONGEST and storable(each.dsn)][:_MOST]

    def _store(self, servers: list[_Server]) -> None:
        self._settings.remove(_EARLIER)
        self._settings.setValue(_RECENT, msgspec.json.encode(servers).decode())

    def _ask_keyring(self, work: Callable[[], None]) -> None:
        if self._worker is None:
            self._worker = Worker("keyring worker", self._inbox)

        def failed(error: BaseException) -> None:
            if not isinstance(error, PoolvizError):
                raise error
            self._complain(str(error))

        self._worker.do(work, failed=failed)


def storable(dsn: str) -> str:
    """Return `dsn` as it was written, without passwords; "" if it can't be told from one."""
    safe = without_password(dsn)
    if not safe:
        return ""
    written = with_fields(dsn, {"password": ""})
    try:
        given = {fields_of(dsn)["password"], *passwords(dsn)} - {""}
    except InputError:
        return ""
    clean = written == without_secrets(written) and _SSL_PASSWORD not in written
    return written if clean and not any(each in written for each in given) else safe
