"""The end of a doubt by the word of a person who looked in the portal.

For a platform that keeps no client references, and so can't be asked what became of an order
whose answer was lost.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ...errors import UsageError
from ...messages import tr
from ..model import Product
from . import reconcile
from .doubts import CLOCKS, InDoubtError
from .entries import UNSETTLED
from .journal import Entry, Journal, OrderState

CLOSE = timedelta(minutes=5)  # clocks that are set right differ by less


def check_unsettled(entry: Entry) -> None:
    """Raise UsageError for an order of which it is known whether it was ordered."""
    if entry.state not in UNSETTLED:
        raise UsageError(
            tr(
                "order {id} is not in doubt of having been ordered: {meaning}",
                id=entry.id,
                meaning=entry.state.meaning,
            ),
            advice=tr("ask the platform: igc orders sync") if entry.state.in_doubt else "",
        )


def seems_older(entry: Entry, product: Product) -> bool:
    """Whether a product was there before its order, unless a clock is wrong."""
    return product.requested_at < entry.created - CLOSE


def settle_as_product(journal: Journal, entry: Entry, product: Product, *, at: datetime) -> Entry:
    """The order is that ``product`` of its platform, which is what was asked for.

    Whether one that :func:`seems_older` is meant is for the caller to ask. Raises UsageError
    when it is something else, or another order's, when it has no reference and is older by more
    than clocks can tell, or when there is no doubt; the journal stays as it is.
    """
    with journal.hold(entry):
        entry = journal.get(str(entry.id))
        check_unsettled(entry)
        _check_same(entry, product)
        other = journal.of_product(product.product_id, entry.platform)
        if other is not None and other.id != entry.id:
            raise UsageError(
                tr(
                    "product {product_id} is that of order {other}: order {id} stays in doubt",
                    product_id=product.product_id,
                    other=other.id,
                    id=entry.id,
                )
            )
        return reconcile.note_product(journal, entry, product, at=at)


def settle_as_nothing(journal: Journal, entry: Entry, *, at: datetime) -> Entry:
    """Nothing was ordered: FAILED. The key stays, so that nothing is lost by a mistake.

    Raises InDoubtError while the request may still be on its way, UsageError when there is no
    doubt.
    """
    with journal.hold(entry):
        entry = journal.get(str(entry.id))
        check_unsettled(entry)
        if not entry.settled(at):
            raise InDoubtError(entry, at, asked=False)
        why = tr("nothing was ordered, says a person who looked")
        return journal.update(entry, at=at, state=OrderState.FAILED, last_error=why)


def _check_same(entry: Entry, product: Product) -> None:
    """All of it, and its reference: it is a person who says which product it is."""
    told = reconcile.difference(entry, product)
    for name, asked, found in (
        (tr("reference"), entry.reference, product.client_reference),
        (tr("renewed product"), entry.renews, product.renews),
    ):
        if told is None and found and found != asked:
            told = (name, asked, found)
    if told is not None:
        what, asked, found = told
        raise UsageError(
            tr(
                "product {product_id} is not what order {id} asked for, its {name} is {found!r} "
                "instead of {asked!r}: the order stays in doubt",
                product_id=product.product_id,
                id=entry.id,
                name=what,
                found=found,
                asked=asked,
            ),
            advice=tr("look once more in the portal"),
        )
    if not product.client_reference and product.requested_at < entry.created - CLOCKS:
        raise UsageError(
            tr(
                "product {product_id} was requested on {requested:%Y-%m-%d}, before order {id} "
                "was made, on {created:%Y-%m-%d}: the order stays in doubt",
                product_id=product.product_id,
                requested=product.requested_at.astimezone(),
                id=entry.id,
                created=entry.created.astimezone(),
            ),
            advice=tr("look once more in the portal"),
        )
