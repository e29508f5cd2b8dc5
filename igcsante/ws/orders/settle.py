"""The end of a doubt by the word of a person who looked in the portal.

For a platform that keeps no client references, and so can't be asked what became of an order
whose answer was lost.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ...errors import UsageError
from ...instants import shown
from ...messages import tr
from ..model import Product
from . import reconcile
from .attempts import CLOSE, bounded, is_chosen, lasted
from .doubts import InDoubtError
from .entries import UNSETTLED
from .journal import Entry, Journal, OrderState

# The clocks of platform and machine, and the zone that a mapping says, differ by less.
CLOCKS = timedelta(days=1)


def check_unsettled(entry: Entry) -> None:
    """Raise UsageError for an order of which it is known whether it was ordered.

    Of one that failed, a person may have found that it arrived all the same.
    """
    if entry.state not in (*UNSETTLED, OrderState.FAILED):
        raise _no_doubt(entry)


def _no_doubt(entry: Entry) -> UsageError:
    return UsageError(
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

    What the platform shows of it later counts all the same if it can be of nobody else.
    Raises InDoubtError while the request may still be on its way, UsageError when there is no
    doubt.
    """
    with journal.hold(entry):
        entry = journal.get(str(entry.id))
        check_unsettled(entry)
        entry = bounded(journal, entry, at, lasted(journal, entry))
        if entry.state.in_doubt and not entry.settled(at):
            raise InDoubtError(entry, at, asked=False)
        ours_alone = not entry.renews and not is_chosen(entry.reference)
        if entry.state is OrderState.FAILED and (ours_alone or not entry.doubt_until):
            raise _no_doubt(entry)
        told = {
            "last_error": tr("nothing was ordered, says a person who looked"),
            "doubt_until": entry.doubt_until if ours_alone else "",
        }
        return journal.update(entry, at=at, state=OrderState.FAILED, **told)


def _check_same(entry: Entry, product: Product) -> None:
    """All of it, and its reference: it is a person who says which product it is."""
    told = reconcile.difference(entry, product)
    for name, asked, found in (
        (tr("reference"), entry.reference, "" if entry.renews else product.client_reference),
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
                "product {product_id} was requested on {requested}, before order {id} "
                "was made, on {created}: the order stays in doubt",
                product_id=product.product_id,
                requested=shown(product.requested_at),
                id=entry.id,
                created=shown(entry.created),
            ),
            advice=tr("look once more in the portal"),
        )
