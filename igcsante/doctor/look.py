"""One look at a reader: what is in it, and of a CPx card what can be had without its PIN.

The counters are read as :meth:`igcsante.card.session.CpsCard.pin_status` does, which spends no
try. The card is shared, left powered and as it is; another program's transaction is waited for
one second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeVar

from ..errors import CardBusyError, CardError, IgcError
from ..messages import tr

if TYPE_CHECKING:
    from ..card.business import UpdateJournal
    from ..card.generation import PinStatus
    from ..card.readers import Reader
    from ..card.session import CertificateSummary, CpsCard
    from ..certs.profile import CertificateProfile

T = TypeVar("T")


@dataclass(frozen=True)
class CardLook:
    """What a CPx card says; an IgcError in place of what could not be had.

    ``pin`` and ``puk`` are None where the card has none on this interface; ``profile`` is that
    of its certificate for authentication (contactless: the technical one).
    """

    pin: PinStatus | IgcError | None
    puk: PinStatus | IgcError | None
    journal: UpdateJournal | IgcError | None
    certificates: tuple[CertificateSummary, ...] | IgcError
    profile: CertificateProfile | IgcError


@dataclass(frozen=True)
class Look:
    """What is in a reader. ``error``: why its card can't be used; ``card`` is then None.

    ``atr`` is None when the reader is empty or its card could not be reached.
    """

    reader: str
    atr: bytes | None = None
    generation: str | None = None
    error: IgcError | None = None
    card: CardLook | None = None


def look(reader: Reader) -> Look:
    """Look at a reader and at its card."""
    from ..card.atr import generation_of
    from ..card.session import GENERATIONS, CpsCard
    from ..card.transport import PcscTransport

    name = str(reader)
    try:
        transport = PcscTransport.of(reader, _too_long)
    except CardError as error:
        return Look(name, error=error)
    atr, generation = transport.atr, generation_of(transport.atr)
    try:
        if generation not in GENERATIONS:
            return Look(name, atr, generation)
        return Look(name, atr, generation, card=_card(CpsCard(transport)))
    except IgcError as error:
        return Look(name, atr, generation, error)
    finally:
        transport.close()


def _too_long(reader: str) -> NoReturn:
    raise CardBusyError(
        tr("{reader}: another program is using the card", reader=reader), reader=reader
    )


def _card(card: CpsCard) -> CardLook:
    from ..certs.profile import decode

    purpose = "authentication" if card.has_pin else "technical"
    return CardLook(
        pin=_had(card.pin_status) if card.has_pin else None,
        puk=_had(card.puk_status) if card.has_pin else None,
        journal=_had(card.objects.update_journal),
        certificates=_had(card.certificate_summaries),
        profile=_had(lambda: decode(card.certificate(purpose))),
    )


def _had(read: Callable[[], T]) -> T | IgcError:
    try:
        return read()
    except IgcError as error:
        return error
