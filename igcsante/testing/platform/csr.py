"""What the mock accepts as a certificate request (platform.md §7.5; all of it inferred).

PKCS#10, DER or PEM, signed with the key that it holds, RSA of an accepted size and
SHA-256 or better. Its subject is ignored.
"""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .faults import FunctionalFault

MIN_EXPONENT = 65537
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def public_key_of(request: bytes, sizes: tuple[int, ...]) -> rsa.RSAPublicKey:
    """The public key of a certificate request. Raises F06 or F07."""
    csr = _parse(request)
    try:
        key = csr.public_key()
        signed = csr.is_signature_valid
        hash_algorithm = csr.signature_hash_algorithm
    except UnsupportedAlgorithm:
        raise FunctionalFault("F07", field="csr") from None
    except ValueError:
        raise FunctionalFault("F06", field="csr") from None
    if not signed:
        raise FunctionalFault("F06", field="csr")
    if not isinstance(key, rsa.RSAPublicKey) or not isinstance(hash_algorithm, _HASHES):
        raise FunctionalFault("F07", field="csr")
    if key.key_size not in sizes or key.public_numbers().e < MIN_EXPONENT:
        raise FunctionalFault("F07", field="csr")
    return key


def key_identifier(key: rsa.RSAPublicKey) -> str:
    """What two requests with the same key have in common: the SHA-256 of the key, hex."""
    return hashlib.sha256(public_key_der(key)).hexdigest()


def public_key_der(key: rsa.RSAPublicKey) -> bytes:
    """The SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _parse(request: bytes) -> x509.CertificateSigningRequest:
    load = x509.load_pem_x509_csr if b"-----BEGIN" in request else x509.load_der_x509_csr
    try:
        return load(request)
    except ValueError:
        raise FunctionalFault("F06", field="csr") from None
