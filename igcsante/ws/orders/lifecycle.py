"""Orders with a memory: the journal is written before each request leaves and after it.

A refusal means that nothing was done, and the journal says so; unless it says that the order was
there already, which is then looked for. When the line broke or the platform failed once the
request had left, nobody knows: the platform is asked again
(:mod:`igcsante.ws.orders.reconcile`), and until it can tell the entry stays in doubt. Nothing is
ordered twice: an order that is in doubt is looked for before it is sent once more.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from ...errors import (
    ContractError,
    IgcError,
    PlatformRefusedError,
    StorageError,
    UsageError,
)
from ...instants import iso
from ...messages import tr
from ..model import (
    OrderReceipt,
    ProductRequest,
    Renewal,
    Revocation,
    Withdrawal,
    WithdrawnProduct,
    new_client_reference,
)
from ..platform import Platform
from .journal import Entry, Journal, OrderState, is_of
from .reconcile import STATES, InDoubtError, refresh

# Refusals of what is there already: a request that came twice, or late, is told so.
_ALREADY = ("duplicate_reference", "key_already_certified")
_KEY = ("key_mode", "file_base", "key_path")


def place_order(
    platform: Platform, journal: Journal, request: ProductRequest, /, *, at: datetime, **about: str
) -> Entry:
    """Order, and note it; ``about`` is what else the journal should know of it.

    ``about`` may hold any text of an Entry, such as ``profile`` or ``key_path``. A request
    without a reference gets one. One whose reference the journal knows is not ordered again,
    unless it is certain that nothing was ordered. An order whose answer was lost, but which
    the platform turns out to have, counts as done. Raises UsageError when that reference is
    another order's or is being ordered right now, and what the platform raises; the entry
    then says REFUSED or FAILED (nothing was ordered) or UNKNOWN.
    """
    request = replace(request, client_reference=request.client_reference or new_client_reference())
    entry = journal.find(request.client_reference)
    if entry is None:
        entry = record_order(journal, request, at=at, **about)
    else:
        where = about.get("platform", "")
        elsewhere = where and not is_of(entry, where)
        wanted = _wanted(request).items()
        if elsewhere or any(getattr(entry, name) != value for name, value in wanted):
            what = f"another platform, {entry.platform}" if elsewhere else "something else"
            raise UsageError(
                tr(
                    "client_reference: order {id} has it, for {what}: nothing was sent",
                    id=entry.id,
                    what=what,
                ),
                field="client_reference",
            )
    return _place(platform, journal, entry, lambda: platform.order_product(request), at, about)


def record_order(
    journal: Journal, request: ProductRequest, /, *, at: datetime, **about: str
) -> Entry:
    """Write an order into the journal before anything is done for it: PREPARED.

    Raises UsageError when its reference is taken.
    """
    return journal.record(request.client_reference, at=at, **_wanted(request), **about)


def place_renewal(
    platform: Platform, journal: Journal, entry: Entry, renewal: Renewal, /, *, at: datetime
) -> Entry:
    """Order the successor of a product; ``entry`` is the new order, whose ``renews`` names it.

    A renewal carries no reference of ours: what became of one is told by the product that it
    succeeds. Otherwise as :func:`place_order`.
    """
    return _place(platform, journal, entry, lambda: platform.renew_product(renewal), at, {})


def _place(
    platform: Platform,
    journal: Journal,
    entry: Entry,
    call: Callable[[], OrderReceipt],
    at: datetime,
    about: dict[str, str],
) -> Entry:
    with journal.hold(entry):
        entry = journal.get(str(entry.id))
        if entry.state.in_doubt:
            entry = refresh(platform, journal, entry, at=at)
        if entry.state.in_doubt:
            raise InDoubtError(entry)
        if not entry.state.nothing_ordered:
            return entry
        sent = journal.claim(entry, OrderState.SENT, at=at, last_error="", **about)
        return _send(platform, journal, entry, sent, call, at)


def _send(
    platform: Platform,
    journal: Journal,
    before: Entry,
    sent: Entry,
    call: Callable[[], OrderReceipt],
    at: datetime,
) -> Entry:
    begun = time.monotonic()
    try:
        receipt = call()
    except PlatformRefusedError as error:
        at = _later(at, begun)
        if error.fields.get("kind") in _ALREADY:
            entry = _already_there(platform, journal, before, sent, at, error)
            if entry.product_id:
                return entry
            raise
        journal.update(sent, at=at, state=OrderState.REFUSED, last_error=error.message)
        raise
    except IgcError as error:
        at = _later(at, begun)
        if not _in_doubt(error):
            journal.update(sent, at=at, state=OrderState.FAILED, last_error=error.message)
            raise
        entry = journal.update(sent, at=at, state=OrderState.UNKNOWN, last_error=error.message)
        with contextlib.suppress(IgcError):
            entry = refresh(platform, journal, entry, at=at)
        if entry.state.in_doubt or not entry.product_id:
            raise
        return entry
    at = _later(at, begun)
    return journal.update(sent, at=at, state=STATES[receipt.state], product_id=receipt.product_id)


def _already_there(
    platform: Platform,
    journal: Journal,
    before: Entry,
    sent: Entry,
    at: datetime,
    error: PlatformRefusedError,
) -> Entry:
    """What the platform has of an order that it refuses since it has it; REFUSED if nothing.

    One that had been sent before was made with the key of that time, which the entry names
    again. Nobody removes a key here.
    """
    key = {name: getattr(before, name) for name in _KEY} if before.key_path else {}
    doubt = journal.update(sent, at=at, state=OrderState.UNKNOWN, last_error=error.message, **key)
    try:
        entry = refresh(platform, journal, doubt, at=at)
    except IgcError:
        return doubt
    if entry.product_id:
        return entry
    return journal.update(doubt, at=at, state=OrderState.REFUSED)


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

    The certificate is issued once: the journal keeps it and its chain as soon as they are
    here, then it is saved. Raises UsageError when another command works on this order, and
    what the platform or ``save`` raises; the entry then says ORDERED (still to be withdrawn),
    WITHDRAWING (in doubt) or WITHDRAWN without a path (issued, not saved). A journal that
    can't be written by then never hides what ``save`` raised or where it saved.
    """
    with journal.hold(entry):
        started = journal.claim(entry, OrderState.WITHDRAWING, at=at)
        begun = time.monotonic()
        try:
            product = platform.withdraw_product(withdrawal)
        except IgcError as error:
            _note_failure(platform, journal, entry, started, error, _later(at, begun))
            raise
        return _deliver(journal, started, product, _later(at, begun), save)


