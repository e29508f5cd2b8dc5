"""A certificate whose key is made here: from the key and CSR to the files on disk.

The key is on disk before the order leaves, and removed again when nothing was ordered. What
the platform issues is written beside it: certificate, chain, PKCS#12.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from ..certs.export import chain_pem, write_bundle, write_key
from ..certs.load import load_certificates
from ..certs.requests import build_csr, csr_pem, new_key, read_key
from ..errors import ContractError, IgcError, StorageError, UnreadableError, UsageError
from ..secret import Secret
from .journal import Entry, Journal, OrderState
from .model import ProductRequest, Withdrawal, WithdrawnProduct, new_client_reference
from .orders import NOTHING_ORDERED, place_order, refresh, withdraw
from .platform import Platform


@dataclass(frozen=True)
class Enrolment:
    """A request that was checked, its key, and where its files go. Nothing is written yet."""

    request: ProductRequest
    key: rsa.RSAPrivateKey = field(repr=False)
    directory: Path
    stem: str


@dataclass(frozen=True)
class Issued:
    """A certificate that was withdrawn; ``files`` by kind, as write_bundle gives them."""

    entry: Entry
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    files: dict[str, Path]


def prepare(directory: Path, *, bits: int = 2048, **wanted: Any) -> Enrolment:
    """Make a key and a CSR for a ProductRequest of ``wanted`` (all but the key).

    Raises UsageError that names the field that is wrong.
    """
    reference = new_client_reference()
    key = new_key(bits)
    subject = wanted.get("service_name") or next(iter(wanted.get("fqdns", ())), "")
    csr = csr_pem(build_csr(key, (subject or wanted.get("email") or reference)[:64]))
    request = ProductRequest(**wanted, csr=csr, client_reference=reference)
    stem = f"{_plain(request.label)}-{reference.removeprefix('igc-')[:8]}"
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
    entry: Entry,
    platform: Platform,
    journal: Journal,
    *,
    revocation_code: Secret,
    accepted: bool,
    at: datetime,
    key_passphrase: Secret | None = None,
    p12_password: Secret | None = None,
) -> Issued:
    """Withdraw an order and write its files beside its key.

    The certificate is issued now. Raises UsageError when the entry can't be withdrawn or
    its key is not there (nothing was sent), and as :func:`igcsante.ws.orders.withdraw`.
    When the disk refuses the files, the error's advice holds the certificate.
    """
    if entry.state.in_doubt or not entry.product_id:
        entry = refresh(platform, journal, entry, at=at)
    if entry.state is not OrderState.ORDERED:
        raise UsageError(
            f"order {entry.id} can't be retrieved: {entry.state.meaning}", advice=_what_now(entry)
        )
    key_path = Path(entry.key_path)
    key = read_key(key_path, key_passphrase)
    issued: dict[str, Any] = {}

    def save(product: WithdrawnProduct) -> Path:
        certificate, chain = _certificates(product)
        issued.update(certificate=certificate, chain=chain)
        stem = key_path.name.removesuffix(".key.pem")
        try:
            files = write_bundle(
                key_path.parent, stem, certificate, chain, key=key, p12_password=p12_password
            )
        except StorageError as error:
            raise StorageError(
                f"the certificate was issued, but could not be written: {error.message}",
                advice="keep it from here:\n" + chain_pem([certificate, *chain]).decode(),
            ) from None
        issued["files"] = {"key": key_path, **files}
        return files["certificate"]

    withdrawal = Withdrawal(entry.product_id, revocation_code, accepted)
    entry = withdraw(platform, journal, entry, withdrawal, at=at, save=save)
    return Issued(entry, **issued)


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


def _plain(label: str) -> str:
    """A label as a file name that any system takes."""
    ascii_text = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9.-]+", "-", ascii_text).strip("-.")[:48] or "certificate"
