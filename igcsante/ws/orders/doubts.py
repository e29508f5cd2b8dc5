"""What is said while an order is in doubt, by the rule of :mod:`igcsante.ws.outcome`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from math import ceil

from ...errors import (
    ContractError,
    IgcError,
    NetworkError,
    PlatformError,
    PlatformRefusedError,
    PlatformUnavailableError,
    StorageError,
    TimeoutExceededError,
)
from ...instants import shown
from ...messages import Message, joined, plural, tr
from ..model import Product
from ..platform import CardTurnedAwayError
from .entries import Entry
from .journal import Journal


class InDoubtError(PlatformUnavailableError):
    """An attempt may still be on its way, and it is too early to tell; nothing was sent again.

    ``asked`` tells whether the platform was asked, and didn't show it; ``wait`` is how long it
    is until the doubt may end.
    """

    def __init__(self, entry: Entry, at: datetime, *, asked: bool = True) -> None:
        message = (
            tr(
                "order {id} is in doubt: the platform doesn't show it, but what was sent may "
                "still be on its way; nothing was sent again",
                id=entry.id,
            )
            if asked
            else tr(
                "order {id} stays in doubt: what was sent may still be on its way; the platform "
                "was not asked",
                id=entry.id,
            )
        )
        self.wait = max(entry.settles - at, timedelta(0))
        super().__init__(
            message,
            advice=tr(
                "try again in {wait}, after {settles}",
                wait=_in_words(self.wait),
                settles=shown(entry.settles, seconds=True),
            ),
        )


class ContestedError(PlatformRefusedError):
    """The platform has what an order may have made, and nobody can tell whose it is."""

    def __init__(self, entry: Entry, product: Product) -> None:
        super().__init__(_contested(entry, product), advice=_whose(entry, product))


def _contested(entry: Entry, product: Product) -> Message:
    requested = shown(product.requested_at)
    if not entry.state.in_doubt:
        return tr(
            "order {id} counts as failed, but the platform has product {product_id} since "
            "{requested}, which may be what came of it, or somebody else's; it was left as it is",
            id=entry.id,
            product_id=product.product_id,
            requested=requested,
        )
    if entry.renews:
        return tr(
            "order {id} stays in doubt: {renews} was renewed as product {product_id} on "
            "{requested}, perhaps by somebody else; it was left as it is",
            id=entry.id,
            renews=entry.renews,
            product_id=product.product_id,
            requested=requested,
        )
    return tr(
        "order {id} stays in doubt: the platform has product {product_id} of its "
        "reference {reference} since {requested}, which may be somebody "
        "else's; it was left as it is",
        id=entry.id,
        product_id=product.product_id,
        reference=entry.reference,
        requested=requested,
    )


def _whose(entry: Entry, product: Product) -> Message:
    if entry.renews:
        return tr(
            "look at it in the portal. Yours: igc orders settle {id} --product {product_id}; "
            "if not: igc orders settle {id} --nothing-ordered",
            id=entry.id,
            product_id=product.product_id,
        )
    return tr(
        "look at it in the portal. Yours: igc orders settle {id} --product {product_id}; "
        "if not: igc orders settle {id} --nothing-ordered, then order with another "
        "--reference",
        id=entry.id,
        product_id=product.product_id,
    )


@contextmanager
def doubt_told(journal: Journal, entry: Entry) -> Iterator[None]:
    """An error of the network or the platform that leaves an order in doubt says so.

    Its advice is then to look later, not to try again, which may order a second one; its field
    ``order`` is the order's number.
    """
    try:
        yield
    except (InDoubtError, ContestedError):
        raise  # they tell more
    except (NetworkError, TimeoutExceededError, PlatformError) as error:
        with suppress(StorageError):
            entry = journal.get(str(entry.id))
        if entry.state.in_doubt:
            _tell_doubt(error, entry)
        raise


def _tell_doubt(error: IgcError, entry: Entry) -> None:
    told = later(entry)
    # Whoever is at a wrong address, or turned away there, has to know it before anything else.
    first = isinstance(error, (ContractError, CardTurnedAwayError)) and error.advice
    error.advice = joined(". ", [error.advice, told]) if first else told
    error.fields["order"] = entry.id


def later(entry: Entry) -> Message:
    """How far an order in doubt went, and what tells more."""
    return tr(
        "Order {id}: {meaning}. Later: igc orders sync", id=entry.id, meaning=entry.state.meaning
    )


def _in_words(wait: timedelta) -> Message:
    minutes = max(1, ceil(wait.total_seconds() / 60))
    if minutes < 120:
        return plural("{count} minute", "{count} minutes", minutes)
    return plural("{count} hour", "{count} hours", ceil(minutes / 60))