def _deliver(
    journal: Journal,
    started: Entry,
    product: WithdrawnProduct,
    at: datetime,
    save: Callable[[WithdrawnProduct], Path],
) -> Entry:
    facts: dict[str, str] = {}
    try:
        with contextlib.suppress(ContractError):
            facts = _facts(product.certificate)
        with contextlib.suppress(StorageError):
            delivered = (product.certificate, *product.chain)
            started = journal.keep(started, delivered, at=at, **facts)
        facts = facts or _facts(product.certificate)
        path = save(product)
    except BaseException as error:
        with contextlib.suppress(StorageError):
            journal.update(
                started,
                at=at,
                state=OrderState.WITHDRAWN,
                last_error=str(error) or "the certificate was issued, but not saved",
                **facts,
            )
        raise
    try:
        return journal.update(
            started,
            at=at,
            state=OrderState.WITHDRAWN,
            certificate_path=str(path),
            last_error="",
            **facts,
        )
    except StorageError as error:
        raise StorageError(
            tr(
                "the certificate is in {path}, but the journal could not note it: {message}",
                path=path,
                message=error.message,
            ),
            advice=tr("nothing is lost: keep those files, and make room for the journal"),
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
    with journal.hold(entry):
        if entry.state in (OrderState.REVOKING, OrderState.REVOKED):
            revoked_at = platform.get_product(entry.product_id).revoked_at
            if revoked_at is not None:
                done = journal.update(entry, at=at, state=OrderState.REVOKED, last_error="")
                return done, revoked_at
        started = journal.claim(entry, OrderState.REVOKING, at=at)
        begun = time.monotonic()
        try:
            receipt = platform.revoke_product(revocation)
        except IgcError as error:
            _note_failure(platform, journal, entry, started, error, _later(at, begun))
            raise
        at = _later(at, begun)
    try:
        done = journal.update(started, at=at, state=OrderState.REVOKED, last_error="")
    except StorageError as error:
        raise StorageError(
            tr(
                "the certificate is revoked since {revoked_at}, but the journal could "
                "not note it: {message}",
                revoked_at=iso(receipt.revoked_at),
                message=error.message,
            ),
            advice=tr("nothing more is to be done, but to make room for the journal"),
        ) from None
    return done, receipt.revoked_at


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


def _wanted(request: ProductRequest) -> dict[str, str]:
    return {
        "offre": str(request.offre),
        "usage": str(request.usage),
        "structure": str(request.structure),
        "label": request.label,
    }


def _in_doubt(error: IgcError) -> bool:
    return bool(error.fields.get("outcome_unknown"))


def _later(at: datetime, begun: float) -> datetime:
    """``at`` and the whole seconds since ``begun`` (monotonic): when a call came to its end."""
    return at + timedelta(seconds=int(time.monotonic() - begun))


def _facts(certificate: bytes) -> dict[str, str]:
    """What the journal notes of a certificate. Raises ContractError when it is none."""
    try:
        read = x509.load_der_x509_certificate(certificate)
        return {"serial": f"{read.serial_number:x}", "not_after": iso(read.not_valid_after_utc)}
    except ValueError:
        raise ContractError(tr("the platform's certificate is not readable")) from None
