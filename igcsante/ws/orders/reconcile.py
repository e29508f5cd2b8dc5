"""What the platform has, brought back into the journal (facts sheet platform.md §7.3, §7.4).

An order is looked up by its product, else by the client's own reference; a renewal, which
carries none, by the product that it succeeds. A request whose answer was lost may still be on
its way, or at work behind a gateway that gave up: that the platform doesn't know it counts only
once SETTLING has passed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ...errors import (
    ContractError,
    IgcError,
    PlatformRefusedError,
    PlatformUnavailableError,
    TimeoutExceededError,
    UsageError,
)
from ...identifiers import StructureId
from ...instants import iso
from ..model import Offre, Product, ProductSearch, ProductState, Usage
from ..platform import Platform
from ..rules import MAX_PAGE_SIZE
from .journal import Entry, Journal, OrderState

# Gateways give up on what is behind them after 60 s, most often; it may end its work later still.
SETTLING = timedelta(seconds=120)
FEW = 20  # orders: asked for one by one, more are found by listing all products
MAX_PAGES = 1_000
MAX_PAGES_OF_ALL = 20_000
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0

STATES = {
    ProductState.A_RETIRER: OrderState.ORDERED,
    ProductState.EN_COURS: OrderState.PENDING,
    ProductState.ACTIF: OrderState.WITHDRAWN,
    ProductState.EXPIRE: OrderState.WITHDRAWN,
    ProductState.REVOQUE: OrderState.REVOKED,
    ProductState.REFUSE: OrderState.REFUSED,
    ProductState.ANNULE: OrderState.CANCELLED,
}
OPEN = (
    OrderState.SENT,
    OrderState.UNKNOWN,
    OrderState.PENDING,
    OrderState.ORDERED,
    OrderState.WITHDRAWING,
    OrderState.WITHDRAWN,
    OrderState.REVOKING,
)


class InDoubtError(PlatformUnavailableError):
    """An order was sent a moment ago, and the platform doesn't show it yet."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(
            f"order {entry.id} is in doubt: the platform doesn't show it, but it was sent only a "
            "moment ago; nothing was sent again",
            advice=f"try again in {SETTLING.total_seconds() / 60:g} minutes",
        )


def refresh(
    platform: Platform,
    journal: Journal,
    entry: Entry,
    *,
    at: datetime,
) -> Entry:
    """Ask the platform where an order is, and note it.

    An order that it does not know has FAILED once SETTLING has passed since it was sent, or
    its answer got lost. Raises what the platform raises, and UsageError when it has another
    certificate under that product.
    """
    product = find_product(platform, journal, entry)
    if product is not None:
        check_same(entry, product)
        return note_product(journal, entry, product, at=at)
    if entry.state.in_doubt and at - entry.updated >= SETTLING:
        return journal.update(
            entry,
            at=at,
            state=OrderState.FAILED,
            last_error=entry.last_error or "the platform has no order of this reference",
        )
    return entry


def check_same(entry: Entry, product: Product) -> None:
    """Raise UsageError when the product is not the one of the entry: another serial."""
    if entry.serial and product.serial and int(entry.serial, 16) != int(product.serial, 16):
        raise UsageError(
            f"order {entry.id} has the certificate of serial {entry.serial}, but product "
            f"{product.product_id} of this platform is another, {product.serial.lower()}: "
            "nothing was changed",
            advice=f"is it the platform of that order? igc orders show {entry.id}",
        )


def note_product(journal: Journal, entry: Entry, product: Product, *, at: datetime) -> Entry:
    """Write into the journal where the platform says that a product is."""
    state = STATES[product.state]
    fine = state in (OrderState.ORDERED, OrderState.REVOKED) or entry.certificate_path
    known = {
        "product_id": product.product_id,
        "last_error": "" if fine else entry.last_error,
        "serial": f"{int(product.serial, 16):x}" if product.serial else entry.serial,
        "not_after": iso(product.not_after) or entry.not_after,
    }
    if state is entry.state and all(getattr(entry, name) == known[name] for name in known):
        return entry
    return journal.update(entry, at=at, state=state, **known)


def adopt(journal: Journal, product: Product, *, at: datetime, **about: str) -> Entry:
    """The journal's entry of a product, made when it was ordered elsewhere."""
    platform = about.get("platform", "")
    entry = journal.of_product(product.product_id, platform)
    if entry is not None:
        return entry
    reference = f"adopted-{product.product_id}"
    if journal.find(reference) is not None:  # another platform's product has that number
        reference += "-" + hashlib.sha256(platform.encode()).hexdigest()[:8]
    entry = journal.record(
        reference,
        at=at,
        offre=str(product.offre),
        usage=str(product.usage),
        structure=str(product.structure.national_id),
        label=product.label,
        **about,
    )
    return note_product(journal, entry, product, at=at)


