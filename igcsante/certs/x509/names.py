"""Distinguished names of certificates, whatever string types they use (RFC 5280 §4.1.2.4).

Attributes are read by OID: IGC-Santé puts several in one RDN, in an order that depends on
their lengths (pki.md §3). The legacy PKI uses T61String, which needs a second reader when
it holds accents.
"""

from __future__ import annotations

import re
import warnings

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from ...errors import UnreadableError
from ...messages import tr

# What cryptography raises on bytes that it can't take; only some are ValueErrors.
PARSE_ERRORS = (
    ValueError,
    TypeError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

_SERIAL = re.compile("[0-9a-f]{1,40}")
_DISPLAYED_COMMON_NAME = re.compile(r"(?:^|[,+])CN=((?:\\.|[^,+\\])*)")

COUNTRY = "2.5.4.6"
STATE = "2.5.4.8"
LOCALITY = "2.5.4.7"
ORGANISATION = "2.5.4.10"
UNIT = "2.5.4.11"
COMMON_NAME = "2.5.4.3"
TITLE = "2.5.4.12"
SURNAME = "2.5.4.4"
GIVEN_NAME = "2.5.4.42"

Attributes = dict[str, tuple[str, ...]]
Comparable = tuple[frozenset[tuple[str, str | bytes]], ...]


def comparable(name: x509.Name) -> Comparable:
    """A form that is equal for names that match by RFC 5280 §7.1: one set of attributes per RDN.

    String types don't count, nor do the case of ASCII letters and the number of spaces. More
    of RFC 4518 is left out on purpose: it makes letters equal that only look alike. Raises as
    ``cryptography`` does on a name that it can't read (``PARSE_ERRORS``).
    """
    return tuple(
        frozenset((item.oid.dotted_string, _folded(item.value)) for item in rdn)
        for rdn in name.rdns
    )


def subject_attributes(certificate: x509.Certificate) -> Attributes:
    """The subject as ``{OID: (values in encoding order)}``. Raises UnreadableError."""
    return _attributes(certificate, "subject")


def issuer_attributes(certificate: x509.Certificate) -> Attributes:
    """The issuer as ``{OID: (values in encoding order)}``. Raises UnreadableError."""
    return _attributes(certificate, "issuer")


def display(name: x509.Name) -> str:
    """A name for people, RFC 4514 in encoding order: ``C=FR,O=…,CN=…``.

    >>> display(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "AC")]))
    'CN=AC'
    """
    return ",".join(rdn.rfc4514_string(_SHORT_NAMES) for rdn in name.rdns)


def display_subject(certificate: x509.Certificate) -> str:
    """The subject for people; its serial number when the subject can't be read."""
    try:
        return display(certificate.subject)
    except PARSE_ERRORS:
        return f"serial {serial_number(certificate):x}"


def serial_number(certificate: x509.Certificate) -> int:
    """The serial number, without the warning that cryptography gives when it isn't positive."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return certificate.serial_number


def read_serial(written: str) -> int | None:
    """A serial number in hexadecimal, colons or not; None for what is not 1 to 20 octets, not
    zero (RFC 5280 §4.1.2.2).
    """
    digits = written.strip().lower().removeprefix("0x").replace(":", "").lstrip("0")
    return int(digits, 16) if _SERIAL.fullmatch(digits) else None


def label(certificate: x509.Certificate) -> str:
    """A short name for messages: the common name, else the whole subject."""
    try:
        found = subject_attributes(certificate).get(COMMON_NAME)
    except UnreadableError:
        found = None
    return found[-1] if found else display_subject(certificate)


class Label:
    """The same, worked out when it is written into a message, as most never are."""

    def __init__(self, certificate: x509.Certificate) -> None:
        self._certificate = certificate

    def __str__(self) -> str:
        return label(self._certificate)


def _attributes(certificate: x509.Certificate, which: str) -> Attributes:
    try:
        name: x509.Name = getattr(certificate, which)
        pairs = [(item.oid.dotted_string, _text(item.value)) for item in name]
    except PARSE_ERRORS:
        pairs = _second_reading(certificate, which)
    found: dict[str, tuple[str, ...]] = {}
    for oid, value in pairs:
        found[oid] = (*found.get(oid, ()), value)
    return found


def _second_reading(certificate: x509.Certificate, which: str) -> list[tuple[str, str]]:
    from asn1crypto.x509 import Certificate, Name
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        parsed = Certificate.load(certificate.public_bytes(Encoding.DER))
        name: Name = parsed["tbs_certificate"][which]
        return [(item["type"].dotted, item["value"].native) for rdn in name.chosen for item in rdn]
    except PARSE_ERRORS as error:
        raise UnreadableError(
            tr("the {which} of a certificate can't be read: {error}", which=which, error=error)
        ) from None


def _folded(value: str | bytes) -> str | bytes:
    if isinstance(value, bytes):
        return value
    return " ".join(filter(None, value.translate(_ASCII_LOWER).split(" ")))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_SHORT_NAMES = {
    x509.NameOID.TITLE: "title",
    x509.NameOID.SURNAME: "SN",
    x509.NameOID.GIVEN_NAME: "GN",
}


def common_name(subject: str | None) -> str:
    """The last common name of a displayed name (RFC 4514), else all of it.

    >>> common_name("C=FR,O=ANS,SN=DURAND+CN=AC \\\\+ 1")
    'AC + 1'
    """
    found = _DISPLAYED_COMMON_NAME.findall(subject or "")
    return re.sub(r"\\(.)", r"\1", found[-1]) if found else subject or ""
