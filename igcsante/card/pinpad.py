"""PIN entry on the reader's own keypad: PC/SC part 10 (v2.02.09), §2.2 to §2.6.

The digits go from the keypad to the card inside the reader: what is sent here is a command
with blanks, where they belong, and how many they are. The reader checks the lengths, and
that a new PIN is typed twice alike.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from ..errors import CardError, PinFormatError, PinRefusedError, TimeoutExceededError
from ..messages import tr
from . import pin as policy
from .apdu import VERIFY, status_name
from .generation import PinField, PinStep
from .pkcs15 import PinEntry

FEATURE_VERIFY_PIN_DIRECT, FEATURE_MODIFY_PIN_DIRECT = 0x06, 0x07  # §2.2, table 1

SECONDS_TO_TYPE = 30
_FRENCH = 0x040C  # wLangId
_ASCII_FROM_START = 0x82  # bmFormatString: units of bytes, position 0, left, ASCII
_OK_KEY, _MOST_DIGITS = 0x02, 0x01  # bEntryValidationCondition
_CONFIRM, _OLD_FIRST = 0x01, 0x02  # bConfirmPIN
_ENTER, _ENTER_NEW, _CONFIRM_NEW = 0, 1, 2  # the messages of a reader's display
_BLANK = b"\xff"
_NO_TEO = bytes(3)  # bTeoPrologue, for T=1 readers that leave the framing to us: none today

_OLD_COUNTS = tr("the PIN or PUK before it was sent and was right, but no new PIN was set")
# Answers of the reader itself, none of which reached the card (§2.5.2, table 9).
_TIMEOUT, _CANCELLED, _DIFFERENT, _LENGTH, _NOT_UNDERSTOOD = 0x6400, 0x6401, 0x6402, 0x6403, 0x6B80


@runtime_checkable
class ReaderControls(Protocol):
    """A transport whose reader takes commands of its own."""

    def reader_features(self) -> bytes:
        """The answer to GET_FEATURE_REQUEST, empty when the reader gives none. Never fails."""
        ...

    def control(self, code: int, data: bytes) -> bytes:
        """Send a command to the reader. Raises what ``transmit`` raises."""
        ...


def parse_features(answer: bytes) -> dict[int, int]:
    """Feature tag → control code (§2.2). What has another shape ends the list.

    >>> parse_features(bytes.fromhex("060442330006"))
    {6: 1110638598}
    """
    features: dict[int, int] = {}
    for start in range(0, len(answer) - 5, 6):
        tag, length, code = struct.unpack_from(">BBI", answer, start)
        if length != 4:
            break
        features[tag] = code
    return features


@dataclass(frozen=True)
class PinPad:
    """The keypad of a reader. A code is None where the reader can't do that."""

    reader: ReaderControls
    verify_code: int | None
    modify_code: int | None

    @classmethod
    def of(cls, transport: object) -> Self | None:
        """The keypad of the reader behind a transport, None without one."""
        if not isinstance(transport, ReaderControls):
            return None
        features = parse_features(transport.reader_features())
        verify = features.get(FEATURE_VERIFY_PIN_DIRECT)
        modify = features.get(FEATURE_MODIFY_PIN_DIRECT)
        return None if verify is None and modify is None else cls(transport, verify, modify)

    def can_enter(self, step: PinStep, entry: PinEntry) -> bool:
        """Whether the reader can take what a step wants.

        Two PINs in one command need a fixed length: there is no other way to tell the
        reader where the second begins.
        """
        fits = len(step.fields) == 1 or _block_length(entry) > 0
        return self._code(step) is not None and fits

    def enter(self, step: PinStep, entry: PinEntry) -> int:
        """Let the holder type what ``step`` wants: the card's status word.

        ``entry`` says how long the PIN is. Raises, with no try used by this step: PinRefusedError
        (cancelled), TimeoutExceededError, PinFormatError (length, or two new PINs that
        differ), CardError for a reader that doesn't understand.
        """
        code = self._code(step)
        if code is None:
            raise CardError(tr("this reader has no keypad for that"))
        make = _verify_structure if step.command.ins == VERIFY else _modify_structure
        answer = self.reader.control(code, make(step, entry))
        if len(answer) != 2:
            raise CardError(tr("the reader gave no status for the PIN that was typed"))
        sw = int.from_bytes(answer)
        _check_reader(sw, step)
        return sw

    def _code(self, step: PinStep) -> int | None:
        return self.verify_code if step.command.ins == VERIFY else self.modify_code


