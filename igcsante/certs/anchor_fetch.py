"""Fetching the ANS's authorities from where it publishes them, verified against the pins.

The address is plain HTTP (pki.md §2): only the fingerprint makes a certificate the right one.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from cryptography import x509

from ..errors import CertificateInvalidError, NetworkError
from ..messages import tr
from .anchors import PinnedAnchor, fingerprint
from .load import load_certificates
from .network.access import Access
from .network.fetch import Retry, fetch_body

MAX_CERTIFICATE_BYTES = 64 * 1024


def require_access(pins: Iterable[PinnedAnchor], allowed: Access | Iterable[str]) -> None:
    """Raise one NetworkError, before anything is asked, when hosts of ``pins`` may not be."""
    access, refused = Access.of(allowed), dict[str, None]()
    for pin in pins:
        try:
            access.target(pin.url)
        except NetworkError:
            refused[urlsplit(pin.url).netloc] = None
    if refused:
        hosts = ", ".join(refused)
        raise NetworkError(
            tr(
                "{hosts}: not among the hosts that may be contacted; no authority was fetched",
                hosts=hosts,
            ),
            advice=tr(
                "name {hosts} in http_hosts of the profile, or import the certificates from "
                "files: igc trust import FILE",
                hosts=hosts,
            ),
        )


def fetch_anchor(
    pin: PinnedAnchor, allowed: Access | Iterable[str], *, retry: Retry | None = None
) -> x509.Certificate:
    """The certificate that a pin stands for, from its address.

    Raises NetworkError, TimeoutExceededError, UnreadableError, and CertificateInvalidError
    when what is there has another fingerprint.
    """
    octets = fetch_body(pin.url, allowed, limit=MAX_CERTIFICATE_BYTES, retry=retry)
    for certificate in load_certificates(octets, source=pin.url):
        if fingerprint(certificate) == pin.sha256:
            return certificate
    raise CertificateInvalidError(
        tr("{url}: not the certificate whose fingerprint is pinned; it was not kept", url=pin.url),
        advice=tr(
            "something on the way may have changed it: try from another network, or import "
            "a copy that you trust with `igc trust import`"
        ),
        expected=pin.sha256,
    )
