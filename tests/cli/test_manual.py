"""Pages of the manual: one for each command, in two languages, that man can show."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from igcsante.cli import manual
from igcsante.cli.help_texts import contexts

DAY = "2026-11-22"
COMMANDS = [ctx.command_path.replace(" ", "-") for ctx in contexts()]


@pytest.fixture(scope="module", params=["en", "fr"])
def pages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list(manual.write(tmp_path_factory.mktemp(request.param) / "man1", request.param, DAY))


def shown(page: Path) -> str:
    """As man shows it on a terminal of 80 columns, without what makes letters bold."""
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    done = subprocess.run(
        ["groff", "-K", "utf8", "-t", "-man", "-T", "utf8", "-P", "-cbou", "-rLL=78n", page],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_every_command_has_a_page(pages: list[Path]) -> None:
    assert [page.name for page in pages] == [f"{name}.1" for name in COMMANDS]


def test_pages_are_the_same_each_time(pages: list[Path], tmp_path: Path) -> None:
    language = pages[0].parent.parent.name[:2]
    for page in manual.write(tmp_path, language, DAY):
        assert page.read_bytes() == (pages[0].parent / page.name).read_bytes()


def test_man_has_nothing_to_say_against_them(pages: list[Path]) -> None:
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    done = subprocess.run(
        ["groff", "-K", "utf8", "-ww", "-W", "break", "-b", "-z", "-man", "-T", "utf8", *pages],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""


def test_mandoc_has_nothing_to_say_against_them(pages: list[Path]) -> None:
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True
    )
    assert done.stdout == ""


def test_a_page_shows_what_is_typed_as_it_is_typed(pages: list[Path]) -> None:
    check = shown(next(page for page in pages if page.name == "igc-check.1"))
    assert "--expires-within DAYS" in check
    assert "igc check fleet/ --format html --out report.html" in check
    assert "igc(1)" in check
    assert "‐" not in check, "a hyphen that can't be pasted"
    root = shown(next(page for page in pages if page.name == "igc.1"))
    assert all(f"igc-{name}(1)" in root for name in ("card", "order", "check", "completion"))
    assert "IGC_LANG" in root and "130" in root


def test_lines_that_roff_would_obey_are_shown() -> None:
    assert manual._escaped(".config") == "\\&.config"
    assert manual._escaped("'a' \\n") == "\\(aqa\\(aq \\en"
