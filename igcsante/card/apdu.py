"""Command APDUs and status words: ISO/IEC 7816-4 §5.1 and §5.6, short lengths only.

CPx cards take no extended length (card.md §7: EF.ATR announces 260-byte commands), so
longer data travels in chained commands. What may hold a PIN is masked by :func:`masked`,
which every printed form of a command goes through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..errors import CardError
from ..messages import plural, tr

MAX_DATA = 255
MAX_LE = 256
CHAINING_BIT = 0x10

SELECT, READ_BINARY, GET_RESPONSE, GET_DATA = 0xA4, 0xB0, 0xC0, 0xCB
GET_CHALLENGE = 0x84
VERIFY, CHANGE_REFERENCE_DATA, RESET_RETRY_COUNTER = 0x20, 0x24, 0x2C
MANAGE_SECURITY_ENVIRONMENT, PERFORM_SECURITY_OPERATION, INTERNAL_AUTHENTICATE = 0x22, 0x2A, 0x88

_SECRET_INSTRUCTIONS = {VERIFY, VERIFY + 1, CHANGE_REFERENCE_DATA, RESET_RETRY_COUNTER}
_HEADER_BYTES = 5  # CLA INS P1 P2 Lc
_MASK = b"*"


def masked(command: bytes) -> bytes:
    """The command as it may be shown: after a PIN command's Lc, every byte is ``*``.

    The class byte doesn't matter, so no logical channel or chaining gets round it.
    """
    shown = public_length(command)
    return command[:shown] + _MASK * (len(command) - shown)


def public_length(command: bytes) -> int:
    """How many of a command's first bytes hold no PIN."""
    if len(command) < 2 or command[1] not in _SECRET_INSTRUCTIONS:
        return len(command)
    return min(_HEADER_BYTES, len(command))


