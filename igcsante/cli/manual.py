"""The pages of the manual, from the same docstrings as ``--help``: ``igc(1)``, ``igc-check(1)``…

They are in the man macros of roff (man(7), groff_man_style(7)), a page for each command and
each group, in a language.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from .. import __version__
from ..errors import ExitCode, StorageError
from ..files import write_atomic
from ..messages import LANGUAGES, localized, reason_of, tr, translated
from . import page
from .command import Group, WithPage, click_speaks
from .help_texts import contexts
from .page import Row, Rows
from .topics import EXIT_CODES

SECTION = "1"
PLACES = {"en": "man1", "fr": "fr/man1"}  # below a folder such as /usr/share/man
_NAME, _SYNOPSIS, _EXIT, _SEE = tr("Name"), tr("Synopsis"), tr("Exit status"), tr("See also")
_ENVIRONMENT, _VOLUME = tr("Environment"), tr("General Commands Manual")


def install(directory: Path) -> tuple[Path, ...]:
    """Write all pages below ``directory``, where ``man -M`` finds them, in every language.

    Pages that are there are replaced. Raises StorageError.
    """
    return tuple(path for name in LANGUAGES for path in write(directory / PLACES[name], name))


def write(directory: Path, language: str = "en", day: str = "") -> tuple[Path, ...]:
    """Write all pages as ``directory/igc*.1``, in ``en`` or ``fr``; what was written.

    ``day`` is that of the release, ``2026-11-22``: the same sources make the same bytes.
    ``directory`` is made when absent: ``share/man/man1`` for English, ``share/man/fr/man1``
    for French. Raises StorageError.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            tr("{path}: {why}; nothing was written", path=directory, why=reason_of(error))
        ) from None
    written = []
    click_speaks(language)
    try:
        for ctx in contexts():
            path = directory / f"{_name(ctx)}.{SECTION}"
            page_of_it = text(ctx, language, day).encode()
            write_atomic(path, page_of_it, mode=0o644, overwrite=True)
            written.append(path)
    finally:
        click_speaks(None)
    return tuple(written)


def text(ctx: click.Context, language: str = "en", day: str = "") -> str:
    """One page."""
    return "\n".join(_Writer(ctx, language).lines(day)) + "\n"


def _name(ctx: click.Context) -> str:
    return ctx.command_path.replace(" ", "-")


class _Writer:
    """The page of a command in a language."""

    def __init__(self, ctx: click.Context, language: str) -> None:
        self.ctx = ctx
        self.language = language
        self.command = ctx.command
        assert isinstance(self.command, WithPage)  # noqa: S101 - so are all of ours
        self.page = self.command.page()

    def say(self, english: str) -> str:
        return translated(english, self.language)

    def heading(self, name: str) -> str:
        return f".SH {_quoted(localized(name, self.language).upper())}"

    def lines(self, day: str) -> Iterator[str]:
        name = _name(self.ctx)
        made_by = _quoted(f"igcsante {__version__}")
        volume = _quoted(localized(_VOLUME, self.language))
        yield f'.TH {_quoted(name.upper())} {SECTION} "{day}" {made_by} {volume}'
        yield from (".nh", ".ad l")  # names of options are not cut
        summary = page.first_sentence(self.say(self.page.summary)).rstrip(".")
        yield from (self.heading(_NAME), f"{_escaped(name)} \\- {_escaped(summary)}")
        pieces = " ".join(self.command.collect_usage_pieces(self.ctx))
        yield from (self.heading(_SYNOPSIS), f".B {_escaped(self.ctx.command_path)}")
        yield _escaped(pieces)
        yield from self._examples()
        yield from self._description()
        for title, rows in self._options():
            yield f".SH {_quoted(title.upper())}"
            yield from _tagged(rows)
        yield from self._commands()
        if self.ctx.parent is None:
            yield self.heading(_EXIT)
            yield from _tagged(
                (str(int(code)), localized(EXIT_CODES[code], self.language)) for code in ExitCode
            )
            yield self.heading(_ENVIRONMENT)
            yield from _tagged(_variables(self.language))
        yield from self._see_also()

    def _examples(self) -> Iterator[str]:
        if self.page.examples:
            yield self.heading(self.say(page.EXAMPLES))
            yield from self._rows(self.page.examples)

    def _description(self) -> Iterator[str]:
        yield self.heading(self.say(page.DESCRIPTION))
        yield _escaped(self.say(self.page.summary))
        for block in self.page.description:
            if isinstance(block, Rows):
                if block.heading:
                    yield from (".PP", _escaped(self.say(block.heading) + ":"))
                yield from self._rows(block.rows)
            else:
                yield from (".PP", _escaped(self.say(block)))

    def _rows(self, rows: Iterable[Row]) -> Iterator[str]:
        """What is typed, each with what is said of it."""
        yield ".RS 4"
        for left, right in (page.said(row, self.say) for row in rows):
            yield from (".nf", f"\\fB{_escaped(left)}\\fR", ".fi")
            if right:
                yield from (".RS 4", _escaped(right), ".RE")
        yield ".RE"

    def _options(self) -> list[tuple[str, list[Row]]]:
        assert isinstance(self.command, WithPage)  # noqa: S101
        return self.command.option_sections(self.ctx, self.language)

    def _commands(self) -> Iterator[str]:
        if isinstance(self.command, Group):
            yield self.heading(self.say(page.COMMANDS))
            yield from _tagged(
                (f"{_name(self.ctx)}-{name}({SECTION})", page.first_sentence(self.say(about)))
                for name, about in self.command.abouts(self.ctx)
            )

    def _see_also(self) -> Iterator[str]:
        if self.ctx.parent is not None:
            yield self.heading(_SEE)
            yield f"\\fB{_escaped(_name(self.ctx.parent))}\\fR({SECTION})"


def _variables(language: str) -> Iterator[Row]:
    from ..config import VARIABLES

    for name, about in VARIABLES.items():
        yield name, localized(about, language)


def _tagged(rows: Iterable[Row]) -> Iterator[str]:
    for left, right in rows:
        cut = _escaped(left).replace("|", "|\\:")  # choices go on in the next line
        yield from (".TP", f"\\fB{cut}\\fR", _escaped(right) if right else "\\&")


def _escaped(line: str) -> str:
    """Text that roff takes as it is, a hyphen as the one that is typed."""
    escaped = line.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti")
    escaped = escaped.replace("^", "\\(ha").replace("`", "\\(ga").replace("'", "\\(aq")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _quoted(text: str) -> str:
    return '"' + _escaped(text).replace('"', "\\(dq") + '"'
