"""A certificate with its issuers and its private key, put together from files.

What is read: PEM with any blocks, DER, PKCS#7, PKCS#12. Which certificate is meant is told by
the private key, else by its not being an authority.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from ..errors import CertificateInvalidError, UnreadableError, UsageError
from ..files import read_bounded
from ..messages import tr
from ..secret import Secret
from .anchors import TrustStore
from .chain import issuers_of
from .export import require_pair
from .load import MAX_CONTAINER_BYTES, load, open_pkcs12, pem_blocks
from .requests import load_key
from .x509.extensions import Extensions


@dataclass(frozen=True)
class Material:
    """What there is of one certificate: ``chain`` is its issuers, nearest first, no root.

    ``key_was_locked`` says that the key came from under a password.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()
    roots: tuple[x509.Certificate, ...] = ()
    key: rsa.RSAPrivateKey | None = field(default=None, repr=False)
    key_was_locked: bool = False

    @property
    def authorities(self) -> tuple[x509.Certificate, ...]:
        """Its issuers up to the root, as far as they are known."""
        return self.chain + self.roots

    @property
    def purposes(self) -> tuple[str, ...]:
        """Its extended key usages by name: ``clientAuth``, ``serverAuth``…"""
        return Extensions(self.certificate).extended_key_usages


def read_material(
    paths: Sequence[Path],
    *,
    certificates: Sequence[x509.Certificate] = (),
    key_passphrase: Secret | None = None,
    p12_password: Secret | None = None,
    known: TrustStore | None = None,
) -> Material:
    """The certificate that the files hold, with what goes with it.

    ``certificates`` are taken as if they were in the files, ``known`` are more issuers.

    Raises UsageError (a file or password is missing; none, or more than one, is meant),
    UnreadableError, CertificateInvalidError when the key is that of no certificate.
    """
    held = list(certificates)
    keys: list[tuple[rsa.RSAPrivateKey, bool]] = []
    for path in paths:
        found = _read(path, key_passphrase, p12_password)
        held += found[0]
        keys += found[1]
    if len(keys) > 1:
        raise UsageError(tr("the files hold several private keys: give those of one certificate"))
    key, locked = keys[0] if keys else (None, False)
    certificate = _meant(dict.fromkeys(held), key)
    store = TrustStore.from_certificates(held) + (known or TrustStore())
    chain = tuple(issuers_of(certificate, store))
    last = chain[-1] if chain else certificate
    roots = tuple(root for root in store.roots if root.subject == last.issuer)[:1]
    return Material(certificate, chain, roots, key, locked)


def _read(
    path: Path, key_passphrase: Secret | None, p12_password: Secret | None
) -> tuple[tuple[x509.Certificate, ...], list[tuple[rsa.RSAPrivateKey, bool]]]:
    data = read_bounded(path, MAX_CONTAINER_BYTES)
    if b"-----BEGIN " in data:
        locked = [b for b in pem_blocks(data) if b.is_private_key]
        if not locked:
            return load(data, source=str(path)).certificates, []
        is_locked = b"ENCRYPTED" in data
        key = load_key(data, key_passphrase if is_locked else None, source=str(path))
        return load(data, source=str(path)).certificates, [(key, is_locked)]
    contents = load(data, p12_password, source=str(path))
    if contents.format != "PKCS#12":
        return contents.certificates, []
    own = open_pkcs12(data, p12_password).key
    if own is not None and not isinstance(own, rsa.RSAPrivateKey):
        raise UnreadableError(tr("{path}: not an RSA key", path=path))
    return contents.certificates, [(own, True)] if own else []


def _meant(
    certificates: Iterable[x509.Certificate], key: rsa.RSAPrivateKey | None
) -> x509.Certificate:
    candidates = [item for item in certificates if not Extensions(item).is_authority]
    if key is not None:
        candidates = [item for item in candidates if _is_pair(key, item)]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise UsageError(tr("the files hold several certificates: give those of one"))
    if key is not None:
        raise CertificateInvalidError(tr("the private key is that of no certificate in the files"))
    raise UsageError(tr("the files hold no certificate of a person, a server or an organisation"))


def _is_pair(key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> bool:
    try:
        require_pair(key.public_key(), certificate)
    except CertificateInvalidError:
        return False
    return True
