"""Orders with a memory: the journal is written before each request leaves and after it.

What the end of an attempt means is told in :mod:`igcsante.ws.outcome`. When nothing was done the
journal says so; when nobody knows, the platform is asked (:mod:`igcsante.ws.orders.reconcile`),
and until it can tell the entry stays in doubt. Nothing is ordered twice: an order that is in
doubt is looked for before it is sent once more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from ...errors import (
    ConfigError,
    ContractError,
    IgcError,
    PlatformRefusedError,
    StorageError,
    UsageError,
)
from ...instants import iso, shown
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
from ..outcome import SETTLING, End, Stopwatch, end_of
from ..platform import Platform
from .attempts import is_first, may_arrive_late
from .doubts import ContestedError, InDoubtError, doubt_told
from .journal import Entry, Journal, OrderState, is_of
from .reconcile import STATES, refresh
from .there_already import TakenError, already_there, made_by_now

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
        wanted = wanted_of(request).items()
        if elsewhere or any(getattr(entry, name) != value for name, value in wanted):
            what = (
                tr("another platform, {platform}", platform=entry.platform)
                if elsewhere
                else tr("something else")
            )
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
    return journal.record(request.client_reference, at=at, **wanted_of(request), **about)


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
    watch = Stopwatch(at)
    with journal.hold(entry), doubt_told(journal, entry):
        entry = journal.get(str(entry.id))
        late = may_arrive_late(entry) and bool(entry.renews or platform.keeps_references)
        if entry.state.in_doubt or late:
            entry = refresh(platform, journal, entry, at=watch.now())
        if entry.state.in_doubt:
            raise InDoubtError(entry, watch.now())
        if not entry.state.nothing_ordered:
            return entry
        about = {**about, "last_error": _key_left(entry, about)}
        sent = _claim(platform, journal, entry, OrderState.SENT, watch.now(), about)
        try:
            receipt = call()
        except IgcError as error:
            return _not_answered(platform, journal, entry, sent, watch.now(), error)
        state, number = STATES[receipt.state], receipt.product_id
        return journal.update(sent, at=watch.now(), state=state, product_id=number, last_error="")


def _key_left(before: Entry, about: dict[str, str]) -> str:
    """What the journal says of the key of an earlier attempt that is sent with another one now."""
    old = before.key_path
    if not old or about.get("key_path", old) == old or not Path(old).is_file():
        return ""
    return tr("the key of the attempt before stays in {path}", path=old)


def _claim(
    platform: Platform,
    journal: Journal,
    entry: Entry,
    state: OrderState,
    at: datetime,
    about: dict[str, str],
) -> Entry:
    """Note an attempt before it leaves, and when a doubt about it may end."""
    until = at + platform.longest_attempt + SETTLING
    return journal.claim(entry, state, at=at, **{**about, "doubt_until": until.isoformat()})


def _doubt_until(started: Entry, ended: datetime) -> str:
    """When a doubt about an attempt that ended without an answer may end."""
    return max(started.settles, ended + SETTLING).isoformat()


def _not_answered(
    platform: Platform,
    journal: Journal,
    before: Entry,
    sent: Entry,
    at: datetime,
    error: IgcError,
) -> Entry:
    """The order, when it turns out to be there all the same. Raises ``error``, or what tells more.

    One that is there already, and had been sent before, was made with the key of that time,
    which the entry names again, as it does when nothing came of it. A refusal tells of this
    attempt only: one before it may still arrive. Nobody removes a key here.
    """
    first = is_first(journal, sent, platform.longest_attempt)
    end, told = end_of(error, first=first), {"last_error": error.message}
    if end is not End.UNKNOWN and before.key_path:
        told |= {name: getattr(before, name) for name in _KEY}
    if end in (End.NOT_SENT, End.REFUSED):
        if end_of(error) is End.THERE_ALREADY and (
            made := made_by_now(platform, journal, sent, at)
        ):
            return made
        refused = end is End.REFUSED and not may_arrive_late(before)
        state = OrderState.REFUSED if refused else OrderState.FAILED
        told["doubt_until"] = before.doubt_until
        journal.update(sent, at=at, state=state, **told)
        raise error
    told["doubt_until"] = _doubt_until(sent, at)
    doubt = journal.update(sent, at=at, state=OrderState.UNKNOWN, **told)
    try:
        if end is End.THERE_ALREADY:
            return already_there(platform, journal, doubt, at, error)
        entry = refresh(platform, journal, doubt, at=at)
    except (TakenError, ContestedError):
        raise
    except IgcError:
        raise error from None
    if entry.state.in_doubt or not entry.product_id:
        raise error
    return entry


def withdraw(
    platform: Platform,
    journal: Journal,
    entry: Entry,
    withdrawal: Withdrawal,
    *,
    at: datetime,
    save: Callable[[WithdrawnProduct], Path],
    flaw: Callable[[], str] = str,
) -> Entry:
    """Withdraw the product of an entry; ``save`` puts it on disk and says where.

    ``flaw`` then says why that can't be used, or nothing: the journal keeps it.
    The certificate is issued once: the journal keeps it and its chain as soon as they are
    here, then it is saved. Raises UsageError when another command works on this order, and
    what the platform or ``save`` raises; the entry then says ORDERED (still to be withdrawn),
    WITHDRAWING (in doubt) or WITHDRAWN without a path (issued, not saved). A journal that
    can't be written by then never hides what ``save`` raised or where it saved.
    """
    watch = Stopwatch(at)
    with journal.hold(entry), doubt_told(journal, entry):
        started = _claim(platform, journal, entry, OrderState.WITHDRAWING, at, {})
        try:
            product = platform.withdraw_product(withdrawal)
        except IgcError as error:
            _note_failure(platform, journal, entry, started, error, watch.now())
            raise
        return _deliver(journal, started, product, watch.now(), save, flaw)


def _deliver(
    journal: Journal,
    started: Entry,
    product: WithdrawnProduct,
    at: datetime,
    save: Callable[[WithdrawnProduct], Path],
    flaw: Callable[[], str],
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
                last_error=_why(error) or tr("the certificate was issued, but not saved"),
                **facts,
            )
        raise
    try:
        return journal.update(
            started,
            at=at,
            state=OrderState.WITHDRAWN,
            certificate_path=str(path),
            unusable=flaw(),
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


class Revoked(NamedTuple):
    """A revocation: the entry, its time, and whether one sent before had been carried out."""

    entry: Entry
    revoked_at: datetime
    already: bool


def revoke(
    platform: Platform, journal: Journal, entry: Entry, revocation: Revocation, *, at: datetime
) -> Revoked:
    """Revoke the product of an entry: it is final.

    When a revocation was sent before, the platform is asked first: if that one was carried
    out, its time is given and nothing is sent again. By a contract that lacks this question it
    is sent again once the doubt may end; InDoubtError until then.

    Raises what the platform raises; the entry then says what it said before (nothing was
    revoked) or REVOKING (in doubt).
    """
    watch = Stopwatch(at)
    with journal.hold(entry), doubt_told(journal, entry):
        if entry.state in (OrderState.REVOKING, OrderState.REVOKED):
            revoked_at = _revoked_before(platform, entry, watch.now())
            if revoked_at is not None:
                done = journal.update(entry, at=at, state=OrderState.REVOKED, last_error="")
                return Revoked(done, revoked_at, already=True)
        started = _claim(platform, journal, entry, OrderState.REVOKING, watch.now(), {})
        try:
            receipt = platform.revoke_product(revocation)
        except IgcError as error:
            _note_failure(platform, journal, entry, started, error, watch.now())
            raise
        at = watch.now()
    try:
        done = journal.update(started, at=at, state=OrderState.REVOKED, last_error="")
    except StorageError as error:
        raise StorageError(
            tr(
                "the certificate is revoked since {revoked_at}, but the journal could "
                "not note it: {message}",
                revoked_at=shown(receipt.revoked_at, seconds=True),
                message=error.message,
            ),
            advice=tr("nothing more is to be done, but to make room for the journal"),
        ) from None
    return Revoked(done, receipt.revoked_at, already=False)


def _revoked_before(platform: Platform, entry: Entry, at: datetime) -> datetime | None:
    """When the platform revoked its product, None when it did not or can't be asked."""
    try:
        return platform.get_product(entry.product_id).revoked_at
    except ConfigError:
        if not entry.state.in_doubt:
            raise
        if not entry.settled(at):
            raise InDoubtError(entry, at, asked=False) from None
        return None


