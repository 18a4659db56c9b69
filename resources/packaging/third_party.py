"""Whose work goes into the bundle, and under which licences: THIRD-PARTY.txt."""

from __future__ import annotations

import re
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

HERE = Path(__file__).resolve().parent
_TEXT = re.compile(r"(licen[cs]e|copying|notice|copyright|third.party)", re.IGNORECASE)

# Libraries inside wheels, which come without a word of their own, and libraries of the system.
_LIBRARIES = {
    r"lib(crypto|ssl)": ("OpenSSL", "Apache-2.0", "https://openssl.org"),
    r"lib(krb5|krb5support|gssapi_krb5|k5crypto|com_err)": (
        "MIT Kerberos", "MIT", "https://web.mit.edu/kerberos"),
    r"lib(ldap|lber)": ("OpenLDAP", "OLDAP-2.8", "https://openldap.org"),
    r"libsasl2": ("Cyrus SASL", "BSD-4-Clause-UC", "https://cyrusimap.org/sasl"),
    r"libkeyutils": ("keyutils", "LGPL-2.1-or-later", "https://people.redhat.com/~dhowells/keyutils"),
    r"libselinux": ("libselinux", "public domain", "https://github.com/SELinuxProject/selinux"),
    r"libpcre": ("PCRE", "BSD-3-Clause", "https://pcre.org"),
    r"libcrypt": ("libxcrypt", "LGPL-2.1-or-later", "https://github.com/besser82/libxcrypt"),
    r"lib(pq|ecpg|pgtypes)": ("PostgreSQL", "PostgreSQL", "https://postgresql.org"),
    r"lib(gfortran|quadmath)": (
        "GCC's runtime libraries", "GPL-3.0 with the GCC runtime exception", "https://gcc.gnu.org"),
    r"libscipy_openblas": ("OpenBLAS", "BSD-3-Clause", "https://openblas.net"),
    r"lib(Qt6\w+|icu\w+|pyside6|shiboken6)": (
        "Qt, and ICU with it", "LGPL-3.0-only; Unicode-3.0", "https://code.qt.io"),
    r"libpython": ("Python", "PSF-2.0", "https://python.org"),
    r"libsqlite3": ("SQLite", "public domain", "https://sqlite.org"),
    r"libz": ("zlib", "Zlib", "https://zlib.net"),
    r"libzstd": ("Zstandard", "BSD-3-Clause", "https://github.com/facebook/zstd"),
    r"liblzma": ("XZ Utils", "0BSD", "https://tukaani.org/xz"),
    r"libbz2": ("bzip2", "bzip2-1.0.6", "https://sourceware.org/bzip2"),
    r"libffi": ("libffi", "MIT", "https://github.com/libffi/libffi"),
    r"libuuid": ("util-linux' libuuid", "BSD-3-Clause", "https://kernel.org"),
    r"libxkbcommon(-x11)?": ("libxkbcommon", "MIT", "https://xkbcommon.org"),
    r"libxcb(-\w+)*": ("XCB and its utilities", "MIT", "https://xcb.freedesktop.org"),
    r"libmpdec": ("libmpdec", "BSD-2-Clause", "https://bytereef.org/mpdecimal"),
}  # fmt: skip

_HEAD = """\
poolviz is under the MIT License. It is packaged with the work of others, under licences of their
own, which follow: Python and its packages, then libraries in machine code, then the texts.

Qt, PySide6, psycopg, psycopg-pool and psycopg2 are under the GNU Lesser General Public License.
Their source is where the links below lead. What of them is machine code lies in the program's
folder as files of its own, so that you may put your own build in its place; with your own version
of what is Python, `pyinstaller build.spec` in poolviz' source packs the program anew.
"""


