"""All fixed text that pages of help and click's errors are made of, for the catalogues."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from types import ModuleType

import click
import click.core
import click.exceptions
import click.formatting
import click.parser
import click.types

from . import page
from .command import Group, WithPage
from .commands import HELP_HELP
from .lazy import LazyGroup
from .main import igc
from .schemas import names, schema
from .topics import TEXTS

_CLICK = (click.core, click.exceptions, click.formatting, click.parser, click.types, click.termui)
# What click says only to programmers, or where we say it ourselves.
_NEVER_SAID = ("DeprecationWarning", "Name '{name}' defined twice", "Arguments take exactly one")


def help_texts() -> Iterator[str]:
    """Each text once, as :func:`igcsante.messages.translated` is asked for it."""
    seen: set[str] = set()
    for text in _all_texts():
        if text and text not in seen:
            seen.add(text)
            yield text


def click_plurals() -> Iterator[tuple[str, str]]:
    """What click says in a singular and a plural."""
    for call in _calls("ngettext"):
        one, many = (_literal(argument) for argument in call.args[:2])
        if one and many:
            yield one, many


def contexts(
    command: click.Command = igc, ctx: click.Context | None = None
) -> Iterator[click.Context]:
    """The context of each command, the root first."""
    ctx = ctx or click.Context(command, info_name="igc", **command.context_settings)
    yield ctx
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            if below is not None:
                yield from contexts(below, click.Context(below, info_name=name, parent=ctx))


def _all_texts() -> Iterator[str]:
    yield from page.HEADINGS
    yield from (HELP_HELP, "required")  # click asks for this one by a variable
    yield from (schema(name)["title"] for name in names())
    for text in TEXTS:
        yield from page.Page(text).texts()
    for ctx in contexts():
        yield from _of_command(ctx)
    yield from (text for call in _calls("_") if (text := _literal(call.args[0])))


def _of_command(ctx: click.Context) -> Iterable[str]:
    command = ctx.command
    if isinstance(command, WithPage):
        yield from command.page().texts()
    if isinstance(command, LazyGroup) and isinstance(command, Group):
        yield from (about for _, about in command.abouts(ctx))
    for param in command.get_params(ctx):
        if isinstance(param, click.Option):
            yield param.help or ""
            yield getattr(param, "heading", "")


def _calls(name: str) -> Iterator[ast.Call]:
    """Calls of click's ``_`` or ``ngettext``, in its own source."""
    for module in _CLICK:
        for node in ast.walk(ast.parse(_source(module))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name:
                yield node


def _source(module: ModuleType) -> str:
    return inspect.getsource(module)


def _literal(node: ast.expr) -> str:
    text = node.value if isinstance(node, ast.Constant) else ""
    return text if isinstance(text, str) and not text.startswith(_NEVER_SAID) else ""
