"""What an IGC-Santé certificate says: world, product, holder, what it may be used for.

Follows facts sheet pki.md §3 (profiles read from real certificates) and §6 (identifiers).
The ANS's own description of the profiles is not public: ``offer`` and ``usage`` are
derived from key usages and subject layout, and a thing that this module doesn't know is
kept raw, with a warning, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from ..errors import UsageError
from ..identifiers import NationalId, StructureId
from ..instants import iso
from ..messages import tr
from .nomenclatures import (
    CARD_NUMBER_OID,
    CARD_TYPE_OID,
    CARD_TYPES,
    CATEGORY_OID,
    PRODUCTS,
    PROFESSION_OID,
    PROFESSIONS,
    SPECIALTY_OID,
    TEST_BIT,
)
from .profile_checks import check_names, check_upn, check_usage
from .x509 import names
from .x509.extensions import Extensions
from .x509.names import Attributes


@dataclass(frozen=True)
class CertificateProfile:
    """A decoded certificate. Text fields that the certificate lacks are empty.

    - ``world``: ``production``, ``test``, or ``unknown`` when the category extension, the
      issuer's name and the anchor (if one is told) are silent or disagree; ``hierarchy``:
      ``IGC-SANTE``, ``IGC-CPS`` (legacy) or ``other``, by the issuer's name. Without an
      anchor both are claims.
    - ``product``: ``card``, ``software``, ``module`` or None (category extension).
    - ``offer`` (ORG, SERV, PRO, PS) and ``usage`` (AUTH_CLI, SIGN, CONF, SSL_SERV, SMIME,
      AUTH) are *derived* from the observed profiles; None when nothing fits. SERV, ORG
      share their SIGN and CONF layouts: those read as ORG.
    - ``card_number``: 10 digits, ``card_issuer`` the part before the ``/``.
    - ``raw_extensions``: (OID, value octets) of those that are not decoded.
    - ``warnings``: all that looks wrong; ``conflicts``: those among them where the
      certificate contradicts itself, so that no check may call it good.
    """

    hierarchy: str
    world: str
    authority: bool
    product: str | None
    card_type: str | None
    card_issuer: str
    card_number: str | None
    offer: str | None
    usage: str | None
    national_id: NationalId | None
    structure_id: StructureId | None
    title: str
    surname: str
    given_name: str
    organisation: str
    department: str
    profession_code: int | None
    profession: str
    specialties: tuple[str, ...]
    upn: str
    emails: tuple[str, ...]
    dns_names: tuple[str, ...]
    common_name: str
    key_usages: tuple[str, ...]
    extended_key_usages: tuple[str, ...]
    policies: tuple[str, ...]
    crl_urls: tuple[str, ...]
    delta_crl_urls: tuple[str, ...]
    ocsp_url: str
    issuer_urls: tuple[str, ...]
    serial: int
    not_before: datetime
    not_after: datetime
    raw_extensions: tuple[tuple[str, bytes], ...]
    warnings: tuple[str, ...]
    conflicts: tuple[str, ...]

    @property
    def is_person(self) -> bool:
        """Whether the subject is laid out as a person's."""
        return bool(self.surname or self.given_name or self.title)

    def to_dict(self) -> dict[str, Any]:
        """The same fields ready for JSON: ids as text, serial in hexadecimal, dates ISO."""
        return {field.name: _plain(field.name, getattr(self, field.name)) for field in fields(self)}


