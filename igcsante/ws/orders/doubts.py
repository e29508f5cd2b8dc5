"""What is said while an order is in doubt, by the rule of :mod:`igcsante.ws.outcome`."""

from __future__ import annotations

import re
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
from ...messages import Message, joined, plural, tr
from ..model import Product
from .entries import Entry
from .journal import Journal

# The clocks of platform and machine, and the zone that a mapping says, differ by less.
CLOCKS = timedelta(days=1)
_OWN_REFERENCE = re.compile(r"igc-[0-9a-f]{32}")  # of model.new_client_reference


def is_chosen(reference: str) -> bool:
    """Whether a person may have chosen a reference, so that another one could have it too."""
    return not _OWN_REFERENCE.fullmatch(reference)


def is_contested(entry: Entry, product: Product) -> bool:
    """Whether a product of an order's reference may be that of somebody who chose the same.

    It was found so when the order was refused; or it was there long before the order was.
    """
    if entry.product_id or entry.renews:
        return False
    older = product.requested_at < entry.created - CLOCKS
    return product.product_id == entry.contested or (older and is_chosen(entry.reference))


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
                "try again in {wait}, after {settles:%Y-%m-%d %H:%M:%S}",
                wait=_in_words(self.wait),
                settles=entry.settles.astimezone(),
            ),
        )


class ContestedError(PlatformRefusedError):
    """The platform has a product of an order's reference, and nobody can tell whose it is."""

    def __init__(self, entry: Entry, product: Product) -> None:
        super().__init__(
            tr(
                "order {id} stays in doubt: the platform has product {product_id} of its "
                "reference {reference} since {requested:%Y-%m-%d %H:%M}, which may be somebody "
                "else's; it was left as it is",
                id=entry.id,
                product_id=product.product_id,
                reference=entry.reference,
                requested=product.requested_at.astimezone(),
            ),
            advice=tr(
                "look at it in the portal. Yours: igc orders settle {id} --product {product_id}; "
                "if not: igc orders settle {id} --nothing-ordered, then order with another "
                "--reference",
                id=entry.id,
                product_id=product.product_id,
            ),
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
    wrong_address = isinstance(error, ContractError) and error.advice
    error.advice = joined(". ", [error.advice, told]) if wrong_address else told
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
