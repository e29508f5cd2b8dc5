"""Simulated readers, in process, for any program written against pyscard's reader objects.

A :class:`SimulatedReader` has what pyscard's ``Reader`` has, its connections what a
``CardConnection`` has: same method names, same lists of integers, same exceptions when
pyscard is installed, else look-alikes with the same ``hresult``. Error codes: PC/SC part 5,
pcsclite.h.
"""

# ruff: noqa: N802, N803 - pyscard's names

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from ...errors import CardError, UsageError
from ...messages import tr
from .faults import Fault, FaultScript
from .insertable import Insertable

T0, T1 = 0x01, 0x02
LEAVE_CARD, RESET_CARD, UNPOWER_CARD = 0, 1, 2
SHARE_EXCLUSIVE, SHARE_SHARED = 1, 2

E_SHARING_VIOLATION = 0x8010000B
E_NO_SMARTCARD = 0x8010000C
E_PROTO_MISMATCH = 0x8010000F
E_INVALID_HANDLE = 0x80100003
E_READER_UNAVAILABLE = 0x80100017
E_UNSUPPORTED_FEATURE = 0x8010001F
W_RESET_CARD = 0x80100068
W_REMOVED_CARD = 0x80100069

_NO_CONNECTION = "Unable to connect"
_PROTOCOL_BITS = {"T=0": T0, "T=1": T1}


class CardConnectionException(CardError):  # noqa: N818 - stands for pyscard's
    """Where pyscard is absent: its exception of the same name. ``hresult`` as in PC/SC."""

    def __init__(self, message: str, hresult: int) -> None:
        super().__init__(
            tr("{message} (0x{hresult:08X})", message=message, hresult=hresult), hresult=hresult
        )
        self.hresult = hresult


class NoCardException(CardConnectionException):
    """Where pyscard is absent: its exception of the same name."""


@dataclass(frozen=True)
class ConnectionEvent:
    """What observers of a connection get: pyscard's ``CardConnectionEvent``."""

    type: str
    args: list[Any] | None = None


class SimulatedReader:
    """A reader that holds one card, or none. Readers are equal by name, as pyscard's."""

    def __init__(self, name: str = "Simulated reader", card: Insertable | None = None) -> None:
        self.name = name
        self._card: Insertable | None = None
        self._connections: list[SimulatedConnection] = []
        self._faults = FaultScript()
        self._unplugged = False
        if card is not None:
            self.insert(card)

    @property
    def card(self) -> Insertable | None:
        """The card inside."""
        return self._card

    def insert(self, card: Insertable) -> None:
        """Put a card in. Raises UsageError when there is one already."""
        if self._card is not None:
            raise UsageError(
                tr("{name} already holds a card", name=self.name), advice=tr("remove() it first")
            )
        self._card = card

    def remove(self) -> None:
        """Pull the card out, if there is one; open connections fail from then on."""
        if self._card is not None:
            self._card.power_off()
            self._card = None
        for connection in self._connections:
            connection._lost = W_REMOVED_CARD

    def remove_at(self, exchange: int) -> None:
        """Let the card vanish at the ``exchange``-th command from now on (1: the next one)."""
        self.inject(Fault(exchange, "remove"))

    def inject(self, *faults: Fault) -> None:
        """Let these faults happen, instead of those that are still to come.

        Exchanges are counted from now on, over all connections.
        """
        self._faults = FaultScript(faults)

    def unplug(self) -> None:
        """Take the reader away, with its card; every use fails until :meth:`plug`."""
        self.remove()
        self._unplugged = True
        for connection in self._connections:
            connection._lost = E_READER_UNAVAILABLE

    def plug(self) -> None:
        """Give the reader back, empty."""
        self._unplugged = False

    def createConnection(self) -> SimulatedConnection:
        """A connection, not yet connected."""
        return SimulatedConnection(self)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return repr(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SimulatedReader) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    # -- for its connections ---------------------------------------------------------------

    def _attach(self, connection: SimulatedConnection, mode: int) -> Insertable:
        fault = self._faults.at_connection()
        if fault is not None:
            self._suffer(fault)
        if self._unplugged:
            _fail(_NO_CONNECTION, E_READER_UNAVAILABLE)
        others = self._connections
        if others and (mode == SHARE_EXCLUSIVE or any(c._exclusive for c in others)):
            _fail(_NO_CONNECTION, E_SHARING_VIOLATION)
        if self._card is None:
            _fail(_NO_CONNECTION, E_NO_SMARTCARD)
        if not self._card.powered:
            self._card.power_on()
        self._connections.append(connection)
        return self._card

    def _detach(self, connection: SimulatedConnection, disposition: int) -> None:
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        if self._card is not None and not connection._lost:
            self._dispose(disposition)

    def _dispose(self, disposition: int) -> None:
        """Reset or unpower the card; whoever else is connected learns of it."""
        if self._card is None or disposition == LEAVE_CARD:
            return
        self._card.power_on() if disposition == RESET_CARD else self._card.power_off()
        for connection in self._connections:
            connection._lost = W_RESET_CARD

    def _exchange(self, connection: SimulatedConnection, command: bytes) -> bytes:
        return self._faults.exchange(command, connection._present, self._suffer)

    def _suffer(self, fault: Fault) -> None:
        """What the faults that PC/SC tells of do; the connections notice by themselves."""
        match fault.kind:
            case "remove":
                self.remove()
            case "unplug":
                self.unplug()
            case "reset":
                self._dispose(RESET_CARD)
            case "sharing":
                _fail(tr("Failed to transmit") if fault.at else _NO_CONNECTION, E_SHARING_VIOLATION)


