"""``igc sim platform`` and what steers it from another terminal: settings, clock, mails, faults."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..config import simulated_world_directory
from ..errors import UsageError
from ..instants import parse_instant, shown
from ..messages import tr
from . import completing, stopping
from .command import command
from .numbers import WholeRange
from .output import Settings, common_options, emit, say, say_table, talk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..testing.world import SimulatedWorld


@command("platform")
@click.option(
    "--port", type=WholeRange(0, 65535), help="Port of the platform (HTTPS); 0: a free one."
)
@click.option(
    "--pki-port",
    type=WholeRange(1, 65535),
    help="Port of the PKI and of the pages for people (HTTP).",
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Structures, administrators and options, as `igc sim settings` prints them.",
)
@common_options
def sim_platform(
    settings: Settings, port: int | None, pki_port: int | None, settings_file: Path | None
) -> None:
    """Run the mock platform, its pages and the simulated PKI on loopback.

    It is a simulation: its contract is igcsante's own, not the ANS's, which is not public.

    \b
    While it runs, from another terminal:
      igc sim clock --advance 700   its time is 700 days later
      igc sim mails                 what it would have sent
      igc sim fail T01              its next answer is that fault

    \b
    Examples:
      igc sim platform
      igc sim platform --settings mine.toml
    """
    from ..testing.platform import load_settings
    from ..testing.world import SimulatedWorld

    chosen = load_settings(settings_file) if settings_file else None
    stop = stopping.stop_on_signals()
    world = SimulatedWorld(
        simulated_world_directory(),
        platform_port=port,
        pki_port=pki_port,
        habilitations=chosen.habilitations if chosen else None,
        options=chosen.options if chosen else None,
    )
    with world:
        if settings.json:
            emit(
                {
                    "platform": world.endpoint,
                    "pki": world.pki.base_url,
                    "portal": world.portal_url,
                    "profile": world.profile.name,
                    "profile_file": str(world.directory / "profile.toml"),
                },
                schema="igc.sim.platform/1",
            )
        else:
            talk(tr("Mock platform and simulated PKI are running; Ctrl-C stops them."))
            talk(
                tr(
                    "Products, mails and settings in a browser: {portal_url}",
                    portal_url=world.portal_url,
                )
            )
            talk(
                tr(
                    "Commands reach them with --profile {profile}, which stands for:",
                    profile=world.profile.name,
                )
            )
            say(world.profile_toml().rstrip())
        stop.wait()
    talk(tr("Stopped."))


@command("settings")
@common_options
def sim_settings(settings: Settings) -> None:
    """Print the mock platform's settings, as a TOML file to edit.

    They are those of the file platform.toml in the simulated world's folder, or the default
    ones.

    \b
      igc sim settings > mine.toml
      (edit it)
      igc sim platform --settings mine.toml

    \b
    Example:
      igc sim settings > mine.toml
    """
    from ..files import read_bounded
    from ..testing.platform.settings import MAX_BYTES, default_text

    path = simulated_world_directory() / "platform.toml"
    text = read_bounded(path, MAX_BYTES).decode() if path.exists() else default_text()
    say(text.rstrip())


@command("clock")
@click.option("--advance", type=WholeRange(-36525, 36525), metavar="DAYS", help="Days later.")
@click.option("--to", "instant", metavar="INSTANT", help="As 2026-11-22T12:00:00Z.")
@click.option("--real", is_flag=True, help="Back to real time.")
@common_options
def sim_clock(settings: Settings, advance: int | None, instant: str | None, real: bool) -> None:
    """Show or move the simulated world's clock; a running platform follows at once.

    Orders, mails, CRLs and the card's end of life go by it, and with --profile sim what status
    and renew hold to be due. Other commands go by real time: give them --at where they have it.

    \b
    Examples:
      igc sim clock
      igc sim clock --advance 700  700 days later
    """
    if sum((advance is not None, instant is not None, real)) > 1:
        raise UsageError(tr("one of --advance, --to and --real, not several"))
    world = _existing_world()
    if real:
        world.clock.reset()
    elif instant is not None:
        world.clock.set(parse_instant(instant))
    elif advance is not None:
        world.clock.advance(timedelta(days=advance))
    world.platform.send_notices()
    now = world.clock()
    if settings.json:
        ahead = round(world.clock.offset().total_seconds())
        emit({"now": now, "ahead_seconds": ahead}, schema="igc.sim.clock/1")
    else:
        say(shown(now, seconds=True))


@command("mails")
@common_options
def sim_mails(settings: Settings) -> None:
    """Show the mails that the mock platform would have sent, oldest first.

    \b
    Example:
      igc sim mails
    """
    from ..testing.platform.products import identifier

    platform = _existing_world().platform
    platform.send_notices()
    for mail in platform.mails():
        if settings.json:
            emit(
                {
                    "at": mail.at,
                    "to": mail.recipient,
                    "subject": mail.subject,
                    "body": mail.body,
                    "product_id": identifier(mail.product),
                },
                schema="igc.sim.mail/1",
            )
        else:
            say(f"{shown(mail.at)}  {mail.recipient}  {mail.subject}\n{mail.body}\n")


@command("fail")
@click.argument("kinds", metavar="[KIND]...", nargs=-1, shell_complete=completing.failures)
@common_options
def sim_fail(settings: Settings, kinds: tuple[str, ...]) -> None:
    """Make the mock platform's next answers fail, each KIND once; without one, list them.

    \b
    Examples:
      igc sim fail  what there is
      igc sim fail T01
    """
    from ..testing.platform.faults import FUNCTIONAL, INCIDENTS, TECHNICAL

    known = {**FUNCTIONAL, **TECHNICAL, **INCIDENTS}
    if not kinds:
        _list_faults(known, settings)
        return
    platform = _existing_world().platform
    for kind in kinds:
        platform.fail_next(kind)
    for kind in platform.faults.planned():
        if settings.json:
            emit({"kind": kind, "meaning": known[kind]}, schema="igc.sim.fault/1")
        else:
            say(tr("planned: {kind}", kind=kind))


def _list_faults(known: Mapping[str, str], settings: Settings) -> None:
    if not settings.json:
        say_table((tr("Fault"), tr("What it says")), list(known.items()))
        return
    for kind, meaning in known.items():
        emit({"kind": kind, "meaning": meaning}, schema="igc.sim.fault/1")


@command("decide")
@click.argument("product_id", metavar="PRODUCT")
@click.argument("decision", type=click.Choice(["accept", "refuse"]))
@common_options
def sim_decide(settings: Settings, product_id: str, decision: str) -> None:
    """Accept or refuse an order that waits for it, where the option validation is manual.

    \b
    Example:
      igc sim decide MOCK-00000001 accept
    """
    _existing_world().platform.decide(product_id, accept=decision == "accept")


def _existing_world() -> SimulatedWorld:
    from ..testing.world import SimulatedWorld

    directory = simulated_world_directory()
    if not (directory / "pki").is_dir():
        raise UsageError(
            tr("there is no simulated world yet"),
            advice=tr("igc sim platform makes one and runs it"),
        )
    return SimulatedWorld(directory)
