"""Leaf profiles: what each product's certificate looks like (pki.md §3, card.md §4.2).

Profiles marked "not observed" have no public sample: they follow their observed
neighbours, and nothing should be concluded from them about the ANS's own.
"""

from __future__ import annotations

import calendar
import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ...errors import UsageError
from ...identifiers import NationalId
from ...messages import tr
from ..cards.profile import CARD_TYPES, CardProfile
from . import extensions as ext
from .authority import Authority

LIFETIME_YEARS = 3
ORGANISATION_LENGTH = 40
DEFAULT_DEPARTMENT = "Paris (75)"
WHOLE_CERTIFICATE = 1400  # bytes, about: what a card's certificate has with all its extensions

_Kinds = tuple[type[x509.ExtensionType], ...]

_CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
_SERVER = ExtendedKeyUsageOID.SERVER_AUTH
_MAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
_ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE


@dataclass(frozen=True)
class LeafProfile:
    """Issuing authority, usages, and how the name shows in the SAN (``none``, ``dns``,
    ``mail`` or ``upn``); a ``signature`` lives a month longer than its key is used."""

    authority: str
    key_usage: tuple[str, ...]
    extended: tuple[x509.ObjectIdentifier, ...]
    san: str = "none"
    signature: bool = False


_ORG, _PP = "ACI-EL-ORG-TEST", "ACI-EL-PP-TEST"
_SIGN = ("digital_signature", "content_commitment")
_PERSON_AUTH = LeafProfile(_PP, ("digital_signature",), (_CLIENT, ext.SMARTCARD_LOGON), "upn")
_PERSON_SIGN = LeafProfile(_PP, ("content_commitment",), (_MAIL,), "mail", signature=True)
_PERSON_CONF = LeafProfile(_PP, ("key_encipherment",), (_MAIL,), "mail")  # not observed

SOFTWARE: dict[tuple[str, str], LeafProfile] = {
    ("ORG", "AUTH_CLI"): LeafProfile(_ORG, ("digital_signature",), (_CLIENT,)),
    ("ORG", "SIGN"): LeafProfile(_ORG, _SIGN, (_MAIL,), signature=True),
    ("ORG", "CONF"): LeafProfile(_ORG, ("key_encipherment",), (_MAIL, _ANY)),
    ("SERV", "SSL_SERV"): LeafProfile(
        _ORG, ("digital_signature", "key_encipherment"), (_SERVER, _CLIENT), "dns"
    ),
    # Mail servers: not observed.
    ("SERV", "SMIME"): LeafProfile(
        _ORG, ("digital_signature", "key_encipherment"), (_MAIL,), "mail"
    ),
    ("SERV", "SIGN"): LeafProfile(_ORG, _SIGN, (_MAIL,), "mail", signature=True),
    ("SERV", "CONF"): LeafProfile(_ORG, ("key_encipherment",), (_MAIL, _ANY), "mail"),
    ("PS", "AUTH"): _PERSON_AUTH,
    ("PS", "SIGN"): _PERSON_SIGN,
    ("PS", "CONF"): _PERSON_CONF,
    # Persons in a structure: not observed as software, named like the cards of the staff.
    ("PRO", "AUTH"): _PERSON_AUTH,
    ("PRO", "SIGN"): _PERSON_SIGN,
    ("PRO", "CONF"): _PERSON_CONF,
}


@dataclass(frozen=True)
class StructureName:
    """The structure part of a DN: department (``Paris (75)``), name, national identifier."""

    department: str
    organisation: str
    structure_id: str

    def attributes(self) -> Iterator[x509.NameAttribute[str]]:
        """ST, O (cut as the ANS cuts it) and OU."""
        organisation = self.organisation[:ORGANISATION_LENGTH]
        yield x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, self.department)
        yield x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)
        yield x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, self.structure_id)


@dataclass(frozen=True)
class PersonName:
    """The person part of a DN. ``title`` is the profession in clear, ``identifier`` the CN."""

    title: str
    given_name: str
    surname: str
    identifier: str

    def relative_names(self) -> Iterator[x509.RelativeDistinguishedName]:
        """``title``, then one RDN that holds given name, common name and surname."""
        yield x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.TITLE, self.title)])
        yield x509.RelativeDistinguishedName(
            [
                x509.NameAttribute(NameOID.GIVEN_NAME, self.given_name),
                x509.NameAttribute(NameOID.COMMON_NAME, self.identifier),
                x509.NameAttribute(NameOID.SURNAME, self.surname),
            ]
        )


