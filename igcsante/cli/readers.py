"""``igc readers``: which readers there are, and what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..errors import ReaderAbsentError, UsageError
from ..messages import localized, tr
from ..words import said
from .command import command, in_clicks_language
from .output import Settings, card_options, emit, say, say_table, talk

if TYPE_CHECKING:
    from ..card.readers import ReaderStatus
    from ..card.watch import ReaderEvent

_MOST_SECONDS = 30 * 24 * 3600  # a clock that waits longer overflows on some systems


def _seconds(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """A number of seconds, 0 or more."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= _MOST_SECONDS:
        told = tr(
            "{value!r} is no number of seconds from 0 to {most}", value=value, most=_MOST_SECONDS
        )
        raise click.BadParameter(in_clicks_language(told))
    return seconds


@command("readers")
@click.option("--watch", is_flag=True, help="Tell of each change, until interrupted.")
@click.option("--wait", callback=_seconds, metavar="SECONDS", help="Wait so long for a CPx card.")
@card_options
def readers_command(settings: Settings, watch: bool, wait: float | None) -> None:
    """List the card readers and what is in them.

    With --watch, tell of each reader and card that comes or goes, those of now first. With
    --wait, end as soon as a CPx card is in a reader; exit code 13 when none came in that
    time. Exit code 3 when there is no reader.

    \b
    Examples:
      igc readers
      igc readers --wait 60 && igc card info  as soon as a card is in
    """
    if watch and wait is not None:
        raise UsageError(tr("--watch goes on until it is interrupted: --wait doesn't go with it"))
    if watch:
        _watch(settings)
    elif wait is not None:
        from ..card.watch import wait_for_card

        _show_event(wait_for_card(settings.reader, wait), as_json=settings.json)
    else:
        _list(settings)


def _watch(settings: Settings) -> None:
    from ..card.watch import ReaderWatch

    with ReaderWatch() as changes:
        for event in changes:
            if settings.reader is None or settings.reader.lower() in event.reader.lower():
                _show_event(event, as_json=settings.json)


def _show_event(event: ReaderEvent, *, as_json: bool) -> None:
    if as_json:
        emit(
            {
                "reader": event.reader,
                "change": event.change.value,
                "atr": event.atr,
                "generation": event.generation,
            },
            schema="igc.reader.event/1",
        )
        return
    text = said(event.change)
    if event.atr is not None:
        from ..card.atr import describe

        text = tr("{change}: {card}", change=text, card=describe(event.atr))
    say(f"{event.reader}  {localized(text)}")


def _list(settings: Settings) -> None:
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
            (tr("Reader"), tr("Card")),
            [(status.name, _card_text(status)) for status in statuses],
        )
    if not statuses:
        raise ReaderAbsentError(
            tr("no card reader"),
            advice=tr("plug one in, or try a simulated one: igc sim run --pcscd"),
        )
    if not any(status.card_present for status in statuses):
        talk(tr("No card is inserted."))
    elif sum(status.card_present for status in statuses) > 1:
        talk(tr("Choose one with --reader and part of its name, or the card's serial number."))


def _card_text(status: ReaderStatus) -> str:
    if not status.card_present:
        return tr("none")
    if status.generation:
        return said(status.generation)
    if status.atr is None:
        return tr("a card that another program holds, or that doesn't answer")
    from ..card.atr import describe

    return tr("{card}, ATR {atr}", card=describe(status.atr), atr=status.atr.hex().upper())
