"""OCSP requests: which certificate is meant, and how to ask (RFC 6960 §4.1, RFC 5019 §2 and §5).

A certificate is named by hashes of its issuer's name and key, and its serial number. SHA-1 is
what every responder knows (RFC 5019 §2.1.1): it names here, it proves nothing.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from ..x509 import der, names
from ..x509.signatures import public_key_octets

NONCE_OCTETS = 32  # RFC 9654 §2.1
MAX_GET_OCTETS = 255  # RFC 5019 §5

_HASHES: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}  # noqa: S303


@dataclass(frozen=True)
class CertId:
    """A certificate under its issuer: the issuer's name and key as octets, the serial number.

    ``issuer_key`` are the octets of the subjectPublicKey BIT STRING, as they are hashed.
    """

    issuer_name: bytes
    issuer_key: bytes
    serial: int

    @classmethod
    def of(cls, certificate: x509.Certificate, issuer: x509.Certificate) -> CertId:
        """Raises ValueError, UnsupportedAlgorithm or others of KEY_ERRORS."""
        return cls(
            _field(certificate, _ISSUER),
            key_bits(public_key_octets(issuer)),
            names.serial_number(certificate),
        )

    @classmethod
    def of_serial(cls, serial: int, issuer: x509.Certificate) -> CertId:
        """Of a number whose certificate nobody has: its issuer's name as the issuer has it.

        Raises ValueError, UnsupportedAlgorithm or others of KEY_ERRORS.
        """
        return cls(_field(issuer, _SUBJECT), key_bits(public_key_octets(issuer)), serial)

    @property
    def key(self) -> str:
        """What an answer about it is kept under: name, key and serial number, in one digest."""
        parts = (self.issuer_name, self.issuer_key, str(self.serial).encode())
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()

    def named_by(self, answer: ocsp.OCSPSingleResponse) -> bool:
        """Whether an answer is about this certificate: serial number, and both hashes."""
        if answer.hash_algorithm.name not in _HASHES or answer.serial_number != self.serial:
            return False
        hashed = self._hashed(answer.hash_algorithm.name)
        return hashed == (answer.issuer_name_hash, answer.issuer_key_hash)

    def request(self, *, nonce: bytes | None = None, algorithm: str = "sha1") -> bytes:
        """A DER OCSPRequest. Raises ValueError for a serial number that can't be asked about."""
        name_hash, key_hash = self._hashed(algorithm)
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            name_hash, key_hash, self.serial, _HASHES[algorithm]
        )
        if nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        return builder.build().public_bytes(Encoding.DER)

    def _hashed(self, algorithm: str) -> tuple[bytes, bytes]:
        name = hashlib.new(algorithm, self.issuer_name, usedforsecurity=False).digest()
        return name, hashlib.new(algorithm, self.issuer_key, usedforsecurity=False).digest()


def new_nonce() -> bytes:
    """32 random octets."""
    return secrets.token_bytes(NONCE_OCTETS)


def get_url(url: str, request: bytes) -> str | None:
    """The address to GET a short request from (RFC 6960 §A.1), None when it has to be posted."""
    if len(request) > MAX_GET_OCTETS or "?" in url or "#" in url:
        return None
    return f"{url.rstrip('/')}/{quote(base64.b64encode(request), safe='')}"


def key_bits(public_key: bytes) -> bytes:
    """The octets of the BIT STRING of a SubjectPublicKeyInfo. Raises ValueError."""
    _, start, end = der.element(public_key)
    _, (tag, _, content, stop) = der.children(public_key, start, end, 2)
    if tag != der.BIT_STRING or content == stop:
        raise ValueError("not a public key")
    return public_key[content + 1 : stop]


_ISSUER, _SUBJECT = 2, 4  # their places after the version (RFC 5280 §4.1)


def _field(certificate: x509.Certificate, place: int) -> bytes:
    """A field as the certificate has it."""
    signed = certificate.tbs_certificate_bytes
    _, start, end = der.element(signed)
    parts = der.children(signed, start, end, place + 2)
    _, offset, _, stop = parts[place + 1 if parts[0][0] == 0xA0 else place]
    return signed[offset:stop]