def _verify_structure(step: PinStep, entry: PinEntry) -> bytes:
    """PIN_VERIFY_STRUCTURE (§2.5.2)."""
    apdu = _blank_command(step, entry)
    head = struct.pack(
        "<BBBBBHBBHB3s",
        SECONDS_TO_TYPE,
        SECONDS_TO_TYPE,
        _ASCII_FROM_START,
        _block_length(entry),
        0,  # bmPINLengthFormat: the length is not in the command
        _limits(entry),
        _validation(entry),
        1,  # bNumberMessage
        _FRENCH,
        _ENTER,
        _NO_TEO,
    )
    return head + struct.pack("<I", len(apdu)) + apdu


def _modify_structure(step: PinStep, entry: PinEntry) -> bytes:
    """PIN_MODIFY_STRUCTURE (§2.5.3): the new PIN is typed twice, the old one first if wanted."""
    apdu = _blank_command(step, entry)
    block = _block_length(entry)
    old_first = PinField.PIN in step.fields
    messages = (_ENTER, _ENTER_NEW, _CONFIRM_NEW) if old_first else (_ENTER_NEW, _CONFIRM_NEW, 0)
    head = struct.pack(
        "<BBBBBBBHBBBHBBB3s",
        SECONDS_TO_TYPE,
        SECONDS_TO_TYPE,
        _ASCII_FROM_START,
        block,
        0,  # bmPINLengthFormat
        0,  # bInsertionOffsetOld
        block if old_first else 0,  # bInsertionOffsetNew
        _limits(entry),
        _CONFIRM | (_OLD_FIRST if old_first else 0),
        _validation(entry),
        3 if old_first else 2,  # bNumberMessage
        _FRENCH,
        *messages,
        _NO_TEO,
    )
    return head + struct.pack("<I", len(apdu)) + apdu


def _blank_command(step: PinStep, entry: PinEntry) -> bytes:
    """The command with blanks for the digits; Lc 00 is the reader's to fill in."""
    blanks = _BLANK * (_block_length(entry) * len(step.fields))
    if policy.padded_length(entry) is not None:
        blanks = entry.pad_char[:1] * len(blanks)
    return step.command.header + bytes((len(blanks),)) + blanks


def _block_length(entry: PinEntry) -> int:
    """How many bytes a PIN takes in the command; 0 when as many as were typed."""
    least, most = policy.length_limits(entry)
    return policy.padded_length(entry) or (most if least == most else 0)


def _limits(entry: PinEntry) -> int:
    """wPINMaxExtraDigit: fewest digits in the high byte, most in the low one."""
    least, most = policy.length_limits(entry)
    return least << 8 | most


def _validation(entry: PinEntry) -> int:
    least, most = policy.length_limits(entry)
    return _OK_KEY | (_MOST_DIGITS if least == most else 0)


def _check_reader(sw: int, step: PinStep) -> None:
    """Raise for what the reader answered in the card's place."""
    if step.fields[0] is PinField.NEW_PIN:  # a step that follows the right PIN, or PUK
        unsent, advice = _OLD_COUNTS, tr("see what state it is in: igc card pin status")
    else:
        unsent, advice = tr("nothing was sent to the card"), tr("run the command again")
    if sw == _TIMEOUT:
        raise TimeoutExceededError(
            tr("no PIN was typed on the reader in time; {unsent}", unsent=unsent), advice=advice
        )
    if sw == _CANCELLED:
        raise PinRefusedError(
            tr("the entry was cancelled on the reader; {unsent}", unsent=unsent), advice=advice
        )
    if sw == _DIFFERENT:
        raise PinFormatError(tr("the two new PINs differ; {unsent}", unsent=unsent), advice=advice)
    if sw == _LENGTH:
        raise PinFormatError(
            tr("the PIN is too short or too long; {unsent}", unsent=unsent), advice=advice
        )
    if sw == _NOT_UNDERSTOOD:
        raise CardError(
            tr(
                "the reader doesn't take this PIN command: {sw:04X}, {sw_2}; {unsent}",
                sw=sw,
                sw_2=status_name(sw),
                unsent=unsent,
            ),
            advice=tr("give the PIN on this machine instead, with --pin-source"),
        )
