"""A group of commands that are imported when they are called.

Its table says for each command which module holds it, as ``NAME_command`` (dashes as
underscores), and its line of help: ``igc --help`` imports none of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import click

from ..messages import translated
from . import page
from .command import Group
from .page import Row


class LazyGroup(Group):
    """``table``: name of the command → (module of :mod:`igcsante.cli`, one line of help)."""

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        module = importlib.import_module(f"{__package__}.{self.table[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:  # click looks among what is loaded
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=self.table, ctx=ctx
            ) from None

    def abouts(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        for name, (_, text) in self.table.items():
            yield name, text

    def command_sections(self, ctx: click.Context) -> list[tuple[str, list[Row]]]:
        rows = [(name, translated(about)) for name, about in self.abouts(ctx)]
        return [(translated(page.COMMANDS), rows)]
