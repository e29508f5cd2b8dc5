"""The way to a card: raw command APDUs over a PC/SC connection (PC/SC part 5, card.md §7).

:class:`PcscTransport` works over a pyscard connection, or over anything that offers the
same methods, and never imports pyscard itself except to begin a transaction on a
connection of pyscard's. PC/SC errors are told by the ``hresult`` of the exception.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NoReturn, Protocol, Self, TypeVar, cast

from ..errors import (
    CardAbsentError,
    CardBusyError,
    CardError,
    CardRemovedError,
    CardResetError,
    CardUnsupportedError,
    IgcError,
    PcscUnavailableError,
    ReaderAbsentError,
)
from ..messages import tr
from .waiting import Waiting, patiently

SHARE_SHARED = 2
LEAVE_CARD = 0
# SCARD_CTL_CODE(3400) of PC/SC part 10: winscard and pcsc-lite make it differently.
GET_FEATURE_REQUEST = 3400 << 2 | 0x31 << 16 if sys.platform == "win32" else 0x42000000 + 3400
# pcscd looks whether the card is there every 0.4 s (PCSCLITE_STATUS_POLL_RATE).
NOTICE_SECONDS = 1.0
_LOOK_SECONDS = 0.05
_T = TypeVar("_T")
_PROTOCOLS = {1: "T=0", 2: "T=1"}


class Transport(Protocol):
    """A card that answers raw commands. ``protocol`` is ``T=0`` or ``T=1``."""

    @property
    def atr(self) -> bytes: ...

    @property
    def protocol(self) -> str: ...

    @property
    def reader_name(self) -> str: ...

    def transmit(self, command: bytes) -> tuple[bytes, int]:
        """Send one command: the answer's data and its status word."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """The time during which no other program may talk to the card. May be nested."""
        ...

    def close(self) -> None:
        """Let go of the card, and leave it as it is."""
        ...


