"""Entry point of ``igc``: finds the command, runs it, turns errors into exit codes.

Commands are named in :mod:`.commands` and imported only when they run, so that every command
that needs no SOAP or no card starts quickly.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import sys
from typing import Any, NoReturn, TextIO

import click

from .. import __version__
from ..errors import ExitCode, IgcError, UsageError
from ..messages import reason_of, tr
from . import stopping
from .command import click_speaks, said_by
from .commands import ABOUT, COMMANDS, VERSION_HELP, VERSION_LINE
from .lazy import LazyGroup
from .output import Settings, insist, platform_options, print_error


@click.group(
    "igc",
    cls=LazyGroup,
    table=COMMANDS,
    help=ABOUT,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="igc", help=VERSION_HELP, message=VERSION_LINE)
@platform_options
def igc(settings: Settings) -> None:
    """The options that each command takes too."""


_NAGIOS_UNKNOWN = 3


def main() -> NoReturn:
    """Run ``igc`` and exit with a code of :class:`igcsante.errors.ExitCode`."""
    for number in stopping.asked_to_end():
        signal.signal(number, _end)
    for stream in (sys.stdout, sys.stderr):
        _tolerate_any_locale(stream)
    sys.exit(run(sys.argv[1:]))


def _end(number: int, *_: Any) -> NoReturn:
    """What was opened is closed, temporary files are removed; then SIGTERM ends it at once."""
    for other in stopping.asked_to_end():
        signal.signal(other, signal.SIG_DFL if other == signal.SIGTERM else signal.SIG_IGN)
    sys.exit(128 + number)  # as a shell tells it


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code."""
    try:
        return _run(arguments)
    except OSError as error:
        if os.environ.get("IGC_DEBUG"):
            raise
        return output_lost(error)


def _run(arguments: list[str]) -> int:
    try:
        click_speaks("en" if "--json" in arguments else None)
        _require_no_empty(arguments)
        code = igc.main(args=arguments, prog_name="igc", standalone_mode=False)
    except IgcError as error:
        return _told(error, arguments)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return int(ExitCode.USAGE)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "igc"
        advice = tr("see: {command} --help", command=command)
        return _told(UsageError(said_by(error), advice=advice), arguments)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        insist(tr("Interrupted."))
        return int(ExitCode.INTERRUPTED)
    except OSError:  # what we print can't be written; all else became an IgcError below us
        raise
    except Exception as error:
        if os.environ.get("IGC_DEBUG"):
            raise
        unexpected = IgcError(
            tr("unexpected {name}", name=type(error).__name__),
            advice=tr("this is a defect of igcsante: run again with IGC_DEBUG=1 and report it"),
        )
        return _told(unexpected, arguments)
    return code if isinstance(code, int) else int(ExitCode.GOOD)


def _require_no_empty(arguments: list[str]) -> None:
    """Raise UsageError for an empty value: a variable of a script that was not set.

    None of our arguments means something when it is empty, and nothing is asked by it.
    """
    for before, argument in itertools.pairwise(["", *arguments]):
        option = before if before.startswith("-") else ""
        if not argument:
            raise UsageError(
                tr("an argument after {option} is empty; nothing was done", option=option)
                if option
                else tr("an argument is empty; nothing was done")
            )
        if re.fullmatch(r"--[\w-]+=", argument):
            raise UsageError(
                tr("{argument} is given an empty value; nothing was done", argument=argument[:-1])
            )


def _told(error: IgcError, arguments: list[str]) -> int:
    """Say what happened, to a person, a program or Nagios; the exit code."""
    if not _is_plugin(arguments):
        print_error(error, as_json="--json" in arguments)
        return int(error.exit_code)
    from .check_formats import nagios_line

    click.echo(tr("IGC UNKNOWN - {message}", message=nagios_line(error.message)))
    return _NAGIOS_UNKNOWN


def _is_plugin(arguments: list[str]) -> bool:
    """Whether it is a check for Nagios, also when it can't be parsed."""
    formats = [b for a, b in itertools.pairwise(arguments) if a == "--format"]
    formats += [a.partition("=")[2] for a in arguments if a.startswith("--format=")]
    return "check" in arguments and "nagios" in formats


def output_lost(error: OSError) -> int:
    """The reader of our pipe has left, or the disk behind our output is full."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - else Python flushes it once more
    if not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):
            insist(tr("Error: the output can't be written: {why}", why=reason_of(error)))
    return int(ExitCode.FAILURE)


def _tolerate_any_locale(stream: TextIO) -> None:
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