@dataclass(frozen=True)
class SoftwareSubject:
    """Who a software certificate names: a structure, a person, or a person in a structure.

    ``names`` are DNS names or addresses (SSL_SERV), ``mail`` an e-mail address, which is
    also the UPN of a person's AUTH certificate.
    """

    common_name: str = ""
    structure: StructureName | None = None
    person: PersonName | None = None
    names: tuple[str, ...] = ()
    mail: str = ""
    profession_code: int | None = None
    specialty: str = ""

    @property
    def name(self) -> x509.Name:
        return distinguished_name(self.structure, self.person, self.common_name)


def distinguished_name(
    structure: StructureName | None, person: PersonName | None, common_name: str = ""
) -> x509.Name:
    """C, then ST, O, OU of the structure, then the person or the CN of the service."""
    attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, "FR")]
    attributes += structure.attributes() if structure else ()
    if person is None:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    names = [x509.RelativeDistinguishedName([attribute]) for attribute in attributes]
    return x509.Name([*names, *(person.relative_names() if person else ())])


def software_leaf(
    authority: Authority,
    base_url: str,
    profile: LeafProfile,
    subject: SoftwareSubject,
    public_key: rsa.RSAPublicKey,
    at: datetime,
) -> x509.Certificate:
    """A software certificate for ``public_key``, three years from ``at``."""
    end = years_after(at, LIFETIME_YEARS)
    builder = _leaf(authority, base_url, profile, subject.name, public_key)
    builder = builder.not_valid_before(at).not_valid_after(
        _a_month_after(end) if profile.signature else end
    )
    if profile.signature:
        builder = builder.add_extension(ext.key_usage_period(at, end), critical=False)
    if profile.san != "none":
        builder = builder.add_extension(_alternative_name(profile.san, subject), critical=False)
    builder = builder.add_extension(ext.product_category(ext.CATEGORY_SOFTWARE), critical=False)
    if subject.profession_code is not None:
        builder = builder.add_extension(ext.profession(subject.profession_code), critical=False)
    if subject.specialty:
        builder = builder.add_extension(ext.specialty(subject.specialty), critical=False)
    return authority.sign(builder)


def card_authority(profile: CardProfile) -> str:
    """FORT for professionals and those in training, STANDARD for the staff of structures.

    Certificates that are to be short come from an authority whose signatures are.
    """
    gamme = "FO" if CARD_TYPES[profile.card_type] < 2 else "ST"
    short = 0 < profile.certificate_bytes < WHOLE_CERTIFICATE
    return f"ACI-{gamme}-PP-EC-TEST" if short else f"ACI-{gamme}-PP-TEST"


def card_leaf(
    authority: Authority,
    base_url: str,
    profile: CardProfile,
    purpose: str,
    public_key: rsa.RSAPublicKey,
    at: datetime,
) -> x509.Certificate:
    """A card's ``authentication``, ``signature`` or ``technical`` certificate, for three years.

    They start at ``at``, or as long before or after as the profile's state wants. Observed
    are those of a CPS, a CPE and a CPA; a CPF's, a CDE's, a CDA's and the technical one are
    not, and made like them.
    """
    start = years_after(at, _YEARS_TO_START[profile.state])
    end = years_after(start, LIFETIME_YEARS)
    usages = _CARD_USAGES[purpose]
    if purpose == "technical":
        subject = distinguished_name(None, None, f"{ext.CARD_ISSUER}/{profile.card_number}")
    else:
        subject = distinguished_name(_card_structure(profile), _card_person(profile))
    added: list[x509.ExtensionType] = []
    if usages.signature:
        added.append(ext.key_usage_period(start, end))
    if usages.san == "upn":
        added.append(x509.SubjectAlternativeName([ext.upn_name(_card_upn(profile.national_id))]))
    added += _card_extensions(profile)

    def signed(without: _Kinds, filling: int) -> x509.Certificate:
        builder = _leaf(authority, base_url, usages, subject, public_key, without)
        builder = builder.not_valid_before(start).not_valid_after(end)
        for extension in (*added, *([ext.padding(filling)] if filling else ())):
            builder = builder.add_extension(extension, critical=False)
        return authority.sign(builder)

    return _of_size(profile.certificate_bytes, signed)