class PcscTransport:
    """A card in a PC/SC reader, shared with other programs, T=0 or T=1."""

    def __init__(self, connection: Any, reader_name: str, waiting: Waiting | None = None) -> None:
        """Connect. ``connection`` is what ``reader.createConnection()`` gave.

        While another program uses the card, this and :meth:`transaction` wait for it, 30
        seconds at most; ``waiting`` receives the reader's name after the first.

        Raises CardAbsentError, CardBusyError, CardUnsupportedError (a card that doesn't
        answer), ReaderAbsentError, PcscUnavailableError or CardError.
        """
        self.reader_name = reader_name
        self._connection = connection
        self._waiting = waiting
        self._depth = 0
        self._open = True
        try:
            with _errors_named(reader_name, _AT_CONNECTION):
                self.atr, protocol = self._patiently(self._connect)
            if protocol is None:
                raise CardError(
                    tr(
                        "{reader_name}: the card was reached with neither T=0 nor T=1",
                        reader_name=reader_name,
                    )
                )
            self.protocol = protocol
        except CardError:
            self.close()
            raise

    @classmethod
    def of(cls, reader: Any, waiting: Waiting | None = None) -> Self:
        """Connect to the card in one of pyscard's readers. Raises as the constructor does."""
        with _errors_named(str(reader), _AT_CONNECTION):
            connection = reader.createConnection()
        return cls(connection, str(reader), waiting)

    def _connect(self) -> tuple[bytes, str | None]:
        self._connection.connect(mode=SHARE_SHARED, disposition=LEAVE_CARD)
        return bytes(self._connection.getATR()), _PROTOCOLS.get(self._connection.getProtocol())

    def transmit(self, command: bytes) -> tuple[bytes, int]:
        """Send a command, get (data, status word).

        Raises CardRemovedError; CardResetError, after which the card can be used again but
        has forgotten its PIN state; CardBusyError; CardError.
        """
        self._check_open()
        try:
            data, sw1, sw2 = self._connection.transmit(list(command))
            return bytes(data), sw1 << 8 | sw2
        except (TypeError, ValueError):
            raise CardError(
                tr(
                    "{reader_name}: the reader gave an answer of no shape",
                    reader_name=self.reader_name,
                )
            ) from None
        except Exception as error:
            self._failed(error)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep other programs off the card meanwhile; the outermost one counts.

        A reset by another program since the last one passes unnoticed: what the card has
        forgotten, it will ask for. Raises what :meth:`transmit` raises.
        """
        self._check_open()
        if self._depth == 0:
            end = self._begin()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                # What happened to the card meanwhile was already told by transmit.
                with contextlib.suppress(Exception):
                    end()

    def _begin(self) -> Callable[[], Any]:
        """Begin a transaction: what ends it. No command is under way that a reset could spoil."""
        try:
            return self._patiently(lambda: _begun(self._connection))
        except IgcError:
            raise
        except Exception as error:
            if _code(error) not in _RESET:
                self._failed(error)
        self._reconnect()
        try:
            return self._patiently(lambda: _begun(self._connection))
        except IgcError:
            raise
        except Exception as error:
            self._failed(error)

    def _patiently(self, call: Callable[[], _T]) -> _T:
        return patiently(call, self.reader_name, given_up=self._hand_over, waiting=self._waiting)

    def _hand_over(self) -> Callable[[], None]:
        """Leave the connection to a call that PC/SC still holds up: what closes it then."""
        self._open = False
        return self._let_go

    def reader_features(self) -> bytes:
        """The reader's answer to GET_FEATURE_REQUEST (PC/SC part 10), empty without one."""
        try:
            return bytes(self._connection.control(GET_FEATURE_REQUEST, []))
        except Exception:  # whatever is wrong with the card, the next command will tell
            return b""

    def control(self, code: int, data: bytes) -> bytes:
        """Send a command to the reader itself. Raises what :meth:`transmit` raises."""
        self._check_open()
        try:
            return bytes(self._connection.control(code, list(data)))
        except (TypeError, ValueError):
            raise CardError(
                tr(
                    "{reader_name}: the reader gave an answer of no shape",
                    reader_name=self.reader_name,
                )
            ) from None
        except Exception as error:
            self._failed(error)

    def close(self) -> None:
        """Disconnect and leave the card powered, as it is. Never fails."""
        if self._open:
            self._open = False
            self._let_go()

    def _let_go(self) -> None:
        with contextlib.suppress(Exception):
            self._connection.disconnect()
        # pyscard holds one PC/SC context a connection until this call (2.2 and newer).
        try:
            self._connection.release()
        except Exception:
            # pyscard would try again when the object goes, and print the failure.
            getattr(self._connection, "component", self._connection).hcontext = None

    def _check_open(self) -> None:
        if not self._open:
            raise CardError(
                tr(
                    "{reader_name}: the connection to the card is closed",
                    reader_name=self.reader_name,
                )
            )

    def _failed(self, error: Exception) -> NoReturn:
        code = _code(error)
        if code in _RESET:
            self._reconnect()
            raise CardResetError(
                tr("{reader_name}: another program reset the card", reader_name=self.reader_name),
                advice=tr("its PIN state is lost; run the command again"),
            ) from error
        if code in _AMBIGUOUS and not self._card_stays():
            code = _REMOVED
        _raise_named(error, code, self.reader_name, _IN_SESSION)

    def _reconnect(self) -> None:
        reconnect = getattr(self._connection, "reconnect", self._connection.connect)
        try:
            self._patiently(lambda: reconnect(mode=SHARE_SHARED, disposition=LEAVE_CARD))
        except IgcError:
            raise
        except Exception as error:
            _raise_named(error, _code(error), self.reader_name, _IN_SESSION)

    def _card_stays(self) -> bool:
        """Whether the card is still there once PC/SC had the time to notice that it left."""
        deadline = time.monotonic() + NOTICE_SECONDS
        while self._card_present():
            if time.monotonic() > deadline:
                return True
            time.sleep(_LOOK_SECONDS)
        return False

    def _card_present(self) -> bool:
        try:
            return bool(self._connection.getATR())
        except Exception:
            return False


