"""The successor of a certificate, ordered while that one is still active (platform.md §4).

The platform makes it for the same subject, with another key. Its notice comes 60 days before
the end; after the end there is nothing to renew. A renewal that was begun is gone on with,
never ordered a second time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from ...errors import UsageError
from ...messages import tr
from ...secret import Secret
from ..model import Product, Renewal, new_client_reference
from ..outcome import Stopwatch
from ..platform import Platform
from ..rules import MAX_COMMON_NAME
from ..vocabulary import ProductState
from .attempts import may_arrive_late
from .doubts import InDoubtError
from .enrolment import abandon, discard_key, keep_key, note_unsent, place_of_key
from .file_names import stem_of
from .journal import Entry, Journal, OrderState
from .lifecycle import place_renewal
from .order_key import KeySource, NewKey, OrderKey, OwnKey, key_of
from .park import NOTICE_DAYS
from .reconcile import refresh

WINDOW = timedelta(days=NOTICE_DAYS)
OVER = (OrderState.CANCELLED, OrderState.REVOKED)


def check_renewable(product: Product, *, at: datetime, early: bool = False) -> None:
    """Raise UsageError unless the product can be renewed now; ``early``: before its window."""
    what = f"{product.label} ({product.product_id})"
    if product.renewed_by:
        raise UsageError(
            tr(
                "{what} is renewed already, by {renewed_by}: nothing was ordered",
                what=what,
                renewed_by=product.renewed_by,
            ),
            advice=tr("see what both are: igc status"),
        )
    if product.state is not ProductState.ACTIF or not product.renewable:
        raise UsageError(
            tr(
                "{what} can't be renewed, it is {state}: nothing was ordered",
                what=what,
                state=product.state,
            ),
            advice=tr("only an active certificate is renewed; order a new one: igc order"),
        )
    if product.not_after is not None and product.not_after - at > WINDOW and not early:
        raise UsageError(
            tr(
                "{what} ends on {not_after:%Y-%m-%d}, in more than {days} days: "
                "nothing was ordered",
                what=what,
                not_after=product.not_after,
                days=WINDOW.days,
            ),
            advice=tr("to renew it all the same: --early"),
        )


def begun(journal: Journal, product_id: str, platform: str = "") -> Entry | None:
    """The renewal of a platform's product that this machine ordered, or is in doubt about."""
    alive = (
        entry
        for entry in journal.renewals(product_id, platform)
        if not entry.state.nothing_ordered and entry.state not in OVER
    )
    return next(alive, None)


def renew(
    product: Product,
    platform: Platform,
    journal: Journal,
    directory: Path,
    source: KeySource | None = None,
    /,
    *,
    at: datetime,
    early: bool = False,
    key_passphrase: Secret | None = None,
    **about: str,
) -> Entry:
    """Order the successor of a product; its key, by default one made here, goes to ``directory``.

    A renewal that this machine has begun is brought up to date and given instead; one that was
    given up, though it may still arrive, is sent again with its own key. Raises
    InDoubtError while nobody can tell what became of one, UsageError when the product can't be
    renewed (nothing was sent), StorageError when the key can't be kept, and as
    :func:`igcsante.ws.orders.lifecycle.place_renewal`.
    """
    with journal.hold_name(tr("the renewal of {product_id}", product_id=product.product_id)):
        watch, where = Stopwatch(at), about.get("platform", "")
        before = begun(journal, product.product_id, where)
        if before is not None and before.state.in_doubt:
            before = refresh(platform, journal, before, at=watch.now())
            if before.state.in_doubt:
                raise InDoubtError(before, watch.now())
        if before is not None and not before.state.nothing_ordered:
            return before
        check_renewable(product, at=at, early=early)
        _tidy(journal, product.product_id, where, at)
        key = (source or NewKey()).order_key(product.label[:MAX_COMMON_NAME])
        now = watch.now()
        for late in filter(may_arrive_late, journal.renewals(product.product_id, where)):
            if earlier := key_of(late, key.private_key, key_passphrase):
                csr = OwnKey(earlier).order_key(product.label[:MAX_COMMON_NAME]).csr
                renewal = Renewal(product.product_id, csr=csr)
                return place_renewal(platform, journal, late, renewal, at=now)
        return _order(product, platform, journal, directory, key, key_passphrase, now, about)


def _order(
    product: Product,
    platform: Platform,
    journal: Journal,
    directory: Path,
    key: OrderKey,
    passphrase: Secret | None,
    at: datetime,
    about: dict[str, str],
) -> Entry:
    reference = new_client_reference()
    renewal = Renewal(product.product_id, csr=key.csr, key_password=key.password)
    base = directory.absolute() / stem_of(product.label, reference)
    entry = journal.record(
        reference,
        at=at,
        offre=str(product.offre),
        usage=str(product.usage),
        structure=str(product.structure.national_id),
        label=product.label,
        renews=product.product_id,
        **place_of_key(key, base),
        **about,
    )
    try:
        keep_key(key, base, passphrase)
        return place_renewal(platform, journal, entry, renewal, at=at)
    except BaseException as error:
        if note_unsent(journal, entry, error, at=at).state.nothing_ordered:
            discard_key(base)
        raise


def ends_soon(product: Product, at: datetime, within: timedelta = WINDOW) -> bool:
    """Whether a product is active, ends within that time and has no successor."""
    return (
        product.state is ProductState.ACTIF
        and not product.renewed_by
        and product.not_after is not None
        and product.not_after - at <= within
    )


def _tidy(journal: Journal, product_id: str, platform: str, at: datetime) -> None:
    """Renewals that were stopped before they were sent leave no key behind."""
    for entry in journal.renewals(product_id, platform):
        if entry.state is OrderState.PREPARED:
            abandon(entry, journal, at=at)
