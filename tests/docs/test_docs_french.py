"""A French guide says what the English one says: same headings, same blocks, same parts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from doc_blocks import DOCS, PAGES, REPOSITORY, blocks_of, commands_of, name_of
from markdown_it import MarkdownIt

# What is read in both languages; reference and explanations are in English.
GUIDES = [
    "tutorial/first-order",
    "how-to/real-use",
    "how-to/developer",
    "how-to/test-engineer",
    "how-to/operations",
    "platform",
    "keys-and-export",
    "certificates",
    "simulation",
    "pytest-plugin",
    "mapping",
]
FRENCH = [page for page in PAGES if page.is_relative_to(DOCS / "fr") and page.stem != "index"]


def shape(page: Path) -> list[str]:
    """Levels of headings, blocks with what is typed in them, generated parts, tables' widths."""
    blocks = iter(blocks_of(page))
    found = []
    for token in MarkdownIt().enable("table").parse(page.read_text("utf-8")):
        if token.type == "heading_open":
            found.append(token.tag)
        elif token.type == "tr_open":
            found.append("row")
        elif token.type == "html_block":
            found += re.findall(r"<!-- (?:generated|first|file): .+? -->", token.content)
        elif token.type in ("fence", "code_block") and not token.info.startswith("{"):
            block = next(blocks)
            found.append(f"{block.language}: {typed(block.language, block.text)}")
    return found


def typed(language: str, text: str) -> str:
    """What of a block is the same in both languages: no remarks, no outputs."""
    if language == "console" or text.startswith("$ "):
        return "\n".join(without_remark(command.line) for command in commands_of(text))
    if language == "text":
        return ""
    lines = (without_remark(line) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def without_remark(line: str) -> str:
    return re.sub(r"(^|\s+)#\s.*$", "", line).rstrip()


@pytest.mark.parametrize("page", FRENCH, ids=name_of)
def test_a_french_guide_has_the_shape_of_the_english_one(page: Path) -> None:
    english = DOCS / page.relative_to(DOCS / "fr")
    assert name_of(english) in GUIDES, "put it among the guides that are read in both languages"
    assert shape(page) == shape(english)


def test_the_french_readme_has_the_shape_of_the_english_one() -> None:
    assert shape(REPOSITORY / "README.fr.md") == shape(REPOSITORY / "README.md")


def test_every_guide_is_there_in_french() -> None:
    assert [name for name in GUIDES if not (DOCS / "fr" / f"{name}.md").exists()] == []


def test_the_french_contents_name_every_french_guide() -> None:
    contents = (DOCS / "fr/index.md").read_text("utf-8")
    for page in FRENCH:
        name = str(page.relative_to(DOCS / "fr").with_suffix(""))
        assert re.search(rf"^{re.escape(name)}$", contents, re.MULTILINE), name


def test_a_difference_is_seen(tmp_path: Path) -> None:
    english, french = tmp_path / "en.md", tmp_path / "fr.md"
    english.write_text("# A\n\n```console\n$ igc card id  # who\n899700990031\n```\n", "utf-8")
    french.write_text("# Un\n\n```console\n$ igc card id  # qui\nautre chose\n```\n", "utf-8")
    assert shape(english) == shape(french)
    french.write_text("# Un\n\n```console\n$ igc card info\n```\n", "utf-8")
    assert shape(english) != shape(french)
    french.write_text("## Un\n\n```console\n$ igc card id\n```\n", "utf-8")
    assert shape(english) != shape(french)
