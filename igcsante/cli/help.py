"""``igc help``: what a topic means, straight from the code that implements it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import click

from ..errors import ExitCode, UsageError
from ..messages import joined, tr, translated
from ..text import did_you_mean
from . import completing, layout, page
from .command import command
from .output import say, say_table
from .topics import EXIT_CODES, JSON, SECRETS, TERMINAL, TOPICS


@command("help")
@click.argument("topic", nargs=-1, shell_complete=completing.topics)
@click.option(
    "--man",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the pages of the manual below this folder, for the program man.",
)
@click.pass_context
def help_command(ctx: click.Context, topic: tuple[str, ...], man: Path | None) -> None:
    """Explain TOPIC, or a command. Without one, list the commands.

    \b
    Examples:
      igc help exit-codes
      igc help card pin       as igc card pin --help
      igc help --man ~/.local/share/man   so that man igc shows a page
    \b
    Topics:
      exit-codes  what each exit code means
      json        what --json prints, and its schemas
      secrets     how PINs, passwords and codes are given
      terminal    colours, width, languages, completion
    """
    if man is not None:
        _write_manual(man, topic)
    elif len(topic) == 1 and topic[0] in TOPICS:
        _TOLD[topic[0]]()
    elif ctx.parent is not None:
        say(_of_command(ctx.parent, topic).get_help())


def _write_manual(folder: Path, topic: tuple[str, ...]) -> None:
    from . import manual

    if topic:
        raise UsageError(tr("--man writes all pages, so it takes no topic; nothing was written"))
    written = manual.install(folder)
    say(tr("Pages in English and French, written: {count}", count=len(written)))
    say(tr("Read them with: {command}", command=f"man -M {shlex.quote(str(folder))} igc"))


def _of_command(ctx: click.Context, words: tuple[str, ...]) -> click.Context:
    """The context of the command of these words below that of ``ctx``. Raises UsageError."""
    known: list[str] = list(TOPICS)
    for word in words:
        group = ctx.command
        known += group.list_commands(ctx) if isinstance(group, click.Group) else []
        below = group.get_command(ctx, word) if isinstance(group, click.Group) else None
        if below is None:
            raise UsageError(
                tr(
                    "{word!r} is no topic, nor a command of {command_path}",
                    word=word,
                    command_path=ctx.command_path,
                ),
                advice=joined(" ", filter(None, (did_you_mean(word, known), tr("See: igc help")))),
            )
        ctx, known = click.Context(below, info_name=word, parent=ctx), []
    return ctx


def _exit_codes() -> None:
    say_table(
        (tr("Code"), tr("Meaning")), [(str(int(code)), EXIT_CODES[code]) for code in ExitCode]
    )


def _json() -> None:
    from .schemas import names, schema

    _say_text(JSON)
    say("")
    say_table(
        (tr("Schema"), tr("What it describes")),
        [(name, translated(schema(name)["title"])) for name in names()],
    )


def _secrets() -> None:
    _say_text(SECRETS)


def _terminal() -> None:
    _say_text(TERMINAL)


def _say_text(text: str) -> None:
    say(page.prose(text, layout.page_width(), translated))


_TOLD: dict[str, Callable[[], None]] = {
    "exit-codes": _exit_codes,
    "json": _json,
    "secrets": _secrets,
    "terminal": _terminal,
}
