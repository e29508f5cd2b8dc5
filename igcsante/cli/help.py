"""``igc help``: what a topic means, straight from the code that implements it."""

from __future__ import annotations

import click

from ..errors import ExitCode, UsageError
from ..messages import tr
from ..text import did_you_mean
from .output import say, say_table

_EXIT_CODES = {
    ExitCode.GOOD: "done, or good",
    ExitCode.FAILURE: "unexpected failure",
    ExitCode.USAGE: "wrong use or configuration; nothing was done",
    ExitCode.NO_CARD: "no reader, or no card that can do this; or it was removed",
    ExitCode.PIN_WRONG: "wrong PIN; one try was spent",
    ExitCode.PIN_REFUSED: "PIN blocked, or not sent to protect the card",
    ExitCode.INVALID: "invalid: unreadable, chain, signature or profile",
    ExitCode.REVOKED: "revoked",
    ExitCode.UNKNOWN: "revocation status unknown",
    ExitCode.STALE: "revocation data too old",
    ExitCode.NETWORK: "network or TLS",
    ExitCode.PLATFORM_REFUSED: "the platform refused (functional fault)",
    ExitCode.PLATFORM_UNAVAILABLE: "the platform is unavailable (technical fault)",
    ExitCode.TIMEOUT: "a time limit ran out",
    ExitCode.ENDING: "good, but ends within the days that were asked about",
    ExitCode.INTERRUPTED: "interrupted",
}


@click.command("help")
@click.argument("topic", nargs=-1)
@click.pass_context
def help_command(ctx: click.Context, topic: tuple[str, ...]) -> None:
    """Explain TOPIC: exit-codes, json or secrets, or a command. Without one, list the commands."""
    if topic == ("exit-codes",):
        say_table(
            (tr("Code"), tr("Meaning")), [(str(int(code)), _EXIT_CODES[code]) for code in ExitCode]
        )
    elif topic == ("json",):
        from .schemas import names, schema

        say(_JSON)
        say_table(
            (tr("Schema"), tr("What it describes")),
            [(name, schema(name)["title"]) for name in names()],
        )
    elif topic == ("secrets",):
        say(_SECRETS)
    elif ctx.parent is not None:
        say(_of_command(ctx.parent, topic).get_help())


def _of_command(ctx: click.Context, words: tuple[str, ...]) -> click.Context:
    """The context of the command of these words below that of ``ctx``. Raises UsageError."""
    for word in words:
        group = ctx.command
        known = group.list_commands(ctx) if isinstance(group, click.Group) else []
        below = group.get_command(ctx, word) if isinstance(group, click.Group) else None
        if below is None:
            raise UsageError(
                tr(
                    "{word!r} is no topic, nor a command of {command_path}",
                    word=word,
                    command_path=ctx.command_path,
                ),
                advice=f"{did_you_mean(word, known)} See: igc help".lstrip(),
            )
        ctx = click.Context(below, info_name=word, parent=ctx)
    return ctx


_JSON = """\
With --json every command prints one JSON object a line on stdout, and nothing else there.
Its property "schema" names what it is; igcsante.cli.schemas.schema(NAME) gives the JSON
Schema (draft 2020-12), which also describes each property.
"""

_SECRETS = """\
PINs, passwords and revocation codes are never given as values. They are asked on the
terminal without echo, or read from a source:

  fd:N        an open file descriptor      igc … --pin-source fd:3 3<pin.txt
  env:NAME    an environment variable      igc … --pin-source env:CPS_PIN
  cmd:…       what a command prints        igc … --pin-source 'cmd:pass show cps'

igc reads the number of tries left before it sends a PIN, sends it once, and never again.
With fewer than two tries left it sends nothing, unless --use-last-try is given."""
