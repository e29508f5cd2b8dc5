"""The end of a doubt by the word of a person who looked in the portal.

For a platform that keeps no client references, and so can't be asked what became of an order
whose answer was lost.
"""

from __future__ import annotations

from datetime import datetime

from ...errors import UsageError
from ..model import Product
from . import reconcile
from .journal import Entry, Journal, OrderState

UNSETTLED = (OrderState.SENT, OrderState.UNKNOWN)


def check_unsettled(entry: Entry) -> None:
    """Raise UsageError for an order of which it is known whether it was ordered."""
    if entry.state not in UNSETTLED:
        raise UsageError(
            f"order {entry.id} is not in doubt of having been ordered: {entry.state.meaning}",
            advice="ask the platform: igc orders sync" if entry.state.in_doubt else "",
        )


def settle_as_product(journal: Journal, entry: Entry, product: Product, *, at: datetime) -> Entry:
    """The order is that ``product`` of its platform, which is what was asked for.

    Raises UsageError when it is something else, another order's, or there is no doubt; the
    journal stays as it is.
    """
    with journal.hold(entry):
        entry = journal.get(str(entry.id))
        check_unsettled(entry)
        _check_same(entry, product)
        other = journal.of_product(product.product_id, entry.platform)
        if other is not None and other.id != entry.id:
            raise UsageError(
                f"product {product.product_id} is that of order {other.id}: "
                f"order {entry.id} stays in doubt"
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
        if at - entry.updated < reconcile.SETTLING:
            raise reconcile.InDoubtError(entry)
        why = "nothing was ordered, says a person who looked"
        return journal.update(entry, at=at, state=OrderState.FAILED, last_error=why)


def _check_same(entry: Entry, product: Product) -> None:
    facts = {
        "offre": (entry.offre, str(product.offre)),
        "usage": (entry.usage, str(product.usage)),
        "structure": (entry.structure, str(product.structure.national_id)),
        "name": (entry.label.casefold(), product.label.casefold()),
        "reference": (entry.reference, product.client_reference or entry.reference),
        "renewed product": (entry.renews, product.renews or entry.renews),
    }
    for name, (asked, found) in facts.items():
        if asked != found:
            raise UsageError(
                f"product {product.product_id} is not what order {entry.id} asked for, its {name} "
                f"is {found!r} instead of {asked!r}: the order stays in doubt",
                advice="look once more in the portal",
            )
