"""The keys and certificates that go onto a simulated card."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True)
class KeyPair:
    """An RSA private key and the certificate of its public key."""

    private_key: rsa.RSAPrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True)
class CardMaterial:
    """What a PKI issues for one card."""

    authentication: KeyPair
    signature: KeyPair
    technical: KeyPair | None = None  # of the contactless application, which a card may lack
