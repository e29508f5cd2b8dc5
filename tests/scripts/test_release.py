"""scripts/release tells what stands against a release, and publishes nothing by itself."""

from __future__ import annotations

import io
import os
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
REQUIREMENTS = REPOSITORY / "requirements"
CHANGELOG = "# Changelog\n\n## 1.2.3 (2026-01-31)\n\n- New.\n\n## 1.2.2 (2025-12-01)\n"


@pytest.fixture(autouse=True)
def releasing() -> Iterator[None]:
    """The modules of scripts/release can be imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "scripts/releasing"))
        yield


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A commit that may be released."""
    _git(tmp_path, "init", "--quiet")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "--message", "all")
    _git(tmp_path, "tag", "v1.2.3")
    return tmp_path


def test_tagged_and_clean_commit_may_be_released(repository: Path) -> None:
    assert _problems(repository) == []


def test_file_that_is_not_committed_stands_against_it(repository: Path) -> None:
    (repository / "new.py").touch()
    (problem,) = _problems(repository)
    assert "new.py" in problem


def test_another_tag_stands_against_it(repository: Path) -> None:
    _git(repository, "tag", "--delete", "v1.2.3")
    (problem,) = _problems(repository)
    assert "git tag --sign v1.2.3" in problem
    _git(repository, "tag", "v1.2.4")
    (problem,) = _problems(repository)
    assert "only v1.2.4" in problem


