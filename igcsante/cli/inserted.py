"""The card in the reader that a command was told of, and its PIN."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Profile, cache_directory
from ..errors import UsageError
from ..messages import tr
from ..text import printable
from . import ask
from .chosen import profile_of
from .output import Settings, talk

if TYPE_CHECKING:
    from ..card.cache import CardCache
    from ..card.generation import PinStatus
    from ..card.monitor import Exchange, Monitor
    from ..card.session import CpsCard


def token_module(settings: Settings, profile: Profile) -> Path | None:
    """The PKCS#11 module whose token stands for the card, None to use the card."""
    return settings.pkcs11 or profile.pkcs11


@contextmanager
def inserted_card(settings: Settings) -> Iterator[CpsCard]:
    """The card of the chosen reader, for the time of a command; traced and recorded if asked."""
    from ..card.readers import open_card

    profile = profile_of(settings)
    if token_module(settings, profile):
        raise UsageError(
            tr("this command talks to the card itself: a PKCS#11 token can't stand for it"),
            advice=tr(
                "leave out --pkcs11, or choose a profile without the key pkcs11; igc card id, "
                "certs, sign and tls-check, and the platform's commands, take a token"
            ),
        )
    name, cache = settings.reader or profile.reader, _card_cache(settings, profile)
    with open_card(name, monitor=_monitor(settings), cache=cache, waiting=_say_waiting) as card:
        yield card


def _say_waiting(reader: str) -> None:
    talk(tr("{reader}: another program is using the card; waiting…", reader=printable(reader)))


def _card_cache(settings: Settings, profile: Profile) -> CardCache | None:
    """Where files of the card are kept; a recording holds all that its command needs."""
    from ..card.cache import CardCache

    if settings.recorder is not None or profile.card_cache == "never":
        return None
    return CardCache(card_cache_directory(), without_marker=profile.card_cache == "always")


def card_cache_directory() -> Path:
    return cache_directory() / "cards"


def _monitor(settings: Settings) -> Monitor | None:
    """What looks on while the card is used."""
    monitors: list[Monitor] = []
    if settings.recorder is not None:
        monitors.append(settings.recorder)
    if settings.trace:
        from ..card.trace import Annotator

        annotate = Annotator()
        monitors.append(lambda exchange: talk(annotate(exchange)))

    def watch(exchange: Exchange) -> None:
        for monitor in monitors:
            monitor(exchange)

    return watch if monitors else None


def verify_pin(card: CpsCard, source: str | None, *, use_last_try: bool) -> None:
    """Ask for the PIN and send it once; what is said before depends on the tries left."""
    with pin_verified(card, source, use_last_try=use_last_try):
        pass


@contextmanager
def pin_verified(card: CpsCard, source: str | None, *, use_last_try: bool) -> Iterator[None]:
    """As :func:`verify_pin`; in the block no other program can make the card forget the PIN.

    A PIN that is at hand is taken first, so that one reading of the counter serves. A person is
    not asked for the PIN of a card that would refuse it, nor made to hurry: the counter is
    then read before, and once more right before the PIN is sent.
    """
    at_hand = ask.secret_at_hand(source)
    if at_hand is None:
        _check_tries(card, use_last_try=use_last_try)
        keypad = source is None and card.keypad_for("verify")
        pin = ask.card_secret(keypad, source, tr("PIN of the card"), "--pin-source")
    else:
        pin = at_hand
    with card.transaction():
        if at_hand is not None:
            _check_tries(card, use_last_try=use_last_try)
        card.verify_pin(pin, use_last_try=use_last_try)
        yield


def _check_tries(card: CpsCard, *, use_last_try: bool) -> None:
    status = card.pin_status()
    card.check_pin_policy(use_last_try=use_last_try)
    say_tries(status, "PIN")


def say_tries(status: PinStatus, name: str) -> None:
    """Warn when some of the tries of PIN or PUK are spent."""
    if status.tries_left < status.max_tries:
        talk(
            tr(
                "Careful: {tries_left} of {max_tries} {name} tries left.",
                tries_left=status.tries_left,
                max_tries=status.max_tries,
                name=name,
            )
        )
