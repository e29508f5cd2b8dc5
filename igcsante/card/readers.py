"""Readers: which there are, what is in them, and the card to work with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import (
    CardAbsentError,
    CardBusyError,
    CardError,
    CardUnsupportedError,
    IgcError,
    PcscUnavailableError,
    ReaderAbsentError,
    UsageError,
)
from ..extras import how_to_install
from ..messages import joined, tr
from ..steps import step
from .atr import advice_for, describe, generation_of
from .cache import CardCache
from .monitor import Monitor
from .session import GENERATIONS, CpsCard
from .transport import PcscTransport
from .waiting import Waiting

INSTALL = tr(
    "on Debian: apt install pcscd libpcsclite-dev gcc python3-dev, then {install}",
    install=how_to_install("card"),
)
_SERIAL = re.compile(r"[0-9]{8}")
_SCARD_E_NO_READERS = 0x8010002E


class Reader(Protocol):
    """A card reader as pyscard has it: ``str(reader)`` is its name."""

    def createConnection(self) -> Any:  # noqa: N802 - pyscard's name
        """A connection to the card in it, not yet connected."""
        ...


@dataclass(frozen=True)
class ReaderStatus:
    """A reader and what is in it.

    ``atr`` is None without a card, and when another program holds it alone;
    ``generation`` is None for a card that is not of the CPx family.
    """

    name: str
    card_present: bool
    atr: bytes | None
    generation: str | None


def system_readers() -> list[Reader]:
    """The readers of this machine, through pyscard. Raises PcscUnavailableError."""
    try:
        from smartcard.System import readers
    except ImportError as error:
        raise PcscUnavailableError(
            tr(
                "card readers can't be reached: pyscard is not installed, or libpcsclite is missing"
            ),
            advice=INSTALL,
        ) from error
    try:
        return list(readers())
    except Exception as error:
        hresult = getattr(error, "hresult", None)
        if not isinstance(hresult, int):
            raise
        if hresult & 0xFFFFFFFF == _SCARD_E_NO_READERS:
            return []
        raise PcscUnavailableError(
            tr(
                "the PC/SC service can't be reached (error {hresult:08X})",
                hresult=hresult & 0xFFFFFFFF,
            ),
            advice=tr("is pcscd installed and running?"),
        ) from error


def reader_statuses(readers: Sequence[Reader]) -> list[ReaderStatus]:
    """What is in each reader. Each card is looked at and left as it is."""
    return [_status(reader) for reader in readers]


def _status(reader: Reader) -> ReaderStatus:
    try:
        transport = PcscTransport.of(reader)
    except (CardBusyError, CardUnsupportedError):
        return ReaderStatus(str(reader), card_present=True, atr=None, generation=None)
    except (CardAbsentError, ReaderAbsentError):
        return ReaderStatus(str(reader), card_present=False, atr=None, generation=None)
    transport.close()
    return ReaderStatus(str(reader), True, transport.atr, generation_of(transport.atr))


def open_card(
    name: str | None = None,
    *,
    readers: Sequence[Reader] | None = None,
    monitor: Monitor | None = None,
    cache: CardCache | None = None,
    waiting: Waiting | None = None,
) -> CpsCard:
    """The CPx card in the reader ``name``, or in the one reader that holds one.

    ``name`` is a reader's name or a part of it, in any case, or else the 8 digits of a
    card's serial number. ``monitor`` receives each
    :class:`igcsante.card.monitor.Exchange`; ``cache`` spares the reading of what was read
    before. While another program uses the card, this and each operation wait for it, 30
    seconds at most; ``waiting`` receives the reader's name after the first.

    Raises ReaderAbsentError, CardAbsentError, CardUnsupportedError, CardBusyError,
    PcscUnavailableError; UsageError when several cards could be meant.
    """
    found = system_readers() if readers is None else readers
    if name and _SERIAL.fullmatch(name) and not any(name in str(reader) for reader in found):
        candidates = _with_serial(name, found, waiting)
    else:
        candidates = _named(name, found)
    return _opened(_only_card(candidates, waiting), monitor, cache)


def is_meant(name: str | None, reader: str) -> bool:
    """Whether ``name``, as :func:`open_card` takes it, means the card in that reader now."""
    if name is None or name.lower() in reader.lower():
        return True
    if not _SERIAL.fullmatch(name):
        return False
    with suppress(CardError), open_card(reader) as card:
        return card.serial == name
    return False


def _opened(
    transport: PcscTransport, monitor: Monitor | None = None, cache: CardCache | None = None
) -> CpsCard:
    try:
        card = CpsCard(transport, monitor, cache)
        step("card", "{generation} card open", generation=card.generation)
        return card
    except BaseException:
        transport.close()
        raise


def _with_serial(serial: str, readers: Sequence[Reader], waiting: Waiting | None) -> list[Reader]:
    """The reader that holds the card of that serial number."""
    busy: list[CardBusyError] = []
    for reader in readers:
        try:
            transport = PcscTransport.of(reader, waiting)
            if generation_of(transport.atr) not in GENERATIONS:
                transport.close()
                continue
            with _opened(transport) as card:
                if card.serial == serial:
                    return [reader]
        except CardBusyError as error:
            busy.append(error)
        except PcscUnavailableError:
            raise
        except CardError:
            continue  # an empty reader, or a card that makes no sense: not the one
    if busy:
        raise busy[0]
    raise CardAbsentError(
        tr("no reader holds the card {serial}, and none has that name", serial=serial),
        advice=tr("insert the card, or choose a reader: igc readers"),
        readers=[str(reader) for reader in readers],
    )


def _named(name: str | None, readers: Sequence[Reader]) -> list[Reader]:
    if not readers:
        raise ReaderAbsentError(
            tr("no card reader"),
            advice=tr("plug one in, or try a simulated one: igc sim run --pcscd"),
        )
    if name is None:
        return list(readers)
    exact = [reader for reader in readers if str(reader) == name]
    alike = exact or [reader for reader in readers if name.lower() in str(reader).lower()]
    if not alike:
        raise ReaderAbsentError(
            tr("no reader is called {name!r}", name=name),
            advice=tr("there are: {readers}", readers=", ".join(map(str, readers))),
            readers=[str(reader) for reader in readers],
        )
    return alike


def _only_card(readers: list[Reader], waiting: Waiting | None) -> PcscTransport:
    """The connection to the only CPx card in these readers; all others are closed again."""
    connected: list[PcscTransport] = []
    failures: list[CardError] = []
    try:
        for reader in readers:
            try:
                connected.append(PcscTransport.of(reader, waiting))
            except CardError as error:
                failures.append(error)
        usable = [found for found in connected if generation_of(found.atr) in GENERATIONS]
        if len(usable) != 1:
            raise _not_one(usable, connected, failures)
        connected.remove(usable[0])
        return usable[0]
    finally:
        for transport in connected:
            transport.close()


def _not_one(
    usable: list[PcscTransport], connected: list[PcscTransport], failures: list[CardError]
) -> IgcError:
    """Why there isn't exactly one card to work with."""
    if usable:
        names = [found.reader_name for found in usable]
        return UsageError(
            tr("several readers hold a CPx card: {names}", names=", ".join(names)),
            advice=tr("choose one with --reader and a part of its name"),
            readers=names,
        )
    if connected:
        found = joined(
            "; ",
            [
                tr("{reader}: {card}", reader=card.reader_name, card=describe(card.atr))
                for card in connected
            ],
        )
        return CardUnsupportedError(
            tr("no CPS3 or CPS4 card ({found})", found=found),
            advice=advice_for(connected[0].atr),
            atrs=[card.atr.hex().upper() for card in connected],
        )
    # A card that can't be had says more than a reader that is empty.
    failures.sort(key=lambda error: isinstance(error, CardAbsentError | ReaderAbsentError))
    if isinstance(failures[0], CardAbsentError) and len(failures) > 1:
        names = [str(error.fields.get("reader", "")) for error in failures]
        return CardAbsentError(
            tr("no card is inserted in any reader: {names}", names=", ".join(names)),
            advice=tr("insert the card"),
            readers=names,
        )
    return failures[0]
