"""The files of a release: an sdist of the commit, and the wheel made from that sdist.

Both are built twice, from two clones in other folders, under another umask and time zone. They
must have the same bytes, so that anyone can build them again and compare.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import readiness
from running import ReleaseError, output

MANUAL = "share/man"
CIRCUMSTANCES = (("first", 0o022, "UTC"), ("the second", 0o077, "Pacific/Auckland"))


def build_twice(root: Path, version: str, folder: Path) -> list[Path]:
    """The sdist and the wheel; ReleaseError when the second ones differ."""
    first, second = (
        _build(root, version, folder / name, umask, zone) for name, umask, zone in CIRCUMSTANCES
    )
    for one, other in zip(first, second, strict=True):
        if one.name != other.name or one.read_bytes() != other.read_bytes():
            raise ReleaseError(f"built twice, {one.name} differs: {_differences(one, other)}")
    return first


def _build(root: Path, version: str, folder: Path, umask: int, zone: str) -> list[Path]:
    before = os.umask(umask)
    try:
        clone = folder / "igcsante"
        clone_as(root, version, clone)
        moment = readiness.commit_time(root)
        environment = {**os.environ, "TZ": zone, "SOURCE_DATE_EPOCH": moment}
        build(clone, folder, environment)
    finally:
        os.umask(before)
    return sorted(folder.glob("igcsante-*"), key=lambda file: file.suffix == ".whl")


def clone_as(root: Path, version: str, clone: Path) -> None:
    """Clone the commit so that it is that version: a dry run may find no tag, or a wrong one."""
    readiness.git(root, "clone", "--quiet", "--no-local", str(root), str(clone))
    readiness.git(clone, "checkout", "--quiet", readiness.commit(root))
    right = f"v{version}"
    here = readiness.git(clone, "tag", "--points-at", "HEAD").split()
    if right not in here:
        readiness.git(clone, "tag", "--force", right)
    for wrong in {*here} - {right}:
        readiness.git(clone, "tag", "--delete", wrong)


def build(source: Path, folder: Path, environment: dict[str, str]) -> None:
    """Build in ``folder`` the sdist of ``source``, and the wheel of that sdist."""
    python = [sys.executable, "-P"]
    sdist = [*python, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)]
    output(sdist, cwd=source, env=environment)
    wheel = [*python, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-index"]
    wheel += ["--no-deps", "--no-build-isolation", "--quiet", "-w", str(folder)]
    output([*wheel, *map(str, folder.glob("igcsante-*.tar.gz"))], cwd=folder, env=environment)


def problems(files: Sequence[Path], version: str) -> Iterator[str]:
    """What is missing in the wheel, and what is wrong with its bill of materials."""
    wheel = zipfile.ZipFile(files[-1])
    names = set(wheel.namelist())
    about = f"igcsante-{version}.dist-info"
    bill = f"{about}/sboms/igcsante.cdx.json"
    for part in ("igcsante/py.typed", f"{about}/licenses/LICENSE", bill):
        if part not in names:
            yield f"the wheel lacks {part}"
    for page in (f"{MANUAL}/man1/igc.1", f"{MANUAL}/fr/man1/igc.1"):
        if f"igcsante-{version}.data/data/{page}" not in names:
            yield f"the wheel lacks {page}"
    if bill in names:
        yield from bill_errors(wheel.read(bill).decode())


def check_description(files: Sequence[Path]) -> None:
    """Whether PyPI will take the metadata and show the description; ReleaseError else."""
    output([sys.executable, "-m", "twine", "check", "--strict", *map(str, files)])


def bill_errors(bill: str) -> Iterator[str]:
    """What CycloneDX's own schema has against a bill of materials."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    version = SchemaVersion.from_version(json.loads(bill)["specVersion"])
    error = JsonStrictValidator(version).validate_str(bill)
    if error is not None:
        yield f"the bill of materials is not CycloneDX: {error}"


def keep(files: Sequence[Path], folder: Path) -> list[Path]:
    """Copies in an emptied folder, with their checksums beside them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    kept = [Path(shutil.copy(file, folder)) for file in files]
    sums = "".join(f"{sha256(file)}  {file.name}\n" for file in kept)
    (folder / "SHA256SUMS").write_text(sums)
    return kept


def sha256(file: Path) -> str:
    """As ``sha256sum`` tells it."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _differences(one: Path, other: Path) -> str:
    if one.suffix != ".whl":
        return "compare them with diffoscope"
    hashes = [
        {i.filename: (i.CRC, i.external_attr) for i in zipfile.ZipFile(f).infolist()}
        for f in (one, other)
    ]
    return ", ".join(sorted({name for name, _ in hashes[0].items() ^ hashes[1].items()})[:9])
