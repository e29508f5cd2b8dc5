"""Pages of the manual: one for each command, in two languages, that man can show."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from igcsante.cli import main, manual
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
        ["groff", "-K", "utf8", "-ww", "-b", "-z", "-man", "-T", "utf8", "-rLL=78n", *pages],
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


def test_the_head_of_a_page_is_in_its_language(pages: list[Path]) -> None:
    volumes = {"en": "General Commands Manual", "fr": "Commandes utilisateur"}
    assert volumes[pages[0].parent.parent.name[:2]] in shown(pages[0]).splitlines()[0]


def test_help_writes_the_pages_where_man_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IGC_LANG", "en")
    folder = tmp_path / "my manual"
    for _ in range(2):  # those of an older igcsante are replaced
        assert main.run(["help", "--man", str(folder)]) == 0
    assert f"man -M '{folder}' igc\n" in capsys.readouterr().out
    for place in ("man1", "fr/man1"):
        pages = {page.name for page in (folder / place).iterdir()}
        assert pages == {f"{name}.1" for name in COMMANDS}
    if shutil.which("man"):
        command = ["man", "-M", str(folder), "-w", "igc-check"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert Path(told.strip()).parent.parent.is_relative_to(folder)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["card"], "takes no topic"), ([], "nothing was written")],
    ids=["with a topic", "below a file"],
)
def test_pages_that_cannot_be_written_are_told(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main.run(["help", *arguments, "--man", str(tmp_path / "file/below")]) != 0
    assert told in capsys.readouterr().err


def test_lines_that_roff_would_obey_are_shown() -> None:
    assert manual._escaped(".config") == "\\&.config"
    assert manual._escaped("'a' \\n") == "\\(aqa\\(aq \\en"
