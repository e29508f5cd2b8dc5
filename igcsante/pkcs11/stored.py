"""What a PKCS#11 token stores, as far as it concerns us: certificates, and what they tell of keys.

PKCS#11 v2.40 (OASIS) §4.6 (certificate objects).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True)
class TokenCertificate:
    """A certificate of the token. ``purpose``: ``authentication``, ``signature`` or ``other``.

    ``id`` (CKA_ID) links it to its private key.
    """

    label: str
    id: bytes
    purpose: str
    certificate: x509.Certificate


def attribute(stored: Any, name: Any) -> Any:
    """An attribute that objects need not have, None without it."""
    import pkcs11

    try:
        return stored[name]
    except pkcs11.AttributeTypeInvalid:
        return None


def rsa_key(certificate: x509.Certificate) -> rsa.RSAPublicKey | None:
    """The key of a certificate, None when it is of another kind or can't be read."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, rsa.RSAPublicKey) else None
