"""What the mock platform does of its own accord: notices when due, the CRL after a crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ..pki import SimulatedPki
from . import mails
from .store import Store


def send_notices(store: Store, now: datetime, withdrawal_url: Callable[[int], str]) -> None:
    """Tell of what can be withdrawn by now, and of what ends within 60 days, once each."""
    with store.reading() as tx:
        due = tx.expiring(now, now + mails.NOTICE) or tx.unannounced(now)
    if not due:
        return
    with store.transaction() as tx:
        for record in tx.expiring(now, now + mails.NOTICE):
            mails.end_is_near(tx, record, now)
            tx.update(replace(record, notified_at=now))
        for record in tx.unannounced(now):
            mails.product_available(tx, record, withdrawal_url(record.number), now)
            tx.update(replace(record, announced_at=now))


def publish_revocations(store: Store, pki: SimulatedPki) -> None:
    """Put into the CRL what a crash kept from it."""
    with store.reading() as tx:
        revoked = tx.revoked()
    for serial, date in revoked:
        pki.revoke(int(serial, 16), date)
