"""What commands share: common options, and printing for people and for programs.

stdout carries data only; the talk goes to stderr (design §5). With ``--json``, one JSON
object a line, each with the name and version of its schema.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeVar

import click

from ..errors import IgcError
from ..instants import iso
from ..messages import localized, translated
from ..text import printable

if TYPE_CHECKING:
    from ..card.recording import Recorder

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Settings:
    """The options that commands share; none takes all of them."""

    profile: str | None = None
    platform: str | None = None
    wsdl: Path | None = None
    mapping: Path | None = None
    reader: str | None = None
    json: bool = False
    trace: bool = False
    no_cache: bool = False
    pkcs11: Path | None = None
    recorder: Recorder | None = None  # given by igc card record, to the command that it runs


def grouped(
    name: str, *options: Callable[[Command], Command], heading: str = ""
) -> Callable[[Command], Command]:
    """Options whose values a command takes together, as the dictionary ``name``.

    ``heading`` is what they stand under in the help of a :class:`HeadedCommand`.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def gathered(**arguments: Any) -> Any:
            group = {key: arguments.pop(key) for key in keys}
            return command(**{name: group}, **arguments)

        outside = {option.name for option in getattr(command, "__click_params__", ())}
        for option in reversed(options):
            option(gathered)
        keys = set()
        for option in gathered.__click_params__:  # type: ignore[attr-defined]
            if option.name not in outside:
                keys.add(str(option.name))
                option.heading = heading
        return gathered  # type: ignore[return-value]

    return decorate


class HeadedCommand(click.Command):
    """A command with so many options that its help shows them by what they are about."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record:
                sections.setdefault(getattr(param, "heading", ""), []).append(record)
        for heading, records in sorted(sections.items(), key=lambda item: not item[0]):
            with formatter.section(heading or "Options"):
                formatter.write_dl(records)


class _Option(Protocol):
    """What gives a command an option, or several."""

    def __call__(self, command: Command, /) -> Command: ...


_PROFILE: _Option = click.option(
    "--profile", metavar="NAME", help="Profile of config.toml to work with."
)
_JSON: _Option = click.option(
    "--json", "json", is_flag=True, help="One JSON object a line on stdout."
)
_PLATFORM: _Option = click.option(
    "--platform", metavar="URL", help="Endpoint of the platform's web service."
)
_CONTRACT: tuple[_Option, ...] = (
    click.option(
        "--wsdl",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help="WSDL of the platform, instead of the profile's.",
    ),
    click.option(
        "--mapping",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Mapping file that goes with the WSDL (see: igc ws).",
    ),
)


def _of_a_card(*, hidden: bool = False) -> tuple[_Option, ...]:
    return (
        click.option(
            "--reader",
            metavar="NAME",
            hidden=hidden,
            help="Card reader or token: part of its name, or the serial number of its card.",
        ),
        click.option(
            "--pkcs11",
            metavar="MODULE",
            type=click.Path(path_type=Path),
            hidden=hidden,
            help="Use a token of this PKCS#11 module instead of a card.",
        ),
        click.option(
            "--trace",
            is_flag=True,
            hidden=hidden,
            help="Show what goes to and from the card, on stderr.",
        ),
        click.option(
            "--no-cache",
            is_flag=True,
            hidden=hidden,
            help="Read everything from the card itself.",
        ),
    )


def _settings_of(*options: _Option) -> _Option:
    """A decorator: the command takes these, before or after its name, as ``settings``."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        @click.pass_context
        def wrapped(ctx: click.Context, /, **arguments: Any) -> Any:
            given = {name: arguments.pop(name) for name in _NAMES & arguments.keys()}
            settings = ctx.obj if isinstance(ctx.obj, Settings) else Settings()
            ctx.obj = replace(settings, **{name: value for name, value in given.items() if value})
            return ctx.invoke(command, settings=ctx.obj, **arguments)

        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped  # type: ignore[return-value]

    return decorate


_NAMES = {field.name for field in fields(Settings)}

common_options = _settings_of(_PROFILE, _JSON)
card_options = _settings_of(_PROFILE, *_of_a_card(), _JSON)
contract_options = _settings_of(_PROFILE, *_CONTRACT, _JSON)
platform_options = _settings_of(_PROFILE, _PLATFORM, *_CONTRACT, *_of_a_card(), _JSON)
# For a command that takes a card too, now and then: its page needn't show what they are.
quiet_card_options = _settings_of(_PROFILE, _JSON, *_of_a_card(hidden=True))


def emit(value: Any, *, schema: str) -> None:
    """One JSON object on stdout, UTF-8 or plain ASCII where the locale has no UTF-8."""
    click.echo(as_json_line(value, schema=schema), nl=False)


def as_json_line(value: Any, *, schema: str) -> str:
    """What :func:`emit` prints."""
    escaped = (_stdout().encoding or "").lower().replace("-", "") != "utf8"
    line = json.dumps({"schema": schema, **value}, ensure_ascii=escaped, default=_json_value)
    return line + "\n"


def emit_bytes(content: bytes) -> None:
    """Bytes as they are on stdout."""
    _stdout().buffer.write(content)


def talk(text: str) -> None:
    """A line for the person, on stderr."""
    click.echo(localized(text), err=True, color=colour())


def say(text: str) -> None:
    """A line of the answer, on stdout."""
    _stdout()
    click.echo(localized(text), color=colour())


def _stdout() -> TextIO:
    """Python has none when it was closed before it started: an answer would be lost unseen."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdout


def colour() -> bool | None:
    """False when NO_COLOR asks for none, else None: click decides by the terminal."""
    return False if os.environ.get("NO_COLOR") else None


def print_error(error: IgcError, *, as_json: bool) -> None:
    """What happened and what to do, on stderr; with ``--json`` also as data on stdout."""
    heading = click.style(translated("Error:"), fg="red", bold=True)
    talk(f"{heading} {printable(localized(error.message))}")
    for paragraph in localized(error.advice).splitlines():
        talk(wrapped(printable(paragraph), indent="  "))
    if as_json:
        emit({"ok": False, "error": error.to_dict()}, schema="igc.error/1")


def wrapped(text: str, indent: str) -> str:
    """Words in lines as wide as the terminal, 100 columns at most; commands are not cut in two."""
    text = re.sub(r"\bigc (?=\w)", "igc\0", text)
    columns = min(shutil.get_terminal_size().columns, 100)
    return textwrap.fill(
        text,
        columns,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ).replace("\0", " ")


def say_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """``name   value`` lines, aligned; without a value they are left out.

    A pair without a name is an empty line.
    """
    shown = [(localized(name), localized(value)) for name, value in pairs if value or not name]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        say(f"{click.style(name.ljust(width), bold=True)}  {printable(value)}" if name else "")


def say_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of plain columns, as wide as what is in them."""
    headers = [localized(header) for header in headers]
    rows = [[printable(localized(cell)) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in (headers, *rows)) for i in range(len(headers))]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)).rstrip()

    say(click.style(line(headers), bold=True))
    for row in rows:
        say(line(row))


def is_interactive() -> bool:
    """Whether a person can answer a question."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Path):
        return str(value)
    return str(value)
