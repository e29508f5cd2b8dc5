"""The answer about a certificate: one of five kinds, its reasons and its evidence.

Never a bare boolean (design §3). When several things are wrong, the kind is the first of
invalid, revoked, unknown, stale; every reason is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
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
from ..messages import tr
from .anchors import fingerprint
from .x509 import names


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

    def to_dict(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True)
class Evidence:
    """What a status was read from. ``sha256`` is that of its DER octets.

    ``type`` is ``crl``, ``delta-crl`` or ``ocsp``; for OCSP, ``issuer`` is the responder and
    there is no number.
    """

    issuer: str
    number: int | None
    this_update: datetime
    next_update: datetime | None
    sha256: str
    source: str
    type: str = "crl"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; dates ISO 8601 in UTC."""
        return {
            "type": self.type,
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
    ``notices`` are what the policy let pass on the way: a list within its grace.
    """

    kind: Kind
    reasons: tuple[Reason, ...] = ()
    revoked_on: datetime | None = None
    revocation_reason: str | None = None
    evidence: tuple[Evidence, ...] = ()
    notices: tuple[Reason, ...] = ()


class _Told:
    """What follows from a verdict's kind and statuses, whatever it is about."""

    kind: Kind
    statuses: tuple[RevocationStatus, ...]

    @property
    def exit_code(self) -> ExitCode:
        return _EXIT_CODES[self.kind]

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The lists that were used."""
        return tuple(item for status in self.statuses for item in status.evidence)

    @property
    def revoked_on(self) -> datetime | None:
        """When the certificate, or else one of its issuers, was revoked."""
        return next((status.revoked_on for status in self.statuses if status.revoked_on), None)


@dataclass(frozen=True)
class Verdict(_Told):
    """About ``certificate`` at the time ``at``.

    ``chain`` runs from the certificate to the anchor, empty when none was found;
    ``statuses`` are those of the chain's certificates but the anchor, empty when the chain is
    invalid.
    ``policy`` is the name of the policy that it was checked by; ``notices`` are what that
    policy let pass: an outdated list within its grace, a status that it does not require.
    """

    kind: Kind
    certificate: x509.Certificate
    at: datetime
    reasons: tuple[Reason, ...] = ()
    chain: tuple[x509.Certificate, ...] = ()
    statuses: tuple[RevocationStatus, ...] = ()
    policy: str = "default"
    notices: tuple[Reason, ...] = ()

    def raise_unless_good(self) -> None:
        """Raise the error of this kind, with the first reason for message."""
        if self.kind is not Kind.GOOD:
            message = (
                self.reasons[0].message
                if self.reasons
                else tr("the certificate is {kind}", kind=self.kind)
            )
            raise _ERRORS[self.kind](message, reasons=[str(reason) for reason in self.reasons])

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; dates ISO 8601 in UTC, serials and digests in hexadecimal."""
        return _document(self, _certificate(self.certificate), list(map(_certificate, self.chain)))


@dataclass(frozen=True)
class SerialVerdict(_Told):
    """The same about a serial number whose certificate is not at hand: by lists alone.

    ``chain`` runs from its issuer to the anchor; the first of ``statuses`` is its own.
    """

    kind: Kind
    serial: int
    at: datetime
    reasons: tuple[Reason, ...] = ()
    chain: tuple[x509.Certificate, ...] = ()
    statuses: tuple[RevocationStatus, ...] = ()
    policy: str = "default"
    notices: tuple[Reason, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The same keys as of a :class:`Verdict`; what only a certificate tells is None."""
        own = {"subject": None, "serial": f"{self.serial:x}", "sha256": None}
        return _document(self, own, [own, *map(_certificate, self.chain)])


def _document(
    verdict: Verdict | SerialVerdict, own: dict[str, Any], chain: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "verdict": str(verdict.kind),
        "exit_code": int(verdict.exit_code),
        "at": iso(verdict.at),
        "policy": verdict.policy,
        "revoked_on": iso(verdict.revoked_on),
        "reasons": [reason.to_dict() for reason in verdict.reasons],
        "notices": [notice.to_dict() for notice in verdict.notices],
        "certificate": own,
        "chain": chain,
        "revocation": [
            {
                "subject": told["subject"],
                "status": str(status.kind),
                "revoked_on": iso(status.revoked_on),
                "reason": status.revocation_reason,
                "evidence": [item.to_dict() for item in status.evidence],
            }
            for told, status in zip(chain, verdict.statuses, strict=False)
        ],
    }


def _certificate(certificate: x509.Certificate) -> dict[str, Any]:
    return dict(_described(certificate))


@lru_cache(maxsize=256)  # the same authorities are in every chain of a fleet
def _described(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "subject": names.display_subject(certificate),
        "serial": f"{names.serial_number(certificate):x}",
        "sha256": fingerprint(certificate),
    }
