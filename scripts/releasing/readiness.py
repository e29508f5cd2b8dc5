"""Whether a commit may become a release: a clean tree, its tag, its entry in the changelog."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from running import ReleaseError, output

HEADING = re.compile(r"^## (\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?) \((.+)\)$", re.MULTILINE)


def version_of(root: Path) -> str:
    """The version that the changelog is about; ReleaseError when it has none."""
    newest = HEADING.search((root / "CHANGELOG.md").read_text("utf-8"))
    if newest is None:
        raise ReleaseError('CHANGELOG.md has no line such as "## 1.2.3 (2026-01-31)"')
    return newest[1]


def problems(root: Path, version: str) -> Iterator[str]:
    """What stands against a release, in words."""
    if changed := git(root, "status", "--porcelain"):
        yield f"files are changed or not committed: {', '.join(_paths(changed))}"
    tags = git(root, "tag", "--points-at", "HEAD").split()
    if f"v{version}" not in tags:
        there = f", only {' '.join(tags)}" if tags else ""
        yield f"this commit has no tag v{version}{there}: git tag --sign v{version}"
    changelog = HEADING.search((root / "CHANGELOG.md").read_text("utf-8"))
    if changelog and not re.fullmatch(r"\d{4}-\d\d-\d\d", changelog[2]):
        yield f"CHANGELOG.md says {changelog[2]!r} where the date of {version} belongs"


def commit(root: Path) -> str:
    """The hash of what is released."""
    return git(root, "rev-parse", "HEAD")


def commit_time(root: Path) -> str:
    """SOURCE_DATE_EPOCH: when that was committed, in seconds since 1970."""
    return git(root, "log", "-1", "--format=%ct")


def git(root: Path, *arguments: str) -> str:
    """What git answers; ReleaseError when it fails."""
    return output(["git", "-C", str(root), *arguments])


def _paths(porcelain: str) -> list[str]:
    paths = [line[3:] for line in porcelain.splitlines()]
    return paths if len(paths) <= 5 else [*paths[:5], f"and {len(paths) - 5} more"]
