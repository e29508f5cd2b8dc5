"""A certificate whose key is made here: from the key and CSR to the files on disk.

The key is on disk before the order leaves, and removed again when nothing was ordered. What
the platform issues is written beside it: certificate, chain, PKCS#12.
"""

from __future__ import annotations

import os
import re
import ssl
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from ..certs.export import KEY_SUFFIX, require_bundle_free, write_bundle, write_key
from ..certs.load import load_certificates
from ..certs.requests import build_csr, csr_pem, new_key, read_key
from ..errors import ContractError, IgcError, StorageError, UnreadableError, UsageError
from ..files import write_atomic
from ..secret import Secret
from .journal import Entry, Journal, OrderState
from .model import ProductRequest, Withdrawal, WithdrawnProduct, new_client_reference
from .orders import NOTHING_ORDERED, place_order, refresh, withdraw
from .platform import Platform
from .rules import check_secret


@dataclass(frozen=True)
class Enrolment:
    """A request that was checked, its key, and where its files go. Nothing is written yet."""

    request: ProductRequest
    key: rsa.RSAPrivateKey = field(repr=False)
    directory: Path
    stem: str


@dataclass(frozen=True)
class Delivery:
    """What a withdrawal needs to know, checked before anything is sent.

    ``revocation_code`` will be asked for to revoke; ``accepted`` says that the beneficiary
    accepts the certificate and the CGU; the passphrase is that of the key's file; a PKCS#12
    is written when it has a password. Raises UsageError that names the field.
    """

    revocation_code: Secret
    accepted: bool
    key_passphrase: Secret | None = None
    p12_password: Secret | None = None

    def __post_init__(self) -> None:
        Withdrawal("P", self.revocation_code, self.accepted)
        if self.p12_password is not None:
            check_secret("p12_password", self.p12_password)


@dataclass(frozen=True)
class Issued:
    """A certificate that was withdrawn; ``files`` by kind, as write_bundle gives them."""

    entry: Entry
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    files: dict[str, Path]


def prepare(directory: Path, *, bits: int = 2048, **wanted: Any) -> Enrolment:
    """Make a key and a CSR for a ProductRequest of ``wanted`` (all but the key).

    Raises UsageError that names the field that is wrong, or when ``directory`` is no place
    to write to.
    """
    _check_writable(directory)
    reference = new_client_reference()
    key = new_key(bits)
    subject = wanted.get("service_name") or next(iter(wanted.get("fqdns", ())), "")
    csr = csr_pem(build_csr(key, (subject or wanted.get("email") or reference)[:64]))
    request = ProductRequest(**wanted, csr=csr, client_reference=reference)
    stem = f"{_file_stem(request.label)}-{reference.removeprefix('igc-')[:8]}"
    return Enrolment(request, key, directory, stem)


def submit(
    enrolment: Enrolment,
    platform: Platform,
    journal: Journal,
    /,
    *,
    at: datetime,
    key_passphrase: Secret | None = None,
    **about: str,
) -> Entry:
    """Write the key, then order. Raises StorageError before anything is sent, and as
    :func:`igcsante.ws.orders.place_order` does; the key stays unless nothing was ordered.
    """
    key_path = write_key(enrolment.directory, enrolment.stem, enrolment.key, key_passphrase)
    try:
        return place_order(
            platform, journal, enrolment.request, at=at, key_path=str(key_path.absolute()), **about
        )
    except IgcError:
        if journal.get(enrolment.request.client_reference).state in NOTHING_ORDERED:
            key_path.unlink(missing_ok=True)
        raise


def retrieve(
    entry: Entry, platform: Platform, journal: Journal, delivery: Delivery, *, at: datetime
) -> Issued:
    """Withdraw an order and write its files beside its key.

    The certificate is issued now, and delivered once: whatever goes wrong after that, it is
    written, or else shown in the error's advice. Raises UsageError when the entry can't be
    withdrawn or its key is not there (nothing was sent), and as
    :func:`igcsante.ws.orders.withdraw`.
    """
    if entry.state.in_doubt or not entry.product_id:
        entry = refresh(platform, journal, entry, at=at)
    check_retrievable(entry)
    key_path = Path(entry.key_path)
    key = read_key(key_path, delivery.key_passphrase)
    stem = key_path.name.removesuffix(KEY_SUFFIX)
    require_bundle_free(key_path.parent, stem)
    issued: dict[str, Any] = {}
    trouble: list[BaseException] = []

    def save(product: WithdrawnProduct) -> Path:
        try:
            certificate, chain = _certificates(product)
            password = delivery.p12_password
            files = write_bundle(
                key_path.parent, stem, certificate, chain, key=key, p12_password=password
            )
        except BaseException as error:  # an interruption must not lose it either
            trouble.append(error)
            return _rescue(product, key_path.parent / f"{stem}.cert.pem", error)
        issued.update(certificate=certificate, chain=chain, files={"key": key_path, **files})
        return files["certificate"]

    withdrawal = Withdrawal(entry.product_id, delivery.revocation_code, delivery.accepted)
    entry = withdraw(platform, journal, entry, withdrawal, at=at, save=save)
    if trouble:
        _tell(trouble[0], entry)
    return Issued(entry, **issued)


def _rescue(product: WithdrawnProduct, path: Path, trouble: BaseException) -> Path:
    """Write the certificate alone, as it came; where that fails, the error shows it."""
    try:
        write_atomic(path, ssl.DER_cert_to_PEM_cert(product.certificate).encode())
    except StorageError:
        everything = (product.certificate, *product.chain)
        raise StorageError(
            f"the certificate was issued, but could not be written: {trouble}",
            advice="keep it from here:\n" + "".join(map(ssl.DER_cert_to_PEM_cert, everything)),
        ) from None
    return path


def _tell(trouble: BaseException, entry: Entry) -> NoReturn:
    if not isinstance(trouble, Exception):
        raise trouble
    raise StorageError(
        f"the certificate was issued and is in {entry.certificate_path}; its other files could "
        f"not be made: {trouble}",
        advice="keep that file: it is delivered once",
    ) from None


def check_retrievable(entry: Entry) -> None:
    """Raise UsageError for an order whose state is certain and leaves nothing to retrieve."""
    if not entry.state.in_doubt and entry.state is not OrderState.ORDERED:
        raise UsageError(
            f"order {entry.id} can't be retrieved: {entry.state.meaning}", advice=_what_now(entry)
        )


def _what_now(entry: Entry) -> str:
    if entry.state is not OrderState.WITHDRAWN:
        return ""
    if entry.certificate_path:
        return f"it is in {entry.certificate_path}"
    return (
        "a certificate is delivered once, and this one did not arrive: "
        f"revoke it (igc revoke {entry.id}), then order again"
    )


def _certificates(
    product: WithdrawnProduct,
) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    try:
        (certificate,) = load_certificates(product.certificate)
        return certificate, tuple(c for der in product.chain for c in load_certificates(der))
    except (UnreadableError, ValueError):
        raise ContractError("the platform's certificates are not readable") from None


def _check_writable(directory: Path) -> None:
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(
            f"nothing can be written to {directory}", advice="choose another folder: --out DIR"
        )


def _file_stem(label: str) -> str:
    """A label as a file name that any system takes."""
    ascii_text = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9.-]+", "-", ascii_text).strip("-.")[:48] or "certificate"