@dataclass(frozen=True, repr=False)
class CommandApdu:
    """A short command. ``le`` is the answer length wanted, 1 to 256, None when no data is.

    Raises CardError when a field doesn't fit.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None

    def __post_init__(self) -> None:
        if not all(0 <= byte <= 0xFF for byte in (self.cla, self.ins, self.p1, self.p2)):
            raise CardError(tr("the header of a command APDU is four bytes"))
        if len(self.data) > MAX_DATA:
            raise CardError(
                tr("a short command APDU holds at most {max_data} bytes of data", max_data=MAX_DATA)
            )
        if self.le is not None and not 1 <= self.le <= MAX_LE:
            raise CardError(
                tr("the expected length of a short command APDU is 1 to {max_le}", max_le=MAX_LE)
            )

    @property
    def header(self) -> bytes:
        return bytes((self.cla, self.ins, self.p1, self.p2))

    def encode(self, protocol: str = "T=1") -> bytes:
        """The command's bytes (§5.1, table 3), for ``T=1`` or ``T=0``.

        T=0 has no Le beside data (ISO 7816-3 §12.2): the card offers its answer with 61xx.
        It has no four-byte command either: P3 is 00.
        """
        body = bytes((len(self.data),)) + self.data if self.data else b""
        if protocol == "T=0" and self.data:
            return self.header + body
        if self.le is None:
            return self.header + (body if self.data or protocol != "T=0" else b"\x00")
        return self.header + body + bytes((self.le % MAX_LE,))

    @classmethod
    def parse(cls, raw: bytes) -> CommandApdu:
        """Read the bytes of a command. A lone fifth byte is taken as Le. Raises CardError."""
        if len(raw) < 4:
            raise CardError(tr("a command APDU has at least four bytes"))
        header, body = raw[:4], raw[4:]
        data, le = b"", None
        if len(body) == 1:
            le = body[0] or MAX_LE
        elif body:
            length, rest = body[0], body[1:]
            if length == 0 or len(rest) not in (length, length + 1):
                raise CardError(tr("the lengths of the command APDU don't fit its bytes"))
            data = rest[:length]
            le = (rest[length] or MAX_LE) if len(rest) > length else None
        return cls(header[0], header[1], header[2], header[3], data, le)

    def __repr__(self) -> str:
        return f"CommandApdu({masked(self.encode()).hex(' ').upper()})"


def chain(command: CommandApdu, data: bytes) -> Iterator[CommandApdu]:
    """``command`` with ``data`` of any length, as chained commands (§5.1.1.1).

    All but the last carry the chaining bit in CLA and want no answer.
    """
    chunks = [data[start : start + MAX_DATA] for start in range(0, len(data), MAX_DATA)] or [b""]
    for chunk in chunks[:-1]:
        yield replace(command, cla=command.cla | CHAINING_BIT, data=chunk, le=None)
    yield replace(command, data=chunks[-1])


@dataclass(frozen=True)
class ResponseApdu:
    """What the card answered: ``data`` and the status word ``sw``."""

    data: bytes
    sw: int

    @property
    def ok(self) -> bool:
        return self.sw == SW_OK


# -- status words ----------------------------------------------------------------------

SW_OK = 0x9000
SW_END_OF_FILE = 0x6282
SW_CHANNEL_CLOSED = 0x6881
SW_PIN_REQUIRED = 0x6982
SW_PIN_BLOCKED = 0x6983
SW_REFERENCE_UNUSABLE = 0x6984
SW_CONDITIONS_NOT_SATISFIED = 0x6985
SW_FILE_NOT_FOUND = 0x6A82
SW_WRONG_P1P2 = 0x6A86
SW_CLASS_NOT_SUPPORTED = 0x6E00

# ISO 7816-4 §5.6, tables 5 and 6, as far as CPx cards use them (card.md §7).
_NAMES = {
    0x9000: tr("no error"),
    0x6200: tr("warning, no information"),
    0x6281: tr("part of the data may be corrupted"),
    0x6282: tr("end of file reached before Le bytes"),
    0x6283: tr("the selected file is deactivated"),
    0x6284: tr("file control information is badly formatted"),
    0x6300: tr("authentication failed"),
    0x6381: tr("file filled up by the last write"),
    0x6581: tr("memory failure"),
    0x6600: tr("security problem"),
    0x6700: tr("wrong length"),
    0x6800: tr("function in CLA not supported"),
    0x6881: tr("logical channel not supported"),
    0x6882: tr("secure messaging not supported"),
    0x6900: tr("command not allowed"),
    0x6981: tr("command incompatible with the file structure"),
    0x6982: tr("security status not satisfied"),
    0x6983: tr("authentication method blocked"),
    0x6984: tr("reference data not usable"),
    0x6985: tr("conditions of use not satisfied"),
    0x6986: tr("command not allowed, no current file"),
    0x6987: tr("secure messaging data objects missing"),
    0x6988: tr("secure messaging data objects incorrect"),
    0x6A80: tr("incorrect parameters in the data field"),
    0x6A81: tr("function not supported"),
    0x6A82: tr("file or application not found"),
    0x6A83: tr("record not found"),
    0x6A84: tr("not enough memory"),
    0x6A85: tr("Lc inconsistent with TLV structure"),
    0x6A86: tr("incorrect P1 or P2"),
    0x6A87: tr("Lc inconsistent with P1 or P2"),
    0x6A88: tr("referenced data not found"),
    0x6A89: tr("file already exists"),
    0x6A8A: tr("DF name already exists"),
    0x6B00: tr("wrong P1 or P2 (offset outside the file)"),
    0x6D00: tr("instruction not supported"),
    0x6E00: tr("class not supported"),
    0x6F00: tr("no precise diagnosis"),
}


def status_name(sw: int) -> str:
    """What a status word means, in a few English words.

    >>> status_name(0x63C2)
    'wrong, 2 tries left'
    """
    if sw & 0xFFF0 == 0x63C0:
        return plural("wrong, {count} try left", "wrong, {count} tries left", sw & 0xF)
    if sw >> 8 == 0x61:
        return tr("{count} bytes of answer to fetch", count=sw & 0xFF or MAX_LE)
    if sw >> 8 == 0x6C:
        return tr("wrong Le, {count} bytes available", count=sw & 0xFF or MAX_LE)
    return _NAMES.get(sw) or tr("unknown status")


def tries_left(sw: int) -> int | None:
    """The counter in 63Cx, 0 for 6983, None for any other status word."""
    if sw & 0xFFF0 == 0x63C0:
        return sw & 0xF
    return 0 if sw == SW_PIN_BLOCKED else None
