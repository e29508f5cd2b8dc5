"""The PIN policy (design §6): when a PIN or PUK may be sent, and what it must look like.

A try is the scarcest thing on a card: nothing is sent that can't be right, nothing when
the counter is low, and never the same secret twice.
"""

from __future__ import annotations

from ..errors import (
    CardError,
    CardStatusError,
    PinBlockedError,
    PinFormatError,
    PinRefusedError,
    PinWrongError,
)
from ..messages import plural, tr
from ..secret import Secret
from .apdu import (
    SW_OK,
    SW_PIN_BLOCKED,
    SW_REFERENCE_UNUSABLE,
    status_name,
    tries_left,
)
from .generation import PinField, PinStatus
from .pkcs15 import PinEntry

MAX_PIN_LENGTH = 16
_TEXT_TYPES = {"ascii_numeric", "utf8"}
_UNBLOCK = {
    PinField.PIN: tr("set a new PIN with the PUK: igc card pin unblock"),
    PinField.PUK: tr("this card's PIN can't be set any more: its issuer must replace the card"),
}


def check_counter(status: PinStatus, *, use_last_try: bool, field: PinField = PinField.PIN) -> None:
    """Raise PinBlockedError without a try left, PinRefusedError with a single one.

    ``use_last_try`` allows the last try.
    """
    name = field.value
    if status.blocked:
        raise PinBlockedError(
            tr("the card's {name} is blocked", name=name),
            advice=_UNBLOCK[field],
            tries_left=0,
            secret=name,
        )
    if status.tries_left < 2 and not use_last_try:
        raise PinRefusedError(
            tr("a single PIN try is left: the PIN was not sent, a wrong one would block the card")
            if field is PinField.PIN
            else tr(
                "a single {name} try is left: the {name} was not sent, "
                "a wrong one would block it for good",
                name=name,
            ),
            advice=tr("give --use-last-try if you are sure of the {name}", name=name),
            tries_left=status.tries_left,
            secret=name,
        )


def length_limits(entry: PinEntry) -> tuple[int, int]:
    """The fewest and the most digits that a PIN or PUK of the card has."""
    return entry.min_length, min(entry.max_length, MAX_PIN_LENGTH)


def padded_length(entry: PinEntry) -> int | None:
    """The length that the card wants a PIN filled up to, None when it wants it as it is."""
    if "needs_padding" in entry.flags and entry.stored_length <= MAX_PIN_LENGTH:
        return entry.stored_length
    return None


def encoded_pin(pin: Secret, entry: PinEntry, field: PinField = PinField.PIN) -> bytes:
    """The PIN's bytes as the card wants them, padded only if the card says so.

    Raises PinFormatError when it can't be a PIN of this card, CardError when the card wants
    a coding that we don't know.
    """
    check_coding(entry)
    name, value = field.value, pin.reveal()
    least, most = length_limits(entry)
    if not least <= len(value) <= most or not value.isdigit():
        length = f"{least}" if least == most else f"{least} to {most}"
        raise PinFormatError(
            tr("that can't be the card's {name}; it was not sent", name=name),
            advice=tr("a {name} is {length} digits", name=name, length=length),
            secret=name,
        )
    return value.ljust(padded_length(entry) or 0, entry.pad_char[:1])


def check_coding(entry: PinEntry) -> None:
    """Raise CardError for a PIN that the card wants coded in a way that we don't know."""
    if entry.type not in _TEXT_TYPES:
        raise CardError(
            tr("the card wants its PIN coded as {type}, which is not supported", type=entry.type)
        )


def check_verified(sw: int, before: PinStatus, field: PinField = PinField.PIN) -> None:
    """Raise PinWrongError or PinBlockedError for what VERIFY answered, unless it succeeded.

    CardStatusError for an answer that says nothing of the PIN.
    """
    if sw == SW_OK:
        return
    name = field.value
    left = 0 if sw == SW_REFERENCE_UNUSABLE else tries_left(sw)
    if sw == 0x6300:
        left = before.tries_left - 1
    if left is None:
        raise CardStatusError(
            tr(
                "the card refused the {name} command: {sw:04X}, {meaning}",
                name=name,
                sw=sw,
                meaning=status_name(sw),
            ),
            status_word=sw,
        )
    if left == 0:
        was_blocked = sw in (SW_PIN_BLOCKED, SW_REFERENCE_UNUSABLE)
        raise PinBlockedError(
            tr("the card's {name} is now blocked", name=name)
            if was_blocked
            else tr("the {name} is wrong, and the card's {name} is now blocked", name=name),
            advice=_UNBLOCK[field],
            tries_left=0,
            secret=name,
        )
    raise PinWrongError(
        plural(
            "the {name} is wrong: {count} try left",
            "the {name} is wrong: {count} tries left",
            left,
            name=name,
        ),
        tries_left=left,
        advice=tr("it is not sent again by itself"),
        secret=name,
    )


def check_new_pin(sw: int, *, unblocking: bool) -> None:
    """Raise CardStatusError unless the card did what follows the right old PIN, or PUK."""
    if sw == SW_OK:
        return
    raise CardStatusError(
        tr("the card refused the new PIN: {sw:04X}, {meaning}", sw=sw, meaning=status_name(sw)),
        status_word=sw,
        advice=tr("the old PIN still counts; see whether it has tries again: igc card pin status")
        if unblocking
        else tr("the old PIN still counts"),
    )
