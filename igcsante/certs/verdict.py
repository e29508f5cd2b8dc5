"""The answer about a certificate: one of five kinds, its reasons and its evidence.

Never a bare boolean (design §3). When several things are wrong, the kind is the first of
invalid, revoked, unknown, stale; every reason is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cryptography import x509

from ..errors import (
    CertificateInvalidError,
    CertificateRevokedError,
    ExitCode,
    IgcError,
    StatusStaleError,
    StatusUnknownError,
)
from ..instants import iso
from . import names
from .anchors import fingerprint


class Kind(StrEnum):
    """Of a verdict, and (but for INVALID) of a revocation status. Worst first."""

    INVALID = "invalid"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    STALE = "stale"
    GOOD = "good"


_EXIT_CODES = {
    Kind.INVALID: ExitCode.INVALID,
    Kind.REVOKED: ExitCode.REVOKED,
    Kind.UNKNOWN: ExitCode.UNKNOWN,
    Kind.STALE: ExitCode.STALE,
    Kind.GOOD: ExitCode.GOOD,
}
_ERRORS: dict[Kind, type[IgcError]] = {
    Kind.INVALID: CertificateInvalidError,
    Kind.REVOKED: CertificateRevokedError,
    Kind.UNKNOWN: StatusUnknownError,
    Kind.STALE: StatusStaleError,
}


@dataclass(frozen=True)
class Reason:
    """Something wrong: a stable ``code`` for programs, a ``message`` for people."""

    code: str
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Evidence:
    """The CRL that a status was read from. ``sha256`` is that of its DER octets."""

    issuer: str
    number: int | None
    this_update: datetime
    next_update: datetime | None
    sha256: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; dates ISO 8601 in UTC."""
        return {
            "type": "crl",
            "issuer": self.issuer,
            "number": self.number,
            "this_update": iso(self.this_update),
            "next_update": iso(self.next_update),
            "sha256": self.sha256,
            "source": self.source,
        }


@dataclass(frozen=True)
class RevocationStatus:
    """What is known about the revocation of one certificate.

    ``revoked_on`` and ``revocation_reason`` come from the list, also when the list is
    outdated and the kind therefore ``stale``: whoever lets a stale status pass must look.
    """

    kind: Kind
    reasons: tuple[Reason, ...] = ()
    revoked_on: datetime | None = None
    revocation_reason: str | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Verdict:
    """About ``certificate`` at the time ``at``.

    ``chain`` runs from the certificate to the anchor, empty when none was found;
    ``statuses`` are those of the chain's certificates but the anchor, empty when invalid.
    """

    kind: Kind
    certificate: x509.Certificate
    at: datetime
    reasons: tuple[Reason, ...] = ()
    chain: tuple[x509.Certificate, ...] = ()
    statuses: tuple[RevocationStatus, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        return _EXIT_CODES[self.kind]

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The lists that were used."""
        return tuple(status.evidence for status in self.statuses if status.evidence)

    @property
    def revoked_on(self) -> datetime | None:
        """When the certificate, or else one of its issuers, was revoked."""
        return next((status.revoked_on for status in self.statuses if status.revoked_on), None)

    def raise_unless_good(self) -> None:
        """Raise the error of this kind, with the first reason for message."""
        if self.kind is not Kind.GOOD:
            message = self.reasons[0].message if self.reasons else f"the certificate is {self.kind}"
            raise _ERRORS[self.kind](message, reasons=[str(reason) for reason in self.reasons])

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; dates ISO 8601 in UTC, serials and digests in hexadecimal."""
        return {
            "verdict": str(self.kind),
            "exit_code": int(self.exit_code),
            "at": iso(self.at),
            "revoked_on": iso(self.revoked_on),
            "reasons": [
                {"code": reason.code, "message": reason.message} for reason in self.reasons
            ],
            "certificate": _certificate(self.certificate),
            "chain": [_certificate(certificate) for certificate in self.chain],
            "revocation": [
                {
                    "subject": names.display_subject(certificate),
                    "status": str(status.kind),
                    "revoked_on": iso(status.revoked_on),
                    "reason": status.revocation_reason,
                    "evidence": status.evidence.to_dict() if status.evidence else None,
                }
                for certificate, status in zip(self.chain, self.statuses, strict=False)
            ],
        }


def _certificate(certificate: x509.Certificate) -> dict[str, str]:
    return {
        "subject": names.display_subject(certificate),
        "serial": f"{names.serial_number(certificate):x}",
        "sha256": fingerprint(certificate),
    }