def _begun(connection: Any) -> Callable[[], Any]:
    """Begin a transaction on this kind of connection: what ends it."""
    if hasattr(connection, "begin_transaction"):
        connection.begin_transaction()
        return cast(Callable[[], Any], connection.end_transaction)
    if hasattr(connection, "lock"):
        connection.lock()
        return cast(Callable[[], Any], connection.unlock)
    from smartcard import scard

    handle = connection.component.hcard
    _checked(scard.SCardBeginTransaction(handle))
    return lambda: _checked(scard.SCardEndTransaction(handle, LEAVE_CARD))


# -- PC/SC errors (pcsclite.h; winscard's are the same) ------------------------------------


class _PcscError(Exception):
    def __init__(self, hresult: int) -> None:
        super().__init__(tr("PC/SC error {hresult:08X}", hresult=hresult & 0xFFFFFFFF))
        self.hresult = hresult


def _checked(hresult: int) -> None:
    if hresult:
        raise _PcscError(hresult)


_REMOVED = 0x80100069
_NO_SMARTCARD = 0x8010000C
_RESET = {0x80100068, 0x80100067}  # reset, unpowered
# What removal also looks like (card.md §7): not transacted, communication lost; and, from
# pyscard itself, an answer too short to hold a status word, no connection.
_AMBIGUOUS = {0x80100016, 0x8010002F, 0x00000000, 0xFFFFFFFF}

_Kinds = dict[int, tuple[type[CardError], str, str]]
_EVERYWHERE: _Kinds = {
    0x8010000B: (
        CardBusyError,
        tr("another program holds the card"),
        tr("close the other program, or wait for it to finish"),
    ),
    0x80100066: (
        CardUnsupportedError,
        tr("the card doesn't answer"),
        tr("is it the right way up?"),
    ),
    0x8010001D: (PcscUnavailableError, tr("the PC/SC service doesn't run"), tr("start pcscd")),
    **dict.fromkeys(
        (0x8010001E, 0x80100013, 0x80100003),
        (
            PcscUnavailableError,
            tr("the PC/SC service has stopped"),
            tr("start pcscd again, then run the command again"),
        ),
    ),
    0x8010000F: (CardUnsupportedError, tr("the card speaks neither T=0 nor T=1"), ""),
}
_AT_CONNECTION: _Kinds = {
    **_EVERYWHERE,
    _NO_SMARTCARD: (CardAbsentError, tr("no card is inserted"), tr("insert the card")),
    _REMOVED: (CardAbsentError, tr("no card is inserted"), tr("insert the card")),
    0x80100067: (CardAbsentError, tr("the card has no power"), tr("insert the card again")),
    0x80100068: (CardBusyError, tr("another program is resetting the card"), tr("try again")),
    0x80100017: (ReaderAbsentError, tr("the reader is gone"), tr("plug it in again")),
    0x80100009: (ReaderAbsentError, tr("the reader is gone"), tr("plug it in again")),
    0x8010002E: (ReaderAbsentError, tr("there is no reader"), tr("plug one in")),
}
_IN_SESSION: _Kinds = {
    **_EVERYWHERE,
    **dict.fromkeys(
        (_REMOVED, _NO_SMARTCARD),
        (CardRemovedError, tr("the card was removed"), tr("insert it and run the command again")),
    ),
    **dict.fromkeys(
        (0x80100017, 0x80100009, 0x8010002E),
        (
            CardRemovedError,
            tr("the reader was unplugged"),
            tr("plug it in and run the command again"),
        ),
    ),
}


def _code(error: Exception) -> int | None:
    hresult = getattr(error, "hresult", None)
    return hresult & 0xFFFFFFFF if isinstance(hresult, int) else None


def _raise_named(error: Exception, code: int | None, reader_name: str, kinds: _Kinds) -> NoReturn:
    if code is None:
        raise error
    if code in kinds:
        kind, message, advice = kinds[code]
        raise kind(
            tr("{reader_name}: {message}", reader_name=reader_name, message=message),
            advice=advice,
            reader=reader_name,
        ) from error
    raise CardError(
        tr("{reader_name}: PC/SC error {code:08X}", reader_name=reader_name, code=code),
        reader=reader_name,
        hresult=f"{code:08X}",
    ) from error


@contextmanager
def _errors_named(reader_name: str, kinds: _Kinds) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        _raise_named(error, _code(error), reader_name, kinds)
