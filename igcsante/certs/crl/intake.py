"""A list that comes in: read in one pass, its signature verified, its entries put in pages."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

from cryptography import x509

from ...errors import CertificateInvalidError, UnreadableError
from ...messages import tr
from ..x509 import names
from ..x509.certificate_list import Crl
from ..x509.signatures import KEY_ERRORS, Signed
from .index import Header, key_fingerprint
from .index_writer import Records
from .scan import NotIndexableError, Outline, outline


@dataclass(frozen=True)
class Taken:
    """A verified list: ``crl`` without its entries, which are the ``records``."""

    crl: Crl
    header: Header
    records: Records


def take_in(
    octets: bytes, signer: x509.Certificate, *, source: str = "", **origin: str | None
) -> Taken:
    """Verify and read a CRL (DER); ``origin``: what the header is to say of its fetching.

    Raises UnreadableError for what is no CRL or can't be processed, CertificateInvalidError
    when the signature is not that of ``signer``'s key.
    """
    found = outline(octets)
    crl = Crl(found.header, source)
    hashing = hashlib.sha256()
    hasher = threading.Thread(target=hashing.update, args=(octets,))
    hasher.start()  # beside the work on the entries: a long list takes a while
    fingerprint = _verified_with(signer, octets, found)
    if crl.problem:
        raise UnreadableError(tr("the CRL was not kept: {problem}", problem=crl.problem))
    records = _records(octets, found)
    hasher.join()
    header = Header(
        sha256=hashing.hexdigest(),
        key=fingerprint,
        outline=found.header.hex(),
        size=len(octets),
        entries=records.entries if records else len(Crl(octets)),
        pages=records.page_count if records else 0,
        source=source,
        **origin,
    )
    return Taken(crl, header, records or Records())


def indexed_anew(crl: Crl, header: Header, secret: bytes) -> Iterator[bytes]:
    """The octets of the index of a list that was verified when its ``header`` was made.

    Raises UnreadableError.
    """
    records = _records(crl.octets, outline(crl.octets)) or Records()
    told = replace(header, entries=len(crl), pages=records.page_count)
    return records.index(told, secret)


def _verified_with(signer: x509.Certificate, octets: bytes, outline: Outline) -> str:
    """The fingerprint of the signer's key. Raises CertificateInvalidError."""
    try:
        signed = Signed.of_crl(octets, x509.load_der_x509_crl(outline.header))
        if signed.verifies_with(signer.public_key()):
            return key_fingerprint(signer.public_key())
    except KEY_ERRORS:
        pass
    raise CertificateInvalidError(
        tr(
            "the signature of the CRL is not that of {signer}; it was not kept",
            signer=names.label(signer),
        )
    )


def _records(octets: bytes, outline: Outline) -> Records | None:
    """None when it is read in memory. Raises UnreadableError."""
    try:
        return Records.of(octets, outline)
    except NotIndexableError:
        if problem := Crl(octets).problem:
            raise UnreadableError(tr("the CRL was not kept: {problem}", problem=problem)) from None
        return None
