"""A certificate that arrived but did not reach its files, from what the journal keeps of it.

The program was killed, or the disk was full, between the platform's answer and the last file.
The platform is not needed: certificate and chain are in the journal (:meth:`Journal.keep`).
Only a PKCS#12 that the platform made is not, since it holds a private key: it is written
before everything else, and what stands around it can be restored once it is there.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from ...certs.export import (
    BUNDLE_SUFFIXES,
    certificate_der,
    certificate_pem,
    chain_pem,
    pkcs12_bytes,
    require_pair,
)
from ...certs.load import MAX_CONTAINER_BYTES, load_certificates
from ...certs.requests import MAX_CSR_BYTES, read_csr, read_key
from ...errors import StorageError, UsageError
from ...files import read_bounded, write_atomic
from ...messages import tr
from ...secret import Secret
from ..platform import Platform
from .delivered import CSR_SUFFIX, base_of, file_of, key_in_pkcs12, written
from .enrolment import Delivery, Issued, check_retrievable, retrieve
from .journal import Entry, Journal, OrderState
from .order_key import KeyPlace


def restorable(entry: Entry, journal: Journal) -> bool:
    """Whether the certificate arrived, and the journal doesn't know of its files."""
    return (
        entry.state is OrderState.WITHDRAWN
        and not entry.certificate_path
        and (entry.key_mode != KeyPlace.PLATFORM or file_of(entry, "pkcs12").exists())
        and bool(_arrived(entry, journal))
    )


def restore(
    entry: Entry,
    journal: Journal,
    *,
    at: datetime,
    key_passphrase: Secret | None = None,
    p12_password: Secret | None = None,
) -> Issued:
    """Write the files that are missing; the others must be as they would be written.

    Raises UsageError when there is nothing to restore from or the key is not there,
    CertificateInvalidError when the key is another's, StorageError.
    """
    if not restorable(entry, journal):
        raise UsageError(
            tr(
                "order {id} has nothing to restore: {meaning}",
                id=entry.id,
                meaning=entry.state.meaning,
            )
        )
    certificate, *chain = _arrived(entry, journal)
    base = base_of(entry)
    contents = {
        "certificate": certificate_pem(certificate),
        "certificate_der": certificate_der(certificate),
    }
    if chain or journal.certificates(entry):
        contents["chain"] = chain_pem(chain)
    paths = {kind: file_of(entry, kind) for kind in BUNDLE_SUFFIXES}
    files: dict[str, Path] = {}
    if entry.key_path:
        key = read_key(Path(entry.key_path), key_passphrase)
        files["key"] = Path(entry.key_path)
        require_pair(key.public_key(), certificate)
        if p12_password is not None and not paths["pkcs12"].exists():
            contents["pkcs12"] = pkcs12_bytes(base.name, key, certificate, chain, p12_password)
    elif entry.key_mode == KeyPlace.PLATFORM:
        require_pair(_delivered_key(entry, p12_password), certificate)
    else:
        require_pair(_requested_key(base), certificate)
    for kind, data in contents.items():
        _write_or_find(paths[kind], data)
    files |= {kind: path for kind, path in paths.items() if kind in contents or path.exists()}
    path = str(paths["certificate"])
    entry = journal.update(entry, at=at, certificate_path=path, last_error="")
    return Issued(entry, certificate, tuple(chain), files)


def check_within_reach(entry: Entry, journal: Journal) -> None:
    """Raise UsageError for an order that can neither be restored nor, ever, retrieved."""
    if not restorable(entry, journal):
        check_retrievable(entry)


def bring_home(
    entry: Entry, platform: Platform, journal: Journal, delivery: Delivery, *, at: datetime
) -> Issued | None:
    """The certificate of an order onto disk, restored or withdrawn; None when it can't be now.

    Raises as :func:`restore` and :func:`igcsante.ws.orders.enrolment.retrieve`.
    """
    if restorable(entry, journal):
        return restore(
            entry,
            journal,
            at=at,
            key_passphrase=delivery.key_passphrase,
            p12_password=delivery.p12_password,
        )
    if entry.state is OrderState.ORDERED:
        return retrieve(entry, platform, journal, delivery, at=at)
    return None


def _arrived(entry: Entry, journal: Journal) -> tuple[x509.Certificate, ...]:
    """The certificate and its chain from the journal, else from where its files go."""
    kept = journal.certificates(entry)
    return tuple(c for der in kept for c in load_certificates(der)) or written(entry, entry.serial)


def _delivered_key(entry: Entry, password: Secret | None) -> PublicKeyTypes:
    """The key in the PKCS#12 that the platform made."""
    if password is None:
        raise UsageError(
            tr("order {id}: its key is in a PKCS#12, whose password is needed", id=entry.id),
            advice=tr("give the one of the order with --p12-password-source"),
        )
    path = file_of(entry, "pkcs12")
    return key_in_pkcs12(read_bounded(path, MAX_CONTAINER_BYTES), password)


def _requested_key(base: Path) -> PublicKeyTypes:
    """The key of the request that is beside the files."""
    path = base.with_name(base.name + CSR_SUFFIX)
    request: x509.CertificateSigningRequest = read_csr(
        read_bounded(path, MAX_CSR_BYTES), source=str(path)
    )
    return request.public_key()


def _write_or_find(path: Path, data: bytes) -> None:
    if not path.exists():
        write_atomic(path, data)
    elif read_bounded(path, len(data) + 1) != data:
        raise StorageError(
            tr(
                "{path} is already there with something else in it, and was left untouched",
                path=path,
            ),
            advice=tr("move that file away, then try again"),
            path=str(path),
        )
