"""Entry point of ``igc``: finds the command, runs it, turns errors into exit codes.

Commands are named here and imported only when they run, so that ``igc --help`` and every
command that needs no SOAP or no card start quickly.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn, TextIO

import click

from .. import __version__
from ..errors import ExitCode, IgcError, UsageError
from .lazy import LazyGroup
from .output import Settings, common_options, print_error

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "Run the main job on simulated parts: card, order, check, revoke."),
    "readers": ("readers", "List the card readers and what is in them."),
    "card": ("card", "Work with a CPx card: who it is, what is on it, its PIN and keys."),
    "habilitations": ("lifecycle", "List what this card may order."),
    "order": ("order", "Order a certificate with the card, and retrieve it."),
    "orders": ("orders", "List the orders made from this machine."),
    "retrieve": ("order", "Retrieve a certificate that was ordered."),
    "status": ("status", "Show all your certificates: active, about to end, to withdraw."),
    "renew": ("renew", "Renew certificates that are about to end."),
    "revoke": ("lifecycle", "Revoke a certificate. Final."),
    "export": ("export", "Write a certificate in the form that a program wants."),
    "check": ("check", "Verify certificates: chain and revocation."),
    "inspect": ("inspect", "Say in words what a certificate is."),
    "bundle": ("bundle", "Keep a check for later: certificates, lists, answers and verdict."),
    "policy": ("policy", "Show what a check demands."),
    "crl": ("crl", "Keep revocation lists: fetch, list, show, export."),
    "trust": ("trust", "List, fetch and import trust anchors."),
    "ws": ("ws", "Describe, check and try the contract with the platform: WSDL, mapping."),
    "sim": ("sim", "Run a simulated card or platform in the foreground."),
    "help": ("help", "Explain a topic, such as exit-codes."),
}


@click.group(
    cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="igc")
@common_options
def igc(settings: Settings) -> None:
    """IGC-Santé from the command line: CPx cards, certificates, Plateforme de confiance.

    \b
    Examples:
      igc demo                      everything, on simulated parts
      igc card id                   the national identifier of the card's holder
      igc check CERTIFICATE.pem     is it valid, is it revoked?
    """


def main() -> NoReturn:
    """Run ``igc`` and exit with a code of :class:`igcsante.errors.ExitCode`."""
    for stream in (sys.stdout, sys.stderr):
        _tolerate_any_locale(stream)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code."""
    try:
        return _run(arguments, as_json="--json" in arguments)
    except OSError as error:
        if os.environ.get("IGC_DEBUG"):
            raise
        return _output_lost(error)


def _run(arguments: list[str], *, as_json: bool) -> int:
    try:
        code = igc.main(args=arguments, prog_name="igc", standalone_mode=False)
    except IgcError as error:
        print_error(error, as_json=as_json)
        return int(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return int(ExitCode.USAGE)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "igc"
        refused = UsageError(error.format_message(), advice=f"see: {command} --help")
        print_error(refused, as_json=as_json)
        return int(ExitCode.USAGE)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return int(ExitCode.INTERRUPTED)
    except OSError:  # what we print can't be written; all else became an IgcError below us
        raise
    except Exception as error:
        if os.environ.get("IGC_DEBUG"):
            raise
        print_error(
            IgcError(
                f"unexpected {type(error).__name__}",
                advice="this is a defect of igcsante: run again with IGC_DEBUG=1 and report it",
            ),
            as_json=as_json,
        )
        return int(ExitCode.FAILURE)
    return code if isinstance(code, int) else int(ExitCode.GOOD)


def _output_lost(error: OSError) -> int:
    """The reader of our pipe has left, or the disk behind our output is full."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - else Python flushes it once more
    if not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):
            click.echo(f"Error: the output can't be written: {error.strerror}", err=True)
    return int(ExitCode.FAILURE)


def _tolerate_any_locale(stream: TextIO) -> None:
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
