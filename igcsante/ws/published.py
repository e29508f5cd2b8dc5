"""Whether a revocation is published yet: asked of the lists and of the OCSP responder apart.

The platform says that it revoked; what others see is what the authority publishes (RFC 5280
§5, RFC 6960), perhaps only with the next list. Nothing that was kept is used: both are asked
afresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cryptography import x509

from ..certs.anchors import TrustStore
from ..certs.check import Checker
from ..certs.network.access import Access
from ..certs.network.fetch import CrlFetcher
from ..certs.ocsp.client import OcspClient
from ..certs.ocsp.source import OcspSource
from ..certs.policy import Policy, Requirement, Source
from ..certs.revocation import CrlSource
from ..certs.verdict import Kind, Verdict
from ..instants import iso, shown
from ..messages import joined, tr


@dataclass(frozen=True)
class Published:
    """What one source says: ``revoked`` is None when it could not be asked or can't tell."""

    source: Source
    revoked: bool | None
    revoked_on: datetime | None
    message: str

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {
            "source": str(self.source),
            "revoked": self.revoked,
            "revoked_on": iso(self.revoked_on),
            "message": self.message,
        }


def published(
    certificate: x509.Certificate,
    store: TrustStore,
    access: Access,
    *,
    untrusted: Sequence[x509.Certificate] = (),
    at: datetime,
) -> tuple[Published, ...]:
    """What the CRLs say of a certificate, and what OCSP says. Raises UsageError (no anchor)."""
    return tuple(_told(certificate, store, access, untrusted, at, source) for source in Source)


def _told(
    certificate: x509.Certificate,
    store: TrustStore,
    access: Access,
    untrusted: Sequence[x509.Certificate],
    at: datetime,
    source: Source,
) -> Published:
    policy = Policy()
    policy = replace(
        policy, revocation=replace(policy.revocation, cas=Requirement.OFF, sources=(source,))
    )
    lists = CrlSource((), store, untrusted, policy)
    ocsp = OcspSource(policy, client=OcspClient(access), responders=lists)
    checker = Checker(
        store,
        untrusted=untrusted,
        fetcher=CrlFetcher(access),
        sources={Source.OCSP: ocsp},
        policy=policy,
    )
    verdict = checker.check(certificate, at=at)
    if verdict.kind is Kind.REVOKED:
        return Published(source, True, verdict.revoked_on, _evidence(verdict))
    if verdict.kind is Kind.GOOD:
        return Published(source, False, None, _evidence(verdict))
    return Published(source, None, None, joined("; ", map(str, verdict.reasons)))


def _evidence(verdict: Verdict) -> str:
    """The leaf's: which list or answer it was."""
    for item in verdict.evidence:
        made = shown(item.this_update, seconds=True)
        told = tr("{type} of {made}", type=item.type.upper(), made=made)
        if item.number is not None:
            told = tr(
                "{type} {number} of {made}",
                type=item.type.upper(),
                number=item.number,
                made=made,
            )
        return told
    return ""
