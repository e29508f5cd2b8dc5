"""Keys and certificate requests (PKCS#10, RFC 2986): made on this machine, or read from files."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from ..errors import UnreadableError, UsageError
from ..files import read_bounded
from ..messages import tr
from ..secret import Secret

KEY_BITS = (2048, 3072, 4096)
MAX_KEY_BYTES = 64 * 1024
MAX_CSR_BYTES = 16 * 1024
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def new_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A new RSA key, of 2048, 3072 or 4096 bits. Raises UsageError for another size."""
    if bits not in KEY_BITS:
        raise UsageError(
            tr(
                "an RSA key has {str} bits, not {bits}",
                str=", ".join(map(str, KEY_BITS)),
                bits=bits,
            )
        )
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def build_csr(
    private_key: rsa.RSAPrivateKey,
    common_name: str,
    *,
    country: str = "",
    state: str = "",
    organisation: str = "",
    organisational_unit: str = "",
    dns_names: Sequence[str] = (),
) -> x509.CertificateSigningRequest:
    """A request signed with SHA-256, its subject in the ANS's order: C, ST, O, OU, CN.

    The key may live elsewhere (credentials.ExternalRsaKey): it signs once, PKCS#1 v1.5.
    Empty attributes are left out; ``dns_names`` become a subjectAltName. Raises UsageError
    for a value that a name can't hold (RFC 5280 appendix A.1: a CN has 64 characters at most),
    and what the key raises.
    """
    wanted = (
        (NameOID.COUNTRY_NAME, country),
        (NameOID.STATE_OR_PROVINCE_NAME, state),
        (NameOID.ORGANIZATION_NAME, organisation),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, organisational_unit),
        (NameOID.COMMON_NAME, common_name),
    )
    if not common_name.strip():
        raise UsageError(tr("a certificate request needs a common name"))
    try:
        subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in wanted if value])
        builder = x509.CertificateSigningRequestBuilder(subject)
        if dns_names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names])
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(private_key, hashes.SHA256())
    except (ValueError, TypeError) as error:
        raise UsageError(
            tr("the certificate request can't be made: {error}", error=error)
        ) from None


def csr_pem(request: x509.CertificateSigningRequest) -> bytes:
    """The request as PEM."""
    return request.public_bytes(Encoding.PEM)


def read_csr(data: bytes, *, source: str = tr("the request")) -> x509.CertificateSigningRequest:
    """A request that was made elsewhere, PEM or DER, its signature verified.

    RSA of 2048, 3072 or 4096 bits and SHA-256 or longer, as IGC-Santé certifies them. Raises
    UnreadableError, UsageError for a key or a hash that is not accepted, or for a file that
    holds a private key.
    """
    if b"PRIVATE KEY-----" in data:
        raise UsageError(
            tr("{source} holds a private key: nothing was sent", source=source),
            advice=tr("give the request alone; openssl req -new -key KEY -out CSR makes one"),
        )
    load = x509.load_pem_x509_csr if b"-----BEGIN" in data else x509.load_der_x509_csr
    try:
        if not 0 < len(data) <= MAX_CSR_BYTES:
            raise ValueError
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            request = load(data)
            key, intact = request.public_key(), request.is_signature_valid
            signed_with = request.signature_hash_algorithm
    except (ValueError, TypeError):
        raise UnreadableError(
            tr("{source} is no certificate request", source=source),
            advice=tr("PKCS#10, PEM or DER, is read"),
        ) from None
    except UnsupportedAlgorithm:
        key, intact, signed_with = None, True, None
    if not intact:
        raise UnreadableError(
            tr("{source}: its signature is wrong: it was changed or is damaged", source=source)
        )
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size not in KEY_BITS:
        sizes = ", ".join(map(str, KEY_BITS))
        raise UsageError(
            tr(
                "{source}: IGC-Santé certifies RSA keys, of {sizes} bits",
                source=source,
                sizes=sizes,
            )
        )
    if not isinstance(signed_with, _HASHES):
        raise UsageError(
            tr("{source}: it must be signed with SHA-256, SHA-384 or SHA-512", source=source)
        )
    return request


def key_pem_pkcs1(private_key: rsa.RSAPrivateKey) -> bytes:
    """The key as PEM, PKCS#1 (RFC 8017 §A.1.2), in clear: for programs that read no PKCS#8."""
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def key_pem(private_key: rsa.RSAPrivateKey, passphrase: Secret | None = None) -> bytes:
    """The key as PEM, PKCS#8 (RFC 5958), encrypted when a passphrase is given.

    Raises UsageError for an empty passphrase.
    """
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        if not len(passphrase):
            raise UsageError(tr("the passphrase of the key is empty"))
        encryption = BestAvailableEncryption(passphrase.reveal())
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def read_key(path: Path, passphrase: Secret | None = None) -> rsa.RSAPrivateKey:
    """The RSA key of a PEM file. Raises UsageError (no file, passphrase), UnreadableError."""
    return load_key(read_bounded(path, MAX_KEY_BYTES), passphrase, source=str(path))


def load_key(data: bytes, passphrase: Secret | None = None, *, source: str) -> rsa.RSAPrivateKey:
    """The RSA key in a PEM text. Raises UsageError (passphrase), UnreadableError."""
    try:
        key = load_pem_private_key(data, passphrase.reveal() if passphrase else None)
    except TypeError:
        raise UsageError(
            tr("{source}: this key has no passphrase", source=source)
            if passphrase
            else tr("{source}: this key needs its passphrase", source=source),
            advice="" if passphrase else tr("give --key-passphrase-source"),
        ) from None
    except ValueError:
        what = (
            tr("the passphrase is wrong, or the file is damaged")
            if passphrase
            else tr("no PEM key")
        )
        raise UnreadableError(tr("{source}: {what}", source=source, what=what)) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UnreadableError(tr("{source}: not an RSA key", source=source))
    return key