def distributions(root: Path) -> list[metadata.Distribution]:
    """What poolviz with all its extras requires, directly or not, in alphabetical order."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    open_ends = [Requirement(text) for text in project["dependencies"]]
    for texts in project["optional-dependencies"].values():
        open_ends += [need for text in texts if (need := Requirement(text)).name != "poolviz"]
    found: dict[str, metadata.Distribution] = {}
    while open_ends:
        requirement = open_ends.pop()
        if requirement.marker and not any(
            requirement.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)
        ):
            continue
        distribution = metadata.distribution(requirement.name)
        name = distribution.metadata["Name"]
        known = name in found
        found[name] = distribution
        if not known or requirement.extras:
            open_ends += _needs(distribution, requirement.extras)
    return [found[name] for name in sorted(found, key=str.lower)]


def _needs(distribution: metadata.Distribution, extras: Iterable[str]) -> Iterator[Requirement]:
    for text in distribution.requires or ():
        need = Requirement(text)
        wanted = need.marker is None or any(
            need.marker.evaluate({"extra": extra}) for extra in ("", *extras)
        )
        if wanted:
            need.marker = None
            yield need


def write_licences(root: Path, libraries: Iterable[str], folder: Path) -> Path:
    """Write THIRD-PARTY.txt into `folder`; `libraries` are the names of shared libraries.

    SystemExit where the licence of one of them isn't known.
    """
    parts = distributions(root)
    lines = [_HEAD, "Python and its packages", ""]
    lines.append(f"  Python {sys.version.split()[0]}, PSF-2.0, https://python.org")
    lines += [f"  {_described(part)}" for part in parts]
    lines.append(
        "  PyInstaller's start program, GPL-2.0 with an exception, https://pyinstaller.org"
    )
    lines.append("  Inter, a font, OFL-1.1, https://rsms.me/inter")
    lines += ["", "Libraries in machine code", "", *_told(libraries), ""]
    texts = [("Python", Path(sysconfig.get_path("stdlib")) / "LICENSE.txt")]
    texts += [(part.metadata["Name"], path) for part in parts for path in _texts(part)]
    texts.append(("Inter", root / "resources" / "fonts" / "OFL.txt"))
    texts += [(path.stem, path) for path in sorted((HERE / "licences").glob("*.txt"))]
    for name, path in texts:
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            lines += ["=" * 78, f"{name}: {path.name}", "=" * 78, text, ""]
    target = folder / "THIRD-PARTY.txt"
    target.write_text("\n".join(lines), encoding="utf-8")
    return target


def _described(part: metadata.Distribution) -> str:
    known = part.metadata
    marks = [each for each in known.get_all("Classifier") or () if each.startswith("License ::")]
    marked = " and ".join(mark.rpartition(":: ")[2] for mark in marks) or "see its text"
    licence = known.get("License-Expression") or known.get("License") or marked
    pages = [url.partition(",")[2].strip() for url in known.get_all("Project-URL") or ()]
    page = known.get("Home-page") or next(iter(pages), "")
    return f"{known['Name']} {part.version}, {licence.splitlines()[0]}, {page}".rstrip(", ")


def _texts(part: metadata.Distribution) -> Iterator[Path]:
    for file in part.files or ():
        if ".dist-info" in file.parts[0] and _TEXT.search(file.name):
            yield Path(str(part.locate_file(file)))


def work_of(library: str) -> tuple[str, str, str] | None:
    """Name, licence and page of what a shared library is part of; None where that isn't known."""
    stem, *shared = re.split(r"\.so|\.dylib|\.dll", library)
    stem = re.sub(r"-[0-9a-f]{8}.*$", "", stem)  # which auditwheel appends
    if not shared:
        return None
    return next(
        (work for pattern, work in _LIBRARIES.items() if re.match(rf"{pattern}(?![a-z])", stem)),
        None,
    )


def _told(libraries: Iterable[str]) -> list[str]:
    """A line for each work that the libraries are of."""
    works: dict[tuple[str, str, str], list[str]] = {}
    unknown = []
    for library in sorted(set(libraries)):
        work = work_of(library)
        if work is None:
            unknown.append(library)
        else:
            works.setdefault(work, []).append(library)
    if unknown and sys.platform == "linux":
        raise SystemExit(f"Whose are {', '.join(unknown)}? third_party.py has to say it.")
    lines = []
    for (name, licence, page), files in works.items():
        lines += [f"  {name}, {licence}, {page}", f"    {', '.join(files)}"]
    return lines + [f"  {library}, of the system it was built on" for library in unknown]
