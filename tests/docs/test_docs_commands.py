"""Commands that pages name in passing, or show without running them, do exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from doc_blocks import PAGES, blocks_of, commands_of, name_of, run_elsewhere

from igcsante.cli.main import igc

FENCE = re.compile(r"^```.*?^```\s*?$", re.DOTALL | re.MULTILINE)


def commands(page: Path) -> Iterator[str]:
    """In the text between backquotes, and in the blocks that nothing runs here."""
    text = FENCE.sub("", page.read_text("utf-8"))
    for words in re.findall(r"`(igc [^`]+)`", text):
        if "…" not in words and "COMMAND" not in words:
            yield " ".join(words.split())
    for block in blocks_of(page):
        if block.language == "console" and (block.not_run or run_elsewhere(page)):
            lines = [command.line for command in commands_of(block.text)]
            yield from (line.partition(" # ")[0] for line in lines if line.startswith("igc "))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_commands_of_a_page_are_understood(page: Path) -> None:
    for line in commands(page):
        try:
            understand(line)
        except (click.UsageError, AssertionError) as wrong:
            pytest.fail(f"{page}: {line}: {wrong}")


def understand(line: str) -> None:
    command: click.Command = igc
    context = click.Context(command, info_name="igc")
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group) and words:
        _, words, _ = command.make_parser(context).parse_args(words)
        if not words:
            return
        for name in words[0].split("|"):
            found = command.get_command(context, name)
            assert found is not None, f"no command {name}"
        command, words = found, words[1:]
        context = click.Context(command, parent=context)
    if "--" in words:  # another command
        words = words[: words.index("--")]
    if words[-1:] and words[-1].startswith("--"):  # named without its value
        known = {name for param in command.get_params(context) for name in param.opts}
        assert words.pop() in known, line
    command.make_parser(context).parse_args(words)


def test_a_wrong_command_is_seen() -> None:
    understand("igc --json orders show 1 --profile x")
    with pytest.raises(AssertionError):
        understand("igc ordres")
    with pytest.raises(click.UsageError):
        understand("igc order --usaje x")
