"""``igc card pin``: tries left, verify, change, unblock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..messages import tr
from . import ask
from .command import group
from .inserted import inserted_card, say_tries, verify_pin
from .output import Settings, card_options, emit, say, say_pairs, talk

if TYPE_CHECKING:
    from ..card.generation import PinStatus

pin_source_option = click.option(
    "--pin-source",
    metavar="SOURCE",
    help="Where the PIN comes from: fd:N, env:NAME or cmd:COMMAND.",
)
last_try_option = click.option(
    "--use-last-try", is_flag=True, help="Send it even if a single try is left."
)
_new_pin_option = click.option(
    "--new-pin-source", metavar="SOURCE", help="Where the new PIN comes from."
)
_yes_option = click.option("--yes", is_flag=True, help="Don't ask whether to do it.")


@group("pin")
@card_options
def pin_command(settings: Settings) -> None:
    """Look after the card's PIN: each command sends it once at most.

    Without a source it is typed on the reader's keypad, if it has one, or asked for here.

    \b
    Examples:
      igc card pin status
      igc card pin change
    """


@pin_command.command("status")
@card_options
def pin_status(settings: Settings) -> None:
    """Show how many PIN and PUK tries are left. Spends none.

    Exit code 0 even when the PIN is blocked.

    \b
    Examples:
      igc card pin status
      igc card pin status --json
    """
    with inserted_card(settings) as card:
        pin, puk = card.pin_status(), card.puk_status()
        least, most = card.pin_lengths()
        keypad = card.keypad_for("verify")
    if settings.json:
        emit(
            {
                "pin": {**_counter(pin), "min_length": least, "max_length": most},
                "puk": _counter(puk) if puk else None,
                "keypad": keypad,
            },
            schema="igc.card.pin/1",
        )
        return
    say_pairs(
        [
            (tr("PIN"), _counter_text(pin)),
            (tr("PUK"), _counter_text(puk) if puk else tr("not listed by the card")),
            (
                tr("Length"),
                tr("{least} digits", least=least)
                if least == most
                else tr("{least} to {most} digits", least=least, most=most),
            ),
            (tr("Keypad"), tr("the reader has one") if keypad else ""),
        ]
    )
    if pin.blocked and puk and not puk.blocked:
        talk(tr("Set a new PIN with the PUK: igc card pin unblock"))


@pin_command.command("verify")
@pin_source_option
@last_try_option
@card_options
def pin_verify(settings: Settings, pin_source: str | None, use_last_try: bool) -> None:
    """Try the PIN, once.

    \b
    Examples:
      igc card pin verify
      igc card pin verify --pin-source env:CPS_PIN
    """
    with inserted_card(settings) as card:
        verify_pin(card, pin_source, use_last_try=use_last_try)
    _done(settings, "verified", tr("The PIN is right."))


@pin_command.command("change")
@pin_source_option
@_new_pin_option
@last_try_option
@_yes_option
@card_options
def pin_change(
    settings: Settings,
    pin_source: str | None,
    new_pin_source: str | None,
    use_last_try: bool,
    yes: bool,
) -> None:
    """Give the card a new PIN; the present one is needed.

    \b
    Example:
      igc card pin change
    """
    with inserted_card(settings) as card:
        say_tries(card.pin_status(), "PIN")
        card.check_pin_policy(use_last_try=use_last_try)
        ask.agreement(yes, tr("Change the PIN of the card {serial}?", serial=card.serial), "--yes")
        keypad = not (pin_source or new_pin_source) and card.keypad_for("change")
        pin = ask.card_secret(keypad, pin_source, tr("Present PIN of the card"), "--pin-source")
        new = ask.card_secret(
            keypad, new_pin_source, tr("New PIN"), "--new-pin-source", confirm=True
        )
        card.change_pin(pin, new, use_last_try=use_last_try)
    _done(settings, "changed", tr("The PIN is changed."))


@pin_command.command("unblock")
@click.option("--puk-source", metavar="SOURCE", help="Where the PUK comes from.")
@_new_pin_option
@last_try_option
@_yes_option
@card_options
def pin_unblock(
    settings: Settings,
    puk_source: str | None,
    new_pin_source: str | None,
    use_last_try: bool,
    yes: bool,
) -> None:
    """Give the card a new PIN, and all its tries, by means of the PUK.

    \b
    Example:
      igc card pin unblock
    """
    with inserted_card(settings) as card:
        card.check_pin_policy(use_last_try=use_last_try, puk=True)
        puk_status = card.puk_status()
        if puk_status:
            say_tries(puk_status, "PUK")
        ask.agreement(
            yes,
            tr("Set a new PIN on the card {serial} with its PUK?", serial=card.serial),
            "--yes",
        )
        keypad = not (puk_source or new_pin_source) and card.keypad_for("unblock")
        puk = ask.card_secret(keypad, puk_source, tr("PUK of the card"), "--puk-source")
        new = ask.card_secret(
            keypad, new_pin_source, tr("New PIN"), "--new-pin-source", confirm=True
        )
        card.unblock_pin(puk, new, use_last_try=use_last_try)
    _done(settings, "unblocked", tr("The PIN is changed, and has all its tries."))


def _done(settings: Settings, action: str, text: str) -> None:
    if settings.json:
        emit({"action": action}, schema="igc.card.pin.done/1")
    else:
        say(text)


def _counter(status: PinStatus) -> dict[str, Any]:
    return {
        "tries_left": status.tries_left,
        "max_tries": status.max_tries,
        "blocked": status.blocked,
        "uses_left": status.uses_left,
    }


def _counter_text(status: PinStatus) -> str:
    text = tr(
        "{tries_left} of {max_tries} tries left",
        tries_left=status.tries_left,
        max_tries=status.max_tries,
    )
    if status.uses_left is not None:
        text = tr("{text}, {uses_left} uses left", text=text, uses_left=status.uses_left)
    return tr("blocked ({text})", text=text) if status.blocked else text
