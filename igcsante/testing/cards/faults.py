"""What can go wrong between a program and its card, as data.

``reader.inject(Fault(at=3, kind="reset"))`` lets the third exchange from then on go wrong,
in a simulated reader and in a virtual one (:class:`VpcdCard`) alike. A fault happens once;
PC/SC's own are told by the reader, the others by the card's answer.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from ...card.apdu import GET_RESPONSE
from ...errors import UsageError
from ...messages import tr
from .card import SimulatedCard
from .insertable import Insertable

# Told by the reader: the card is pulled out; another program resets it; the reader is
# unplugged; another program holds the card.
READER_FAULTS = ("remove", "reset", "unplug", "sharing")
# Told in the answer: the status word alone; half of the data; more data than a short answer
# holds; 61xx without end; noise for data; another application (status: see
# SimulatedCard.leave_application); the right answer after some seconds.
CARD_FAULTS = ("status", "truncated", "oversized", "endless", "garbage", "elsewhere", "slow")
KINDS = (*READER_FAULTS, *CARD_FAULTS)

_ENDLESS_BYTES = 16
_OVERSIZED_BYTES = 300
_SW_OK = b"\x90\x00"


@dataclass(frozen=True)
class Fault:
    """What happens at the ``at``-th exchange (1: the next); at 0, at the next connection.

    ``status`` is for ``status`` (6F00 unless told) and ``elsewhere``, ``seconds`` for
    ``slow``. Only ``unplug`` and ``sharing`` can happen at 0. Raises UsageError.
    """

    at: int
    kind: str
    status: int = 0
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(
                tr("no fault {kind!r}", kind=self.kind),
                advice=tr("known: {names}", names=", ".join(KINDS)),
            )
        if self.at < (0 if self.kind in ("unplug", "sharing") else 1):
            raise UsageError(tr("exchanges are counted from 1"))


class FaultScript:
    """The faults that are still to come, and how many exchanges there have been."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._coming = list(faults)
        self._exchanges = 0
        self._endless = False

    def at_connection(self) -> Fault | None:
        """The fault that a connection meets."""
        return self._take(0)

    def exchange(
        self, command: bytes, card: Callable[[], Insertable], suffer: Callable[[Fault], None]
    ) -> bytes:
        """The answer to a command, with the fault that is due.

        ``suffer`` does what one of READER_FAULTS does to the reader, or raises; ``card``
        gives the card that is there after that, or raises.
        """
        self._exchanges += 1
        fault = self._take(self._exchanges)
        if fault is not None and fault.kind in READER_FAULTS:
            suffer(fault)
            fault = None
        return self._answer(card(), command, fault)

    def _answer(self, card: Insertable, command: bytes, fault: Fault | None) -> bytes:
        """What the card answers, ``fault`` (one of CARD_FAULTS) or none given."""
        if self._endless and command[1:2] == bytes([GET_RESPONSE]):
            return _endless(b"")
        self._endless = fault is not None and fault.kind == "endless"
        if fault is None:
            return card.transmit(command)
        if fault.kind == "elsewhere" and isinstance(card, SimulatedCard):
            card.leave_application(fault.status)
        elif fault.kind == "slow":
            time.sleep(fault.seconds)
        answer = card.transmit(command)
        if fault.kind == "status":
            return (fault.status or 0x6F00).to_bytes(2)
        return _SPOILERS[fault.kind](answer) if fault.kind in _SPOILERS else answer

    def _take(self, at: int) -> Fault | None:
        for fault in self._coming:
            if fault.at == at:
                self._coming.remove(fault)
                return fault
        return None


def _truncated(answer: bytes) -> bytes:
    data = answer[:-2]
    return data[: len(data) // 2] + answer[-2:]


def _oversized(answer: bytes) -> bytes:
    return answer[:-2].ljust(_OVERSIZED_BYTES, b"\x00") + _SW_OK


def _endless(_: bytes) -> bytes:
    return bytes(_ENDLESS_BYTES) + bytes((0x61, _ENDLESS_BYTES))


def _garbage(answer: bytes) -> bytes:
    size = len(answer) - 2 or _ENDLESS_BYTES
    return hashlib.shake_128(answer).digest(size) + _SW_OK


_SPOILERS: dict[str, Callable[[bytes], bytes]] = {
    "truncated": _truncated,
    "oversized": _oversized,
    "endless": _endless,
    "garbage": _garbage,
}
