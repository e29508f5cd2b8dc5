"""Signatures on certificates and CRLs, and which algorithms may be trusted.

RFC 5280 §4.1.1.2 and §4.1.1.3. RSA (PKCS#1 v1.5 and PSS) and ECDSA; IGC-Santé uses RSA
with SHA-256, the legacy IGC-CPS RSA-1024 and SHA-1 (pki.md §1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ...messages import tr
from . import der
from .names import PARSE_ERRORS

LEGACY_RSA_BITS = 1024
KEY_ERRORS = (*PARSE_ERRORS, UnsupportedAlgorithm)


@dataclass(frozen=True)
class AlgorithmPolicy:
    """Which algorithms are believed. ``legacy`` adds SHA-1 and RSA from 1024 bits."""

    minimum_rsa_bits: int = 2048
    hash_names: frozenset[str] = frozenset({"sha256", "sha384", "sha512"})
    curves: frozenset[str] = frozenset({"secp256r1", "secp384r1", "secp521r1"})
    legacy: bool = False

    def key_weakness(self, key: PublicKeyTypes) -> str | None:
        """Why this public key isn't believed, or None."""
        if isinstance(key, rsa.RSAPublicKey):
            least = min(LEGACY_RSA_BITS, self.minimum_rsa_bits)
            least = least if self.legacy else self.minimum_rsa_bits
            return (
                None
                if key.key_size >= least
                else tr("an RSA key of {key_size} bits", key_size=key.key_size)
            )
        if isinstance(key, ec.EllipticCurvePublicKey):
            return (
                None
                if key.curve.name in self.curves
                else tr("the curve {curve}", curve=key.curve.name)
            )
        return tr("a key that is neither RSA nor ECDSA")

    def hash_weakness(self, algorithm: hashes.HashAlgorithm | None) -> str | None:
        """Why this signature hash isn't believed, or None."""
        name = algorithm.name if algorithm else "none"
        allowed = self.hash_names | {"sha1"} if self.legacy else self.hash_names
        return None if name in allowed else tr("a signature made with {name}", name=name.upper())


@dataclass(frozen=True)
class Signed:
    """What is signed, and how: of a certificate or CRL, from the octets received."""

    to_be_signed: bytes
    signature: bytes
    hash_algorithm: hashes.HashAlgorithm | None
    parameters: padding.PSS | padding.PKCS1v15 | ec.ECDSA | None

    @classmethod
    def of_certificate(cls, certificate: x509.Certificate) -> Signed:
        """Raises ValueError or UnsupportedAlgorithm."""
        octets = certificate.public_bytes(Encoding.DER)
        return cls._of(octets, certificate)

    @classmethod
    def of_crl(cls, octets: bytes, crl: x509.CertificateRevocationList) -> Signed:
        """Raises ValueError or UnsupportedAlgorithm. A long list isn't copied."""
        view = cast(bytes, memoryview(octets))  # any buffer does, whatever the stubs say
        return cls._of(view, crl)

    @classmethod
    def _of(
        cls, octets: bytes, signed: x509.Certificate | x509.CertificateRevocationList
    ) -> Signed:
        to_be_signed, algorithm, signature = der.signed_part(octets)
        if algorithm != _inner_algorithm(to_be_signed):
            raise ValueError("the signed signature algorithm is not the one stated outside")
        return cls(
            to_be_signed,
            signature,
            signed.signature_hash_algorithm,
            signed.signature_algorithm_parameters,
        )

    def verifies_with(self, key: PublicKeyTypes) -> bool:
        """Whether ``key`` made the signature."""
        try:
            if isinstance(key, rsa.RSAPublicKey) and isinstance(
                self.parameters, padding.PSS | padding.PKCS1v15
            ):
                if self.hash_algorithm is None:
                    return False
                key.verify(self.signature, self.to_be_signed, self.parameters, self.hash_algorithm)
            elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(
                self.parameters, ec.ECDSA
            ):
                key.verify(self.signature, self.to_be_signed, self.parameters)
            else:
                return False
        except (InvalidSignature, *KEY_ERRORS):
            return False
        return True


def public_key_octets(certificate: x509.Certificate) -> bytes:
    """The SubjectPublicKeyInfo, to compare keys. Raises ValueError or UnsupportedAlgorithm."""
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Whether the subject is the issuer and its own key made the signature."""
    try:
        return certificate.subject == certificate.issuer and Signed.of_certificate(
            certificate
        ).verifies_with(certificate.public_key())
    except KEY_ERRORS:
        return False


def _inner_algorithm(to_be_signed: bytes) -> bytes:
    """The ``signature`` field: the first SEQUENCE of a TBSCertificate or TBSCertList."""
    _, start, end = der.element(to_be_signed)
    for tag, offset, _, stop in der.children(to_be_signed, start, end, 3):
        if tag == der.SEQUENCE:
            return to_be_signed[offset:stop]
    raise ValueError("no signature algorithm inside the signed part")
