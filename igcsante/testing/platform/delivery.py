"""What a withdrawal hands over (platform.md §3): a PKCS#12 when the platform made the key,
else the certificate alone; its chain in both cases."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ...ws.model import WithdrawnProduct
from .faults import FunctionalFault
from .keeping import unlock_key
from .pkcs12 import modern_pkcs12, platform_pkcs12
from .records import Record

P12_TYPE = "application/x-pkcs12"
CERTIFICATE_TYPE = "application/pkix-cert"


def unlocked_key(record: Record, password: str | None) -> rsa.RSAPrivateKey | None:
    """The key made by the platform, None for a CSR. Raises F04, F05 or F14."""
    if record.encrypted_key is None:
        if password is not None:
            detail = "La clé de ce produit est chez vous."
            raise FunctionalFault("F04", detail, field="motDePasseCle")
        return None
    if password is None:
        raise FunctionalFault("F05", field="motDePasseCle")
    key = unlock_key(record.encrypted_key, password)
    if key is None:
        raise FunctionalFault("F14", field="motDePasseCle")
    return key


def delivery(
    record: Record,
    certificate: x509.Certificate,
    chain: tuple[x509.Certificate, ...],
    key: rsa.RSAPrivateKey | None,
    password: str,
    *,
    modern: bool,
    at: datetime,
) -> WithdrawnProduct:
    """The file, its name and its kind; ``password`` protects the key in it."""
    der = certificate.public_bytes(Encoding.DER)
    if key is None:
        kind, content_type, content = "cer", CERTIFICATE_TYPE, der
    else:
        make = modern_pkcs12 if modern else platform_pkcs12
        kind, content_type, content = "p12", P12_TYPE, make(key, certificate, chain, password)
    stamp = at.strftime("%Y%m%d-%H%M%S")
    return WithdrawnProduct(
        file_name=f"simulation-{kind}-EL-TEST-{record.offre}-{record.usage}-{stamp}.{kind}",
        content_type=content_type,
        content=content,
        certificate=der,
        chain=tuple(issuer.public_bytes(Encoding.DER) for issuer in chain),
    )
