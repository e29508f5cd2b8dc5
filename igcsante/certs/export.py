"""What the user takes away, as octets and as files: certificate, chain, key, PKCS#12, PKCS#7.

PKCS#12 (RFC 7292) is made with AES-256-CBC, PBKDF2 and HMAC-SHA-256, or, for programs that
are too old for these, with Triple DES and SHA-1. Files are readable by their owner only, and
never written over anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import PBES

from ..errors import CertificateInvalidError, UsageError
from ..files import require_absent, write_atomic, write_together
from ..messages import tr
from ..secret import Secret
from .requests import key_pem
from .x509.signatures import KEY_ERRORS

PKCS12_ITERATIONS = 100_000
KEY_SUFFIX = ".key.pem"
BUNDLE_SUFFIXES = {
    "certificate": ".cert.pem",
    "certificate_der": ".cert.der",
    "chain": ".chain.pem",
    "pkcs12": ".p12",
}


class Pkcs12Profile(Enum):
    """How a PKCS#12 is encrypted, and what its MAC hashes with."""

    MODERN = (PBES.PBESv2SHA256AndAES256CBC, hashes.SHA256())
    LEGACY = (PBES.PBESv1SHA1And3KeyTripleDESCBC, hashes.SHA1())  # noqa: S303 - old Java, Windows


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM)


def certificate_der(certificate: x509.Certificate) -> bytes:
    """The certificate as DER."""
    return certificate.public_bytes(Encoding.DER)


def chain_pem(chain: Sequence[x509.Certificate]) -> bytes:
    """Certificates one after the other as PEM, in the order given."""
    return b"".join(certificate_pem(certificate) for certificate in chain)


def pkcs7_der(certificates: Sequence[x509.Certificate]) -> bytes:
    """A PKCS#7 of certificates without signature (RFC 5652 §5.1), DER: a ``.p7b``."""
    return pkcs7.serialize_certificates(list(certificates), Encoding.DER)


def pkcs12_bytes(
    name: str,
    key: rsa.RSAPrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    password: Secret,
    profile: Pkcs12Profile = Pkcs12Profile.MODERN,
) -> bytes:
    """A PKCS#12 with the key, its certificate and the chain; ``name`` is its friendly name.

    Raises UsageError for an empty password, CertificateInvalidError when the key is not
    that of the certificate.
    """
    require_pair(key.public_key(), certificate)
    encryption = _pkcs12_encryption(password, profile)
    return pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, chain, encryption)


def java_truststore(authorities: Sequence[x509.Certificate], password: Secret) -> bytes:
    """A PKCS#12 of authorities that Java trusts: each marked so, as ``keytool`` does.

    Raises UsageError for an empty password.
    """
    marked = [
        pkcs12.PKCS12Certificate(certificate, f"igc-sante-{number}".encode())
        for number, certificate in enumerate(authorities, 1)
    ]
    encryption = _pkcs12_encryption(password, Pkcs12Profile.MODERN)
    return pkcs12.serialize_java_truststore(marked, encryption)


def write_key(
    directory: Path, stem: str, key: rsa.RSAPrivateKey, passphrase: Secret | None = None
) -> Path:
    """Write ``stem``.key.pem (PKCS#8, 0600) into ``directory``, never over a file.

    Raises StorageError, UsageError for a stem that is no plain file name.
    """
    path = directory / (file_stem(stem) + KEY_SUFFIX)
    write_atomic(path, key_pem(key, passphrase))
    return path


def write_bundle(
    directory: Path,
    stem: str,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    *,
    public_key: PublicKeyTypes,
    pkcs12: bytes | None = None,
) -> dict[str, Path]:
    """Write ``stem``.cert.pem, .cert.der, .chain.pem and, when given, .p12.

    ``chain`` holds the issuers, nearest first; ``public_key`` is the one that was to be
    certified. All are written (0600) or none; a file that is already there is never
    replaced. Gives ``{"certificate": path, "certificate_der", "chain", "pkcs12"}``. Raises
    StorageError, UsageError for a stem that is no plain file name, CertificateInvalidError
    for a certificate of another key.
    """
    require_bundle_free(directory, stem)
    require_pair(public_key, certificate)
    contents = {
        # First: when the platform made the key, it is in there and nowhere else.
        **({"pkcs12": pkcs12} if pkcs12 is not None else {}),
        "certificate": certificate_pem(certificate),
        "certificate_der": certificate_der(certificate),
        "chain": chain_pem(chain),
    }
    paths = {kind: directory / (stem + BUNDLE_SUFFIXES[kind]) for kind in contents}
    write_together({paths[kind]: data for kind, data in contents.items()})
    return paths


def require_bundle_free(directory: Path, stem: str) -> None:
    """Raise StorageError when a file that write_bundle would write is already there.

    Raises UsageError for a stem that is no plain file name.
    """
    require_absent(directory / (file_stem(stem) + suffix) for suffix in BUNDLE_SUFFIXES.values())


def file_stem(stem: str) -> str:
    """``stem``, when files can be named after it. Raises UsageError."""
    if stem != Path(stem).name or stem in ("", ".", "..") or "\\" in stem or not stem.isprintable():
        raise UsageError(tr("{stem!r} can't be the name of files", stem=stem))
    return stem


def require_pair(public_key: PublicKeyTypes, certificate: x509.Certificate) -> None:
    """Raise CertificateInvalidError unless the certificate is for that key."""
    try:
        pair = certificate.public_key() == public_key
    except KEY_ERRORS:
        pair = False
    if not pair:
        raise CertificateInvalidError(tr("the private key is not that of the certificate"))


def _pkcs12_encryption(password: Secret, profile: Pkcs12Profile) -> KeySerializationEncryption:
    if not len(password):
        raise UsageError(tr("a PKCS#12 file needs a password"))
    encryption, mac_hash = profile.value
    return (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(PKCS12_ITERATIONS)
        .key_cert_algorithm(encryption)
        .hmac_hash(mac_hash)
        .build(password.reveal())
    )
