"""The park: every product one has, as the platform and this machine's journal see it.

What is to be withdrawn, active, about to end (the notice of facts sheet platform.md §4 comes 60
days before), expired, revoked, in doubt; and what does not fit between platform, journal and
files. Nothing is asked or changed here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from ...certs.load import certificates_from_path
from ...certs.requests import read_key
from ...errors import IgcError
from ...instants import iso
from ...messages import tr
from ..model import Product
from ..vocabulary import ProductState
from .attempts import may_arrive_late
from .entries import Entry, OrderState

NOTICE_DAYS = 60


class Standing(StrEnum):
    """Where a product stands, the most urgent first."""

    IN_DOUBT = "in doubt"
    LOST = "lost"
    EXPIRING = "expiring"
    TO_WITHDRAW = "to withdraw"
    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"
    CANCELLED = "cancelled"


_OF_PRODUCT = {
    ProductState.EN_COURS: Standing.PENDING,
    ProductState.A_RETIRER: Standing.TO_WITHDRAW,
    ProductState.EXPIRE: Standing.EXPIRED,
    ProductState.REVOQUE: Standing.REVOKED,
    ProductState.REFUSE: Standing.CANCELLED,
    ProductState.ANNULE: Standing.CANCELLED,
}
OF_ENTRY = {
    OrderState.PENDING: Standing.PENDING,
    OrderState.ORDERED: Standing.TO_WITHDRAW,
    OrderState.REVOKED: Standing.REVOKED,
    OrderState.CANCELLED: Standing.CANCELLED,
}


@dataclass(frozen=True)
class Line:
    """A product. ``order`` is its number in the journal, None when it was made elsewhere.

    ``serial`` is lower-case hexadecimal, empty before it is issued, as ``not_after`` is None
    then; ``renewed_by`` its successor; ``problems`` what does not fit, in words.
    """

    standing: Standing
    offre: str
    usage: str
    structure: str
    label: str
    product_id: str = ""
    order: int | None = None
    serial: str = ""
    not_after: datetime | None = None
    renewed_by: str = ""
    key_path: str = ""
    certificate_path: str = ""
    problems: tuple[str, ...] = ()

    @property
    def due(self) -> bool:
        """Whether it ends soon and nothing succeeds it yet."""
        return self.standing is Standing.EXPIRING and not self.renewed_by

    def days_left(self, at: datetime) -> int | None:
        """Whole days until its end, negative after it."""
        return (self.not_after - at).days if self.not_after else None

    def to_dict(self, at: datetime) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "standing": str(self.standing),
            "not_after": iso(self.not_after),
            "days_left": self.days_left(at),
            "due": self.due,
            "problems": list(self.problems),
        }


_ENDED = (Standing.EXPIRED, Standing.REVOKED, Standing.CANCELLED)
_PLAIN = (
    *("offre", "usage", "structure", "label", "product_id", "order", "serial", "renewed_by"),
    *("key_path", "certificate_path"),
)


def survey(
    entries: Iterable[Entry],
    products: Iterable[Product] | None,
    *,
    at: datetime,
    within: timedelta = timedelta(days=NOTICE_DAYS),
    found: Mapping[str, Path] | None = None,
) -> tuple[Line, ...]:
    """Every product, the most urgent first; ``products`` is None when nobody was asked.

    Orders of which nothing came are left out, unless the platform shows a product of theirs:
    that is a problem of it. ``found`` are certificate files by serial
    (lower-case hexadecimal), for products whose files the journal doesn't know.
    """
    every = tuple(entries)
    kept = [entry for entry in every if not entry.state.nothing_ordered]
    successors = {e.renews: e.product_id or f"order {e.id}" for e in kept if e.renews}
    view = View(at, within, products is not None, successors, found or {})
    by_product, by_reference = _indexed(kept)
    late = _late(every)
    shown = {product.product_id: product for product in products or ()}
    renewed = {product.renewed_by: product.product_id for product in shown.values()}
    lines: list[Line] = []
    seen: set[int] = set()
    for product in shown.values():
        entry = by_product.get(product.product_id) or by_reference.get(product.client_reference)
        if entry is None:
            source = product.renews or renewed.get(product.product_id)
            entry = late.get(product.client_reference) or late.get(f"of {source}")
        if entry is not None:
            seen.add(entry.id)
        lines.append(view.line(_of_product(product), entry, product))
    lines += [line_of_entry(entry, view) for entry in kept if entry.id not in seen]
    urgency = {standing: rank for rank, standing in enumerate(Standing)}
    end = at + timedelta(days=36_500)
    return tuple(sorted(lines, key=lambda line: (urgency[line.standing], line.not_after or end)))


def line_of_entry(entry: Entry, view: View) -> Line:
    """An order of which the platform said nothing."""
    return view.line(_of_entry(entry), entry, None)


def file_problems(line: Line) -> tuple[str, ...]:
    """What is wrong with the files of a product: unreadable, of another certificate or key.

    A key under a passphrase is not opened, so not compared.
    """
    if not line.certificate_path:
        return ()
    try:
        certificate = certificates_from_path(Path(line.certificate_path))[0]
    except IgcError as error:
        return (error.message,)
    problems: list[str] = []
    if line.serial and f"{certificate.serial_number:x}" != line.serial:
        problems.append(tr("{path} holds another certificate", path=line.certificate_path))
    if line.key_path and b"ENCRYPTED" not in _start_of(line.key_path):
        try:
            if read_key(Path(line.key_path)).public_key() != certificate.public_key():
                problems.append(tr("{path} is not the key of the certificate", path=line.key_path))
        except IgcError as error:
            problems.append(error.message)
    return tuple(problems)


@dataclass(frozen=True)
class View:
    """What every line is seen by: the instant, what is near, whether the platform was asked.

    ``successors`` by the product that they renew; ``found`` as in :func:`survey`.
    """

    at: datetime
    within: timedelta
    asked: bool
    successors: Mapping[str, str]
    found: Mapping[str, Path]

    def line(self, known: dict[str, Any], entry: Entry | None, product: Product | None) -> Line:
        successor = self.successors.get(known["product_id"])
        if successor and not known["renewed_by"]:
            known["renewed_by"] = successor
        path = (entry.certificate_path if entry else "") or str(self.found.get(known["serial"], ""))
        line = Line(
            standing=self._standing(entry, product, known["not_after"], path),
            order=entry.id if entry else None,
            key_path=entry.key_path if entry else "",
            certificate_path=path,
            **known,
        )
        problems = tuple(self._problems(line, entry, product)) if entry else ()
        return replace(line, problems=problems) if problems else line

    def _standing(
        self, entry: Entry | None, product: Product | None, not_after: datetime | None, path: str
    ) -> Standing:
        if product is not None and product.state in _OF_PRODUCT:
            return _OF_PRODUCT[product.state]
        if product is None and entry is not None:
            if entry.state.in_doubt:
                return Standing.IN_DOUBT
            if entry.state in OF_ENTRY:
                return OF_ENTRY[entry.state]
        if not_after is not None and not_after < self.at:
            return Standing.EXPIRED
        if entry is not None and (entry.unusable or not path):
            return Standing.LOST
        if not_after is not None and not_after - self.at <= self.within:
            return Standing.EXPIRING
        return Standing.ACTIVE

    def _problems(self, line: Line, entry: Entry | None, product: Product | None) -> Iterable[str]:
        if entry is None:
            return
        if entry.state.nothing_ordered:
            yield tr(
                "order {id} asked for it, and counts as failed: if it is that one, "
                "igc orders sync {id}",
                id=entry.id,
            )
        if product is None and self.asked and entry.product_id:
            yield tr("the platform does not show it to this card")
        if product is not None and entry.serial and line.serial and entry.serial != line.serial:
            yield tr("the journal has another serial: {serial}", serial=entry.serial)
        if entry.unusable:
            yield entry.unusable
        elif line.standing is Standing.LOST:
            yield tr("issued, but its certificate is not on this machine")
        for name in (entry.key_path, entry.certificate_path):
            if name and line.standing not in _ENDED and not os.path.isfile(name):  # noqa: PTH113 - a third of the time
                yield tr("{path} is not there any more", path=name)


def _of_product(product: Product) -> dict[str, Any]:
    return {
        "offre": str(product.offre),
        "usage": str(product.usage),
        "structure": str(product.structure.national_id),
        "label": product.label,
        "product_id": product.product_id,
        "serial": f"{int(product.serial, 16):x}" if product.serial else "",
        "not_after": product.not_after,
        "renewed_by": product.renewed_by,
    }


def _of_entry(entry: Entry) -> dict[str, Any]:
    names = ("offre", "usage", "structure", "label", "product_id", "serial")
    return {
        **{name: getattr(entry, name) for name in names},
        "not_after": entry.ends,
        "renewed_by": "",
    }


def _indexed(entries: Iterable[Entry]) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """The newest entry of each product, and the entries by reference."""
    by_product: dict[str, Entry] = {}
    by_reference: dict[str, Entry] = {}
    for entry in entries:
        if entry.product_id:
            known = by_product.get(entry.product_id)
            if known is None or known.id < entry.id:
                by_product[entry.product_id] = entry
        else:
            by_reference[entry.reference] = entry
    return by_product, by_reference


def _late(entries: Iterable[Entry]) -> dict[str, Entry]:
    """What failed, though it may have arrived since: by reference, renewals by what they renew."""
    failed = (entry for entry in entries if may_arrive_late(entry))
    return {f"of {e.renews}" if e.renews else e.reference: e for e in failed}


def _start_of(path: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            return stream.read(64)
    except OSError:
        return b""