def _of_size(size: int, signed: Callable[[_Kinds, int], x509.Certificate]) -> x509.Certificate:
    """A certificate about ``size`` bytes long; 0 is as long as it comes.

    What is too long loses extensions that name neither card nor holder; what is too short
    gains a harmless one.
    """
    without: _Kinds = ()
    certificate = signed(without, 0)
    while size and _length(certificate) > size and len(without) < len(_SPARABLE):
        without = _SPARABLE[: len(without) + 1]
        certificate = signed(without, 0)
    shortest, filling = certificate, 0
    for _ in range(3):  # the filling's own bytes count too, and its lengths may change
        filling += size - _length(certificate)
        if filling <= 0:
            return shortest
        certificate = signed(without, filling)
    return certificate


def _length(certificate: x509.Certificate) -> int:
    return len(certificate.public_bytes(Encoding.DER))


# What a card's certificate can do without, the least missed first.
_SPARABLE = (
    x509.FreshestCRL,
    x509.AuthorityInformationAccess,
    x509.SubjectKeyIdentifier,
    x509.CertificatePolicies,
    x509.BasicConstraints,
)

# When a card's certificates start, in years from now. Those of a card that is not in use any
# more were good for a while.
_YEARS_TO_START = {"valid": 0, "expired": -4, "not-yet-valid": 1, "opposed": -1}

_CARD_USAGES = {
    "authentication": LeafProfile(
        "", ("digital_signature",), (_CLIENT, ext.SMARTCARD_LOGON), "upn"
    ),
    "signature": LeafProfile("", ("content_commitment",), (_MAIL,), signature=True),
    "technical": LeafProfile("", ("digital_signature",), (_CLIENT,)),
}


def years_after(moment: datetime, years: int) -> datetime:
    """The same second, years later; 29 February gives 28 February."""
    last = calendar.monthrange(moment.year + years, moment.month)[1]
    return moment.replace(year=moment.year + years, day=min(moment.day, last))


def _a_month_after(moment: datetime) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def _leaf(
    authority: Authority,
    base_url: str,
    profile: LeafProfile,
    subject: x509.Name,
    public_key: rsa.RSAPublicKey,
    without: _Kinds = (),
) -> x509.CertificateBuilder:
    issuer = authority.name
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), False),
        (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
        (ext.key_usage(*profile.key_usage), True),
        (ext.policies(ext.TEST_POLICY), False),
        (x509.ExtendedKeyUsage(profile.extended), False),
        (ext.crl_distribution_point(issuer, base_url), False),
        (ext.freshest_crl(authority.delta_urls), False),
        (ext.authority_access(issuer, base_url), False),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(authority.new_serial())
    )
    for extension, critical in extensions:
        if not isinstance(extension, without):
            builder = builder.add_extension(extension, critical=critical)
    return builder


def _alternative_name(kind: str, subject: SoftwareSubject) -> x509.SubjectAlternativeName:
    names: Sequence[x509.GeneralName]
    if kind == "dns":
        names = [_host_name(name) for name in subject.names]
    elif kind == "mail":
        names = [x509.RFC822Name(subject.mail)]
    else:
        names = [ext.upn_name(subject.mail)]
    return x509.SubjectAlternativeName(names)


def _host_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _card_person(profile: CardProfile) -> PersonName:
    return PersonName(profile.title, profile.given_name, profile.surname, str(profile.national_id))


def _card_structure(profile: CardProfile) -> StructureName | None:
    """The structure of its staff; a professional's card names none (card.md §4)."""
    if CARD_TYPES[profile.card_type] < 2:
        return None
    if not profile.activities:
        raise UsageError(
            tr("a {card_type} names a structure: it needs an activity", card_type=profile.card_type)
        )
    activity = profile.activities[0]
    return StructureName(DEFAULT_DEPARTMENT, activity.raison_sociale, str(activity.structure_id))


def _card_upn(identifier: NationalId) -> str:
    parts = [identifier.type_code, identifier.value, identifier.internal]
    return ".".join(part for part in parts if part) + NationalId.UPN_SUFFIX


def _card_extensions(profile: CardProfile) -> Iterator[x509.UnrecognizedExtension]:
    yield ext.product_category(ext.CATEGORY_CARD, test=profile.test)
    yield ext.card_type(CARD_TYPES[profile.card_type])
    yield ext.card_number(profile.card_number)
    if profile.profession_code is not None and profile.card_type == "CPS":
        yield ext.profession(profile.profession_code)