class SimulatedConnection:
    """A connection to the card of a :class:`SimulatedReader`: pyscard's ``CardConnection``."""

    T0_protocol = T0
    T1_protocol = T1

    def __init__(self, reader: SimulatedReader) -> None:
        self.reader = reader.name
        self._reader = reader
        self._card: Insertable | None = None
        self._protocols = T0 | T1
        self._disposition = UNPOWER_CARD
        self._exclusive = False
        self._lost = 0  # the PC/SC error that every use gives until the next connect
        self._observers: list[Any] = []
        self._error_checker: Callable[[list[int], int, int], None] | None = None

    def connect(
        self, protocol: int | None = None, mode: int | None = None, disposition: int | None = None
    ) -> None:
        """Connect; the card gets power when it has none.

        Raises NoCardException, or CardConnectionException (sharing violation, protocol).
        """
        self._notify("connect")
        self._reader._detach(self, LEAVE_CARD)
        mode = SHARE_SHARED if mode is None else mode
        self._card, self._lost = self._reader._attach(self, mode), 0
        self._exclusive = mode == SHARE_EXCLUSIVE
        self._disposition = UNPOWER_CARD if disposition is None else disposition
        self._agree(protocol or self._protocols)

    def reconnect(
        self, protocol: int | None = None, mode: int | None = None, disposition: int | None = None
    ) -> None:
        """Connect again after a reset; resets the card itself unless told to leave it."""
        self._notify("reconnect")
        self._present(tolerated=W_RESET_CARD)
        self._reader._dispose(RESET_CARD if disposition is None else disposition)
        self._lost = 0
        if not self._present().powered:
            self._present().power_on()
        self._exclusive = mode == SHARE_EXCLUSIVE
        self._agree(protocol or self._protocols)

    def disconnect(self) -> None:
        """Let go of the card, and do with it what ``connect`` was told. Never fails."""
        self._notify("disconnect")
        self._reader._detach(self, self._disposition)
        self._card, self._exclusive = None, False

    def release(self) -> None:
        """Same as :meth:`disconnect`: there is no PC/SC context to give back."""
        self._notify("release")
        self.disconnect()

    def transmit(
        self, command: list[int], protocol: int | None = None
    ) -> tuple[list[int], int, int]:
        """Send a command APDU: (data, SW1, SW2). Raises CardConnectionException."""
        self._notify("command", [command, protocol])
        self._present()
        answer = self._reader._exchange(self, bytes(command))
        data, sw1, sw2 = list(answer[:-2]), answer[-2], answer[-1]
        self._notify("response", [data, sw1, sw2])
        if self._error_checker is not None:
            self._error_checker(data, sw1, sw2)
        return data, sw1, sw2

    def begin_transaction(self) -> None:
        """Nothing to do: connections of one process take turns. Raises as transmit does."""
        self._present()

    def end_transaction(self) -> None:
        self._present()

    def getATR(self) -> list[int]:
        return list(self._present().atr)

    def getProtocol(self) -> int:
        """The agreed protocol's bit; before connecting, the mask to connect with."""
        return self._protocols if self._card is None else _PROTOCOL_BITS[self._card.protocol]

    def setProtocol(self, protocol: int) -> None:
        self._protocols = protocol

    def getReader(self) -> str:
        return self.reader

    def getAttrib(self, attribId: int) -> NoReturn:
        """No attribute is known. Raises CardConnectionException."""
        _fail(tr("Failed to get attribute"), E_UNSUPPORTED_FEATURE)

    def control(self, controlCode: int, command: list[int] | None = None) -> NoReturn:
        """The reader has no commands of its own. Raises CardConnectionException."""
        _fail(tr("Failed to control"), E_UNSUPPORTED_FEATURE)

    def addObserver(self, observer: Any) -> None:
        """``observer.update(connection, event)`` is called for every step."""
        self._observers.append(observer)

    def deleteObserver(self, observer: Any) -> None:
        self._observers.remove(observer)

    def deleteObservers(self) -> None:
        self._observers.clear()

    def countObservers(self) -> int:
        return len(self._observers)

    def setErrorCheckingChain(self, errorcheckingchain: list[Any]) -> None:
        """Pass every answer to the first element of pyscard's chain, which may raise."""
        self._error_checker = errorcheckingchain[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def _agree(self, protocols: int) -> None:
        card = self._present()
        offered = [p for p in card.protocols if _PROTOCOL_BITS[p] & protocols]
        if not offered:
            self._reader._detach(self, LEAVE_CARD)
            self._card = None
            _fail(_NO_CONNECTION, E_PROTO_MISMATCH)
        card.protocol = offered[-1]

    def _present(self, tolerated: int = 0) -> Insertable:
        if self._card is None:
            _fail(tr("Card not connected"), E_INVALID_HANDLE)
        if self._lost not in (0, tolerated):
            _fail(tr("Failed to transmit"), self._lost)
        return self._card

    def _notify(self, kind: str, args: list[Any] | None = None) -> None:
        for observer in list(self._observers):
            observer.update(self, ConnectionEvent(kind, args))


def _fail(message: str, hresult: int) -> NoReturn:
    """Raise pyscard's exception where it is installed, else ours of the same name."""
    try:
        kinds = importlib.import_module("smartcard.Exceptions")
    except ImportError:
        kinds = sys.modules[__name__]
    absent = message == _NO_CONNECTION and hresult in (E_NO_SMARTCARD, W_REMOVED_CARD)
    kind = kinds.NoCardException if absent else kinds.CardConnectionException
    raise kind(message, hresult=hresult)
