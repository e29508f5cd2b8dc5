"""``igc sim``: the simulated world in the foreground, for other programs to talk to."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..config import simulated_world_directory
from ..errors import UsageError
from ..messages import tr
from . import completing, stopping
from .command import group
from .numbers import WholeRange
from .output import Settings, common_options, emit, say, talk
from .sim_card import sim_card_command
from .sim_platform import (
    sim_clock,
    sim_decide,
    sim_fail,
    sim_mails,
    sim_platform,
    sim_settings,
)

if TYPE_CHECKING:
    from ..testing.cards import ReplayedCard, SimulatedCard

POLL_SECONDS = 0.5


@group("sim")
@common_options
def sim_command(settings: Settings) -> None:
    """Run a simulated card or platform in the foreground, until Ctrl-C; make cards.

    Both belong to one simulated world, kept on this machine, so that the card's
    certificates are those that the platform knows.

    \b
    In three terminals:
      igc sim platform
      igc sim run --card cps3 --pcscd     (prints a line to paste into the third)
      igc --profile sim order --help

    \b
    Examples:
      igc sim platform                 a platform, in one terminal
      igc sim run --card cps3 --pcscd  a card, in another one
    """


@sim_command.command("run")
@click.option(
    "--card",
    "card_profile",
    default="cps3",
    show_default=True,
    shell_complete=completing.simulated_cards,
    help="Card profile: a name of igc sim card list, or a file.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the card's PIN, counters and written data in this file.",
)
@click.option(
    "--replay",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Play a recording of igc card record instead.",
)
@click.option("--port", type=WholeRange(1, 65535), help="vpcd's port.  [default: 35963]")
@click.option("--pcscd", is_flag=True, help="Start a pcscd of its own, beside the machine's.")
@common_options
def sim_run(
    settings: Settings,
    card_profile: str,
    state: Path | None,
    replay: Path | None,
    port: int | None,
    pcscd: bool,
) -> None:
    """Insert a simulated card into a virtual reader (vpcd), so that any PC/SC program sees it.

    Needs pcscd with the vpcd driver: apt install pcscd vsmartcard-vpcd.

    \b
    Examples:
      igc sim run --card cps4 --pcscd
      igc sim run --replay info.jsonl
    """
    from ..testing.cards import PrivatePcscd, VpcdCard
    from ..testing.cards.vpcd import DEFAULT_PORT

    card: SimulatedCard | ReplayedCard
    if replay and state:
        raise UsageError(tr("a recording keeps no state: --state goes with --card"))
    if replay:
        card, name, pin = _replayed(replay), replay.name, ""
        about = tr("Any PIN is taken for the one that was recorded.")
    else:
        card = _simulated(card_profile, state)
        name = card.profile.name
        pin = "" if card.profile.variant == "contactless" else card.pin
        about = (
            tr("Its PIN is {pin}.", pin=pin)
            if pin
            else tr("A contactless reader asks it for no PIN.")
        )
    stop = stopping.stop_on_signals()
    with ExitStack() as stack:
        environment: dict[str, str] = {}
        if pcscd:
            private = stack.enter_context(PrivatePcscd())
            environment, port = private.environment(), private.port
        inserted = stack.enter_context(VpcdCard(card, port or DEFAULT_PORT))
        inserted.wait_powered()
        if settings.json:
            _emit(name, pin, port or DEFAULT_PORT, environment)
        else:
            _announce(name, about, port or DEFAULT_PORT, environment)
        while inserted.error is None and not stop.wait(POLL_SECONDS):
            pass
        if inserted.error:
            raise inserted.error


def _simulated(name: str, state: Path | None) -> SimulatedCard:
    from ..testing.world import SimulatedWorld

    card = SimulatedWorld(simulated_world_directory()).card(name)
    if state is not None:
        card.keep_state(state)
    return card


def _replayed(path: Path) -> ReplayedCard:
    from ..testing.cards import ReplayedCard

    return ReplayedCard(
        path,
        refused=lambda error: talk(
            tr("{message}; {advice}", message=error.message, advice=error.advice)
        ),
    )


def _emit(card: str, pin: str, port: int, environment: dict[str, str]) -> None:
    line = {"card": card, "pin": pin, "port": port, "environment": environment}
    emit(line, schema="igc.sim.run/1")


def _announce(card: str, about: str, port: int, environment: dict[str, str]) -> None:
    talk(
        tr(
            "Simulated {card} card inserted (vpcd port {port}). {about}",
            card=card,
            port=port,
            about=about,
        )
    )
    for name, value in environment.items():
        talk(tr("In the terminal that shall see it, type:"))
        say(tr("export {name}={value}", name=name, value=value))
    talk(tr("Ctrl-C takes it out."))


for _command in (
    sim_card_command,
    sim_platform,
    sim_settings,
    sim_clock,
    sim_mails,
    sim_fail,
    sim_decide,
):
    sim_command.add_command(_command)
