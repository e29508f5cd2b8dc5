"""The PIN policy (design §6): when a PIN may be sent, and what it must look like.

A PIN try is the scarcest thing on a card: nothing is sent that can't be right, nothing when
the counter is low, and never the same PIN twice.
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
from ..secret import Secret
from .apdu import (
    SW_OK,
    SW_PIN_BLOCKED,
    SW_REFERENCE_UNUSABLE,
    status_name,
    tries_left,
)
from .generation import PinStatus
from .pkcs15 import PinEntry

MAX_PIN_LENGTH = 16
_TEXT_TYPES = {"ascii_numeric", "utf8"}
_UNBLOCK = "the PUK is needed to set a new PIN: use the official card management tool"


def check_counter(status: PinStatus, *, use_last_try: bool) -> None:
    """Raise PinBlockedError without a try left, PinRefusedError with a single one.

    ``use_last_try`` allows the last try.
    """
    if status.blocked:
        raise PinBlockedError("the card's PIN is blocked", advice=_UNBLOCK, tries_left=0)
    if status.tries_left < 2 and not use_last_try:
        raise PinRefusedError(
            "a single PIN try is left: the PIN was not sent, a wrong one would block the card",
            advice="give --use-last-try if you are sure of the PIN",
            tries_left=status.tries_left,
        )


def encoded_pin(pin: Secret, entry: PinEntry) -> bytes:
    """The PIN's bytes as the card wants them, padded only if the card says so.

    Raises PinFormatError when it can't be a PIN of this card, CardError when the card wants
    a coding that we don't know.
    """
    if entry.type not in _TEXT_TYPES:
        raise CardError(f"the card wants its PIN coded as {entry.type}, which is not supported")
    value = pin.reveal()
    most = min(entry.max_length, MAX_PIN_LENGTH)
    if not entry.min_length <= len(value) <= most or not value.isdigit():
        length = (
            f"{entry.min_length}" if entry.min_length == most else f"{entry.min_length} to {most}"
        )
        raise PinFormatError(
            "that can't be the card's PIN; it was not sent", advice=f"a PIN is {length} digits"
        )
    if "needs_padding" in entry.flags and entry.stored_length <= MAX_PIN_LENGTH:
        return value.ljust(entry.stored_length, entry.pad_char[:1])
    return value


def check_verified(sw: int, before: PinStatus) -> None:
    """Raise PinWrongError or PinBlockedError for what VERIFY answered, unless it succeeded.

    CardStatusError for an answer that says nothing of the PIN.
    """
    if sw == SW_OK:
        return
    left = 0 if sw == SW_REFERENCE_UNUSABLE else tries_left(sw)
    if sw == 0x6300:
        left = before.tries_left - 1
    if left is None:
        raise CardStatusError(
            f"the card refused the PIN command: {sw:04X}, {status_name(sw)}", status_word=sw
        )
    if left == 0:
        wrong = "" if sw in (SW_PIN_BLOCKED, SW_REFERENCE_UNUSABLE) else "the PIN is wrong, and "
        raise PinBlockedError(
            f"{wrong}the card's PIN is now blocked", advice=_UNBLOCK, tries_left=0
        )
    raise PinWrongError(
        f"the PIN is wrong: {left} {'try' if left == 1 else 'tries'} left",
        tries_left=left,
        advice="it is not sent again by itself",
    )
