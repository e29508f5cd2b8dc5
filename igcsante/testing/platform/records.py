"""A product as the mock platform keeps it, and the mails that it would have sent.

A record is one row. Its state is no column: it follows from the dates in it and from the
time (platform.md §7.3), so that expiry and cancellation need no event.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from ...ws.vocabulary import ProductState
from ..pki import PersonName, SoftwareSubject, StructureName


@dataclass(frozen=True)
class Record:
    """A product as stored. ``number`` is 0 before it has one.

    It can be withdrawn from ``available_at`` (None: somebody has to accept it first) until
    ``withdraw_before``; ``announced_at`` is when its bearer was told so.
    """

    bearer: str
    offre: str
    usage: str
    structure_id: str
    structure_name: str
    department: str
    subject: SoftwareSubject
    requested_at: datetime
    key_id: str
    public_key: bytes
    encrypted_key: bytes | None = field(default=None, repr=False)
    emails: tuple[str, ...] = ()
    reference: str = ""
    renews: int | None = None
    renewed_by: int | None = None
    available_at: datetime | None = None
    withdraw_before: datetime | None = None
    announced_at: datetime | None = None
    refused_at: datetime | None = None
    withdrawn_at: datetime | None = None
    certificate: bytes | None = None
    serial: str | None = None
    not_after: datetime | None = None
    code_hash: bytes | None = field(default=None, repr=False)
    code_failures: int = 0
    revoked_at: datetime | None = None
    reason: str | None = None
    notified_at: datetime | None = None
    number: int = 0

    def state(self, at: datetime) -> ProductState:
        """Where the product is at a time."""
        if self.revoked_at:
            return ProductState.REVOQUE
        if self.not_after:
            return ProductState.ACTIF if at <= self.not_after else ProductState.EXPIRE
        if self.refused_at:
            return ProductState.REFUSE
        if self.available_at is None or at < self.available_at:
            return ProductState.EN_COURS
        late = self.withdraw_before is not None and at > self.withdraw_before
        return ProductState.ANNULE if late else ProductState.A_RETIRER


_ISSUED = "revoked_at IS NULL AND not_after IS NOT NULL AND "
_ORDERED = "revoked_at IS NULL AND not_after IS NULL AND refused_at IS NULL AND "
_AVAILABLE = _ORDERED + "available_at <= :now AND "

# The same in SQL, with the time as :now (dates are ISO 8601 in UTC: they sort as text).
STATE_IN_SQL = {
    ProductState.REVOQUE: "revoked_at IS NOT NULL",
    ProductState.ACTIF: _ISSUED + "not_after >= :now",
    ProductState.EXPIRE: _ISSUED + "not_after < :now",
    ProductState.REFUSE: "revoked_at IS NULL AND not_after IS NULL AND refused_at IS NOT NULL",
    ProductState.EN_COURS: _ORDERED + "(available_at IS NULL OR available_at > :now)",
    ProductState.ANNULE: _AVAILABLE + "withdraw_before < :now",
    ProductState.A_RETIRER: _AVAILABLE + "(withdraw_before IS NULL OR withdraw_before >= :now)",
}


@dataclass(frozen=True)
class Mail:
    """A message that the platform would have sent; ``product`` is the number it is about."""

    at: datetime
    recipient: str
    subject: str
    body: str
    product: int = 0


_DATES = tuple(item.name for item in fields(Record) if "datetime" in str(item.type))


def to_row(record: Record) -> dict[str, Any]:
    """The columns of a record, without its number."""
    row = {item.name: getattr(record, item.name) for item in fields(record)}
    for name in _DATES:
        row[name] = row[name].isoformat() if row[name] else None
    row["subject"] = json.dumps(asdict(record.subject))
    row["label"] = record.subject.common_name.casefold()
    row["emails"] = json.dumps(record.emails)
    del row["number"]
    return row


def from_row(row: sqlite3.Row) -> Record:
    """The record of a row."""
    values = dict(row)
    del values["label"]
    for name in _DATES:
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    values["subject"] = _subject(json.loads(values["subject"]))
    values["emails"] = tuple(json.loads(values["emails"]))
    return Record(**values)


def _subject(content: dict[str, Any]) -> SoftwareSubject:
    structure, person = content["structure"], content["person"]
    return SoftwareSubject(
        **{
            **content,
            "structure": StructureName(**structure) if structure else None,
            "person": PersonName(**person) if person else None,
            "names": tuple(content["names"]),
        }
    )
