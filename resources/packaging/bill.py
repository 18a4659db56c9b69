"""The bill of materials of a bundle, in CycloneDX' JSON."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from third_party import work_of

_VERSION = SchemaVersion.V1_6


def make_bill(root: Path, bundle: Path) -> str:
    """What `bundle` consists of, as JSON: Python's packages and libraries in machine code.

    The packages are described by CycloneDX' own tool, from the environment that the bundle was
    made in; those that aren't in the bundle are left out. SystemExit where one is missing.
    """
    bill = _environment(root)
    inside = _packages(bundle)
    components = [each for each in bill["components"] if _key(each) in inside]
    if lacking := inside - {_key(each) for each in components}:
        names = ", ".join(f"{name} {version}" for name, version in sorted(lacking))
        raise SystemExit(f"This isn't the environment that the bundle was made in: no {names}.")
    bill["components"] = [*components, *_machine_code(bundle)]
    known = {each["bom-ref"] for each in bill["components"]} | {
        bill["metadata"]["component"]["bom-ref"]
    }
    bill["dependencies"] = [
        each | {"dependsOn": sorted(known & set(each.get("dependsOn", ())))}
        for each in bill.get("dependencies", ())
        if each["ref"] in known
    ]
    text = json.dumps(bill, indent=1, sort_keys=True)
    fault = JsonStrictValidator(_VERSION).validate_str(text)
    if fault is not None:
        raise SystemExit(f"The bill of materials isn't valid CycloneDX: {fault}")
    return text + "\n"


def _environment(root: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    command += ["--pyproject", str(root / "pyproject.toml"), "--sv", _VERSION.to_version()]
    done = subprocess.run([*command, sys.executable], capture_output=True, check=False, text=True)
    if done.returncode:
        raise SystemExit(f"cyclonedx-py failed: {done.stderr.strip()}")
    bill: dict[str, Any] = json.loads(done.stdout)
    return bill


def _packages(bundle: Path) -> set[tuple[str, str]]:
    found = metadata.distributions(path=[str(bundle / "_internal")])
    return {(_normal(each.metadata["Name"]), each.version) for each in found}


def _key(component: dict[str, Any]) -> tuple[str, str]:
    return _normal(component["name"]), component.get("version", "")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _machine_code(bundle: Path) -> Iterator[dict[str, Any]]:
    """Python itself, PostgreSQL, and whatever else no package of Python's speaks of."""
    yield _component("Python", platform.python_version(), "PSF-2.0", "https://python.org", [])
    works: dict[tuple[str, str, str], list[str]] = {}
    for path in sorted((bundle / "_internal").rglob("*")):
        work = work_of(path.name) if path.is_file() and not path.is_symlink() else None
        if work is not None:
            works.setdefault(work, []).append(str(path.relative_to(bundle)))
    for (name, licence, page), files in works.items():
        if name != "Python":
            yield _component(name, "", licence, page, files)


def _component(
    name: str, version: str, licence: str, page: str, files: list[str]
) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": f"machine-code/{_normal(name)}",
        "name": name,
        **({"version": version} if version else {}),
        "licenses": [{"license": {"name": licence}}],
        "externalReferences": [{"type": "website", "url": page}],
        **({"evidence": {"occurrences": [{"location": file} for file in files]}} if files else {}),
    }
