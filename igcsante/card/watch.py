"""Cards that come and go, and readers too: told by PC/SC when it happens, not asked for.

SCardGetStatusChange (PC/SC part 5 §3.2.5) waits in a thread of its own, so that the program
can be interrupted; the pseudo-reader ``PnP`` tells of readers. When the PC/SC service dies,
the watch goes on with the one that takes its place, if there is one at once: a service that
systemd starts on demand, or one that was restarted.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from ..errors import PcscUnavailableError, TimeoutExceededError
from ..messages import tr
from .atr import generation_of
from .readers import INSTALL, is_meant

_PLUG_AND_PLAY = "\\\\?PnP?\\Notification"
_INFINITE = 0xFFFFFFFF
_CANCELLED, _TIMED_OUT, _UNKNOWN_READER = 0x80100002, 0x8010000A, 0x80100009
_NO_READERS = 0x8010002E
# No service, service stopped, communication lost, a handle of a service before this one.
_SERVICE_GONE = {0x8010001D, 0x8010001E, 0x80100013, 0x80100003}


class _ServiceGoneError(PcscUnavailableError):
    """The service that the watch asked is no more."""


class Change(StrEnum):
    """What happened at a reader."""

    PLUGGED = "plugged"
    UNPLUGGED = "unplugged"
    INSERTED = "inserted"
    REMOVED = "removed"


@dataclass(frozen=True)
class ReaderEvent:
    """Something that happened at a reader; ``atr`` and ``generation`` of an inserted card.

    ``generation`` is None for a card that isn't of the CPx family.
    """

    reader: str
    change: Change
    atr: bytes | None = None
    generation: str | None = None


class ReaderWatch:
    """The changes at this machine's readers, from now on. Use it in a ``with`` statement.

    Readers and cards that are there already come first, as if they had just come.
    """

    def __init__(self) -> None:
        """Raises PcscUnavailableError."""
        self._scard = _scard()
        self._establish()
        self._events: queue.SimpleQueue[ReaderEvent | Exception] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="igcsante-readers", daemon=True)
        self._closing = False
        self._thread.start()

    def next(self, seconds: float | None = None) -> ReaderEvent | None:
        """Wait for the next event; None when there was none in that time.

        Raises PcscUnavailableError when the service stops and none takes its place.
        """
        try:
            event = self._events.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(event, Exception):
            raise event
        return event

    def __iter__(self) -> Iterator[ReaderEvent]:
        while event := self.next():
            yield event

    def close(self) -> None:
        """Stop watching. Never fails."""
        self._closing = True
        # The thread may be about to wait: what cancels it must not come too early.
        while self._thread.is_alive():
            self._scard.SCardCancel(self._context)
            self._thread.join(0.05)
        self._scard.SCardReleaseContext(self._context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- in the thread ---------------------------------------------------------------------

    def _establish(self) -> None:
        self._context = self._checked(self._scard.SCardEstablishContext(0))[1]
        self._answered = False

    def _run(self) -> None:
        known: dict[str, int] = {}
        try:
            while not self._closing:
                try:
                    self._watch(known)
                except _ServiceGoneError:
                    if not self._answered:  # one that dies at each question is no help
                        raise
                    self._establish()
                    self._drop(known, list(known))
        except Exception as error:  # whoever waits for the next event is told, whatever it is
            self._events.put(error)

    def _watch(self, known: dict[str, int]) -> None:
        while not self._closing:
            names = self._names()
            self._answered = True
            self._drop(known, [gone for gone in known if gone not in names])
            for name in names:
                if name not in known:
                    known[name] = self._scard.SCARD_STATE_UNAWARE
                    self._events.put(ReaderEvent(name, Change.PLUGGED))
            self._follow(known)

    def _drop(self, known: dict[str, int], gone: list[str]) -> None:
        """Tell of readers that are gone, each with its card."""
        for name in gone:
            if known.pop(name) & self._scard.SCARD_STATE_PRESENT:
                self._events.put(ReaderEvent(name, Change.REMOVED))
            self._events.put(ReaderEvent(name, Change.UNPLUGGED))

    def _follow(self, known: dict[str, int]) -> None:
        """Tell of cards until the readers themselves change."""
        plugs = len(known) << 16  # how many readers we know of, where PC/SC counts them
        while not self._closing:
            states = [*known.items(), (_PLUG_AND_PLAY, plugs)]
            result, found = self._scard.SCardGetStatusChange(self._context, _INFINITE, states)
            code = result & 0xFFFFFFFF
            if code == _UNKNOWN_READER:
                return
            if code in (_CANCELLED, _TIMED_OUT):
                continue
            self._checked((result, found))
            changed, readers_changed = self._scard.SCARD_STATE_CHANGED, False
            for name, state, atr in found:
                if name == _PLUG_AND_PLAY:
                    readers_changed = bool(state & changed)
                elif state & changed:
                    self._tell(name, known[name], state, bytes(atr))
                    known[name] = state & ~changed
            if readers_changed:
                return

    def _tell(self, name: str, before: int, now: int, atr: bytes) -> None:
        present = self._scard.SCARD_STATE_PRESENT
        count_changed = before >> 16 != now >> 16  # it left and came between two looks
        if before & present and (not now & present or count_changed):
            self._events.put(ReaderEvent(name, Change.REMOVED))
        if now & present and (not before & present or count_changed):
            self._events.put(ReaderEvent(name, Change.INSERTED, atr, generation_of(atr)))

    def _names(self) -> list[str]:
        result, names = self._scard.SCardListReaders(self._context, [])
        if result & 0xFFFFFFFF == _NO_READERS:
            return []
        self._checked((result, names))
        return list(names)

    def _checked(self, answer: Any) -> Any:
        code = answer[0] & 0xFFFFFFFF
        if code:
            kind = _ServiceGoneError if code in _SERVICE_GONE else PcscUnavailableError
            raise kind(
                tr("the PC/SC service can't be reached (error {code:08X})", code=code),
                advice=tr("is pcscd installed and running?"),
            )
        return answer


def wait_for_card(name: str | None = None, seconds: float | None = None) -> ReaderEvent:
    """Wait until a CPx card is in a reader, the one that ``name`` means: its insertion.

    ``name`` is as :func:`igcsante.card.readers.open_card` takes it. Raises
    TimeoutExceededError when none comes in that time, PcscUnavailableError.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    with ReaderWatch() as watch:
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            event = watch.next(left)
            if event is None:
                raise TimeoutExceededError(
                    tr("no CPx card was inserted within {seconds:g} s", seconds=seconds),
                    advice=tr("insert the card"),
                )
            if event.generation and is_meant(name, event.reader):
                return event


def _scard() -> Any:
    try:
        from smartcard import scard
    except ImportError as error:
        raise PcscUnavailableError(
            tr(
                "card readers can't be reached: pyscard is not installed, or libpcsclite is missing"
            ),
            advice=INSTALL,
        ) from error
    return scard