def _why(error: BaseException) -> str:
    return error.message if isinstance(error, IgcError) else str(error)


def _note_failure(
    platform: Platform,
    journal: Journal,
    before: Entry,
    started: Entry,
    error: IgcError,
    at: datetime,
) -> None:
    state, until = before.state, before.doubt_until
    if end_of(error) is End.UNKNOWN:
        state, until = started.state, _doubt_until(started, at)
    told = {"last_error": error.message, "doubt_until": until}
    entry = journal.yield_back(started, state, at=at, **told)
    # In doubt by this failure or already before; or refused, since it is not as we thought.
    if entry.state.in_doubt or isinstance(error, PlatformRefusedError):
        with contextlib.suppress(IgcError):
            entry = refresh(platform, journal, entry, at=at)
        if not entry.certificate_path:
            journal.update(entry, at=at, last_error=error.message)


def wanted_of(request: ProductRequest) -> dict[str, str]:
    """What the journal notes of what is asked for."""
    return {
        "offre": str(request.offre),
        "usage": str(request.usage),
        "structure": str(request.structure),
        "label": request.label,
    }


def _facts(certificate: bytes) -> dict[str, str]:
    """What the journal notes of a certificate. Raises ContractError when it is none."""
    try:
        read = x509.load_der_x509_certificate(certificate)
        return {"serial": f"{read.serial_number:x}", "not_after": iso(read.not_valid_after_utc)}
    except ValueError:
        raise ContractError(tr("the platform's certificate is not readable")) from None
