"""The order that a platform says it has already, by its reference or its key: is it ours?"""

from __future__ import annotations

import contextlib
from datetime import datetime

from ...errors import IgcError, PlatformRefusedError
from ...messages import tr
from ..platform import Platform
from .attempts import is_chosen, is_contested, is_first
from .doubts import ContestedError
from .journal import Entry, Journal, OrderState
from .reconcile import difference, find_product, note_product


class TakenError(PlatformRefusedError):
    """Another order has the reference: nothing was ordered."""


def already_there(
    platform: Platform, journal: Journal, doubt: Entry, at: datetime, error: IgcError
) -> Entry:
    """The order that the platform says it has. Raises ``error`` while it doesn't show it.

    A reference that a person chose may be somebody else's too: a product of it that was not
    asked for here is another's (TakenError, the order is REFUSED), and one that was there
    when this order was sent for the first time may be (ContestedError, only a person can tell).
    """
    product = find_product(platform, journal, doubt)
    if product is None:
        raise error
    if difference(doubt, product) or product.product_id == doubt.contested:
        journal.update(doubt, at=at, state=OrderState.REFUSED, doubt_until="")
        raise TakenError(
            tr(
                "another order has the reference {reference}: product {product_id}, {label}; "
                "nothing was ordered, and it was left as it is",
                reference=doubt.reference,
                product_id=product.product_id,
                label=product.label,
            ),
            advice=tr("give another reference: --reference"),
            **error.fields,
        )
    by_reference = error.fields["kind"] == "duplicate_reference" and not doubt.renews
    longest = platform.longest_attempt
    first = by_reference and is_chosen(doubt.reference) and is_first(journal, doubt, longest)
    if first or is_contested(journal, doubt, product, longest):
        raise ContestedError(journal.update(doubt, at=at, contested=product.product_id), product)
    return note_product(journal, doubt, product, at=at)


def made_by_now(platform: Platform, journal: Journal, sent: Entry, at: datetime) -> Entry | None:
    """The order when it is shown already: a gateway may have sent it twice."""
    with contextlib.suppress(IgcError):
        product = find_product(platform, journal, sent)
        if product is not None and not difference(sent, product):
            longest = platform.longest_attempt
            if not is_contested(journal, sent, product, longest):
                return note_product(journal, sent, product, at=at)
    return None
