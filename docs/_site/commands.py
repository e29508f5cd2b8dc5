"""The reference of the command line, from the pages of help of the click tree."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from igcsante.cli.main import COMMANDS, igc
from igcsante.cli.page import Page, Row, Rows

# What belongs together; a command that stands nowhere is on the last page.
PAGES = {
    "cards": ("readers", "card"),
    "platform": ("habilitations", "order", "orders", "retrieve", "status", "renew", "revoke", "ws"),
    "certificates": ("check", "inspect", "export", "crl", "trust", "policy", "bundle"),
    "simulation": ("demo", "sim"),
}


def of_page(page: str) -> str:
    """Every command of one page of the reference, as Markdown."""
    placed = {name for names in PAGES.values() for name in names}
    names = PAGES.get(page, tuple(name for name in COMMANDS if name not in placed))
    top = click.Context(igc, info_name="igc")
    sections: list[str] = []
    for name in names:
        command = igc.get_command(top, name)
        if command is not None and not command.hidden:
            sections += _sections(click.Context(command, info_name=name, parent=top))
    return "\n\n".join(sections) + "\n"


def common() -> str:
    """The options of ``igc`` itself."""
    return "\n\n".join(_options(click.Context(igc, info_name="igc")))


def _sections(ctx: click.Context) -> Iterator[str]:
    """A command, then those below it."""
    command = ctx.command
    page = Page(inspect.cleandoc(command.help or ""))
    yield f"{'#' * min(4, ctx.command_path.count(' ') + 1)} {ctx.command_path}"
    yield escaped(page.summary)
    if page.examples:
        yield _code(page.examples)
    for block in page.description:
        yield from _rows(block) if isinstance(block, Rows) else [escaped(block)]
    yield f"```text\n{command.get_usage(ctx)}\n```"
    yield from _options(ctx)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            if below is not None and not below.hidden:
                yield from _sections(click.Context(below, info_name=name, parent=ctx))


def _rows(block: Rows) -> Iterator[str]:
    if block.heading:
        yield escaped(block.heading) + ":"
    yield _code(block.rows)


def _code(rows: list[Row]) -> str:
    width = max(len(left) for left, _ in rows)
    lines = [f"{left:{width}}  {right}".rstrip() for left, right in rows]
    return "```text\n" + "\n".join(lines) + "\n```"


def _options(ctx: click.Context) -> Iterator[str]:
    """A table for each heading that options have, as in the page of help."""
    sections: dict[str, list[str]] = {}
    for param in ctx.command.get_params(ctx):
        record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
        if record and "--help" not in param.opts:
            names, text = record
            row = f"| `{_cell(names)}` | {_cell(escaped(text))} |"
            sections.setdefault(getattr(param, "heading", ""), []).append(row)
    for heading, rows in sections.items():
        yield "\n".join([f"| {escaped(heading) or 'Option'} | What it does |", "|---|---|", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def escaped(text: str) -> str:
    """Text that Markdown leaves as it is; options become code, as what is between backquotes."""
    text = text.replace("``", "`")  # as docstrings have it
    text = re.sub(r"(?<![\w`-])--[a-z][\w-]*(?![^`]*`)", r"`\g<0>`", text)
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(
        piece if piece.startswith("`") else re.sub(r"([\\*_<>\[\]])", r"\\\1", piece)
        for piece in pieces
    )
