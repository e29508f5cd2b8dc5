"""``igc sim card``: the card profiles that there are, and new ones to edit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..messages import tr, translated
from . import completing
from .command import group
from .output import Settings, common_options, emit, say, say_table, talk

if TYPE_CHECKING:
    from ..testing.cards import CardProfile


@group("card")
@common_options
def sim_card_command(settings: Settings) -> None:
    """List, show and make the profiles of simulated cards.

    \b
    A card of your own:
      igc sim card new mine.toml
      (edit it)
      igc sim run --card mine.toml --pcscd

    \b
    Examples:
      igc sim card list
      igc sim card new mine.toml
    """


@sim_card_command.command("list")
@common_options
def sim_card_list(settings: Settings) -> None:
    """List the card profiles that come with igc.

    \b
    Example:
      igc sim card list
    """
    from ..testing.cards import load_profile, profile_names

    profiles = [load_profile(name) for name in profile_names()]
    if settings.json:
        for profile in profiles:
            emit(_described(profile), schema="igc.sim.card/1")
        return
    say_table(
        (tr("Name"), tr("Generation"), tr("Type"), tr("Identifier"), tr("What it is")),
        [
            (p.name, p.generation, p.card_type, str(p.national_id), translated(p.note))
            for p in profiles
        ],
    )


@sim_card_command.command("show")
@click.argument("name", shell_complete=completing.simulated_cards)
@common_options
def sim_card_show(settings: Settings, name: str) -> None:
    """Show the card profile NAME, or the one in a file, as the TOML that makes it.

    \b
    Example:
      igc sim card show cps4
    """
    from ..testing.cards import load_profile
    from ..testing.cards.profile_text import profile_toml

    profile = load_profile(name)
    if settings.json:
        emit(_described(profile), schema="igc.sim.card/1")
    else:
        say(profile_toml(profile).rstrip())


@sim_card_command.command("new")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--like", default="cps3", show_default=True, help="Profile to start from.")
@common_options
def sim_card_new(settings: Settings, file: Path, like: str) -> None:
    """Write a card profile to FILE, each key with a comment, to edit.

    Its serial and card number are drawn anew. A file that is there already is left alone.

    \b
    Examples:
      igc sim card new mine.toml
      igc sim card new mine.toml --like cpe
    """
    from ..files import require_free, write_atomic
    from ..testing.cards import load_profile
    from ..testing.cards.profile_text import new_profile, profile_toml

    require_free(file)
    profile = new_profile(load_profile(like), file.stem)
    write_atomic(file, profile_toml(profile).encode(), mode=0o644)
    if settings.json:
        emit(_described(profile), schema="igc.sim.card/1")
    else:
        talk(tr("{file} is written: edit it, then: igc sim run --card {file} --pcscd", file=file))


def _described(profile: CardProfile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "note": profile.note,
        "generation": profile.generation,
        "variant": profile.variant,
        "card_type": profile.card_type,
        "state": profile.state,
        "test": profile.test,
        "serial": profile.serial,
        "card_number": profile.card_number,
        "national_id": str(profile.national_id),
        "title": profile.title,
        "surname": profile.surname,
        "given_name": profile.given_name,
        "profession_code": profile.profession_code,
        "specialty": profile.specialty or None,
        "pin": profile.pin,
        "puk": profile.puk,
        "pin_tries_left": profile.pin_tries_left,
        "activities": [
            {
                "number": number,
                "raison_sociale": activity.raison_sociale,
                "structure_id": activity.structure_id,
                "secteur": activity.secteur,
            }
            for number, activity in profile.situations.items()
        ],
        "files": [{"name": name, "content": what} for name, what in profile.files.items()],
    }
