"""Orders with a memory: the journal is written before each request leaves and after it.

A refusal means that nothing was done, and the journal says so. When the line broke or the
platform failed once the request had left, nobody knows: the platform is asked again, by the
client's own reference, and until it can tell the entry stays in doubt.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from cryptography import x509

from ..errors import (
    ContractError,
    IgcError,
    PlatformRefusedError,
    PlatformUnavailableError,
    StorageError,
    UsageError,
)
from ..identifiers import StructureId
from ..instants import iso
from .journal import Entry, Journal, OrderState
from .model import (
    Offre,
    Product,
    ProductRequest,
    ProductSearch,
    ProductState,
    Revocation,
    Usage,
    Withdrawal,
    WithdrawnProduct,
    new_client_reference,
)
from .platform import Platform
from .rules import MAX_PAGE_SIZE

MAX_PAGES = 50
NOTHING_ORDERED = (OrderState.REFUSED, OrderState.FAILED)

_STATES = {
    ProductState.A_RETIRER: OrderState.ORDERED,
    ProductState.EN_COURS: OrderState.ORDERED,
    ProductState.ACTIF: OrderState.WITHDRAWN,
    ProductState.EXPIRE: OrderState.WITHDRAWN,
    ProductState.REVOQUE: OrderState.REVOKED,
    ProductState.REFUSE: OrderState.REFUSED,
    ProductState.ANNULE: OrderState.FAILED,
}


def place_order(
    platform: Platform, journal: Journal, request: ProductRequest, /, *, at: datetime, **about: str
) -> Entry:
    """Order, and note it; ``about`` is what else the journal should know of it.

    ``about`` may hold ``profile``, ``platform``, ``card_number`` and ``key_path``. A request
    without a reference gets one. An order whose answer was lost, but which the platform
    turns out to have, counts as done. Raises what the platform raises; the entry then says
    REFUSED or FAILED (nothing was ordered) or UNKNOWN.
    """
    request = replace(request, client_reference=request.client_reference or new_client_reference())
    entry = journal.record(
        request.client_reference,
        at=at,
        offre=str(request.offre),
        usage=str(request.usage),
        structure=str(request.structure),
        label=request.label,
        **about,
    )
    entry = journal.update(entry, at=at, state=OrderState.SENT)
    try:
        receipt = platform.order_product(request)
    except PlatformRefusedError as error:
        journal.update(entry, at=at, state=OrderState.REFUSED, last_error=error.message)
        raise
    except IgcError as error:
        if not _in_doubt(error):
            journal.update(entry, at=at, state=OrderState.FAILED, last_error=error.message)
            raise
        entry = journal.update(entry, at=at, state=OrderState.UNKNOWN, last_error=error.message)
        with contextlib.suppress(IgcError):
            entry = refresh(platform, journal, entry, at=at, settled=_was_answered(error))
        if entry.state.in_doubt or not entry.product_id:
            raise
        return entry
    return journal.update(entry, at=at, state=_STATES[receipt.state], product_id=receipt.product_id)


def withdraw(
    platform: Platform,
    journal: Journal,
    entry: Entry,
    withdrawal: Withdrawal,
    *,
    at: datetime,
    save: Callable[[WithdrawnProduct], Path],
) -> Entry:
    """Withdraw the product of an entry; ``save`` puts it on disk and says where.

    The certificate is issued once, so it is saved before anything else can fail. Raises
    UsageError when another command works on this order, and what the platform or ``save``
    raises; the entry then says ORDERED (still to be withdrawn), WITHDRAWING (in doubt) or
    WITHDRAWN without a path (issued, not saved). A journal that can't be written by then
    never hides what ``save`` raised or where it saved.
    """
    started = journal.claim(entry, OrderState.WITHDRAWING, at=at)
    try:
        product = platform.withdraw_product(withdrawal)
    except IgcError as error:
        _note_failure(platform, journal, entry, started, error, at)
        raise
    serial = ""
    try:
        serial = _serial(product.certificate)
        path = save(product)
    except BaseException as error:
        with contextlib.suppress(StorageError):
            journal.update(
                started,
                at=at,
                state=OrderState.WITHDRAWN,
                serial=serial,
                last_error=str(error) or "the certificate was issued, but not saved",
            )
        raise
    try:
        return journal.update(
            started,
            at=at,
            state=OrderState.WITHDRAWN,
            serial=serial,
            certificate_path=str(path),
            last_error="",
        )
    except StorageError as error:
        raise StorageError(
            f"the certificate is in {path}, but the journal could not note it: {error.message}",
            advice="nothing is lost: keep those files, and make room for the journal",
        ) from None


def revoke(
    platform: Platform, journal: Journal, entry: Entry, revocation: Revocation, *, at: datetime
) -> tuple[Entry, datetime]:
    """Revoke the product of an entry: it is final. Gives the entry and the revocation's time.

    When a revocation was sent before, the platform is asked first: if that one was carried
    out, its time is given and nothing is sent again.

    Raises what the platform raises; the entry then says what it said before (nothing was
    revoked) or REVOKING (in doubt).
    """
    if entry.state in (OrderState.REVOKING, OrderState.REVOKED):
        revoked_at = platform.get_product(entry.product_id).revoked_at
        if revoked_at is not None:
            done = journal.update(entry, at=at, state=OrderState.REVOKED, last_error="")
            return done, revoked_at
    started = journal.claim(entry, OrderState.REVOKING, at=at)
    try:
        receipt = platform.revoke_product(revocation)
    except IgcError as error:
        _note_failure(platform, journal, entry, started, error, at)
        raise
    try:
        done = journal.update(started, at=at, state=OrderState.REVOKED, last_error="")
    except StorageError as error:
        raise StorageError(
            f"the certificate is revoked since {iso(receipt.revoked_at)}, but the journal could "
            f"not note it: {error.message}",
            advice="nothing more is to be done, but to make room for the journal",
        ) from None
    return done, receipt.revoked_at


def refresh(
    platform: Platform, journal: Journal, entry: Entry, *, at: datetime, settled: bool = True
) -> Entry:
    """Ask the platform where an order is, and note it.

    An order that it does not know has FAILED, when ``settled`` says that none can still be
    on its way. Raises what the platform raises.
    """
    if entry.product_id:
        product: Product | None = platform.get_product(entry.product_id)
    elif not platform.keeps_references:
        raise UsageError(
            f"order {entry.id} can't be looked up: this platform keeps no client references",
            advice="look for it in the portal, or among your products there",
        )
    else:
        product = find_by_reference(platform, entry)
    if product is not None:
        state = _STATES[product.state]
        fine = state in (OrderState.ORDERED, OrderState.REVOKED) or entry.certificate_path
        return journal.update(
            entry,
            at=at,
            state=state,
            product_id=product.product_id,
            last_error="" if fine else entry.last_error,
            serial=f"{int(product.serial, 16):x}" if product.serial else entry.serial,
        )
    if settled and entry.state.in_doubt:
        return journal.update(
            entry,
            at=at,
            state=OrderState.FAILED,
            last_error=entry.last_error or "the platform has no order of this reference",
        )
    return entry


def find_by_reference(platform: Platform, entry: Entry) -> Product | None:
    """The platform's product that carries the entry's reference, or None.

    Raises what the platform raises, and ContractError when there is no end to its products.
    """
    search = ProductSearch(
        offre=Offre.parse(entry.offre),
        usage=Usage.parse(entry.usage),
        structure=StructureId.parse(entry.structure),
        page_size=MAX_PAGE_SIZE,
    )
    for number in range(1, MAX_PAGES + 1):
        page = platform.search_products(replace(search, page=number))
        for product in page.products:
            if product.client_reference == entry.reference:
                return product
        if not page.products or number * MAX_PAGE_SIZE >= page.total:
            return None
    raise ContractError("the platform lists too many products to look through")


def _note_failure(
    platform: Platform,
    journal: Journal,
    before: Entry,
    started: Entry,
    error: IgcError,
    at: datetime,
) -> None:
    state = started.state if _in_doubt(error) else before.state
    entry = journal.yield_back(started, state, at=at, last_error=error.message)
    # In doubt by this failure or already before; or refused, since it is not as we thought.
    if entry.state.in_doubt or isinstance(error, PlatformRefusedError):
        with contextlib.suppress(IgcError):
            entry = refresh(platform, journal, entry, at=at)
        if not entry.certificate_path:
            journal.update(entry, at=at, last_error=error.message)


def _in_doubt(error: IgcError) -> bool:
    return bool(error.fields.get("outcome_unknown"))


def _was_answered(error: IgcError) -> bool:
    """Whether the call came to an end, so that no request is still on its way."""
    return isinstance(error, PlatformUnavailableError | ContractError)


def _serial(certificate: bytes) -> str:
    try:
        return f"{x509.load_der_x509_certificate(certificate).serial_number:x}"
    except ValueError:
        raise ContractError("the platform's certificate is not readable") from None
