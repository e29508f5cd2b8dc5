"""What docs/pytest-plugin.md shows is a suite that passes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

# Runs of tests that load cryptography are processes of their own: a run in this one forgets what
# it imported, and extension modules can't be loaded twice.
pytest_plugins = ["pytester"]

GUIDE = Path(__file__).parents[2] / "docs" / "pytest-plugin.md"
STRICT = ("--strict-markers", "--strict-config", "-W", "error", "-p", "no:cacheprovider")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text("utf-8"), re.M | re.S)
    assert found
    return found


def test_the_tests_of_the_guide_pass(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(**{f"test_{n}": text for n, text in enumerate(blocks("python"))})
    shown = "\n".join(blocks("python")).count("def test_")
    done = pytester.runpytest_subprocess(*STRICT)
    done.assert_outcomes(passed=shown + 1)  # one of them with two cards


def test_its_commands_and_its_ini_file_are_understood(pytester: pytest.Pytester) -> None:
    (ini,) = blocks("toml")
    (pytester.path / "pyproject.toml").write_text(ini)
    pytester.makepyfile(blocks("python")[0])
    lines = [line for text in blocks("console") for line in text.splitlines()]
    assert len(lines) == 2
    for line in lines:
        dollar, command, *options = shlex.split(line)
        assert (dollar, command) == ("$", "pytest")
        done = pytester.runpytest_subprocess(*STRICT, "--collect-only", "-q", *options)
        ids = [told.partition("::")[2] for told in done.outlines if "::" in told]
        assert ids == ["test_who_is_there[cps3]", "test_who_is_there[cps4]"]
