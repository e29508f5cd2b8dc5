"""What goes to and from the card, for traces and counts, with PIN bytes masked.

A monitor is a function that receives each :class:`Exchange`. It never sees the command as
sent: the PIN bytes are replaced before, for every PIN command and class byte.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from .apdu import masked
from .transport import Transport


@dataclass(frozen=True)
class Exchange:
    """One command and its answer. In ``command`` every PIN byte is a ``*``.

    The lengths are those that travelled, so counts of bytes are right.
    """

    command: bytes
    response: bytes
    sw: int

    def __str__(self) -> str:
        return f"> {self.command.hex().upper()}\n< {self.response.hex().upper()}{self.sw:04X}"


Monitor = Callable[[Exchange], None]


class MonitoredTransport:
    """A transport that shows each completed exchange to a monitor."""

    def __init__(self, transport: Transport, monitor: Monitor) -> None:
        self._transport = transport
        self._monitor = monitor

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
        response, sw = self._transport.transmit(command)
        self._monitor(Exchange(masked(command), response, sw))
        return response, sw

    def transaction(self) -> AbstractContextManager[None]:
        return self._transport.transaction()

    def close(self) -> None:
        self._transport.close()
