"""The blocks of code of a page, and how each is run.

A comment of HTML right above a block says what is special about it:

- ``<!-- not run: why -->``;
- ``<!-- first: command -->``: typed before it, and not shown;
- ``<!-- file: name -->``: the block is that file, in the folder where commands are typed.

A page whose blocks another test runs says ``<!-- blocks run by: tests/… -->``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

DOCS = Path(__file__).parents[2] / "docs"
REPOSITORY = DOCS.parent
PAGES = sorted(
    page
    for page in DOCS.rglob("*.md")
    if not {"_site", "_templates"} & set(page.relative_to(DOCS).parts)
)
# Shown as they are: output, addresses, a table to copy. Directives of MyST aren't code.
PLAIN = {"text", "csv"}
_COMMENT = re.compile(r"<!-- (not run|file|first): (.+?) -->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page where it begins."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str = ""
    file: str = ""
    first: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A line after ``$``, and what the page shows of its output; nothing: it isn't shown."""

    line: str
    expected: str


def name_of(page: Path) -> str:
    """How tests call a page."""
    return str(page.relative_to(DOCS).with_suffix(""))


def language_of(page: Path) -> str:
    """``fr`` for a page below docs/fr, else ``en``: what ``igc`` speaks where it is typed."""
    return "fr" if page.is_relative_to(DOCS / "fr") else "en"


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in their order."""
    found = []
    said: list[tuple[str, str]] = []
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.type == "html_block":
            said += _COMMENT.findall(token.content)
        elif token.type in ("fence", "code_block"):
            found.append(_block(page, token, said))
            said = []
    return [block for block in found if not block.language.startswith("{")]


def _block(page: Path, token: Token, said: list[tuple[str, str]]) -> Block:
    once = dict(said)
    return Block(
        page=page,
        line=token.map[0] + 1 if token.map else 0,
        language=(token.info.split() or [""])[0],
        text=token.content,
        not_run=once.get("not run", ""),
        file=once.get("file", ""),
        first=tuple(text for what, text in said if what == "first"),
    )


def run_elsewhere(page: Path) -> str:
    """The test that runs the blocks of this page, when it says so."""
    found = re.search(r"<!-- blocks run by: (\S+) -->", page.read_text("utf-8"))
    return found.group(1) if found else ""


def commands_of(text: str) -> Iterator[Command]:
    """The commands of a console block; a backslash at the end of a line joins the next one."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        joined = re.sub(r"\\\n\s*(?:> )?", "", part)
        line, _, expected = joined.partition("\n")
        yield Command(line.strip(), expected.strip())


def agrees(expected: str, printed: str) -> bool:
    """Whether an output is as shown: … is any text, a line of it any lines; spaces may vary."""
    pattern = []
    for line in expected.splitlines():
        if line.strip() in ("…", "..."):
            pattern.append(r"(?:.*\n)*?")
            continue
        words = [re.escape(word).replace("…", r".*?") for word in line.split()]
        pattern.append(r"\s*?" + r"[ \t\xa0]+".join(words) + r"[ \t]*\n")
    return re.fullmatch("".join(pattern) + r"\s*", printed.rstrip() + "\n") is not None
