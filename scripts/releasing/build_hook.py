"""What a wheel gets beside the modules: manual pages, and a bill of materials.

Hatchling runs this when it builds, from a checkout or from an sdist. The pages come from the help
of the commands that are built, which takes click and cryptography: with hatchling they are what
``pyproject.toml`` requires to build. The rest needs the standard library only. The bill
(CycloneDX 1.6, in ``*.dist-info/sboms/``, PEP 770) names what igcsante needs, in the locked
versions that it was tested with, under which licences.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.core import ProjectMetadata

NOT_FOR_USERS = {"build", "check", "docs", "release", "test"}
MANUAL = "share/man"
_WRITE_PAGES = """
import sys
from pathlib import Path
from igcsante.cli import manual
manual.install(Path(sys.argv[1]))
"""


class WheelExtras(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the pages and the bill to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Say to hatchling what there is to add."""
        root = Path(self.root)
        if self.target_name != "wheel" or version == "editable":
            return
        self._folder = Path(tempfile.mkdtemp())
        bill = self._folder / "igcsante.cdx.json"
        text = json.dumps(bill_of_materials(root, self.metadata), indent=1) + "\n"
        bill.write_text(text, encoding="utf-8")
        bill.chmod(0o644)
        build_data["sbom_files"].append(str(bill))
        write_pages(root, self._folder / MANUAL)
        for page in sorted((self._folder / MANUAL).glob("**/*.1")):
            build_data["shared_data"][str(page)] = page.relative_to(self._folder).as_posix()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was made on the way."""
        if self.target_name == "wheel" and version != "editable":
            shutil.rmtree(self._folder)


def write_pages(root: Path, folder: Path) -> None:
    """Write the manual of the commands below ``root``, in another process: it imports them."""
    command = [sys.executable, "-P", "-B", "-c", _WRITE_PAGES, str(folder)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(root)}, check=True)


def bill_of_materials(root: Path, about: ProjectMetadata) -> dict[str, Any]:
    """The bill as CycloneDX JSON: the same whenever, and wherever, it is made.

    A package that only an extra asks for has the scope ``optional``.
    """
    version, project = about.version, about.core
    extras = project.optional_dependencies
    always = [_named(line) for line in project.dependencies + extras["card"]]
    chosen = [_named(r) for x in sorted(extras) if x not in NOT_FOR_USERS for r in extras[x]]
    ranges = dict(reversed([*always, *chosen]))
    locked = read_lock(root / "requirements/test.txt") | read_lock(root / "requirements/card.txt")
    licences = tomllib.loads((root / "requirements/licences.toml").read_text("utf-8"))["licences"]
    if missing := sorted(ranges.keys() - (locked.keys() & licences.keys())):
        raise ValueError(f"not locked: {', '.join(missing)}; run scripts/lock")
    required = _with_needs({name for name, _ in always}, locked)
    names = sorted(required | _with_needs({name for name, _ in chosen}, locked))
    described = f"igcsante@{version}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": described,
                "name": "igcsante",
                "version": version,
                "description": project.description,
                "licenses": [{"license": {"id": project.license_expression}}],
                "purl": f"pkg:pypi/{described}",
            }
        },
        "components": [
            _component(locked[name], name in required, ranges.get(name), licences[name])
            for name in names
        ],
        "dependencies": [
            {"ref": described, "dependsOn": [_purl(locked[name]) for name in sorted(ranges)]},
            *(
                {
                    "ref": _purl(locked[name]),
                    "dependsOn": [_purl(locked[n]) for n in names if name in locked[n].needed_by],
                }
                for name in names
            ),
        ],
    }


class Locked:
    """A package of a lock file: its name, the versions for the various Pythons, who needs it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.versions: list[str] = []
        self.needed_by: set[str] = set()


def read_lock(path: Path) -> dict[str, Locked]:
    """The packages of a file that ``uv pip compile`` wrote, by name."""
    packages: dict[str, Locked] = {}
    for line in path.read_text("utf-8").splitlines():
        if pinned := re.match(r"([a-z0-9-]+)==([^ ;]+)", line):
            package = packages.setdefault(pinned[1], Locked(pinned[1]))
            package.versions.append(pinned[2])
        elif needer := re.fullmatch(r"    #(?: via|  ) ([a-z0-9-]+)", line):
            package.needed_by.add(needer[1])
    return packages


def _named(requirement: str) -> tuple[str, str]:
    """Name and range of a requirement."""
    name, wanted = re.fullmatch(r"([\w.-]+)(?:\[.*])? *([^;]*)(?:;.*)?", requirement).groups()  # type: ignore[union-attr]
    return re.sub(r"[-_.]+", "-", name).lower(), wanted.strip()


def _with_needs(names: set[str], locked: dict[str, Locked]) -> set[str]:
    """These packages, and all that they need."""
    found: set[str] = set()
    while names:
        found |= names
        names = {p.name for p in locked.values() if p.needed_by & names} - found
    return found


def _component(package: Locked, needed: bool, wanted: str | None, licence: str) -> dict[str, Any]:
    properties = [{"name": "igcsante:accepted", "value": wanted}] if wanted else []
    properties += [
        {"name": "igcsante:locked-on-other-pythons", "value": version}
        for version in package.versions[:-1]
    ]
    component = {
        "type": "library",
        "bom-ref": _purl(package),
        "name": package.name,
        "version": package.versions[-1],
        "scope": "required" if needed else "optional",
        "licenses": [{"expression": licence}],
        "purl": _purl(package),
    }
    return component | ({"properties": properties} if properties else {})


def _purl(package: Locked) -> str:
    return f"pkg:pypi/{package.name}@{package.versions[-1]}"
