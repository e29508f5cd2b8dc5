"""Commands and groups of ``igc``: click's, with our page of help, in the person's language.

A page is usage, summary, examples, description, options: :mod:`.page` reads all but the options
from the docstring. Every fixed text goes through :func:`igcsante.messages.translated` when it
is printed, click's own words too, and a value that is no choice is told the nearest one.
"""

from __future__ import annotations

import copy
import gettext
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

# They ask gettext for their words: see click_speaks.
import click.decorators
import click.exceptions
import click.formatting
import click.parser
import click.termui
import click.types

from ..messages import (
    catalogue,
    localized,
    preferred_language,
    quoted_choices,
    spoken,
    tr,
    translated,
)
from . import layout, page
from .commands import HELP_HELP
from .page import Page, Row

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class WithPage(click.Command):
    """What commands and groups share."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for param in self.params:
            if type(param.type) is click.Choice:
                param.type = Choice(param.type.choices, param.type.case_sensitive)
            if isinstance(param, click.Option) and param.metavar is None:
                param.metavar = _metavar(param.type)

    def page(self) -> Page:
        """What its docstring says."""
        return Page(inspect.cleandoc(self.help or ""))

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        usage = " ".join([ctx.command_path, *self.collect_usage_pieces(ctx)])
        sections = [*self.option_sections(ctx), *self.command_sections(ctx)]
        formatter.write(
            page.written(usage, self.page(), sections, layout.page_width(), translated) + "\n"
        )

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = HELP_HELP  # click keeps it in the language of the first time
        return option

    def option_sections(
        self, ctx: click.Context, language: str | None = None
    ) -> list[tuple[str, list[Row]]]:
        """Options by what they are about (``heading``, see :func:`.output.grouped`)."""
        sections: dict[str, list[Row]] = {}
        for param in self.get_params(ctx):
            if not isinstance(param, click.Option):
                continue
            said = copy.copy(param)
            said.help = translated(param.help or "", language)
            if record := said.get_help_record(ctx):
                sections.setdefault(getattr(param, "heading", ""), []).append(record)
        ordered = sorted(sections.items(), key=lambda section: not section[0])
        return [(translated(name or page.OPTIONS, language), rows) for name, rows in ordered]

    def command_sections(self, ctx: click.Context) -> list[tuple[str, list[Row]]]:
        """The commands of a group, each with a line."""
        return []


def _metavar(kind: click.ParamType[Any]) -> str | None:
    """What stands for a value that has no name of its own: the same in every language."""
    if isinstance(kind, click.Path):
        return "FILE" if not kind.dir_okay else "FOLDER" if not kind.file_okay else "PATH"
    return "TEXT" if kind is click.STRING else None


class Command(WithPage):
    """A command of ``igc``."""


class Group(WithPage, click.Group):
    """A group of commands of ``igc``."""

    command_class = Command
    group_class = type

    def abouts(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        """Its commands, each with what is said of it in English."""
        for name in self.list_commands(ctx):
            below = self.get_command(ctx, name)
            if below is not None and not below.hidden:
                text = inspect.cleandoc(below.help or "")
                yield name, Page(text).summary

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """As click's, without loading the commands."""
        from click.shell_completion import CompletionItem

        found = [item for item in self.abouts(ctx) if item[0].startswith(incomplete)]
        items = [CompletionItem(name, help=about) for name, about in found]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def command_sections(self, ctx: click.Context) -> list[tuple[str, list[Row]]]:
        rows = [(name, page.first_sentence(translated(about))) for name, about in self.abouts(ctx)]
        return [(translated(page.COMMANDS), rows)]


def command(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """:func:`click.command` of ours."""
    return click.command(name, cls=attributes.pop("cls", Command), **attributes)


def group(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], Group]:
    """:func:`click.group` of ours."""
    return click.group(name, cls=attributes.pop("cls", Group), **attributes)


class Choice(click.Choice[Any]):
    """A choice that names the nearest value when it was given none of its own."""

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        choices = ", ".join(map(str, self._normalized_mapping(ctx=ctx).values()))
        return in_clicks_language(tr("Choose from: {choices}", choices=choices))

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        from difflib import get_close_matches

        message = super().get_invalid_choice_message(value, ctx)
        near = get_close_matches(str(value), [str(choice) for choice in self.choices], 1)
        if not near:
            return message
        hint = tr("Did you mean {choices}?", choices=quoted_choices(near))
        return f"{message} {in_clicks_language(hint)}"


# -- click's own words -----------------------------------------------------------------------

_language: str | None = None


def click_speaks(language: str | None) -> None:
    """The language of click's words, such as errors that go to JSON; None: the person's."""
    global _language
    _language = language


def said_by(error: click.UsageError) -> str:
    """What click says of wrong use, with the names that it finds near, the nearest first."""
    if isinstance(error, click.MissingParameter) and error.param and not error.param_hint:
        error.param_hint = _spoken(error.param.get_error_hint(error.ctx))
    found = getattr(error, "possibilities", None)
    if not found:
        return error.format_message()
    if not (near := _near(found, getattr(error, "option_name", None) or error.command_name)):  # type: ignore[attr-defined]
        return error.message
    hint = tr("Did you mean {choices}?", choices=quoted_choices(near))
    return f"{error.message} {in_clicks_language(hint)}"


def _near(found: list[str], asked: str) -> list[str]:
    """Of what click finds alike, what may have been meant: it takes ``pin`` for ``inf``."""
    from difflib import SequenceMatcher

    def likeness(word: str) -> float:
        return SequenceMatcher(None, word.strip("-"), asked.strip("-")).ratio()

    return sorted((word for word in found if likeness(word) > _NEAR), key=likeness, reverse=True)


_NEAR = 0.7


def in_clicks_language(message: str) -> str:
    """A message that click is given, to put it into one of its own."""
    return localized(message, _language)


def _gettext(message: str) -> str:
    return _Template(translated(message, _language))


def _ngettext(one: str, many: str, count: int) -> str:
    language = _language or preferred_language()
    if language == "en":
        return one if count == 1 else many
    return _Template(catalogue(language).ngettext(one, many, count))


class _Template(str):
    """A text of click's, whose values are written as its language does."""

    def format(self, *args: Any, **values: Any) -> str:
        return super().format(*args, **{name: _spoken(value) for name, value in values.items()})


# What click made of names, before it says them.
_NAME = re.compile("'([^']*)'")
_NAMES = re.compile("'[^']*'(?:(?:, | / )'[^']*')*")


def _spoken(value: Any) -> Any:
    language = _language or preferred_language()
    if language == "en" or not isinstance(value, str) or not _NAMES.fullmatch(value):
        return spoken(value, language)
    return _NAME.sub(lambda name: repr(spoken(name[1], language)), value)


def _teach_click() -> None:
    """click asks the standard library's gettext, whose language is the process's locale.

    IGC_LANG decides ours, and no variable is changed that a process we start would see.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith("click."):
            for asked, ours in ((gettext.gettext, _gettext), (gettext.ngettext, _ngettext)):
                for attribute in [key for key, value in vars(module).items() if value is asked]:
                    setattr(module, attribute, ours)


_teach_click()