def test_a_dry_run_builds_the_version_whatever_the_tags_are(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import artefacts

    _git(repository, "tag", "--delete", "v1.2.3")
    _git(repository, "tag", "v0.9")
    _change_log(repository, CHANGELOG + "- More.\n")
    _git(repository, "tag", "--delete", "v1.2.3")
    for tags in ([], ["v1.3.0", "v2.0"], ["v1.2.3", "v3.0"]):
        for tag in tags:
            _git(repository, "tag", "--annotate", "--message", tag, tag)
        clone = tmp_path_factory.mktemp("clones") / "clone"
        artefacts.clone_as(repository, "1.2.3", clone)
        assert artefacts.readiness.git(clone, "tag", "--points-at", "HEAD") == "v1.2.3"
        assert artefacts.readiness.git(clone, "tag").split() == ["v0.9", "v1.2.3"]
    assert "v3.0" in artefacts.readiness.git(repository, "tag"), "ours only"


def test_what_a_wheel_lacks_is_told_and_ends_nothing(tmp_path: Path) -> None:
    import artefacts

    wheel = tmp_path / "igcsante-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("igcsante/py.typed", "")
    told = list(artefacts.problems([wheel], "1.2.3"))
    assert len(told) == 4
    assert "the wheel lacks igcsante-1.2.3.dist-info/sboms/igcsante.cdx.json" in told


def test_changelog_without_a_date_stands_against_it(repository: Path) -> None:
    _change_log(repository, CHANGELOG.replace("2026-01-31", "unreleased"))
    (problem,) = _problems(repository)
    assert "unreleased" in problem


def test_changelog_without_a_version_ends_it(repository: Path) -> None:
    import readiness
    import running

    (repository / "CHANGELOG.md").write_text("# Changelog\n")
    with pytest.raises(running.ReleaseError, match=r"1\.2\.3"):
        readiness.version_of(repository)


def test_release_with_problems_builds_and_publishes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "clone"
    shutil.copytree(REPOSITORY / "scripts/releasing", root / "scripts/releasing")
    (root / "CHANGELOG.md").write_text(CHANGELOG)
    _git(root, "init", "--quiet")
    _git(root, "add", ".")
    _git(root, "commit", "--quiet", "--message", "all")
    done = _release(root, "--yes", "1.2.3")
    assert done.returncode == 1
    assert "PROBLEM  this commit has no tag v1.2.3" in done.stdout
    assert "nothing was published" in done.stdout
    assert not (root / "dist").exists()


def test_python_that_is_not_there_is_told_before_anything_is_built() -> None:
    done = _release(REPOSITORY, "--dry-run", "--python", "no-such-python")
    assert done.returncode == 2
    assert "argument --python: there is no program no-such-python" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(("word", "agreed"), [(None, False), ("1.2.4", False), ("1.2.3", True)])
def test_only_the_very_version_is_a_yes(
    word: str | None, agreed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("1.2.3\n"))  # not a terminal
    program = runpy.run_path(str(REPOSITORY / "scripts/releasing/__main__.py"))
    assert program["_agreed"]("1.2.3", word) is agreed


def test_what_is_locked_is_what_setup_cfg_asks_for() -> None:
    import build_hook
    import metadata_hook

    project = metadata_hook.project(REPOSITORY / "setup.cfg")
    release = build_hook.read_lock(REQUIREMENTS / "release.txt")
    assert build_hook.read_lock(REQUIREMENTS / "card.txt").keys() == {"pyscard"}
    for extra, wanted in {"": project["dependencies"], **project["optional-dependencies"]}.items():
        named = {_name(requirement) for requirement in wanted} - {"pyscard"}
        assert named <= release.keys(), f"[{extra}]: run scripts/lock"
    for name in ("igc", "test"):
        for package, locked in build_hook.read_lock(REQUIREMENTS / f"{name}.txt").items():
            assert locked.versions == release[package].versions, "one version for all"


def test_everything_locked_has_hashes_and_no_place_it_comes_from() -> None:
    for name in ("card", "igc", "release", "test"):
        text = (REQUIREMENTS / f"{name}.txt").read_text()
        pinned = [line for line in text.splitlines() if "==" in line]
        assert pinned
        assert all(line.endswith(" \\") for line in pinned), "a hash follows"
        assert "://" not in text
        assert "index-url" not in text


def test_every_licence_was_looked_at() -> None:
    import licences

    accepted = tomllib.loads((REQUIREMENTS / "accepted-licences.toml").read_text())
    listed = tomllib.loads((REQUIREMENTS / "licences.toml").read_text())["licences"]
    assert sorted(listed) == licences.locked_packages(), "run scripts/lock"
    assert licences.refused(listed, accepted) == {}


def test_listed_licences_are_those_that_packages_declare() -> None:
    import build_hook
    import licences

    accepted = tomllib.loads((REQUIREMENTS / "accepted-licences.toml").read_text())
    listed = tomllib.loads((REQUIREMENTS / "licences.toml").read_text())["licences"]
    compared = 0
    for name, package in build_hook.read_lock(REQUIREMENTS / "test.txt").items():
        try:
            if version(name) not in package.versions:
                continue
        except PackageNotFoundError:  # for another Python or system
            continue
        assert licences.licence_of(name, accepted) == listed[name], name
        compared += 1
    assert compared > 50


def test_unseen_licence_is_refused() -> None:
    import licences

    accepted = {"accepted": ["MIT", "Apache-2.0"], "words": {}, "packages": {"read": "Odd"}}
    found = {
        "fine": "MIT OR Apache-2.0",
        "grouped": "(MIT AND Apache-2.0)",
        "read": "Odd",
        "new": "MIT AND AGPL-3.0-only",
        "silent": "",
    }
    assert set(licences.refused(found, accepted)) == {"new", "silent"}


def _problems(root: Path) -> list[str]:
    import readiness

    return list(readiness.problems(root, readiness.version_of(root)))


def _change_log(root: Path, text: str) -> None:
    (root / "CHANGELOG.md").write_text(text)
    _git(root, "commit", "--quiet", "--all", "--message", "changed")
    _git(root, "tag", "--force", "v1.2.3")


def _git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid"]
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "-C", root, *who, *arguments], check=True, env=quiet)


def _release(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "scripts/releasing"), *arguments]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )


def _name(requirement: str) -> str:
    return requirement.split(";")[0].split("[")[0].split()[0].lower()
