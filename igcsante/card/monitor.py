"""What goes to and from the card, for traces, recordings and counts, without its secrets.

A monitor is a function that receives each :class:`Exchange`. It never sees the bytes of a
PIN or PUK, whatever the command and class byte, nor what the card deciphered: both are
replaced before.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ..errors import CardError
from ..messages import tr
from .apdu import (
    CHAINING_BIT,
    GET_RESPONSE,
    PERFORM_SECURITY_OPERATION,
    SW_OK,
    masked,
    public_length,
)
from .transport import Transport

MASK = b"*"
_COMMAND_HEADER = 5  # CLA INS P1 P2 Lc
_DECIPHER = bytes((PERFORM_SECURITY_OPERATION, 0x80, 0x86))
# An EMSA-PKCS1-v1_5 block (RFC 8017 §9.2): with it PSO DECIPHER makes a signature (card.md §6.3).
_SIGNATURE_BLOCK = b"\x00\x01" + b"\xff" * 8


@dataclass(frozen=True)
class Link:
    """The card that an exchange was with. ``protocol`` is ``T=0`` or ``T=1``."""

    reader_name: str
    atr: bytes
    protocol: str


@dataclass(frozen=True)
class Exchange:
    """One command and its answer. What may not be shown is ``*``, byte for byte.

    The lengths are those that travelled, so counts of bytes are right. ``secret`` tells
    that the data of the answer was replaced. ``command`` is empty when the PIN was typed on
    the reader, which sent the command itself.
    """

    command: bytes
    response: bytes
    sw: int
    link: Link
    secret: bool = False

    @property
    def command_text(self) -> str:
        """The command in hexadecimal, ``**`` for each byte that isn't shown."""
        return command_text(self.command)

    @property
    def response_text(self) -> str:
        """The data of the answer in hexadecimal, ``**`` for each byte that isn't shown."""
        return "**" * len(self.response) if self.secret else self.response.hex().upper()

    def __str__(self) -> str:
        return f"> {self.command_text}\n< {self.response_text}{self.sw:04X}"


def command_text(command: bytes) -> str:
    """A command in hexadecimal, ``**`` for each byte that may be of a PIN."""
    shown = public_length(command)
    return command[:shown].hex().upper() + "**" * (len(command) - shown)


Monitor = Callable[[Exchange], None]


class MonitoredTransport:
    """A transport that shows each completed exchange to a monitor."""

    def __init__(self, transport: Transport, monitor: Monitor) -> None:
        self._transport = transport
        self._monitor = monitor
        self._deciphering = self._chained = False

    @property
    def atr(self) -> bytes:
        return self._transport.atr

    @property
    def protocol(self) -> str:
        return self._transport.protocol

    @property
    def reader_name(self) -> str:
        return self._transport.reader_name

    def transmit(self, command: bytes) -> tuple[bytes, int]:
        self._deciphering = self._deciphers(command)
        chained, self._chained = command[1:4] == _DECIPHER and command[0] & CHAINING_BIT, False
        response, sw = self._transport.transmit(command)
        self._chained = bool(chained) and sw == SW_OK
        secret = self._deciphering and bool(response)
        shown = MASK * len(response) if secret else response
        self._monitor(Exchange(masked(command), shown, sw, self._link, secret))
        return response, sw

    def reader_features(self) -> bytes:
        """The answer to GET_FEATURE_REQUEST, empty for a transport that has no reader."""
        features = getattr(self._transport, "reader_features", bytes)
        return bytes(features())

    def control(self, code: int, data: bytes) -> bytes:
        """A command to the reader itself; the monitor gets its answer and no command."""
        control = getattr(self._transport, "control", None)
        if control is None:
            raise CardError(
                tr(
                    "{reader_name}: the reader takes no commands of its own",
                    reader_name=self.reader_name,
                )
            )
        answer = bytes(control(code, data))
        self._monitor(Exchange(b"", b"", int.from_bytes(answer[-2:]), self._link))
        return answer

    def transaction(self) -> AbstractContextManager[None]:
        return self._transport.transaction()

    def close(self) -> None:
        self._transport.close()

    @property
    def _link(self) -> Link:
        return Link(self.reader_name, self.atr, self.protocol)

    def _deciphers(self, command: bytes) -> bool:
        """Whether what the card answers next may be a deciphered message."""
        if command[1:4] == _DECIPHER:
            if self._chained:
                return self._deciphering
            return not command[_COMMAND_HEADER:].startswith(_SIGNATURE_BLOCK)
        return self._deciphering and command[1:2] == bytes((GET_RESPONSE,))
