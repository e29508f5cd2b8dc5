"""What the pages show is what happens: commands, programs, files of configuration."""

from __future__ import annotations

import json
import re
import tomllib
import traceback
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from doc_blocks import (
    DOCS,
    PAGES,
    PLAIN,
    REPOSITORY,
    Block,
    Command,
    agrees,
    blocks_of,
    commands_of,
    language_of,
    name_of,
    run_elsewhere,
)
from doc_world import Terminal, terminal

from igcsante.cli.schemas import names, schema
from igcsante.config import load_profile

# Letters of a block that fit between the site's menus in a window of 1200 pixels.
BESIDE_THE_CONTENTS = 76


def with_blocks() -> list[Path]:
    return [page for page in PAGES if _to_run(page) and not run_elsewhere(page)]


def _to_run(page: Path) -> list[Block]:
    return [b for b in blocks_of(page) if b.language not in PLAIN and not b.not_run]


@pytest.mark.parametrize("page", with_blocks(), ids=name_of)
def test_a_page_shows_what_happens(page: Path, tmp_path: Path) -> None:
    with terminal(tmp_path, language_of(page)) as typed:
        names_of_page: dict[str, Any] = {"__name__": page.stem}
        for block in _to_run(page):
            for line in block.first:
                printed = typed.type(Command(line, ""))
                assert typed.code == 0, f"{block.place}: first {line}:\n{printed}"
            if block.file:
                (typed.folder / block.file).write_text(block.text, "utf-8")
            if block.language == "console":
                _console(block, typed)
            elif block.language == "python":
                _python(block, names_of_page)
            else:
                _data(block, tmp_path)


def _console(block: Block, typed: Terminal) -> None:
    commands = list(commands_of(block.text))
    assert commands, f"{block.place}: no command after $"
    for command, following in zip(commands, [*commands[1:], None], strict=True):
        printed = typed.type(command)
        where = f"{block.place}: {command.line}\nexit code {typed.code}, it printed:\n{printed}"
        looked_at = following is not None and following.line == "echo $?"
        assert typed.code == 0 or looked_at or command.line == "echo $?", where
        if command.expected:
            assert agrees(command.expected, printed), f"{where}\nshown:\n{command.expected}"


def _python(block: Block, variables: dict[str, Any]) -> None:
    lines = "\n" * block.line + block.text
    try:
        exec(compile(lines, str(block.page), "exec"), variables)  # noqa: S102 - our own pages
    except Exception:
        pytest.fail(f"{block.place}:\n{traceback.format_exc()}")


def _data(block: Block, folder: Path) -> None:
    if block.language == "toml":
        content = tomllib.loads(block.text)
        if profiles := content.get("profiles"):
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("IGC_CONFIG_DIR", str(folder / "shown"))
                (folder / "shown").mkdir(exist_ok=True)
                (folder / "shown/config.toml").write_text(block.text, "utf-8")
                for name in profiles:
                    assert load_profile(name).name == name, block.place
    elif block.language == "json":
        for line in block.text.splitlines():
            document = json.loads(line)
            jsonschema.validate(document, schema(document["schema"]))
    else:
        pytest.fail(f"{block.place}: {block.language or 'no language'}: say why it isn't run")


@pytest.mark.parametrize(("name", "language"), [("README.md", "en"), ("README.fr.md", "fr")])
def test_the_readme_shows_the_demo_of_today(name: str, language: str, tmp_path: Path) -> None:
    (shown,) = [
        b for b in blocks_of(REPOSITORY / name) if b.text.startswith("$ ./scripts/igc demo")
    ]
    with terminal(tmp_path, language) as typed:
        printed = typed.type(Command("igc demo", ""))
    assert _timeless(shown.text.partition("\n")[2]) == _timeless(printed)


def _timeless(demo: str) -> str:
    """Without days, times, and the numbers that each run has of its own."""
    return re.sub(r"\d{4}-\d\d-\d\d( [\d:]+)?|\b[0-9a-f]{8}\b|CRL \d+", "…", demo)


@pytest.mark.parametrize("name", ["tutorial/first-order", "fr/tutorial/first-order"])
def test_the_first_thing_that_is_shown_needs_no_scrolling(name: str) -> None:
    demo = blocks_of(DOCS / f"{name}.md")[0]
    assert max(map(len, demo.text.splitlines())) <= BESIDE_THE_CONTENTS


@pytest.mark.parametrize("page", [p for p in PAGES if run_elsewhere(p)], ids=name_of)
def test_who_runs_the_other_pages_does(page: Path) -> None:
    test = REPOSITORY / run_elsewhere(page)
    assert page.name in test.read_text("utf-8")


def test_a_schema_that_a_page_names_is_one() -> None:
    known = set(names())
    for page in PAGES:
        for row in re.findall(r"^\|.*\|$", page.read_text("utf-8"), re.MULTILINE):
            assert set(re.findall(r"`(igc\.[\w.]+/\d+)`", row)) <= known, (page.name, row)


def test_the_page_on_json_says_who_prints_each_schema() -> None:
    page = (DOCS / "json.md").read_text("utf-8")
    assert [name for name in names() if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a b", "a    b\n", True),
        ("a … d", "a b c d", True),
        ("a\n…\nd", "a\nb\nc\nd\n", True),
        ("a\n…", "a", True),
        ("a", "a\nb", False),
        ("a\nb", "a\nc", False),
        ("good", "not good", False),
        ("1.5", "125", False),
    ],
)
def test_outputs_are_compared_whole(expected: str, printed: str, same: bool) -> None:
    assert agrees(expected, printed) is same
