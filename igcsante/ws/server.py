"""Whether the platform's own certificate is revoked, by the lists that are kept here.

TLS verifies a server's chain and name, never its revocation (RFC 8446 §4.4.2 leaves that to
us). Nothing is fetched: asking somebody else before each call would be slow, and a platform
would be out of reach when a list is. What no kept list tells of passes; a revocation that one
tells stops the call before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

from cryptography import x509

from ..certs.anchors import TrustStore
from ..certs.chain import build_chain
from ..certs.revocation import CrlSource, ListStore
from ..certs.verdict import Kind, RevocationStatus
from ..errors import TlsError
from ..instants import shown
from ..messages import tr

ServerCheck = Callable[[str, x509.Certificate], None]
_HOLD = "certificateHold"


def revocation_check(
    store: TrustStore, lists: ListStore, clock: Callable[[], datetime]
) -> ServerCheck:
    """What raises TlsError for a host whose certificate, or whose CA's, is revoked."""

    def check(host: str, certificate: x509.Certificate) -> None:
        at = clock()
        source = CrlSource((), store, crl_store=lists)
        chain = build_chain(certificate, store, at=at).certificates
        for item, issuer in pairwise(chain):
            status = source.status(item, issuer, at)
            if _revoked(status):
                raise _error(host, status, own=item is certificate)

    return check


def _revoked(status: RevocationStatus) -> bool:
    """Also by an outdated list, but for a hold, which may have been lifted since."""
    if status.kind is Kind.REVOKED:
        return True
    return status.revoked_on is not None and status.revocation_reason != _HOLD


def _error(host: str, status: RevocationStatus, *, own: bool) -> TlsError:
    day = shown(status.revoked_on, seconds=True)
    return TlsError(
        tr("the certificate of {host} was revoked on {day}; nothing was sent", host=host, day=day)
        if own
        else tr(
            "the authority of the certificate of {host} was revoked on {day}; nothing was sent",
            host=host,
            day=day,
        ),
        advice=tr(
            "tell whoever runs the platform, and send it nothing until it has another "
            "certificate; a kept list says so: igc crl list"
        ),
    )