def decode(certificate: x509.Certificate, anchor_world: str | None = None) -> CertificateProfile:
    """Read a certificate of IGC-Santé, of the legacy IGC-CPS, or shaped like one.

    Nothing is verified here. ``anchor_world`` is that of the pinned anchor that a chain was
    found to: a claim of another is a conflict. What looks wrong is in ``warnings``. Raises
    UnreadableError when the names can't be read at all.
    """
    subject = names.subject_attributes(certificate)
    issuer = names.issuer_attributes(certificate)
    extensions = Extensions(certificate)
    warnings = extensions.problems
    conflicts: list[str] = []

    authority = extensions.is_authority
    person = any(subject.get(oid) for oid in (names.SURNAME, names.GIVEN_NAME, names.TITLE))
    hierarchy, issuer_world = _hierarchy(issuer)
    category = extensions.category()
    world = _world(category, issuer_world, anchor_world, conflicts)
    if category is None and not authority:
        warnings.append(
            tr("the product category ({category_oid}) is missing", category_oid=CATEGORY_OID)
        )
    product = PRODUCTS.get(category & ~TEST_BIT) if category is not None else None
    if category is not None and product is None:
        warnings.append(tr("unknown product category {category:02X}", category=category))

    usage = None if authority else _usage(extensions, person)
    has_offer = not authority and product != "card" and hierarchy != "IGC-CPS"
    offer = _offer(usage, person, subject) if has_offer else None
    card_issuer, card_number = _card_number(extensions, product, warnings)
    profession_code = extensions.integer(PROFESSION_OID)
    upn = extensions.upn
    common_name = _last(subject, names.COMMON_NAME)
    organisation = _last(subject, names.ORGANISATION)
    if names.serial_number(certificate) <= 0:
        warnings.append(tr("the serial number is not positive"))
    national_id = _national_id(common_name, warnings) if person else None
    structure_id = None if authority else _structure_id(subject, hierarchy, warnings)
    check_upn(upn, national_id, product, warnings)
    check_names(common_name, organisation, usage, extensions.dns_names, warnings)
    if not authority:
        check_usage(extensions, world, usage, conflicts)

    return CertificateProfile(
        hierarchy=hierarchy,
        world=world,
        authority=authority,
        product=product,
        card_type=_card_type(extensions, product, warnings),
        card_issuer=card_issuer,
        card_number=card_number,
        offer=offer,
        usage=usage,
        national_id=national_id,
        structure_id=structure_id,
        title=_last(subject, names.TITLE),
        surname=_last(subject, names.SURNAME),
        given_name=_last(subject, names.GIVEN_NAME),
        organisation=organisation,
        department=_last(subject, names.STATE) or _last(subject, names.LOCALITY),
        profession_code=profession_code,
        profession=PROFESSIONS.get(profession_code, "") if profession_code is not None else "",
        specialties=extensions.texts(SPECIALTY_OID),
        upn=upn,
        emails=extensions.emails,
        dns_names=extensions.dns_names,
        common_name=common_name,
        key_usages=extensions.key_usages,
        extended_key_usages=extensions.extended_key_usages,
        policies=extensions.policies,
        crl_urls=extensions.crl_urls,
        delta_crl_urls=extensions.delta_crl_urls,
        ocsp_url=next(iter(extensions.access_urls(AuthorityInformationAccessOID.OCSP)), ""),
        issuer_urls=extensions.access_urls(AuthorityInformationAccessOID.CA_ISSUERS),
        serial=names.serial_number(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        raw_extensions=extensions.undecoded(),
        warnings=(*conflicts, *warnings),
        conflicts=tuple(conflicts),
    )


def world_below(
    authority: x509.Certificate, anchor_world: str | None = None
) -> tuple[str, tuple[str, ...]]:
    """The world of whatever an authority issues, by its name and its anchor, and conflicts.

    As ``world`` and ``conflicts`` of a certificate that says nothing itself. Raises
    UnreadableError.
    """
    conflicts: list[str] = []
    _, named = _hierarchy(names.subject_attributes(authority))
    return _world(None, named, anchor_world, conflicts), tuple(conflicts)


# -- world, product, usage -------------------------------------------------------------


def _hierarchy(issuer: Attributes) -> tuple[str, str | None]:
    organisations, units = issuer.get(names.ORGANISATION, ()), issuer.get(names.UNIT, ())
    if "ASIP-SANTE" in organisations and "IGC-SANTE TEST" in units:
        return "IGC-SANTE", "test"
    if "ASIP-SANTE" in organisations and "IGC-SANTE" in units:
        return "IGC-SANTE", "production"
    if "GIP-CPS-TEST" in organisations:
        return "IGC-CPS", "test"
    if "GIP-CPS" in organisations:
        return "IGC-CPS", "production"
    return "other", None


def _world(
    category: int | None,
    issuer_world: str | None,
    anchor_world: str | None,
    conflicts: list[str],
) -> str:
    own = None if category is None else "test" if category & TEST_BIT else "production"
    if own and issuer_world and own != issuer_world:
        conflicts.append(
            tr("a {own} category under a {issuer_world} issuer", own=own, issuer_world=issuer_world)
        )
    for claim, of in ((own, tr("category")), (issuer_world, tr("issuer"))):
        if claim and anchor_world and claim != anchor_world:
            conflicts.append(
                tr(
                    "a {claim} {of} under a {anchor_world} anchor",
                    claim=claim,
                    of=of,
                    anchor_world=anchor_world,
                )
            )
    return "unknown" if conflicts else own or issuer_world or anchor_world or "unknown"


def _usage(extensions: Extensions, person: bool) -> str | None:
    """pki.md §3, table of profiles; SMIME is inferred, none was seen."""
    key_usages, purposes = set(extensions.key_usages), set(extensions.extended_key_usages)
    usage = None
    if "serverAuth" in purposes:
        usage = "SSL_SERV"
    elif "clientAuth" in purposes:
        usage = ("AUTH" if person else "AUTH_CLI") if "digitalSignature" in key_usages else None
    elif "contentCommitment" in key_usages:
        usage = "SIGN"
    elif key_usages == {"keyEncipherment"}:
        usage = "CONF"
    elif key_usages == {"digitalSignature", "keyEncipherment"}:
        usage = "SMIME"
    return usage


def _offer(usage: str | None, person: bool, subject: Attributes) -> str | None:
    if usage is None:
        return None
    if person:
        return "PRO" if subject.get(names.UNIT) else "PS"
    return "SERV" if usage in ("SSL_SERV", "SMIME") else "ORG"


# -- card and holder ---------------------------------------------------------------------


def _card_type(extensions: Extensions, product: str | None, warnings: list[str]) -> str | None:
    code = extensions.integer(CARD_TYPE_OID)
    if code is None:
        if product == "card":
            warnings.append(
                tr("the card type ({card_type_oid}) is missing", card_type_oid=CARD_TYPE_OID)
            )
        return None
    if code not in CARD_TYPES:
        warnings.append(tr("unknown card type {code}", code=code))
    return CARD_TYPES.get(code)


def _card_number(
    extensions: Extensions, product: str | None, warnings: list[str]
) -> tuple[str, str | None]:
    text = next(iter(extensions.texts(CARD_NUMBER_OID)), None)
    if text is None:
        if product == "card":
            warnings.append(
                tr(
                    "the card number ({card_number_oid}) is missing",
                    card_number_oid=CARD_NUMBER_OID,
                )
            )
        return "", None
    issuer, slash, number = text.rpartition("/")
    if not slash or not (number.isascii() and number.isdigit()):
        warnings.append(tr("the card number {text!r} is not of the form issuer/number", text=text))
    return issuer, number


def _national_id(common_name: str, warnings: list[str]) -> NationalId | None:
    try:
        national_id = NationalId.parse(common_name)
    except UsageError as error:
        warnings.append(tr("common name: {message}", message=error.message))
        return None
    warnings += national_id.warnings
    return national_id


def _structure_id(subject: Attributes, hierarchy: str, warnings: list[str]) -> StructureId | None:
    units = subject.get(names.UNIT, ())
    for unit in units:
        try:
            return StructureId.parse(unit)
        except UsageError:
            continue
    # The legacy PKI writes the profession of a person there (card.md §4).
    if units and hierarchy != "IGC-CPS":
        warnings.append(
            tr("organisational unit {units!r} is not a structure identifier", units=units[0])
        )
    return None


def _last(attributes: Attributes, oid: str) -> str:
    values = attributes.get(oid, ())
    return values[-1] if values else ""


def _plain(name: str, value: Any) -> Any:
    if name == "serial":
        return f"{value:x}"
    if isinstance(value, NationalId | StructureId):
        return str(value)
    if isinstance(value, datetime):
        return iso(value)
    if name == "raw_extensions":
        return {oid: octets.hex() for oid, octets in value}
    return list(value) if isinstance(value, tuple) else value
