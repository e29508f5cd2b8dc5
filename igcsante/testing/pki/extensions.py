"""Extensions of the simulated certificates, as observed (facts sheets pki.md §3, card.md §4.2).

The private extensions carry codes of the ANS's nomenclatures and have their numbers; the
policy is the one that every TEST leaf bears, with a CPS URI that says SIMULATION.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from .hierarchy import CPS_URI, OCSP_PATH, AuthorityName

TEST_POLICY = x509.ObjectIdentifier("1.2.250.1.213.1.7.2.1.1.1.1")
UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
SMARTCARD_LOGON = ExtendedKeyUsageOID.SMARTCARD_LOGON

PRODUCT_CATEGORY = x509.ObjectIdentifier("1.2.250.1.71.1.2.5")
CARD_TYPE = x509.ObjectIdentifier("1.2.250.1.71.1.2.2")
CARD_NUMBER = x509.ObjectIdentifier("1.2.250.1.71.1.2.3")
PROFESSION = x509.ObjectIdentifier("1.2.250.1.71.1.2.7")
SPECIALTY = x509.ObjectIdentifier("1.2.250.1.71.4.2.5")

# Ours, of the UUID arc: says nothing, makes a certificate longer.
PADDING = x509.ObjectIdentifier("2.25.118402394213390711405318305372316094753")

CATEGORY_CARD = 0x00
CATEGORY_SOFTWARE = 0x03
CATEGORY_TEST = 0x80
CARD_ISSUER = "8025000001"


def policies(policy: x509.ObjectIdentifier) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(policy, [CPS_URI])])


def key_usage(*names: str) -> x509.KeyUsage:
    """A KeyUsage with the named bits (``digital_signature``, …) and no other."""
    bits = dict.fromkeys(_KEY_USAGE_BITS, False)
    for name in names:
        bits[name] = True
    return x509.KeyUsage(**bits)


_KEY_USAGE_BITS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def crl_distribution_point(issuer: AuthorityName, base_url: str) -> x509.CRLDistributionPoints:
    """One HTTP distribution point: there is no directory to simulate the LDAP one."""
    location = x509.UniformResourceIdentifier(issuer.crl_url(base_url))
    return x509.CRLDistributionPoints([x509.DistributionPoint([location], None, None, None)])


def freshest_crl(urls: Sequence[str]) -> x509.FreshestCRL:
    """Where the delta CRL is: one distribution point per address."""
    return x509.FreshestCRL(
        x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
        for url in urls
    )


def authority_access(issuer: AuthorityName, base_url: str) -> x509.AuthorityInformationAccess:
    """OCSP, then the issuer's certificate, as every leaf of the ANS has them (pki.md §3)."""
    locations = {
        AuthorityInformationAccessOID.OCSP: base_url + OCSP_PATH,
        AuthorityInformationAccessOID.CA_ISSUERS: issuer.certificate_url(base_url),
    }
    return x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
            for method, url in locations.items()
        ]
    )


def upn_name(upn: str) -> x509.OtherName:
    """A user principal name, UTF8String in an otherName."""
    return x509.OtherName(UPN, _tlv(0x0C, upn.encode()))


def key_usage_period(not_before: datetime, not_after: datetime) -> x509.UnrecognizedExtension:
    """PrivateKeyUsagePeriod (RFC 3280 §4.2.1.4), which older ``cryptography`` can't build."""
    start, end = (moment.strftime("%Y%m%d%H%M%SZ").encode() for moment in (not_before, not_after))
    return _private(x509.ObjectIdentifier("2.5.29.16"), 0x30, _tlv(0x80, start) + _tlv(0x81, end))


def product_category(category: int, *, test: bool = True) -> x509.UnrecognizedExtension:
    """TRE_G01: what carries the key; bit 0x80 says TEST."""
    return _private(PRODUCT_CATEGORY, 0x04, bytes([category | (CATEGORY_TEST if test else 0)]))


def card_type(code: int) -> x509.UnrecognizedExtension:
    """TRE_G02: 0 CPS, 1 CPF, 2 CDE/CPE, 3 CDA/CPA."""
    return _private(CARD_TYPE, 0x02, bytes([code]))


def card_number(number: str) -> x509.UnrecognizedExtension:
    """Issuer number, ``/`` and the ten digits of the card."""
    return _private(CARD_NUMBER, 0x13, f"{CARD_ISSUER}/{number}".encode())


def profession(code: int) -> x509.UnrecognizedExtension:
    """TRE_G15: the profession, 10 for a doctor (codes are below 128)."""
    return _private(PROFESSION, 0x02, bytes([code]))


def specialty(code: str) -> x509.UnrecognizedExtension:
    """TRE_R01: one specialty, ``SM26``."""
    return _private(SPECIALTY, 0x30, _tlv(0x0C, code.encode()))


def padding(size: int) -> x509.UnrecognizedExtension:
    """``size`` zero bytes, more than nothing of which is meant."""
    return x509.UnrecognizedExtension(PADDING, bytes(size))


def _private(oid: x509.ObjectIdentifier, tag: int, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(oid, _tlv(tag, value))


def _tlv(tag: int, value: bytes) -> bytes:
    if len(value) > 127:
        raise ValueError("only short forms are needed here")
    return bytes([tag, len(value)]) + value
