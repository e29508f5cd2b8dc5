"""``igc ws``: the contract with the platform, a WSDL and a mapping file."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ConfigError
from .connect import profile_of
from .output import Settings, common_options, emit, say


@click.group("ws")
@common_options
def ws_command(settings: Settings) -> None:
    """Look at the contract with the platform: a WSDL and a mapping file.

    The contract that igcsante ships is that of its own mock. The ANS's is not public: an
    authorised user brings its WSDL and writes a mapping file for it.
    """


@ws_command.command("check-mapping")
@click.option("--wsdl", type=click.Path(path_type=Path, dir_okay=False), help="WSDL file.")
@click.option("--mapping", type=click.Path(path_type=Path, dir_okay=False), help="Mapping file.")
@common_options
def check_mapping_command(settings: Settings, wsdl: Path | None, mapping: Path | None) -> None:
    """Check a mapping file against a WSDL, calling nothing. Default: those of the profile."""
    from ..ws.conformity import Level, check_mapping

    profile = profile_of(settings)
    findings = check_mapping(wsdl or profile.wsdl, mapping or profile.mapping)
    for finding in findings:
        if settings.json:
            emit(
                {"level": finding.level, "place": finding.place, "message": finding.message},
                schema="igc.ws.finding/1",
            )
        else:
            say(f"{finding.level}: {finding.place}: {finding.message}")
    errors = sum(finding.level is Level.ERROR for finding in findings)
    if errors:
        raise ConfigError(
            f"the mapping does not fit the WSDL: {errors} error{'s' if errors > 1 else ''}",
            advice="correct the places named above in the mapping file",
        )
    if not settings.json:
        say("The mapping fits the WSDL.")
