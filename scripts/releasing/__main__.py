"""scripts/release: from a tagged commit to files on PyPI, checked on the way.

The version is the tag's: ``v1.2.3`` on the commit, and ``## 1.2.3 (date)`` at the head of
CHANGELOG.md. A dry run goes on after a problem, so that it tells all of them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import artefacts
import readiness
import trial
from running import ReleaseError

ROOT = Path(__file__).parents[2].resolve()
DIST = ROOT / "dist"


def main() -> int:
    """Run it: 0 when all is well, 1 when something stands against a release."""
    options = _options()
    version = readiness.version_of(ROOT)
    print(f"igcsante {version}, from commit {readiness.commit(ROOT)[:12]}")
    problems = told(readiness.problems(ROOT, version))
    if problems and not options.dry_run:
        print("Nothing was built, nothing was published.")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        files = artefacts.build_twice(ROOT, version, Path(folder))
        done("built twice, the same bytes")
        problems += told(artefacts.problems(files, version))
        artefacts.check_description(files)
        done("the bill of materials and the description are well-formed")
        for python in options.python or [sys.executable]:
            used = trial.install_and_use(Path(python), files[-1], version, Path(folder))
            done(f"installed and used in an empty venv, {used}")
        files = artefacts.keep(files, DIST)
    print(f"\n{DIST / 'SHA256SUMS'}:\n{(DIST / 'SHA256SUMS').read_text()}")
    if problems:
        print(f"Problems: {len(problems)}. Nothing was published.")
        return 1
    upload = [sys.executable, "-m", "twine", "upload", *map(str, files)]
    if options.dry_run:
        print("Without --dry-run, twine would upload them to PyPI, with credentials of yours.")
        return 0
    if not _agreed(version, options.yes):
        print("Nothing was published.")
        return 1
    return subprocess.run(upload, check=False).returncode


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/release", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="do all but publish")
    parser.add_argument(
        "--python",
        action="append",
        metavar="PROGRAM",
        type=_program,
        help="try the wheel with this one; repeat it",
    )
    parser.add_argument("--yes", metavar="VERSION", help="publish this version without asking")
    return parser.parse_args()


def _program(name: str) -> str:
    """Where a program is: asked before anything is built."""
    if found := shutil.which(name):
        return found
    raise argparse.ArgumentTypeError(f"there is no program {name}")


def _agreed(version: str, word: str | None) -> bool:
    """Whether somebody said yes to this very version: a published file can't be replaced."""
    if word is None and sys.stdin.isatty():
        word = input(f"Publish igcsante {version} on PyPI, for good? Type its version: ")
    return word == version


def told(problems: Iterable[str]) -> list[str]:
    """The problems, each said when it is found."""
    found = []
    for problem in problems:
        print(f"PROBLEM  {problem}", flush=True)
        found.append(problem)
    return found


def done(what: str) -> None:
    """One line for people."""
    print(f"ok       {what}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ReleaseError as stopped:
        sys.exit(f"{stopped}; nothing was published")
