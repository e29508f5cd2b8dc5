"""A stored product as its bearer sees it: identifier and domain object."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from ...identifiers import StructureId
from ...ws.model import Product, Structure
from ...ws.vocabulary import KeyMode, Offre, ProductState, RevocationReason, Usage
from .options import Options
from .records import Record

_PREFIX = "MOCK-"
_DIGITS = 8


def identifier(number: int) -> str:
    """``MOCK-00000001``."""
    return f"{_PREFIX}{number:0{_DIGITS}}"


def number_of(product_id: str) -> int | None:
    """The number in an identifier, None when it is no identifier of ours."""
    digits = product_id.removeprefix(_PREFIX)
    well_formed = len(digits) == _DIGITS and digits.isascii() and digits.isdigit()
    return int(digits) if well_formed and product_id.startswith(_PREFIX) else None


def may_renew(record: Record, options: Options) -> bool:
    """Whether a product that is active can be renewed: once, unless the options say otherwise."""
    return record.renewed_by is None or options.second_renewal


def to_product(record: Record, at: datetime, options: Options) -> Product:
    """The product as the web service shows it."""
    state = record.state(at)
    structure_id = StructureId.parse(record.structure_id)
    certificate = x509.load_der_x509_certificate(record.certificate) if record.certificate else None
    subject = record.subject
    return Product(
        product_id=identifier(record.number),
        offre=Offre(record.offre),
        usage=Usage(record.usage),
        structure=Structure(structure_id, record.structure_name, record.department),
        label=subject.common_name,
        state=state,
        requested_at=record.requested_at,
        key_mode=KeyMode.PLATEFORME if record.encrypted_key else KeyMode.CSR,
        renewable=state is ProductState.ACTIF and may_renew(record, options),
        client_reference=record.reference,
        alternative_names=subject.names or ((subject.mail,) if subject.mail else ()),
        withdrawn_at=record.withdrawn_at,
        serial=record.serial or "",
        subject=certificate.subject.rfc4514_string() if certificate else "",
        issuer=certificate.issuer.rfc4514_string() if certificate else "",
        not_before=certificate.not_valid_before_utc if certificate else None,
        not_after=record.not_after,
        emails=record.emails,
        renews=identifier(record.renews) if record.renews else "",
        renewed_by=identifier(record.renewed_by) if record.renewed_by else "",
        revoked_at=record.revoked_at,
        revocation_reason=RevocationReason(record.reason) if record.reason else None,
    )
