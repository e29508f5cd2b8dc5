"""A card that gives the answers of a recording, in a simulated reader or over vpcd.

It takes the recorded commands in their order and no others; a PIN command matches whatever
its PIN, since none was recorded. A cache's question, which no recording holds, is answered:
nothing can be kept of this card. Power-on, reset and the first recorded command start the
recording again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from ...card.apdu import SW_FILE_NOT_FOUND, masked
from ...card.monitor import Exchange, command_text
from ...card.recording import Recording
from ...errors import CardError
from ...messages import tr

# What igcsante.card.cache asks first: SELECT of EF_ACTUA without its parameters, by a CPS3's path.
_CACHE_QUESTION = bytes.fromhex("00A4090C043F00D010")


class ReplayedCard:
    """A recorded card: :class:`~igcsante.testing.cards.SimulatedReader` and VpcdCard take it.

    ``refused`` receives the error of each command that can't be answered, for those who
    see only its status word 6F00.
    """

    def __init__(
        self, recording: Recording | Path, refused: Callable[[CardError], None] | None = None
    ) -> None:
        """Raises UsageError when the file is no recording."""
        self.recording = (
            recording if isinstance(recording, Recording) else Recording.load(recording)
        )
        self.atr = self.recording.link.atr
        self.protocols = (self.recording.link.protocol,)
        self.protocol = self.recording.link.protocol
        self.powered = False
        self._refused = refused
        self._position = 0
        self._lock = threading.Lock()

    @property
    def finished(self) -> bool:
        """Whether every recorded command was played."""
        return self._position == len(self.recording.exchanges)

    def power_on(self) -> None:
        """Give power; the recording starts again."""
        with self._lock:
            self._position, self.powered = 0, True

    def reset(self) -> None:
        self.power_on()

    def power_off(self) -> None:
        with self._lock:
            self.powered = False

    def transmit(self, command: bytes) -> bytes:
        """The recorded answer to a command, SW1 SW2 last.

        Raises CardError for a command that isn't the next one, for an answer that was
        recorded without its data, and without power.
        """
        with self._lock:
            if not self.powered:
                raise CardError(
                    tr("the recorded card has no power"), advice=tr("call power_on() first")
                )
            if command == _CACHE_QUESTION and not self._is_next(command):
                return SW_FILE_NOT_FOUND.to_bytes(2)
            try:
                exchange = self._next(masked(command))
            except CardError as error:
                if self._refused:
                    self._refused(error)
                raise
            return exchange.response + exchange.sw.to_bytes(2)

    def _is_next(self, command: bytes) -> bool:
        return not self.finished and self.recording.exchanges[self._position].command == command

    def _next(self, command: bytes) -> Exchange:
        exchanges = self.recording.exchanges
        if self._is_next(command):
            exchange = exchanges[self._position]
        elif exchanges and exchanges[0].command == command:
            self._position, exchange = 0, exchanges[0]
        else:
            expected = (
                tr("is {command}", command=exchanges[self._position].command_text)
                if not self.finished
                else tr("does not exist")
            )
            raise CardError(
                tr(
                    "the recording has no answer to {command} here: "
                    "its command {position} {expected}",
                    command=command_text(command),
                    position=self._position + 1,
                    expected=expected,
                ),
                advice=tr("run the command that was recorded, with the same options"),
            )
        if exchange.secret:
            raise CardError(
                tr(
                    "the answer to {command_text} was recorded without its data",
                    command_text=exchange.command_text,
                ),
                advice=tr(
                    "with --include-private, what is read after the PIN is recorded too; what "
                    "the card deciphers never is"
                ),
            )
        self._position += 1
        return exchange
