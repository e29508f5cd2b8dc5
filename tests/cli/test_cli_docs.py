"""The commands that docs/platform.md shows are commands that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from igcsante.cli.main import igc

DOCUMENT = Path(__file__).parents[2] / "docs" / "platform.md"


def commands() -> list[str]:
    """What stands in the blocks of code, and in the text between backquotes."""
    text = DOCUMENT.read_text("utf-8")
    blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line.partition(" #")[0] for block in blocks for line in block.splitlines()]
    words = re.findall(r"`(igc [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))
    return sorted({line.strip() for line in (*lines, *words) if line.startswith("igc ")})


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_document_is_understood(line: str) -> None:
    command: click.Command = igc
    words = shlex.split(line)[1:]
    context = click.Context(command, info_name="igc")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, words[0]
        command, words = found, words[1:]
        context = click.Context(command, parent=context)
    command.make_parser(context).parse_args(words)


def test_the_document_shows_the_whole_life() -> None:
    shown = {line.split()[1] for line in commands()}
    assert {"order", "orders", "retrieve", "status", "renew", "revoke", "habilitations"} <= shown
