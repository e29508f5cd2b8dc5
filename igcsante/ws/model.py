"""What one asks the Plateforme de confiance and what it tells (facts sheet platform.md §7.3, §7.4).

Requests check themselves when they are made: an offer with a usage it doesn't have, a
malformed name or both a CSR and a password raise UsageError before anything is sent.
Answers are plain data. Nothing here knows SOAP; the wire names live in the mapping file.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from ..identifiers import NationalId, StructureId
from ..messages import tr
from ..secret import Secret
from .rules import (
    MAX_COMMON_NAME,
    MAX_PAGE_SIZE,
    check_email,
    check_emails,
    check_holder_id,
    check_key,
    check_product_id,
    check_reference,
    check_secret,
    check_text,
    checked_fqdns,
    checked_serial,
    refusal,
)
from .services import service_warnings
from .vocabulary import (
    USAGES,
    KeyMode,
    Offre,
    ProductState,
    RevocationReason,
    ScopeKind,
    Usage,
    World,
)

__all__ = [
    "USAGES",
    "Habilitation",
    "Holder",
    "KeyMode",
    "Offre",
    "OrderReceipt",
    "Product",
    "ProductPage",
    "ProductRequest",
    "ProductSearch",
    "ProductState",
    "Renewal",
    "Revocation",
    "RevocationReason",
    "RevocationReceipt",
    "Scope",
    "ScopeKind",
    "Structure",
    "Usage",
    "Withdrawal",
    "WithdrawnProduct",
    "World",
    "new_client_reference",
]

# -- what the platform tells ---------------------------------------------------------


@dataclass(frozen=True)
class Structure:
    """A structure: its national identifier, its name and its department, ``Paris (75)``."""

    national_id: StructureId
    name: str
    department: str = ""


@dataclass(frozen=True)
class Scope:
    """The limit of an habilitation: a domain with its sub-domains, one server, a mail domain."""

    kind: ScopeKind = ScopeKind.AUCUN
    value: str = ""

    def covers(self, host: str) -> bool:
        """Whether a host name, or the domain of an address, is within it (F414 §5.2)."""
        limit = self.value.lower().removeprefix("@")
        if self.kind is ScopeKind.AUCUN:
            return True
        below = self.kind is ScopeKind.DOMAINE and host.lower().endswith("." + limit)
        return host.lower() == limit or below

    def __str__(self) -> str:
        """For people: what may be asked under it."""
        return {
            ScopeKind.AUCUN: tr("any"),
            ScopeKind.DOMAINE: tr("{value} and its sub-domains", value=self.value),
            ScopeKind.SERVEUR: self.value,
            ScopeKind.DOMAINE_MESSAGERIE: "@" + self.value.removeprefix("@"),
        }[self.kind]


@dataclass(frozen=True)
class Habilitation:
    """What the card may order, and for which structure."""

    structure: Structure
    offre: Offre
    usages: tuple[Usage, ...]
    scope: Scope
    world: World


@dataclass(frozen=True)
class Product:
    """A certificate asked from the platform, from its request to its end.

    ``serial`` is upper-case hexadecimal. Times are aware; those of a certificate are None
    until it is withdrawn, which is when it is issued.
    """

    product_id: str
    offre: Offre
    usage: Usage
    structure: Structure
    label: str
    state: ProductState
    requested_at: datetime
    key_mode: KeyMode
    renewable: bool
    client_reference: str = ""
    alternative_names: tuple[str, ...] = ()
    withdrawn_at: datetime | None = None
    serial: str = ""
    subject: str = ""
    issuer: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    emails: tuple[str, ...] = ()
    renews: str = ""
    renewed_by: str = ""
    revoked_at: datetime | None = None
    revocation_reason: RevocationReason | None = None


@dataclass(frozen=True)
class ProductPage:
    """One page of a search, and how many products it finds in all."""

    products: tuple[Product, ...]
    total: int


@dataclass(frozen=True)
class OrderReceipt:
    """What an order or a renewal gives: the product, usually still to be withdrawn."""

    product_id: str
    state: ProductState
    withdrawal_url: str = ""


@dataclass(frozen=True)
class WithdrawnProduct:
    """What a withdrawal gives: the platform's file, the certificate and its chain (DER).

    ``file_name`` is the platform's suggestion: never use it as a path.
    """

    file_name: str
    content_type: str
    content: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class RevocationReceipt:
    """What a revocation gives; it is final."""

    state: ProductState
    revoked_at: datetime


# -- what one asks -------------------------------------------------------------------


@dataclass(frozen=True)
class Holder:
    """The person that a PRO or PS certificate designates."""

    surname: str
    given_name: str
    email: str
    national_id: str = ""

    def __post_init__(self) -> None:
        check_text("surname", self.surname, MAX_COMMON_NAME)
        check_text("given_name", self.given_name, MAX_COMMON_NAME)
        check_email("email", self.email)
        if self.national_id:
            check_holder_id(self.national_id)


@dataclass(frozen=True)
class ProductRequest:
    """An order: what, for whom, with which key, and whom to tell.

    The subject is ``service_name`` for ORG, ``fqdns`` (the first becomes the CN) for SERV
    SSL_SERV, ``email`` for the other SERV usages, ``holder`` for PRO and PS. The key is a
    CSR (PKCS#10, DER or PEM) or a password that will protect the platform's key.
    Raises UsageError that names the field and what it may be.
    """

    offre: Offre
    usage: Usage
    structure: StructureId
    emails: tuple[str, ...]
    service_name: str = ""
    fqdns: tuple[str, ...] = ()
    email: str = ""
    holder: Holder | None = None
    csr: bytes | None = field(default=None, repr=False)
    key_password: Secret | None = None
    client_reference: str = ""

    def __post_init__(self) -> None:
        if self.usage not in self.offre.usages:
            raise refusal(
                "usage",
                tr("{usage} is no usage of {offre}", usage=self.usage, offre=self.offre),
                [str(usage) for usage in self.offre.usages],
            )
        self._check_subject()
        check_key(self.csr, self.key_password)
        check_emails(self.emails, at_least=1)
        if self.client_reference:
            check_reference(self.client_reference)

    @property
    def label(self) -> str:
        """What the certificate's CN is expected to be, or nearest to it."""
        if self.holder:
            return f"{self.holder.given_name} {self.holder.surname}"
        return self.service_name or next(iter(self.fqdns), "") or self.email

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that a scope limits: host names, or the domain of the certified address."""
        address = self.holder.email if self.holder else self.email
        return self.fqdns or ((address.rpartition("@")[2].lower(),) if address else ())

    def warnings(self, target: str = "") -> tuple[str, ...]:
        """What looks wrong without being refused; ``target`` is the service it is meant for."""
        identifiers = [self.structure.warnings]
        if self.holder and self.holder.national_id:
            identifiers.append(NationalId.parse(self.holder.national_id).warnings)
        told = (warning for warnings in identifiers for warning in warnings)
        return (*told, *service_warnings(self.offre, self.service_name, target))

    def _check_subject(self) -> None:
        wanted = self.subject_field
        given = {
            "service_name": self.service_name,
            "fqdns": self.fqdns,
            "email": self.email,
            "holder": self.holder,
        }
        for name, value in given.items():
            if value and name != wanted:
                raise refusal(
                    name,
                    tr(
                        "{offre} {usage} takes {wanted} instead",
                        offre=self.offre,
                        usage=self.usage,
                        wanted=wanted,
                    ),
                )
        if not given[wanted]:
            raise refusal(
                wanted, tr("{offre} {usage} needs it", offre=self.offre, usage=self.usage)
            )
        if wanted == "service_name":
            check_text("service_name", self.service_name, MAX_COMMON_NAME)
        elif wanted == "fqdns":
            object.__setattr__(self, "fqdns", checked_fqdns(self.fqdns))
        elif wanted == "email":
            check_email("email", self.email)

    @property
    def subject_field(self) -> str:
        """The field that holds the subject, by offer and usage."""
        if self.offre is Offre.ORG:
            return "service_name"
        if self.offre is Offre.SERV:
            return "fqdns" if self.usage is Usage.SSL_SERV else "email"
        return "holder"


@dataclass(frozen=True)
class ProductSearch:
    """A search among one's products. Pages count from 1."""

    offre: Offre | None = None
    structure: StructureId | None = None
    usage: Usage | None = None
    states: tuple[ProductState, ...] = ()
    label: str = ""
    serial: str = ""
    expires_before: datetime | None = None
    page: int = 1
    page_size: int = 50

    def __post_init__(self) -> None:
        if self.label:
            check_text("label", self.label, 255)
        if self.serial:
            object.__setattr__(self, "serial", checked_serial(self.serial))
        if self.expires_before and self.expires_before.tzinfo is None:
            raise refusal("expires_before", tr("a time with its time zone"))
        if not 1 <= self.page <= 100_000:
            raise refusal("page", tr("1 to 100000"))
        if not 1 <= self.page_size <= MAX_PAGE_SIZE:
            raise refusal("page_size", tr("1 to {max_page_size}", max_page_size=MAX_PAGE_SIZE))


@dataclass(frozen=True)
class Withdrawal:
    """Taking a product: the certificate is issued at that moment.

    ``revocation_code`` is chosen now and will be asked for to revoke. ``accepted`` says
    that the beneficiary accepts the certificate and the CGU, and will respect the PC.
    ``key_password`` is the one of the order, when the platform made the key.
    """

    product_id: str
    revocation_code: Secret
    accepted: bool
    key_password: Secret | None = None

    def __post_init__(self) -> None:
        check_product_id(self.product_id)
        check_secret("revocation_code", self.revocation_code)
        if self.key_password is not None:
            check_secret("key_password", self.key_password)
        if not self.accepted:
            raise refusal(
                "accepted", tr("the beneficiary must accept the certificate, the CGU and the PC")
            )


@dataclass(frozen=True)
class Revocation:
    """Ending a certificate for good, named by its product or its serial (hexadecimal)."""

    revocation_code: Secret
    reason: RevocationReason = RevocationReason.NON_PRECISE
    product_id: str = ""
    serial: str = ""

    def __post_init__(self) -> None:
        if bool(self.product_id) == bool(self.serial):
            raise refusal("product_id", tr("either a product or a serial, not both"))
        if self.product_id:
            check_product_id(self.product_id)
        else:
            object.__setattr__(self, "serial", checked_serial(self.serial))
        check_secret("revocation_code", self.revocation_code)


@dataclass(frozen=True)
class Renewal:
    """A new certificate with the same subject, while the old one is still active."""

    product_id: str
    csr: bytes | None = field(default=None, repr=False)
    key_password: Secret | None = None
    emails: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_product_id(self.product_id)
        check_key(self.csr, self.key_password)
        check_emails(self.emails, at_least=0)


def new_client_reference() -> str:
    """A reference that no other order has: it names the order in the journal and beyond."""
    return f"igc-{uuid.uuid4().hex}"
