"""``igc help``: what a topic means, straight from the code that implements it."""

from __future__ import annotations

import click

from ..errors import ExitCode
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
@click.argument("topic", required=False, type=click.Choice(["exit-codes", "json", "secrets"]))
@click.pass_context
def help_command(ctx: click.Context, topic: str | None) -> None:
    """Explain TOPIC: exit-codes, json or secrets. Without one, list the commands."""
    if topic == "exit-codes":
        say_table(("Code", "Meaning"), [(str(int(code)), _EXIT_CODES[code]) for code in ExitCode])
    elif topic == "json":
        from .schemas import names, schema

        say(_JSON)
        say_table(
            ("Schema", "What it describes"), [(name, schema(name)["title"]) for name in names()]
        )
    elif topic == "secrets":
        say(_SECRETS)
    elif ctx.parent is not None:
        say(ctx.parent.get_help())


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
