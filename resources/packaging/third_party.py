"""The licences of everything in the bundle: THIRD-PARTY.txt."""

from __future__ import annotations

import re
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

from packaging.requirements import Requirement

HERE = Path(__file__).resolve().parent
_TEXT = re.compile(r"(licen[cs]e|copying|notice|copyright|third.party)", re.IGNORECASE)

NOT_BUNDLED = {
    "fleet",
    "keyring",
    "otlp",
    "pandas",
    "parquet",
}  # extras too large for the packaged program

Work: TypeAlias = tuple[str, str, str]  # name, licence, home page

# Shared libraries that wheels contain without declaring them, and libraries of the system.
_LIBRARIES: dict[str, Work] = {
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
poolviz is under the MIT License. The packaged program contains the work of others under their own
licences: first Python and its packages, then shared libraries, then the texts of the licences.

Qt, PySide6, psycopg, psycopg-pool and psycopg2 are under the GNU Lesser General Public License.
The links below lead to their source. Their shared libraries are separate files in the program's
folder and can be replaced by your own builds; to replace their Python modules, install your version
and run `pyinstaller build.spec` in the source of poolviz.
"""


def distributions(root: Path) -> list[metadata.Distribution]:
    """Return all that poolviz with the extras that are bundled requires, sorted by name."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pending = [Requirement(text) for text in project["dependencies"]]
    for extra, texts in project["optional-dependencies"].items():
        if extra in NOT_BUNDLED:
            continue
        pending += [need for text in texts if (need := Requirement(text)).name != "poolviz"]
    found: dict[str, metadata.Distribution] = {}
    while pending:
        requirement = pending.pop()
        if requirement.marker and not any(
            requirement.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)
        ):
            continue
        distribution = metadata.distribution(requirement.name)
        name = distribution.metadata["Name"]
        known = name in found
        found[name] = distribution
        if not known or requirement.extras:
            pending += _needs(distribution, requirement.extras)
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
    """Write THIRD-PARTY.txt into `folder` and return its path.

    `libraries` are the file names of the bundle's shared libraries. Raises SystemExit if the
    licence of one of them isn't known.
    """
    parts = distributions(root)
    lines = [_HEAD, "Python and its packages", ""]
    lines.append(f"  Python {sys.version.split()[0]}, PSF-2.0, https://python.org")
    lines += [f"  {_described(part)}" for part in parts]
    lines.append("  PyInstaller's bootloader, GPL-2.0 with an exception, https://pyinstaller.org")
    lines.append("  Inter, a font, OFL-1.1, https://rsms.me/inter")
    lines.append("  uPlot, which draws the HTML report, MIT, https://github.com/leeoniya/uPlot")
    lines += ["", "Shared libraries", "", *_library_lines(libraries), ""]
    texts = [("Python", Path(sysconfig.get_path("stdlib")) / "LICENSE.txt")]
    texts += [(part.metadata["Name"], path) for part in parts for path in _texts(part)]
    texts.append(("Inter", root / "resources" / "fonts" / "OFL.txt"))
    texts.append(("uPlot", root / "resources" / "report" / "uPlot.LICENSE.txt"))
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
    classifiers = [each for each in known.get_all("Classifier") or () if each[:10] == "License ::"]
    classified = " and ".join(each.rpartition(":: ")[2] for each in classifiers) or "see its text"
    licence = known.get("License-Expression") or known.get("License") or classified
    pages = [url.partition(",")[2].strip() for url in known.get_all("Project-URL") or ()]
    page = known.get("Home-page") or next(iter(pages), "")
    return f"{known['Name']} {part.version}, {licence.splitlines()[0]}, {page}".rstrip(", ")


def _texts(part: metadata.Distribution) -> Iterator[Path]:
    for file in part.files or ():
        if ".dist-info" in file.parts[0] and _TEXT.search(file.name):
            yield Path(str(part.locate_file(file)))


def work_of(library: str) -> Work | None:
    """Return the work that a shared library is part of, or None if it isn't known."""
    stem, *shared = re.split(r"\.so|\.dylib|\.dll", library)
    stem = re.sub(r"-[0-9a-f]{8}.*$", "", stem)  # the hash that auditwheel appends
    if not shared:
        return None
    return next(
        (work for pattern, work in _LIBRARIES.items() if re.match(rf"{pattern}(?![a-z])", stem)),
        None,
    )


def _library_lines(libraries: Iterable[str]) -> list[str]:
    """Return two lines for each work that the libraries are part of."""
    works: dict[Work, list[str]] = {}
    unknown = []
    for library in sorted(set(libraries)):
        work = work_of(library)
        if work is None:
            unknown.append(library)
        else:
            works.setdefault(work, []).append(library)
    if unknown and sys.platform == "linux":
        raise SystemExit(
            f"The licence of {', '.join(unknown)} isn't known: add it to third_party.py."
        )
    lines = []
    for (name, licence, page), files in works.items():
        lines += [f"  {name}, {licence}, {page}", f"    {', '.join(files)}"]
    return lines + [f"  {library}, from the system it was built on" for library in unknown]
