"""What a key may be used for: extended key usages against those a policy asks for.

RFC 5280 §4.2.1.12: no extension means any purpose, and so does anyExtendedKeyUsage; a purpose
also needs a key usage that it is consistent with. The second rule is what keeps the CONF
certificates of IGC-Santé, which have anyExtendedKeyUsage and may only encipher keys, from
passing for authentication (pki.md §3). A CA's own extension restricts what is below it, as
OpenSSL, Go and the browsers have it, though RFC 5280 doesn't say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptography import x509

from ...messages import tr
from ..verdict import Reason
from ..x509.extensions import PURPOSES, key_usage_names, purpose_names
from ..x509.names import Label

_SIGNATURE = {"digitalSignature", "contentCommitment"}
_CONSISTENT = {  # RFC 5280 §4.2.1.12; purposes that are not here need no particular key usage
    "serverAuth": {"digitalSignature", "keyEncipherment", "keyAgreement"},
    "clientAuth": {"digitalSignature", "keyAgreement"},
    "emailProtection": _SIGNATURE | {"keyEncipherment", "keyAgreement"},
    "OCSPSigning": _SIGNATURE,
    "msSmartcardLogon": {"digitalSignature"},
}


def purpose_reasons(
    extensions: x509.Extensions, wanted: Iterable[str], who: Label, *, authority: bool
) -> Iterator[Reason]:
    """Which of the ``wanted`` purposes (names or dotted OIDs) a certificate does not allow."""
    values = {extension.oid: extension.value for extension in extensions}
    purposes = values.get(x509.ExtendedKeyUsage.oid)
    usage = values.get(x509.KeyUsage.oid)
    allowed = None
    if isinstance(purposes, x509.ExtendedKeyUsage):
        allowed = set(purpose_names(purposes))
    key_usages = set(key_usage_names(usage)) if isinstance(usage, x509.KeyUsage) else None
    for purpose in sorted({PURPOSES.get(item, item) for item in wanted}):
        if allowed is not None and not {purpose, "anyExtendedKeyUsage"} & allowed:
            yield Reason(
                "usage.purpose",
                tr("{who}: may not be used for {purpose}", who=who, purpose=purpose),
            )
            continue
        needed = _CONSISTENT.get(purpose)
        if not authority and needed and key_usages is not None and not needed & key_usages:
            message = tr("{who}: its key usages don't allow {purpose}", who=who, purpose=purpose)
            yield Reason("usage.purpose", message)
