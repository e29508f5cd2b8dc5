"""``igc card record``: a command of ``igc``, and the card's side of it in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..messages import tr
from . import completing
from .command import command
from .output import Settings, card_options, talk


@command("record", context_settings={"ignore_unknown_options": True})
@click.option("--include-private", is_flag=True, help="Keep what is read after the PIN, too.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument(
    "command",
    nargs=-1,
    required=True,
    type=click.UNPROCESSED,
    shell_complete=completing.command_lines,
)
@card_options
def record_command(
    settings: Settings, include_private: bool, file: Path, command: tuple[str, ...]
) -> Any:
    """Run an igc COMMAND and record what it and the card say to each other in FILE.

    The file holds no PIN and no PUK, but it does hold what the card says of its holder:
    certificates, names. What is read after the PIN was verified is left out unless
    --include-private is given. `igc sim run --replay FILE` plays it back.

    The exit code is that of COMMAND.

    \b
    Example:
      igc card record info.jsonl -- card info
    """
    from ..card.recording import Recorder
    from ..files import require_free
    from .main import igc

    require_free(file)
    words = list(command[1:] if command[0] == "igc" else command)
    recorder = Recorder(include_private=include_private)
    try:
        inner = replace(settings, recorder=recorder)
        return igc.main(args=words, prog_name="igc", standalone_mode=False, obj=inner)
    finally:
        if recorder.talked:
            recorder.recording().save(file)
            talk(
                tr(
                    "Recorded {count} exchanges in {file}",
                    count=len(recorder.recording().exchanges),
                    file=file,
                )
            )
        else:
            talk(tr("Nothing was recorded: the command did not talk to a card."))
