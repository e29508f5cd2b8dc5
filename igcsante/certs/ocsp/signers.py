"""Whose signature an OCSP response bears, and whether that key is believed (RFC 6960 §4.2.2.2).

The key that signed the certificate in question, or that of a responder which this very key has
authorised by a certificate for OCSPSigning.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ...instants import shown
from ...messages import tr
from ..policy import Policy, Requirement
from ..revocation import RevocationSource
from ..verdict import Kind, RevocationStatus
from ..x509 import names
from ..x509.signatures import KEY_ERRORS, Signed
from .response import OcspResponse

SKEW = timedelta(minutes=5)  # how far the responder's clock may be ahead of ours
_KNOWN_IN_SIGNER = {  # RFC 5280 §4.2, those whose meaning for a responder is none or checked
    *("2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.18", "2.5.29.19", "2.5.29.31"),
    *("2.5.29.32", "2.5.29.35", "2.5.29.37", "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.48.1.5"),
}


class OcspSigners:
    """Finds who signed a response. ``responders`` tells the status of responders' certificates."""

    def __init__(self, policy: Policy, responders: RevocationSource | None = None) -> None:
        self._policy = policy
        self._responders = responders

    def signer(
        self,
        response: OcspResponse,
        issuer: x509.Certificate,
        at: datetime,
    ) -> tuple[x509.Certificate | None, str]:
        """The certificate whose key signed a response that may be used, or None and why not."""
        algorithms = self._policy.algorithms
        if response.problem:
            return None, response.problem
        if weakness := response.weakness(algorithms):
            return None, tr("{weakness} is not accepted", weakness=weakness)
        if response.produced_at > at + SKEW:
            return None, tr(
                "it was made later, on {produced_at}", produced_at=shown(response.produced_at)
            )
        if response.is_by(issuer) and _signed_by(response, issuer):
            return issuer, ""
        refusal = tr("its signature is not that of a responder which this CA has authorised")
        for signer in response.certificates:
            if not response.is_by(signer) or not _signed_by(response, signer):
                continue
            why = self._distrust(signer, issuer, at)
            if why is None:
                return signer, ""
            refusal = tr("the responder's certificate {why}", why=why)
        return None, refusal

    def _distrust(
        self, signer: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> str | None:
        """Why a delegated responder isn't believed, or None (RFC 6960 §4.2.2.2)."""
        algorithms = self._policy.algorithms
        try:
            if not _issued_by(signer, issuer):
                return tr("was not issued by the CA in question")
            if weakness := algorithms.key_weakness(signer.public_key()):
                return tr("has {weakness}, which is not accepted", weakness=weakness)
            if weakness := algorithms.hash_weakness(signer.signature_hash_algorithm):
                return tr("bears {weakness}, which is not accepted", weakness=weakness)
            if not signer.not_valid_before_utc <= at <= signer.not_valid_after_utc:
                return tr("is not valid on {at}", at=shown(at, seconds=True))
            if why := _unfit(signer):
                return why
        except KEY_ERRORS as error:
            return tr("can't be read: {error}", error=error)
        return self._revocation(signer, issuer, at)

    def _revocation(
        self, signer: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> str | None:
        requirement = self._policy.revocation.cas
        if requirement is Requirement.OFF or _has(signer, x509.OCSPNoCheck):
            return None
        if self._responders is None:
            status = RevocationStatus(Kind.UNKNOWN)
        else:
            status = self._responders.status(signer, issuer, at)
        if status.kind is Kind.REVOKED or status.revoked_on is not None:
            return tr("is revoked")
        if status.kind is not Kind.GOOD and requirement is Requirement.REQUIRE:
            return tr("has the revocation status {kind}, and no ocsp-nocheck", kind=status.kind)
        return None


def _signed_by(response: OcspResponse, signer: x509.Certificate) -> bool:
    try:
        return response.signed_by(signer.public_key())
    except KEY_ERRORS:
        return False


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """By the very key that signed the certificate in question."""
    signed = Signed.of_certificate(certificate)
    return certificate.issuer == issuer.subject and signed.verifies_with(issuer.public_key())


def _unfit(signer: x509.Certificate) -> str | None:
    """Why a certificate doesn't make its key a responder's. Raises what parsing raises."""
    for extension in signer.extensions:
        if extension.critical and extension.oid.dotted_string not in _KNOWN_IN_SIGNER:
            return tr(
                "has a critical extension {dotted_string} that is not processed",
                dotted_string=extension.oid.dotted_string,
            )
    try:
        purposes = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return tr("is not meant for OCSP (no OCSPSigning)")
    if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        return tr("is not meant for OCSP (no OCSPSigning)")
    try:
        usage = signer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
    if not (usage.digital_signature or usage.content_commitment):
        return tr("is not meant for signatures")
    return None


def _has(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> bool:
    try:
        certificate.extensions.get_extension_for_class(kind)
    except (x509.ExtensionNotFound, *names.PARSE_ERRORS):
        return False
    return True
