"""What the user takes away: certificate, chain, key and PKCS#12 files.

PKCS#12 (RFC 7292) with AES-256-CBC, PBKDF2 and HMAC-SHA-256 throughout. A bundle of files
is written whole or not at all, readable by its owner only, and never over anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    PBES,
    serialize_key_and_certificates,
)

from ..errors import CertificateInvalidError, UsageError
from ..files import require_absent, write_atomic
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


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM)


def certificate_der(certificate: x509.Certificate) -> bytes:
    """The certificate as DER."""
    return certificate.public_bytes(Encoding.DER)


def chain_pem(chain: Sequence[x509.Certificate]) -> bytes:
    """Certificates one after the other as PEM, in the order given."""
    return b"".join(certificate_pem(certificate) for certificate in chain)


def pkcs12_bytes(
    name: str,
    key: rsa.RSAPrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    password: Secret,
) -> bytes:
    """A PKCS#12 with the key, its certificate and the chain; ``name`` is its friendly name.

    Raises UsageError for an empty password, CertificateInvalidError when the key is not
    that of the certificate.
    """
    if not len(password):
        raise UsageError("a PKCS#12 file needs a password")
    _require_pair(key, certificate)
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(PKCS12_ITERATIONS)
        .key_cert_algorithm(PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(password.reveal())
    )
    return serialize_key_and_certificates(name.encode(), key, certificate, chain, encryption)


def write_key(
    directory: Path, stem: str, key: rsa.RSAPrivateKey, passphrase: Secret | None = None
) -> Path:
    """Write ``stem``.key.pem (PKCS#8, 0600) into ``directory``, never over a file.

    Raises StorageError, UsageError for a stem that is no plain file name.
    """
    path = directory / (_file_stem(stem) + KEY_SUFFIX)
    write_atomic(path, key_pem(key, passphrase))
    return path


def write_bundle(
    directory: Path,
    stem: str,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    *,
    key: rsa.RSAPrivateKey,
    p12_password: Secret | None = None,
) -> dict[str, Path]:
    """Write ``stem``.cert.pem, .cert.der, .chain.pem and, with a password, .p12.

    ``chain`` holds the issuers, nearest first. All are written (0600) or none; a file
    that is already there is never replaced. Gives ``{"certificate": path,
    "certificate_der", "chain", "pkcs12"}``. Raises StorageError, UsageError for a stem
    that is no plain file name, CertificateInvalidError for a key of another certificate.
    """
    require_bundle_free(directory, stem)
    _require_pair(key, certificate)
    contents = {
        "certificate": certificate_pem(certificate),
        "certificate_der": certificate_der(certificate),
        "chain": chain_pem(chain),
    }
    if p12_password is not None:
        contents["pkcs12"] = pkcs12_bytes(stem, key, certificate, chain, p12_password)
    paths = {kind: directory / (stem + BUNDLE_SUFFIXES[kind]) for kind in contents}
    written: list[Path] = []
    try:
        for kind, data in contents.items():
            write_atomic(paths[kind], data)
            written.append(paths[kind])
    except BaseException:  # an interruption too must not leave half a bundle
        for path in written:
            with contextlib.suppress(OSError):
                path.unlink()
        raise
    return paths


def _file_stem(stem: str) -> str:
    if stem != Path(stem).name or stem in ("", ".", "..") or "\\" in stem or not stem.isprintable():
        raise UsageError(f"{stem!r} can't be the name of files")
    return stem


def require_bundle_free(directory: Path, stem: str) -> None:
    """Raise StorageError when a file that write_bundle would write is already there.

    Raises UsageError for a stem that is no plain file name.
    """
    require_absent(directory / (_file_stem(stem) + suffix) for suffix in BUNDLE_SUFFIXES.values())


def _require_pair(key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> None:
    try:
        pair = certificate.public_key() == key.public_key()
    except KEY_ERRORS:
        pair = False
    if not pair:
        raise CertificateInvalidError("the private key is not that of the certificate")