def find_product(platform: Platform, journal: Journal, entry: Entry) -> Product | None:
    """The platform's product of an order, or None. Raises what the platform raises."""
    if entry.product_id:
        return platform.get_product(entry.product_id)
    if entry.renews:
        successor = platform.get_product(entry.renews).renewed_by
        if not successor or journal.of_product(successor, entry.platform):
            return None
        return platform.get_product(successor)
    if not platform.keeps_references:
        raise UsageError(
            f"order {entry.id} can't be looked up: this platform keeps no client references",
            advice="look for it in the portal, then tell what you saw: igc orders settle "
            f"{entry.id} --product ID, or --nothing-ordered",
        )
    return find_by_reference(platform, entry)


def find_by_reference(platform: Platform, entry: Entry) -> Product | None:
    """The platform's product that carries the entry's reference, or None.

    Raises what the platform raises, and ContractError when there is no end to its products.
    """
    search = ProductSearch(
        offre=Offre.parse(entry.offre),
        usage=Usage.parse(entry.usage),
        structure=StructureId.parse(entry.structure),
    )
    for product in every_product(platform, search, pages=MAX_PAGES):
        if product.client_reference == entry.reference:
            return product
    return None


def every_product(
    platform: Platform, search: ProductSearch | None = None, *, pages: int = MAX_PAGES_OF_ALL
) -> Iterator[Product]:
    """What a search finds, page after page; a product may come twice while others are ordered.

    Raises what the platform raises, and ContractError after that many ``pages``.
    """
    search = replace(search or ProductSearch(), page_size=MAX_PAGE_SIZE)
    for number in range(1, pages + 1):
        page = platform.search_products(replace(search, page=number))
        yield from page.products
        if not page.products or number * MAX_PAGE_SIZE >= page.total:
            return
    raise ContractError("the platform lists too many products to look through")


def synchronise(
    platform: Platform, journal: Journal, entries: Sequence[Entry], *, at: datetime
) -> Iterator[tuple[Entry, Entry, IgcError | None]]:
    """Bring many orders up to date: (before, after, what went wrong with it) for each.

    One that another command is at work on stays as it is. Few are asked for one by one; for
    more, all products are listed once. Raises what ends all of it: no network, no answer.
    """
    products = _by_name(platform) if len(entries) > FEW else None
    for entry in entries:
        after, trouble = entry, None
        try:
            with journal.hold(entry):
                listed = _listed(products, entry)
                if listed is not None:
                    check_same(entry, listed)
                    after = note_product(journal, entry, listed, at=at)
                elif products is None or entry.renews or not entry.product_id:
                    after = refresh(platform, journal, entry, at=at)
        except (UsageError, PlatformRefusedError) as error:
            trouble = error
        yield entry, after, trouble


def wait_until_made(
    platform: Platform,
    journal: Journal,
    entry: Entry,
    *,
    seconds: float,
    clock: Callable[[], datetime],
) -> Entry:
    """Ask again and again until an order is no longer the platform's to deal with.

    An order in doubt is asked for too. Waits grow from FIRST_WAIT_SECONDS. Raises
    TimeoutExceededError after ``seconds``, and what the platform raises.
    """
    end = clock() + timedelta(seconds=seconds)
    wait = FIRST_WAIT_SECONDS
    while True:
        entry = refresh(platform, journal, entry, at=clock())
        if entry.state is not OrderState.PENDING and not entry.state.in_doubt:
            return entry
        left = (end - clock()).total_seconds()
        if left <= 0:
            raise TimeoutExceededError(
                f"order {entry.id} after {seconds:g} s: {entry.state.meaning}",
                advice=f"wait longer: igc orders wait {entry.id} --timeout SECONDS",
            )
        time.sleep(min(wait, left))
        wait = min(wait * 2, LONGEST_WAIT_SECONDS)


def _by_name(platform: Platform) -> dict[str, Product]:
    """All products by identifier and by client reference."""
    found: dict[str, Product] = {}
    for product in every_product(platform):
        found[product.product_id] = product
        if product.client_reference:
            found[f"reference {product.client_reference}"] = product
    return found


def _listed(products: dict[str, Product] | None, entry: Entry) -> Product | None:
    if products is None:
        return None
    return products.get(entry.product_id or f"reference {entry.reference}")
