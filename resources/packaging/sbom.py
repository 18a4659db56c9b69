"""The software bill of materials (SBOM) of a bundle, as CycloneDX JSON."""

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
from third_party import Work, work_of

_VERSION = SchemaVersion.V1_6


def make_sbom(root: Path, bundle: Path) -> str:
    """Return what `bundle` consists of, as JSON: Python packages and shared libraries.

    CycloneDX's own tool describes the packages of the environment that the bundle was built in;
    those that aren't in the bundle are left out. Raises SystemExit if the environment lacks a
    package of the bundle.
    """
    sbom = _environment(root)
    inside = _packages(bundle)
    components = [each for each in sbom["components"] if _key(each) in inside]
    if missing := inside - {_key(each) for each in components}:
        names = ", ".join(f"{name} {version}" for name, version in sorted(missing))
        raise SystemExit(
            f"The bundle has {names}, which this environment lacks: make the packages in the "
            "environment that built the bundle."
        )
    sbom["components"] = [*components, *_shared_libraries(bundle)]
    known = {each["bom-ref"] for each in sbom["components"]} | {
        sbom["metadata"]["component"]["bom-ref"]
    }
    sbom["dependencies"] = [
        each | {"dependsOn": sorted(known & set(each.get("dependsOn", ())))}
        for each in sbom.get("dependencies", ())
        if each["ref"] in known
    ]
    text = json.dumps(sbom, indent=1, sort_keys=True)
    error = JsonStrictValidator(_VERSION).validate_str(text)
    if error is not None:
        raise SystemExit(f"The bill of materials isn't valid CycloneDX: {error}")
    return text + "\n"


def _environment(root: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    command += ["--pyproject", str(root / "pyproject.toml"), "--sv", _VERSION.to_version()]
    done = subprocess.run([*command, sys.executable], capture_output=True, check=False, text=True)
    if done.returncode:
        raise SystemExit(f"cyclonedx-py failed: {done.stderr.strip()}")
    sbom: dict[str, Any] = json.loads(done.stdout)
    return sbom


def _packages(bundle: Path) -> set[tuple[str, str]]:
    found = metadata.distributions(path=[str(bundle / "_internal")])
    return {(_normal(each.metadata["Name"]), each.version) for each in found}


def _key(component: dict[str, Any]) -> tuple[str, str]:
    return _normal(component["name"]), component.get("version", "")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _shared_libraries(bundle: Path) -> Iterator[dict[str, Any]]:
    """Yield Python itself, PostgreSQL, and the libraries that no Python package declares."""
    yield _component("Python", platform.python_version(), "PSF-2.0", "https://python.org", [])
    works: dict[Work, list[str]] = {}
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
        "bom-ref": f"shared-library/{_normal(name)}",
        "name": name,
        **({"version": version} if version else {}),
        "licenses": [{"license": {"name": licence}}],
        "externalReferences": [{"type": "website", "url": page}],
        **({"evidence": {"occurrences": [{"location": file} for file in files]}} if files else {}),
    }
