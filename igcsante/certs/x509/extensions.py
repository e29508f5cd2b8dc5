"""The extensions of a certificate, read leniently for display (RFC 5280 §4.2).

An extension that is absent reads as empty; one that can't be read is a line in
``problems``. What is verified is verified elsewhere (:mod:`..chain`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import TypeVar

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ObjectIdentifier

from ...messages import tr
from ..nomenclatures import (
    CARD_NUMBER_OID,
    CARD_TYPE_OID,
    CATEGORY_OID,
    PROFESSION_OID,
    SPECIALTY_OID,
)
from . import der
from .names import PARSE_ERRORS

UPN_OID = "1.3.6.1.4.1.311.20.2.3"
_PRIVATE = {CATEGORY_OID, CARD_TYPE_OID, CARD_NUMBER_OID, PROFESSION_OID, SPECIALTY_OID}

_KEY_USAGES = {  # RFC 5280 §4.2.1.3; encipherOnly and decipherOnly need keyAgreement
    "digitalSignature": "digital_signature",
    "contentCommitment": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "cRLSign": "crl_sign",
}
PURPOSES = {  # RFC 5280 §4.2.1.12, and Microsoft's
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "1.3.6.1.4.1.311.20.2.2": "msSmartcardLogon",
    "2.5.29.37.0": "anyExtendedKeyUsage",
}

_Kind = TypeVar("_Kind", bound=x509.ExtensionType)
_Value = TypeVar("_Value")


def extension_of(extensions: x509.Extensions, kind: type[_Kind]) -> _Kind | None:
    """The value of the extension of this kind, None when there is none."""
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def key_usage_names(usage: x509.KeyUsage | None) -> tuple[str, ...]:
    """The names of RFC 5280 of the bits that are set, in bit order."""
    if usage is None:
        return ()
    return tuple(name for name, attribute in _KEY_USAGES.items() if getattr(usage, attribute))


def purpose_names(purposes: x509.ExtendedKeyUsage | None) -> tuple[str, ...]:
    """The purposes by name, unknown ones as dotted OIDs."""
    return tuple(PURPOSES.get(oid.dotted_string, oid.dotted_string) for oid in purposes or ())


def uris(names: Iterable[x509.GeneralName] | None) -> tuple[str, ...]:
    """The URIs among general names."""
    return tuple(
        name.value for name in names or () if isinstance(name, x509.UniformResourceIdentifier)
    )


class Extensions:
    """The extensions of one certificate; ``problems`` grows as they are read."""

    def __init__(self, certificate: x509.Certificate) -> None:
        self.problems: list[str] = []
        self._values: dict[str, x509.ExtensionType] = {}
        try:
            with warnings.catch_warnings():  # of DER that is odd: findings, not news for a terminal
                warnings.simplefilter("ignore", CryptographyDeprecationWarning)
                found = certificate.extensions
            for extension in found:
                self._values[extension.oid.dotted_string] = extension.value
        except PARSE_ERRORS as error:
            self.problems.append(tr("the extensions can't be read: {error}", error=error))
        self._alternative_names = self._get(x509.SubjectAlternativeName)

    # -- standard ones -----------------------------------------------------------------

    @property
    def is_authority(self) -> bool:
        """Whether the key signs certificates, or CRLs (the legacy PKI has keys for CRLs only)."""
        constraints = self._get(x509.BasicConstraints)
        return (constraints is not None and constraints.ca) or "cRLSign" in self.key_usages

    @property
    def key_usages(self) -> tuple[str, ...]:
        return key_usage_names(self._get(x509.KeyUsage))

    @property
    def extended_key_usages(self) -> tuple[str, ...]:
        return purpose_names(self._get(x509.ExtendedKeyUsage))

    @property
    def policies(self) -> tuple[str, ...]:
        found = self._get(x509.CertificatePolicies)
        return tuple(policy.policy_identifier.dotted_string for policy in found or ())

    @property
    def crl_urls(self) -> tuple[str, ...]:
        return self._distribution_urls(self._get(x509.CRLDistributionPoints))

    @property
    def delta_crl_urls(self) -> tuple[str, ...]:
        return self._distribution_urls(self._get(x509.FreshestCRL))

    def access_urls(self, method: ObjectIdentifier) -> tuple[str, ...]:
        found = self._get(x509.AuthorityInformationAccess)
        return uris(item.access_location for item in found or () if item.access_method == method)

    @property
    def dns_names(self) -> tuple[str, ...]:
        found = self._alternative_names
        return tuple(found.get_values_for_type(x509.DNSName)) if found else ()

    @property
    def emails(self) -> tuple[str, ...]:
        found = self._alternative_names
        return tuple(found.get_values_for_type(x509.RFC822Name)) if found else ()

    @property
    def upn(self) -> str:
        """The user principal name among the alternative names (an otherName), else empty."""
        found = self._alternative_names
        for name in found.get_values_for_type(x509.OtherName) if found else ():
            if name.type_id.dotted_string == UPN_OID:
                return self._decoded(UPN_OID, name.value, _text, "")
        return ""

    # -- private ones (pki.md §3.2) -----------------------------------------------------

    def category(self) -> int | None:
        """TRE_G01: one octet, in an OCTET STRING."""
        return self._private(CATEGORY_OID, _single_octet, None)

    def integer(self, oid: str) -> int | None:
        return self._private(oid, _integer, None)

    def texts(self, oid: str) -> tuple[str, ...]:
        """A string, or a SEQUENCE of strings."""
        empty: tuple[str, ...] = ()
        return self._private(oid, _texts, empty)

    def undecoded(self) -> tuple[tuple[str, bytes], ...]:
        """(OID, value octets) of every extension that nothing here decodes."""
        return tuple(
            (oid, value.value)
            for oid, value in self._values.items()
            if isinstance(value, x509.UnrecognizedExtension) and oid not in _PRIVATE
        )

    # -- how ----------------------------------------------------------------------------

    def _get(self, kind: type[_Kind]) -> _Kind | None:
        value = self._values.get(kind.oid.dotted_string)
        return value if isinstance(value, kind) else None

    @staticmethod
    def _distribution_urls(
        points: x509.CRLDistributionPoints | x509.FreshestCRL | None,
    ) -> tuple[str, ...]:
        return tuple(url for point in points or () for url in uris(point.full_name))

    def _private(self, oid: str, read: Callable[[bytes], _Value], absent: _Value) -> _Value:
        value = self._values.get(oid)
        if not isinstance(value, x509.UnrecognizedExtension):
            return absent
        return self._decoded(oid, value.value, read, absent)

    def _decoded(
        self, oid: str, octets: bytes, read: Callable[[bytes], _Value], absent: _Value
    ) -> _Value:
        try:
            return read(octets)
        except PARSE_ERRORS:
            problem = tr(
                "extension {oid} holds {octets}, which is not what it should be",
                oid=oid,
                octets=octets.hex(),
            )
            if problem not in self.problems:
                self.problems.append(problem)
            return absent


def _single_octet(octets: bytes) -> int:
    if len(octets) != 3 or octets[:2] != bytes((der.OCTET_STRING, 1)):
        raise ValueError("not an OCTET STRING of one octet")
    return octets[2]


def _integer(octets: bytes) -> int:
    tag, start, end = der.element(octets)
    if tag != der.INTEGER or end != len(octets) or not 0 < end - start <= _MAX_INTEGER_OCTETS:
        raise ValueError("not a small INTEGER")
    return int.from_bytes(octets[start:end], signed=True)


def _text(octets: bytes) -> str:
    tag, start, end = der.element(octets)
    if tag not in _STRINGS or end != len(octets):
        raise ValueError("not a character string")
    return octets[start:end].decode(_STRINGS[tag])


def _texts(octets: bytes) -> tuple[str, ...]:
    tag, start, end = der.element(octets)
    if tag != der.SEQUENCE:
        return (_text(octets),)
    if end != len(octets):
        raise ValueError("octets after the SEQUENCE")
    return tuple(
        _text(octets[offset:stop]) for _, offset, _, stop in der.children(octets, start, end, 100)
    )


_MAX_INTEGER_OCTETS = 8
_STRINGS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii"}
