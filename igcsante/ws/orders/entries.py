"""What the order journal holds of an order: how far it went, what is known of it, its steps."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from ...instants import iso
from ...messages import tr
from ..outcome import SETTLING


class OrderState(StrEnum):
    """How far an order went, as far as this machine knows."""

    PREPARED = "prepared"
    SENT = "sent"
    UNKNOWN = "unknown"
    PENDING = "pending"
    ORDERED = "ordered"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    WITHDRAWING = "withdrawing"
    WITHDRAWN = "withdrawn"
    REVOKING = "revoking"
    REVOKED = "revoked"

    @property
    def meaning(self) -> str:
        """The state in words, for people."""
        return _MEANINGS[self]

    @property
    def in_doubt(self) -> bool:
        """Whether the platform may have gone further than this machine knows."""
        return self in (self.SENT, self.UNKNOWN, self.WITHDRAWING, self.REVOKING)

    @property
    def nothing_ordered(self) -> bool:
        """Whether it is certain that the platform has no product of this order."""
        return self in (self.PREPARED, self.REFUSED, self.FAILED)


_MEANINGS = {
    OrderState.PREPARED: tr("prepared, never sent"),
    OrderState.SENT: tr("sent, no answer recorded: it may have been ordered"),
    OrderState.UNKNOWN: tr("sent, and no answer told what came of it: it may have been ordered"),
    OrderState.PENDING: tr("ordered, the platform is still at work on it"),
    OrderState.ORDERED: tr("ordered, to be withdrawn"),
    OrderState.REFUSED: tr("refused by the platform: nothing was ordered"),
    OrderState.FAILED: tr("failed: nothing was ordered"),
    OrderState.CANCELLED: tr("cancelled by the platform: there is no certificate"),
    OrderState.WITHDRAWING: tr("withdrawal sent, no answer recorded: it may have been issued"),
    OrderState.WITHDRAWN: tr("withdrawn: the certificate is issued"),
    OrderState.REVOKING: tr("revocation sent, no answer recorded: it may be revoked"),
    OrderState.REVOKED: tr("revoked"),
}

UNSETTLED = (OrderState.SENT, OrderState.UNKNOWN)  # it may have been ordered, or not


@dataclass(frozen=True)
class Entry:
    """One order. Times are UTC; texts that are not known yet are empty.

    ``label`` is the CN asked for; ``key_mode`` where its key is (enrolment.KeyPlace);
    ``file_base`` the folder and name, without suffix, of its files; ``serial`` lower-case
    hexadecimal; ``not_after`` the end of its certificate, ISO 8601; ``renews`` the product
    that it succeeds; ``batch_row`` the fingerprint of the
    row of a batch that it came from; ``last_error`` what went wrong
    last; ``doubt_until`` (ISO 8601) when a doubt may end by what the platform doesn't show
    (:mod:`igcsante.ws.outcome`); ``contested`` the product that the platform had of its
    reference, which may be somebody else's; ``unusable`` why the certificate that was issued
    can't be used here.
    """

    id: int
    reference: str
    created: datetime
    updated: datetime
    state: OrderState
    profile: str = ""
    platform: str = ""
    card_number: str = ""
    offre: str = ""
    usage: str = ""
    structure: str = ""
    label: str = ""
    product_id: str = ""
    key_mode: str = ""
    file_base: str = ""
    key_path: str = ""
    certificate_path: str = ""
    serial: str = ""
    not_after: str = ""
    renews: str = ""
    batch_row: str = ""
    last_error: str = ""
    doubt_until: str = ""
    contested: str = ""
    unusable: str = ""

    @property
    def settles(self) -> datetime:
        """When a doubt may end by what the platform doesn't show; older journals don't say."""
        if self.doubt_until:
            return datetime.fromisoformat(self.doubt_until)
        return self.updated + SETTLING

    def settled(self, at: datetime) -> bool:
        """Whether that moment has come."""
        return at >= self.settles

    @property
    def ends(self) -> datetime | None:
        """When its certificate ends, None before there is one."""
        return datetime.fromisoformat(self.not_after) if self.not_after else None

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {
            **{name: getattr(self, name) for name in ("id", "reference", *TEXTS)},
            "created": iso(self.created),
            "updated": iso(self.updated),
            "state": str(self.state),
            "in_doubt": self.state.in_doubt,
        }


TEXTS = tuple(item.name for item in fields(Entry))[5:]


@dataclass(frozen=True)
class Step:
    """A state that an order entered, or a failure that left it where it was."""

    at: datetime
    state: OrderState
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {"at": iso(self.at), "state": str(self.state), "note": self.note}
