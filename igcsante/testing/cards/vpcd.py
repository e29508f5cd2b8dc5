"""A simulated card in a virtual PC/SC reader: the card's side of vpcd's TCP protocol.

vpcd (vsmartcard) listens, the card connects. Each message is a two-byte length and a
payload: one byte 00 power off, 01 power on, 02 reset, 04 give the ATR, the only one of
these that is answered; anything else is a command APDU (facts sheet card.md §14).
"""

from __future__ import annotations

import socket
import threading
from typing import Self

from ...errors import CardError, IgcError, NetworkError, ReaderAbsentError, UsageError
from ...messages import reason_of, tr
from .faults import READER_FAULTS, Fault, FaultScript
from .insertable import Insertable

DEFAULT_PORT = 35963
_STOP_CHECK_SECONDS = 0.2
_CONNECT_SECONDS = 5
_POWER_OFF, _POWER_ON, _RESET, _GET_ATR = b"\x00", b"\x01", b"\x02", b"\x04"
# PC/SC tells these two of the reader and of other programs: no card can bring them about.
_NOT_A_CARDS_FAULT = frozenset(READER_FAULTS) - {"remove", "reset"}
# Linux only: without it every APDU waits 44 ms for a delayed ACK.
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)


class _Removed(Exception):  # noqa: N818 - an event, and nobody's error
    """The card is pulled out in the middle of a command."""


class VpcdCard:
    """A card inserted in a virtual reader for the time of a ``with`` block.

    ``powered`` is set once the PC/SC service has powered the card: programs see it then.
    ``error`` is what ended the service early, None while all is well.
    """

    def __init__(self, card: Insertable, port: int = DEFAULT_PORT, host: str = "127.0.0.1") -> None:
        self.card = card
        self.powered = threading.Event()
        self.error: IgcError | None = None
        self._address = (host, port)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._faults = FaultScript()

    def inject(self, *faults: Fault) -> None:
        """Let these faults happen, instead of those that are still to come.

        Exchanges are counted from now on, over all programs. ``remove`` takes the card out
        before it answers; ``reset`` is one that PC/SC doesn't see: the card itself starts
        anew, as after a moment without power, and answers. Raises UsageError for
        ``unplug`` and ``sharing``, which a card can't do.
        """
        for fault in faults:
            if fault.kind in _NOT_A_CARDS_FAULT:
                raise UsageError(
                    tr("a card in a virtual reader can't do {kind!r}", kind=fault.kind),
                    advice=tr("SimulatedReader can; or let another PC/SC program do it"),
                )
        self._faults = FaultScript(faults)

    def __enter__(self) -> Self:
        """Insert the card. Raises ReaderAbsentError when no vpcd listens."""
        connection = self._connect()
        self._thread = threading.Thread(target=self._serve_quietly, args=(connection,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the card."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def serve(self, stop: threading.Event) -> None:
        """Insert the card and answer until ``stop`` is set.

        Raises ReaderAbsentError when no vpcd listens, NetworkError when it hangs up: the
        card does not connect again by itself.
        """
        self._stop = stop
        self._answer(self._connect())

    def wait_powered(self, seconds: float = 10) -> None:
        """Wait until PC/SC has seen the card. Raises ReaderAbsentError after ``seconds``."""
        if not self.powered.wait(seconds):
            raise self.error or ReaderAbsentError(
                tr(
                    "the virtual reader did not power the card within {seconds:g} s",
                    seconds=seconds,
                ),
                advice=tr("is the PC/SC service (pcscd) running?"),
            )

    def _connect(self) -> socket.socket:
        host, port = self._address
        try:
            connection = socket.create_connection(self._address, timeout=_CONNECT_SECONDS)
        except OSError as error:
            raise ReaderAbsentError(
                tr(
                    "no virtual reader listens on {host}:{port} ({why})",
                    host=host,
                    port=port,
                    why=reason_of(error),
                ),
                advice=tr(
                    "start pcscd with the vpcd driver: apt-get install -y pcscd vsmartcard-vpcd"
                ),
                host=host,
                port=port,
            ) from None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(_STOP_CHECK_SECONDS)
        return connection

    def _serve_quietly(self, connection: socket.socket) -> None:
        try:
            self._answer(connection)
        except IgcError as error:
            self.error = error

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection:
                while (message := self._receive_message(connection)) is not None:
                    answer = self._react(message)
                    if answer is not None:
                        connection.sendall(len(answer).to_bytes(2) + answer)
        except _Removed:
            return
        except OSError as error:
            raise NetworkError(
                tr("the virtual reader hung up ({why})", why=reason_of(error))
            ) from None
        finally:
            self.card.power_off()

    def _react(self, message: bytes) -> bytes | None:
        if message == _POWER_OFF:
            self.card.power_off()
        elif message in (_POWER_ON, _RESET):
            self.card.power_on()
            self.powered.set()
        elif message == _GET_ATR:
            return self.card.atr
        else:
            return self._transmit(message)
        return None

    def _transmit(self, command: bytes) -> bytes:
        try:
            return self._faults.exchange(command, lambda: self.card, self._suffer)
        except CardError:
            return b"\x6f\x00"  # a command without power: a reader never sends one

    def _suffer(self, fault: Fault) -> None:
        if fault.kind == "remove":
            raise _Removed
        self.card.power_on()

    def _receive_message(self, connection: socket.socket) -> bytes | None:
        length = self._receive(connection, 2)
        return None if length is None else self._receive(connection, int.from_bytes(length))

    def _receive(self, connection: socket.socket, size: int) -> bytes | None:
        """Exactly ``size`` bytes, or None once told to stop."""
        data = b""
        while len(data) < size:
            if self._stop.is_set():
                return None
            if _QUICKACK is not None:
                connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
            try:
                chunk = connection.recv(size - len(data))
            except TimeoutError:
                continue
            if not chunk:
                raise NetworkError(
                    tr("the virtual reader hung up"),
                    advice=tr("the PC/SC service stopped, or another card took this reader"),
                )
            data += chunk
        return data


def serve_vpcd(
    card: Insertable,
    port: int = DEFAULT_PORT,
    host: str = "127.0.0.1",
    stop: threading.Event | None = None,
) -> None:
    """Serve ``card`` in the calling thread until ``stop``; raises what VpcdCard.serve does."""
    VpcdCard(card, port, host).serve(stop or threading.Event())
