"""The example projects' own tests pass where igcsante is installed from a wheel."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["health-app", "web-dependency"])
def test_its_guides_install_igcsante_from_here_before_what_needs_it(
    examples: Path, name: str
) -> None:
    """The name isn't ours on the index: pip must find it installed."""
    for guide in ("README.md", "README.fr.md"):
        lines = (examples / name / guide).read_text("utf-8").splitlines()
        installs = [shlex.split(line, comments=True) for line in lines if line.startswith("pip ")]
        assert installs == [["pip", "install", "../..[card]"], ["pip", "install", ".[test]"]]
    assert (examples / name / ".." / ".." / "setup.cfg").is_file()


@pytest.mark.parametrize(
    ("name", "tests"),
    [
        ("health-app", 4),  # three, one of them with two cards
        ("web-dependency", 3),
    ],
)
def test_a_projects_tests_pass_with_an_installed_wheel(
    examples: Path,
    wheel_python: Path,
    clean_environ: dict[str, str],
    tmp_path: Path,
    name: str,
    tests: int,
) -> None:
    project = tmp_path / name
    shutil.copytree(examples / name, project, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    done = subprocess.run(
        [wheel_python, "-m", "pytest", "-v", "-p", "no:cacheprovider"],
        cwd=project,
        env=clean_environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f" {tests} passed in " in done.stdout
