"""What commands share: common options, and printing for people and for programs.

stdout carries data only; the talk goes to stderr (design §5). With ``--json``, one JSON
object a line, each with the name and version of its schema.
"""

from __future__ import annotations

import errno
import functools
import json
import os
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
from ..messages import Message, localized, translated
from ..steps import step
from ..text import printable
from . import completing, layout, tables
from .commands import SHARED_OPTIONS, SHORT

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
    quiet: bool = False
    verbose: bool = False
    log_file: Path | None = None
    trace: bool = False
    no_cache: bool = False
    pkcs11: Path | None = None
    recorder: Recorder | None = None  # given by igc card record, to the command that it runs


def grouped(
    name: str, *options: Callable[[Command], Command], heading: str = ""
) -> Callable[[Command], Command]:
    """Options whose values a command takes together, as the dictionary ``name``.

    ``heading`` is what they stand under in the command's help.
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


class _Option(Protocol):
    """What gives a command an option, or several."""

    def __call__(self, command: Command, /) -> Command: ...


def _shared(name: str, **attributes: Any) -> _Option:
    """The option of that name in :data:`.commands.SHARED_OPTIONS`."""
    metavar, about = SHARED_OPTIONS[name]
    names = [SHORT[name], name] if name in SHORT else [name]
    if metavar:
        return click.option(*names, metavar=metavar, help=about, **attributes)
    return click.option(*names, is_flag=True, help=about, **attributes)


_FILE = click.Path(path_type=Path, dir_okay=False)
_PROFILE = _shared("--profile", shell_complete=completing.profiles)
_PLATFORM = _shared("--platform")
_CONTRACT = (_shared("--wsdl", type=_FILE), _shared("--mapping", type=_FILE))
_SAYING = (
    _shared("--json"),
    _shared("--quiet"),
    _shared("--verbose"),
    _shared("--log-file", type=_FILE),
)


def _of_a_card(*, hidden: bool = False) -> tuple[_Option, ...]:
    return (
        _shared("--reader", shell_complete=completing.readers, hidden=hidden),
        _shared("--pkcs11", type=click.Path(path_type=Path), hidden=hidden),
        _shared("--trace", hidden=hidden),
        _shared("--no-cache", hidden=hidden),
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
            if given.get("verbose") or given.get("log_file"):
                from .logs import tell_steps

                tell_steps(ctx.obj, ctx)
            if ctx.invoked_subcommand is None:
                step("cli", "{command}", command=ctx.command_path)
            return ctx.invoke(command, settings=ctx.obj, **arguments)

        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped  # type: ignore[return-value]

    return decorate


_NAMES = {field.name for field in fields(Settings)}

common_options = _settings_of(_PROFILE, *_SAYING)
card_options = _settings_of(_PROFILE, *_of_a_card(), *_SAYING)
contract_options = _settings_of(_PROFILE, *_CONTRACT, *_SAYING)
platform_options = _settings_of(_PROFILE, _PLATFORM, *_CONTRACT, *_of_a_card(), *_SAYING)
# For a command that takes a card too, now and then: its page needn't show what they are.
quiet_card_options = _settings_of(_PROFILE, *_SAYING, *_of_a_card(hidden=True))


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
    """A line for the person, on stderr, unless --quiet."""
    if not is_quiet():
        insist(text)


def insist(text: str) -> None:
    """A line on stderr that --quiet doesn't silence: an error, or what the person must do."""
    told = localized(text)
    if isinstance(text, Message) and _has_width():
        told = "\n".join(map(_in_lines, told.split("\n")))
    click.echo(told, err=True, color=colour())


def is_quiet() -> bool:
    """Whether --quiet was given to the command that runs."""
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.obj, Settings) and context.obj.quiet


def shows_progress() -> bool:
    """Whether a line may be written over and over on stderr."""
    watched = sys.stderr is not None and sys.stderr.isatty()
    return watched and os.environ.get("TERM") != "dumb" and not is_quiet()


def say(text: str) -> None:
    """A line of the answer, on stdout."""
    _stdout()
    click.echo(localized(text), color=colour())


def prose(text: str) -> str:
    """A paragraph of the answer, to :func:`say`: on a terminal in lines, elsewhere in one."""
    told = localized(text)
    return _in_lines(told) if _stdout().isatty() else told


def _stdout() -> TextIO:
    """Python has none when it was closed before it started: an answer would be lost unseen."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdout


def colour() -> bool | None:
    """True or False when the environment wants colours or none, None: where there is a terminal.

    NO_COLOR (no-color.org) goes first; then CLICOLOR_FORCE and FORCE_COLOR, which want them
    in a pipe too; then CLICOLOR=0 (bixense.com/clicolors) and a terminal that is dumb.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "0") not in ("", "0") for name in _FORCE_COLOUR):
        return True
    if os.environ.get("CLICOLOR") == "0" or os.environ.get("TERM") == "dumb":
        return False
    return None


_FORCE_COLOUR = ("CLICOLOR_FORCE", "FORCE_COLOR")


def print_error(error: IgcError, *, as_json: bool) -> None:
    """What happened and what to do, on stderr; with ``--json`` also as data on stdout."""
    word = translated("Error:")
    heading = click.style(word, fg="red", bold=True)
    told = f"{word} {printable(localized(error.message))}"
    if _has_width():
        told = wrapped(told, indent="")
    insist(heading + told.removeprefix(word))
    for paragraph in localized(error.advice).splitlines():
        insist(wrapped(printable(paragraph), indent="  "))
    if as_json:
        emit({"ok": False, "error": error.to_dict()}, schema="igc.error/1")


def _has_width() -> bool:
    """Whether lines on stderr have a width: in a log, an error is one line to look for."""
    return sys.stderr is not None and sys.stderr.isatty()


def wrapped(text: str, indent: str) -> str:
    """Words in lines as wide as the terminal, 100 columns at most; commands are not cut in two."""
    return textwrap.fill(
        layout.whole_commands(text),
        layout.columns(),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ).replace("\0", " ")


def _in_lines(line: str) -> str:
    """The line as it is where it fits, else in several."""
    indent = line[: len(line) - len(line.lstrip())]
    return line if len(line) <= layout.columns() else wrapped(line, indent)


def say_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """``name   value`` lines, aligned; without a value they are left out.

    A pair without a name is an empty line.
    """
    given = [(localized(name), printable(localized(value))) for name, value in pairs]
    shown = [(name, value) for name, value in given if value or not name]
    for name, value in tables.pairs(shown, room()):
        say(f"{click.style(name, bold=True)}  {value}" if name.strip() or value else "")


def say_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of plain columns: on a terminal within its width, else as wide as what is in it."""
    headings = [localized(header) for header in headers]
    cells = [[printable(localized(cell)) for cell in row] for row in rows]
    if lines := tables.table([headings, *cells], room()):
        for number, line in ((n, line) for n, row in enumerate(lines) for line in row):
            say(line if number else click.style(line, bold=True))
        return
    for number, row in enumerate(cells):
        if number and row[0]:  # else it goes on with the row before
            say("")
        say_pairs(zip(headings, row, strict=True))


def room() -> int:
    """How wide an answer may be: a pipe takes whole lines."""
    return layout.columns(sys.maxsize) if _stdout().isatty() else sys.maxsize


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
