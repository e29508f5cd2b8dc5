"""``igc readers``: which readers there are, and what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..errors import ReaderAbsentError
from .output import Settings, common_options, emit, say_table, talk

if TYPE_CHECKING:
    from ..card.readers import ReaderStatus


@click.command("readers")
@common_options
def readers_command(settings: Settings) -> None:
    """List the card readers and what is in them.

    Exit code 3 when there is none.
    """
    from ..card.readers import reader_statuses, system_readers

    statuses = reader_statuses(system_readers())
    if settings.json:
        for status in statuses:
            emit(
                {
                    "reader": status.name,
                    "card_present": status.card_present,
                    "atr": status.atr,
                    "generation": status.generation,
                },
                schema="igc.reader/1",
            )
    elif statuses:
        say_table(
            ("Reader", "Card"),
            [(status.name, _card_text(status)) for status in statuses],
        )
    if not statuses:
        raise ReaderAbsentError(
            "no card reader", advice="plug one in, or try a simulated one: igc sim run --pcscd"
        )
    if not any(status.card_present for status in statuses):
        talk("No card is inserted.")
    elif sum(status.card_present for status in statuses) > 1:
        talk("Choose one with --reader and part of its name.")


def _card_text(status: ReaderStatus) -> str:
    if not status.card_present:
        return "none"
    atr = status.atr.hex().upper() if status.atr else "no ATR"
    return status.generation or f"unknown card (ATR {atr})"
